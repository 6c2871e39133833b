//! Tests that need a shard.

mod tools;

/// A shard that does what it is told, for tests that need any.
pub(crate) fn shard() -> crate::Shard {
    crate::fake::Fake::new().1
}
