//! Tests that need a shard.

pub(crate) mod fake;
mod tools;

/// A shard that does what it is told, for tests that need any.
pub(crate) fn shard() -> crate::Shard {
    fake::Fake::new().1
}
