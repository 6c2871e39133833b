//! What an endpoint has seen so far, in numbers that only grow.

use crate::endpoint::Why;

/// What an endpoint has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Of those, how many resumed a session.
    pub resumed: u64,
    /// Of those, how many with early data that was accepted.
    pub early: u64,
    /// Handshakes that were given up: bad ones, and late ones.
    pub failed: u64,
    /// Retry packets that were sent.
    pub retries: u64,
    /// Stateless resets that were sent.
    pub resets: u64,
    /// Version negotiations that were sent.
    pub versions: u64,
    /// Connections that were refused, and told so: bad tokens, too many handshakes, a shard that drains.
    pub refused: u64,
    /// Datagrams for other shards.
    pub forwarded: u64,
    /// How often a client came from another address than before.
    pub moved: u64,
    /// Dropped datagrams, in the order of [`Why::ALL`].
    pub dropped: [u64; Why::ALL.len()],
}

impl Stats {
    pub(crate) fn drop(&mut self, why: Why) {
        if let Some(at) = Why::ALL.iter().position(|other| *other == why) {
            self.dropped[at] += 1;
        }
    }
}
