//! What a reverse proxy decides, as data: heads on their way through.
//!
//! Time and chance are arguments, and nothing here waits or sends. [`rewrite`] makes of the head of a client's request one for a server
//! behind us, and the other way round.
#![forbid(unsafe_code)]

pub mod rewrite;
