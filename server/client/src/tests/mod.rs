//! A shard whose connections end at desks that a test sits at.

mod again;
mod case;
mod client;
pub(crate) mod world;
