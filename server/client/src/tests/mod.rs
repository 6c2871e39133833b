//! A shard whose connections end at desks that a test sits at.

pub(crate) mod world;
