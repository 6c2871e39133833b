//! One event loop a core: the only crate that names glommio and io-uring.
//!
//! The file order is the reading order. What happens before a shard starts: [`topology`] (which cores),
//! [`preflight`] (can we run here, and what to do if not), [`listen`] (the sockets). What a shard is made
//! of: `ring` (the net ring and how it sleeps), `buffers` (memory that the kernel fills), `slots` and
//! `token` (who a completion belongs to) and `wheel` (timers). `unsafe` is in `sys`, `ring` and `buffers`,
//! nowhere else.
#![deny(unsafe_code)]

mod accept;
mod balance;
mod blocking;
mod buffers;
mod chunks;
mod control;
mod core;
pub mod listen;
pub mod preflight;
mod ring;
mod sending;
pub mod server;
mod shard;
pub mod signals;
mod slots;
mod socket;
mod sys;
mod token;
pub mod topology;
mod wheel;

pub use listen::{InvalidAddress, ListenAddress, Listener, Listeners};
pub use preflight::StartError;
pub use server::{AppError, Config, Server, Stopper};
pub use signals::{SignalGuard, drain_on_signals};
pub use topology::{InvalidCpus, Topology};
