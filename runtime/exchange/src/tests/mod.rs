//! Tests that need a shard: a fake one with a clock that is set by hand.

mod tools;
