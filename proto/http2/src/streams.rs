//! The streams that are under way, and the memory of those that have ended (RFC 9113 §5.1).
//!
//! Never decides what a frame means in a state; it only knows the state.

use trilane_semantics::pace::Pace;
pub(crate) use trilane_semantics::section::Kind;
use trilane_semantics::sending::Outgoing;
use trilane_semantics::table::{Numbered, Table};
use trilane_semantics::{Instant, Priority};

use crate::code::Code;
use crate::flow::{Inflow, Outflow};

/// A stream under way: open, or half-closed on either side (RFC 9113 §5.1).
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) kind: Kind,
    pub(crate) expect: Expect,
    pub(crate) inflow: Inflow,
    pub(crate) outflow: Outflow,
    /// Content that the caller has and did not release, in bytes.
    pub(crate) held: u32,
    /// Tiny frames among it, a point of the budget each.
    pub(crate) tiny: u32,
    /// What its header section takes, in bytes.
    pub(crate) head: u32,
    /// Content that is missing by the head's count.
    pub(crate) missing: Option<u64>,
    /// The caller has content that no window let through.
    pub(crate) wants: Wants,
    /// Trailers were announced: the last byte of content does not end our half.
    pub(crate) has_trailers: bool,
    /// It is in the list of those who wait for a window, so as not to be there twice.
    pub(crate) is_waiting: bool,
    /// It is in the list of those who may be owed credit.
    pub(crate) is_credited: bool,
    /// What to say about the stream when its answer is complete, because the request was refused.
    pub(crate) verdict: Option<Code>,
    pub(crate) priority: Priority,
    /// When the peer will have taken too long to send, or to open its window; see `timers`.
    pub(crate) pace: Pace,
}

/// The half that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// The head of the final response is to come (client role).
    Head,
    /// Content may come.
    Open,
    /// The peer has ended it.
    Over,
    /// It was refused; what still comes is discarded.
    Refused,
    /// The answer is complete. What still comes is discarded for a while, and must still be a message (RFC 9113 §8.1).
    Unwanted,
    /// A tunnel, if the answer says so, or already.
    Tunnel,
}

/// Whether the client waits for 100 (Continue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Continue,
    Nothing,
}

/// What stands between the caller's content and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    Window,
}

impl Stream {
    pub(crate) const fn new(id: u32, inflow: u32, outflow: i32, now: Instant) -> Self {
        Self {
            id,
            incoming: Incoming::Open,
            outgoing: Outgoing::Owed,
            kind: Kind::Plain,
            expect: Expect::Nothing,
            inflow: Inflow::new(inflow),
            outflow: Outflow::new(outflow),
            held: 0,
            head: 0,
            tiny: 0,
            missing: None,
            wants: Wants::Nothing,
            has_trailers: false,
            is_waiting: false,
            is_credited: false,
            verdict: None,
            priority: Priority { urgency: 3, incremental: false },
            pace: Pace::new(now),
        }
    }

    /// Whether it was promised, and its response has not begun (RFC 9113 §5.1).
    pub(crate) const fn is_reserved(&self) -> bool {
        let is_waited_for = matches!(self.incoming, Incoming::Head);
        self.id.is_multiple_of(2) && (is_waited_for || matches!(self.outgoing, Outgoing::Owed))
    }

    /// Whether content that comes is for the caller.
    pub(crate) const fn takes_content(&self) -> bool {
        matches!(self.incoming, Incoming::Open | Incoming::Tunnel)
    }
}

impl Numbered for Stream {
    /// Nearly all are a client's, and odd (RFC 9113 §5.1.1).
    const SHIFT: u32 = 1;

    fn number(&self) -> u64 {
        self.id.into()
    }
}

/// The streams under way.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    table: Table<Stream>,
    /// Those among them that servers began: their ids are even (RFC 9113 §5.1.1).
    promised: u16,
}

impl Streams {
    pub(crate) const fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many of them are a client's requests.
    pub(crate) const fn asked(&self) -> usize {
        self.len() - self.promised()
    }

    /// How many of them were promised by a server.
    pub(crate) const fn promised(&self) -> usize {
        self.promised as usize
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.table.get(id.into())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.table.get_mut(id.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.table.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.table.iter_mut()
    }

    /// Adds a stream whose id is not there. There must be fewer than 2^15.
    pub(crate) fn insert(&mut self, stream: Stream) {
        self.promised += u16::from(stream.id.is_multiple_of(2));
        self.table.insert(stream);
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.table.remove(id.into())?;
        self.promised -= u16::from(id.is_multiple_of(2));
        Some(stream)
    }
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Both sides ended it: nothing may follow.
    Ended,
    /// The peer reset it: nothing may follow.
    ResetByPeer,
    /// We reset it: what was on its way may follow.
    ResetByUs,
}

/// The last streams that ended, and how. Those that we reset are remembered apart, so that many that end well do not make us
/// forget that something may still be on its way.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    by_us: Ring,
    others: Ring,
}

#[derive(Debug, Default)]
struct Ring {
    places: Vec<(u32, Past)>,
    next: usize,
}

impl Ended {
    /// Remembers at most `most`, 1 at least, of either kind.
    pub(crate) fn note(&mut self, id: u32, how: Past, most: usize) {
        let ring = if how == Past::ResetByUs { &mut self.by_us } else { &mut self.others };
        if ring.places.len() < most {
            ring.places.push((id, how));
            return;
        }
        ring.next = if ring.next < most { ring.next } else { 0 };
        ring.places[ring.next] = (id, how);
        ring.next += 1;
    }

    /// How `id` ended, if that is remembered.
    pub(crate) fn how(&self, id: u32) -> Option<Past> {
        let mut all = self.by_us.places.iter().chain(&self.others.places);
        all.find(|(known, _)| *known == id).map(|&(_, how)| how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(id: u32) -> Stream {
        Stream::new(id, 0, 0, Instant::default())
    }

    #[test]
    fn promises_are_counted_apart() {
        let mut streams = Streams::default();
        [1, 2, 3, 4, 6].into_iter().for_each(|id| streams.insert(stream(id)));
        assert_eq!((streams.len(), streams.asked(), streams.promised()), (5, 2, 3));
        assert!(streams.remove(2).is_some() && streams.remove(2).is_none());
        assert!(streams.remove(3).is_some() && streams.get(3).is_none());
        assert_eq!((streams.len(), streams.asked(), streams.promised()), (3, 1, 2));
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut ended = Ended::default();
        for n in 0..5 {
            ended.note(2 * n + 1, Past::ResetByUs, 3);
        }
        ended.note(11, Past::Ended, 3);
        assert_eq!((ended.how(1), ended.how(3)), (None, None));
        assert_eq!(ended.how(5), Some(Past::ResetByUs));
        assert_eq!((ended.how(7), ended.how(9)), (Some(Past::ResetByUs), Some(Past::ResetByUs)));
        assert_eq!(ended.how(11), Some(Past::Ended));
    }
}
