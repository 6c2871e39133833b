//! The connections of a shard that closed last: who it was, why it ended, and what it had done.

use std::collections::VecDeque;

use trilane_exchange::Address;
use trilane_semantics::{Cause, Instant, Protocol, Reason};

use crate::describe::Description;

/// What a socket has seen of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// When it began.
    pub since: Instant,
    /// When bytes last came, or went.
    pub last: Instant,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that were sent.
    pub sent: u64,
}

impl Traffic {
    /// Of a connection that begins now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { since: now, last: now, received: 0, sent: 0 }
    }

    /// Bytes came.
    pub const fn receive(&mut self, now: Instant, bytes: u64) {
        self.last = now;
        self.received += bytes;
    }

    /// Bytes were sent.
    pub const fn send(&mut self, now: Instant, bytes: u64) {
        self.last = now;
        self.sent += bytes;
    }
}

/// A connection that has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Instant,
    /// What was spoken; nothing yet where the handshake was not complete.
    pub protocol: Option<Protocol>,
    /// The peer's end.
    pub peer: Address,
    /// Our end.
    pub local: Address,
    /// The last message of it that was refused.
    pub fault: Option<Reason>,
    /// Exchanges that were begun.
    pub exchanges: u64,
    /// When it began, and what went through it.
    pub traffic: Traffic,
}

impl Close {
    /// The end of what was `described` until then.
    #[must_use]
    pub fn new(cause: Cause, at: Instant, described: &Description, traffic: Traffic) -> Self {
        Self {
            cause,
            at,
            protocol: described.protocol,
            peer: described.info.peer,
            local: described.info.local,
            fault: described.fault,
            exchanges: described.begun,
            traffic,
        }
    }
}

/// The last ones, oldest first; memory is taken as they come, and never more than for `most`.
#[derive(Debug)]
pub(crate) struct Recent {
    closes: VecDeque<Close>,
    most: usize,
}

impl Recent {
    /// Unless said otherwise.
    pub(crate) const MOST: usize = 128;

    pub(crate) const fn new(most: usize) -> Self {
        Self { closes: VecDeque::new(), most }
    }

    /// Whether anybody is remembered.
    pub(crate) const fn is_on(&self) -> bool {
        self.most > 0
    }

    pub(crate) fn push(&mut self, close: Close) {
        if self.closes.len() >= self.most {
            self.closes.pop_front();
        }
        self.closes.push_back(close);
    }

    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Close> {
        self.closes.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use trilane_exchange::ConnectionInfo;

    use super::*;

    #[test]
    fn the_last_ones_are_kept() {
        let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
        let described = Description::of_handshake(info, None);
        let close = |nanos| {
            let (at, traffic) = (Instant::from_nanos(nanos), Traffic::new(Instant::default()));
            Close::new(Cause::Peer, at, &described, traffic)
        };
        let mut recent = Recent::new(3);
        assert!(recent.is_on() && !Recent::new(0).is_on());
        (0..5).for_each(|nanos| recent.push(close(nanos)));
        let kept: Vec<_> = recent.all().map(|close| close.at.as_nanos()).collect();
        assert_eq!(kept, [2, 3, 4]);
    }
}
