//! What a machine wants sent: framing copied into one arena, payloads moved.

use std::ops::Range;

use crate::payload::Payload;
use crate::priority::Priority;

/// A payload up to this many bytes is copied behind the framing before it, so that a small message
/// leaves as one piece. Above, moving it costs less than copying it (measured, see benches/README.md).
pub const JOIN: usize = 8 << 10;

/// An ordered list of things to do on the transport. `S` names the transport stream, `()` over TCP.
///
/// ```
/// use trilane_semantics::{Outbox, Payload, Piece};
/// let mut out = Outbox::new();
/// out.framing((), |bytes| bytes.extend_from_slice(b"head "));
/// out.payload((), Payload::from("body"));
/// let joined: Vec<_> = out.pieces().collect();
/// assert_eq!(joined, [Piece::Bytes(b"head body")]);
/// ```
#[derive(Debug)]
pub struct Outbox<S = ()> {
    arena: Vec<u8>,
    entries: Vec<Entry<S>>,
    payload_bytes: usize,
    file_bytes: usize,
}

#[derive(Debug)]
struct Entry<S> {
    stream: S,
    what: What,
}

#[derive(Debug)]
enum What {
    Framing(Range<usize>),
    Payload(Payload),
    Datagram(Range<usize>),
    Command(Command),
}

/// What can be done with a transport stream besides sending bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Nothing comes after what was sent: half-close, or a QUIC FIN.
    Fin,
    /// Give up sending, with this code (RFC 9000 §19.4).
    Reset(u64),
    /// Ask the peer to give up sending, with this code (RFC 9000 §19.5).
    StopSending(u64),
    /// What is sent on it from now on is that urgent, beside other streams (RFC 9218 §10).
    Prioritize(Priority),
    /// End the whole transport, with this code (RFC 9000 §19.19), on whichever stream it stands.
    Close(u64),
}

