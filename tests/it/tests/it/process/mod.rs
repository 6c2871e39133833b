//! The real binary as a process of its own: how it starts, what it says when it cannot, how it stops.
//!
//! Built once by the tests themselves. Every process is killed when its test ends, and every wait has an end.

mod child;
mod drain;
mod logs;
pub(crate) mod sandbox;
mod shortage;
mod start;
mod systemd;
mod upgrade;

pub(crate) use child::{Addresses, Process, Refusal};
