//! The streams that are under way, in a compact table, and the memory of those that have ended (RFC 9113 §5.1).
//!
//! Never decides what a frame means in a state; it only knows the state.

pub(crate) use trilane_semantics::section::Kind;
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
    pub(crate) body_due: Instant,
    pub(crate) rate_due: Instant,
    pub(crate) window_due: Instant,
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

/// The half that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A tunnel, if the answer says so (client role).
    Held,
    /// The final response is owed (server role).
    Owed,
    /// That many bytes of content are missing; none only where trailers were announced.
    Exact(u64),
    /// As many as there will be.
    Unknown,
    /// We have ended it.
    Over,
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
            body_due: now,
            rate_due: now,
            window_due: now,
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

/// Streams by id: a slab, and an index of it with open addressing. Ids of one peer follow each other, so that it hardly ever
/// probes twice.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Stream>>,
    free: Vec<u16>,
    /// A slot's number and one; 0 is nothing. A power of two, never more than half full.
    index: Vec<u16>,
    len: u16,
    /// Those among them that servers began: their ids are even (RFC 9113 §5.1.1).
    promised: u16,
    /// The slot of the stream that was added last: what is asked for is mostly that.
    newest: u16,
}

/// Memory for so many is kept when the last one goes.
const KEEP: usize = 8;

impl Streams {
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are a client's requests.
    pub(crate) const fn asked(&self) -> usize {
        (self.len - self.promised) as usize
    }

    /// How many of them were promised by a server.
    pub(crate) const fn promised(&self) -> usize {
        self.promised as usize
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.slots[self.slot(id)?].as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let slot = self.slot(id)?;
        self.slots[slot].as_mut()
    }

    /// The slot of a stream.
    #[inline]
    fn slot(&self, id: u32) -> Option<usize> {
        let newest = usize::from(self.newest);
        match self.slots.get(newest) {
            Some(Some(stream)) if stream.id == id => Some(newest),
            _ => Some(usize::from(self.index[self.find(id)?]) - 1),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }

    /// Adds a stream whose id is not there. There must be fewer than 2^15.
    pub(crate) fn insert(&mut self, stream: Stream) {
        if 2 * (self.len() + 1) > self.index.len() {
            self.grow();
        }
        self.promised += u16::from(stream.id.is_multiple_of(2));
        let at = self.probe(stream.id);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[usize::from(slot)] = Some(stream);
                slot
            }
            None => {
                self.slots.push(Some(stream));
                (self.slots.len() - 1) as u16
            }
        };
        self.index[at] = slot + 1;
        self.len += 1;
        self.newest = slot;
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let at = self.find(id)?;
        let slot = self.index[at] - 1;
        let stream = self.slots[usize::from(slot)].take();
        self.len -= 1;
        self.promised -= u16::from(id.is_multiple_of(2));
        self.close_gap(at);
        if self.len == 0 && self.slots.len() > KEEP {
            *self = Self::default();
        } else {
            self.free.push(slot);
        }
        stream
    }

    /// Where in the index `id` is.
    #[inline]
    fn find(&self, id: u32) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let at = self.probe(id);
        (self.index[at] != 0).then_some(at)
    }

    /// Where in the index `id` is, or where there is a place for it: it is never full.
    #[inline]
    fn probe(&self, id: u32) -> usize {
        let mask = self.index.len() - 1;
        let mut at = home(id, mask);
        while self.index[at] != 0 && self.id_at(at) != id {
            at = (at + 1) & mask;
        }
        at
    }

    fn id_at(&self, at: usize) -> u32 {
        // What the index names is there.
        self.slots[usize::from(self.index[at]) - 1].as_ref().map_or(0, |stream| stream.id)
    }

    /// Empties a place of the index, and moves up those behind it that would no longer be found.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.index.len() - 1;
        let mut at = gap;
        self.index[gap] = 0;
        loop {
            at = (at + 1) & mask;
            if self.index[at] == 0 {
                return;
            }
            let home = home(self.id_at(at), mask);
            // Its way from its home leads over the gap.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.index[gap] = std::mem::take(&mut self.index[at]);
                gap = at;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (2 * self.index.len()).max(4);
        self.index.clear();
        self.index.resize(size, 0);
        for slot in 0..self.slots.len() {
            let Some(id) = self.slots[slot].as_ref().map(|stream| stream.id) else { continue };
            let at = self.probe(id);
            self.index[at] = slot as u16 + 1;
        }
    }
}

/// Nearly all ids are clients', and odd (RFC 9113 §5.1.1).
const fn home(id: u32, mask: usize) -> usize {
    (id >> 1) as usize & mask
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

    /// Against a plain set, with ids that collide.
    #[test]
    fn streams_are_found_by_id() {
        let (mut streams, mut plain) = (Streams::default(), std::collections::BTreeSet::new());
        let mut seed = 7u32;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = ((seed >> 16) % 300) * if step % 2 == 0 { 2 } else { 128 } + 1 + step % 5 / 4;
            if plain.contains(&id) {
                assert_eq!(streams.remove(id).map(|stream| stream.id), Some(id));
                plain.remove(&id);
            } else if plain.len() < 100 {
                assert!(streams.get(id).is_none() && streams.remove(id).is_none());
                streams.insert(stream(id));
                plain.insert(id);
            }
            assert_eq!((streams.len(), streams.is_empty()), (plain.len(), plain.is_empty()));
            let even = plain.iter().filter(|&&id| id % 2 == 0).count();
            assert_eq!((streams.asked(), streams.promised()), (plain.len() - even, even));
            if step % 64 == 0 {
                assert!(plain.iter().all(|&id| streams.get_mut(id).is_some_and(|it| it.id == id)));
                assert_eq!(streams.iter().count(), plain.len());
            }
        }
        for id in plain {
            streams.remove(id);
        }
        assert!(streams.slots.capacity() <= KEEP, "an idle connection keeps little");
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
