//! Tests that need a shard: a fake one with a clock that is set by hand.

mod tools;

/// A shard that does what it is told, for tests that need any.
pub(crate) fn shard() -> crate::Shard {
    tools::Fake::new().1
}