/// One thing to do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Send these.
    Bytes(&'a [u8]),
    /// Send this range of an open file; only where the transport was said to take such.
    File(&'a Payload),
    /// Send what lies in this pipe; as above.
    Pipe(&'a Payload),
    /// Send this as one unreliable datagram, on no stream; only where the transport has such (RFC 9221 §5).
    Datagram(&'a [u8]),
    /// Do this.
    Command(Command),
}

/// The same as [`Piece`], for who takes it over.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Send these; they are gone after the call.
    Framing(&'a [u8]),
    /// Send its bytes, its range of a file, or what lies in its pipe.
    Payload(Payload),
    /// As [`Piece::Datagram`].
    Datagram(&'a [u8]),
    /// Do this.
    Command(Command),
}

impl<S> Default for Outbox<S> {
    fn default() -> Self {
        Self { arena: Vec::new(), entries: Vec::new(), payload_bytes: 0, file_bytes: 0 }
    }
}

impl<S: Copy + PartialEq> Outbox<S> {
    /// Nothing to do. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it has memory that could be used again.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.arena.capacity() + self.entries.capacity() > 0
    }

    /// Bytes that framing has memory for.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.arena.capacity()
    }

    /// Bytes waiting here: framing and payloads, but for those of files and in pipes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arena.len() + self.payload_bytes
    }

    /// Bytes of files and in pipes waiting to be sent; they take no memory here.
    #[must_use]
    pub const fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// Appends framing: `write` gets the arena and must only append to it.
    pub fn framing<R>(&mut self, stream: S, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.arena.len();
        let result = write(&mut self.arena);
        debug_assert!(self.arena.len() >= start, "framing only appends");
        self.note_framing(stream, start);
        result
    }

    /// Appends a payload: copied when it is small, moved when it is not.
    #[inline]
    pub fn payload(&mut self, stream: S, payload: Payload) {
        if !payload.is_in_memory() {
            self.file_bytes += payload.len();
            self.entries.push(Entry { stream, what: What::Payload(payload) });
        } else if payload.len() <= JOIN {
            let start = self.arena.len();
            self.arena.extend_from_slice(payload.as_ref());
            self.note_framing(stream, start);
        } else {
            self.payload_bytes += payload.len();
            self.entries.push(Entry { stream, what: What::Payload(payload) });
        }
    }

    /// Appends a command.
    pub fn command(&mut self, stream: S, command: Command) {
        self.entries.push(Entry { stream, what: What::Command(command) });
    }

    /// Appends an unreliable datagram: `write` gets the arena and must only append to it.
    pub fn datagram(&mut self, stream: S, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        self.entries.push(Entry { stream, what: What::Datagram(start..self.arena.len()) });
    }

    /// Takes everything out, in order. [`Outbox::clear`] is to follow.
    pub fn drain(&mut self) -> impl Iterator<Item = (S, Part<'_>)> {
        (self.payload_bytes, self.file_bytes) = (0, 0);
        let arena = &self.arena;
        self.entries.drain(..).map(|Entry { stream, what }| {
            let part = match what {
                What::Framing(range) => Part::Framing(&arena[range]),
                What::Payload(payload) => Part::Payload(payload),
                What::Datagram(range) => Part::Datagram(&arena[range]),
                What::Command(command) => Part::Command(command),
            };
            (stream, part)
        })
    }

    /// What there is to do on any stream, in order; framing in a row on one stream is one piece.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.entries().map(|(_, piece)| piece)
    }

    /// What there is to do, in order, each with its stream.
    pub fn entries(&self) -> impl Iterator<Item = (S, Piece<'_>)> {
        self.entries.iter().map(|entry| {
            let piece = match &entry.what {
                What::Framing(range) => Piece::Bytes(&self.arena[range.clone()]),
                What::Payload(payload) if payload.file().is_some() => Piece::File(payload),
                What::Payload(payload) if payload.pipe().is_some() => Piece::Pipe(payload),
                What::Payload(payload) => Piece::Bytes(payload.as_ref()),
                What::Datagram(range) => Piece::Datagram(&self.arena[range.clone()]),
                What::Command(command) => Piece::Command(*command),
            };
            (entry.stream, piece)
        })
    }

    /// The bytes, if there is nothing but one run of framing: the common small answer.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        match &self.entries[..] {
            [Entry { what: What::Framing(range), .. }] => Some(&self.arena[range.clone()]),
            _ => None,
        }
    }

    /// Forgets everything; keeps up to `keep` bytes of memory for the next use.
    pub fn clear(&mut self, keep: usize) {
        self.entries.clear();
        (self.payload_bytes, self.file_bytes) = (0, 0);
        self.arena.clear();
        self.arena.shrink_to(keep);
        self.entries.shrink_to(64);
    }

    #[inline]
    fn note_framing(&mut self, stream: S, start: usize) {
        let end = self.arena.len();
        if start == end {
            return;
        }
        if let Some(Entry { stream: last, what: What::Framing(range) }) = self.entries.last_mut()
            && *last == stream
            && range.end == start
        {
            range.end = end;
            return;
        }
        self.entries.push(Entry { stream, what: What::Framing(start..end) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_neighbours_join() {
        let mut out = Outbox::new();
        let big = Payload::from(vec![b'x'; JOIN + 1]);
        out.framing(1, |bytes| bytes.push(b'a'));
        out.payload(1, Payload::from("b"));
        out.payload(1, big.clone());
        out.framing(1, |bytes| bytes.push(b'c'));
        out.framing(2, |bytes| bytes.push(b'd'));
        out.framing(2, |_| ());
        out.command(1, Command::Fin);
        assert_eq!(out.len(), 4 + big.len());
        assert_eq!(out.single(), None);
        let entries: Vec<_> = out.entries().collect();
        assert_eq!(
            entries,
            [
                (1, Piece::Bytes(b"ab")),
                (1, Piece::Bytes(big.as_ref())),
                (1, Piece::Bytes(b"c")),
                (2, Piece::Bytes(b"d")),
                (1, Piece::Command(Command::Fin)),
            ]
        );
        out.datagram(1, |bytes| bytes.push(b'e'));
        out.framing(2, |bytes| bytes.push(b'f'));
        let parts: Vec<_> = out.drain().collect();
        assert_eq!(parts.len(), 7);
        assert_eq!(parts[5..], [(1, Part::Datagram(b"e")), (2, Part::Framing(b"f"))]);
        drop(parts);
        assert!(out.is_empty() && out.has_memory());
        out.clear(0);
        assert_eq!(out.len(), 0);
        assert!(out.is_empty());
        assert_eq!(out.len(), 0);
    }

    #[test]
    fn a_range_of_a_file_takes_no_memory_and_is_never_joined() {
        let mut out = Outbox::new();
        let range = Payload::from_file(std::rc::Rc::new(std::io::stdin()), 3, 4);
        out.framing((), |bytes| bytes.push(b'a'));
        out.payload((), range.clone());
        out.framing((), |bytes| bytes.push(b'b'));
        assert_eq!((out.len(), out.file_bytes(), out.single()), (2, 4, None));
        let piped = Payload::from_pipe(std::rc::Rc::new(std::io::stdin()), 5);
        out.payload((), piped.clone());
        assert_eq!((out.len(), out.file_bytes()), (2, 9));
        let pieces: Vec<_> = out.pieces().collect();
        let [before, after] = [Piece::Bytes(b"a"), Piece::Bytes(b"b")];
        assert_eq!(pieces, [before, Piece::File(&range), after, Piece::Pipe(&piped)]);
        out.clear(0);
        assert_eq!((out.len(), out.file_bytes()), (0, 0));
    }
}
