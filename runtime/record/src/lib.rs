//! The flight recorder: everything that a protocol machine was told, and what it said, in a file; and the replay of that file, which tells
//! a new machine the same and must hear the same. A machine has no clock, no chance and no sockets, so the replay is exact.
//!
//! It stands around the machine ([`Recorded`]), so a connection that is not recorded has none of it. The reading order: `step` (one
//! call), `outcome` (what came out of it), `tape` (those of a connection, up to a limit), [`recorded`], [`recorder`] (which connections),
//! [`header`] and [`recording`] (the file), [`folder`] (where it is kept), `shown` and [`replay`], `corpus` (for fuzzers), with `wire`, `stream` and `secret` beside them.
#![forbid(unsafe_code)]

mod corpus;
pub mod folder;
pub mod header;
mod outcome;
pub mod recorded;
pub mod recorder;
pub mod recording;
pub mod replay;
mod secret;
mod shown;
mod step;
mod stream;
mod tape;
#[cfg(test)]
mod tests;
mod wire;

pub use folder::{Folder, Place};
pub use header::{Header, Unreadable};
pub use recorded::{Recordable, Recorded};
pub use recorder::{Beginning, Begun, Plan, Recorder};
pub use recording::Recording;
pub use replay::{Difference, Report};
pub use stream::Stream;
pub use tape::Depth;
pub use trilane_semantics::Cause;
