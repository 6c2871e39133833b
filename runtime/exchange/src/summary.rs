//! How an exchange ended, for logs and metrics.

use std::time::Duration;

use trilane_semantics::{Cause, StatusCode};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its response went out whole.
    Complete,
    /// Its handler or its body gave up, or took too long, after the head was sent.
    Aborted,
    /// The peer left, or the connection failed.
    PeerLeft,
}

impl Outcome {
    /// A short name for logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::PeerLeft => "peer_left",
        }
    }
}

/// What is known at the end of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Why its connection has closed, if it had by then.
    pub closed: Option<Cause>,
    /// The status that was sent, if a head was.
    pub status: Option<StatusCode>,
    /// From the request's head to now.
    pub duration: Duration,
    /// Content bytes received.
    pub bytes_in: u64,
    /// Content bytes handed to the connection.
    pub bytes_out: u64,
}
