//! Names of transport streams as numbers: that of the only one is 0.

use std::fmt;

/// A name of a transport stream, as [`Machine::Stream`](trilane_semantics::Machine::Stream).
pub trait Stream: Copy + Default + Eq + fmt::Debug + 'static {
    /// Its number.
    fn number(self) -> u64;
    /// The stream of that number.
    fn of(number: u64) -> Self;
}

impl Stream for () {
    fn number(self) -> u64 {
        0
    }

    fn of(_: u64) -> Self {}
}

impl Stream for u64 {
    fn number(self) -> u64 {
        self
    }

    fn of(number: u64) -> Self {
        number
    }
}
