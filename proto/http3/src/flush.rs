//! What is owed to the peer, written: our streams opened, resets, what QPACK says, GOAWAY, the end.

use trilane_semantics::{Cause, Closed, Command, Outbox};

use crate::frame::{self, kind, stream};
use crate::settings;
use crate::state::{Drain, Http3, Role};
use crate::uni::Ours;
use crate::varint;

/// The number of the first step of a drain: any request may still come (RFC 9114 §5.2).
const ANY: u64 = varint::MOST - 3;

impl Http3 {
    /// What goes before all else: our control stream, beginning with SETTINGS, and the two of QPACK (RFC 9114 §6.2.1,
    /// RFC 9204 §4.2).
    #[inline]
    pub(crate) fn greet(&mut self, out: &mut Outbox<u64>) {
        if !self.owed.greeted {
            self.introduce(out);
        }
    }

    #[cold]
    fn introduce(&mut self, out: &mut Outbox<u64>) {
        self.owed.greeted = true;
        let ours = Ours::of(self.role);
        let seed = self.now.as_nanos();
        out.framing(ours.control, |bytes| {
            varint::write(bytes, stream::CONTROL);
            settings::write(bytes, &self.limits, self.role, self.datagrams, seed);
            // RFC 9114 §7.2.8: a frame that means nothing.
            frame::write(bytes, frame::reserved(seed >> 7), 0);
        });
        out.framing(ours.encoder, |bytes| varint::write(bytes, stream::ENCODER));
        out.framing(ours.decoder, |bytes| varint::write(bytes, stream::DECODER));
        // RFC 9114 §6.2.3: a stream that means nothing.
        out.framing(ours.reserved, |bytes| varint::write(bytes, frame::reserved(seed >> 13)));
        out.command(ours.reserved, Command::Fin);
    }

    /// Writes what is owed.
    pub(crate) fn pay(&mut self, out: &mut Outbox<u64>) {
        self.greet(out);
        let ours = Ours::of(self.role);
        if let Some(code) = self.owed.close.take() {
            out.command(ours.control, Command::Close(code as u64));
        }
        if let Some(Closed { cause: Cause::Fault(_), .. }) = self.closed {
            // Nothing comes after that.
            self.owed.commands.clear();
            return;
        }
        out.framing(ours.encoder, |bytes| self.encoder.instructions_owed(bytes));
        out.framing(ours.decoder, |bytes| self.decoder.owed(bytes));
        for (id, command) in self.owed.commands.drain(..) {
            out.command(id, command);
        }
        if let Some(number) = self.owed.goaway.take() {
            out.framing(ours.control, |bytes| frame::write_number(bytes, kind::GOAWAY, number));
        }
    }

    /// Tells the transport the priority of a stream, if it knows of another.
    #[inline]
    pub(crate) fn prioritize(&mut self, id: u64, out: &mut Outbox<u64>) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.priority != stream.told
        {
            stream.told = stream.priority;
            out.command(id, Command::Prioritize(stream.priority));
        }
    }

    /// The same, at the next flush, where an answer has begun.
    pub(crate) fn owe_priority(&mut self, id: u64) {
        if let Some(stream) = self.streams.get_mut(id)
            && stream.priority != stream.told
        {
            stream.told = stream.priority;
            self.owed.commands.push((id, Command::Prioritize(stream.priority)));
        }
    }

    /// The first step of a drain: the peer is asked to begin nothing more, and what was on its way still comes. A client has one
    /// step: it is asked for nothing.
    pub(crate) fn begin_drain(&mut self) {
        if self.closed.is_some() || !matches!(self.drain, Drain::No | Drain::Peer) {
            return;
        }
        if self.role == Role::Client {
            // RFC 9114 §5.2: a client's names a push, of which it takes none.
            self.drain = Drain::Told;
            self.owed.goaway = Some(0);
        } else {
            self.drain = Drain::Asked(self.now + self.limits.goaway_timeout);
            self.owed.goaway = Some(ANY);
        }
    }

    /// The second step: no request after those that came is answered.
    pub(crate) fn drain_on(&mut self) {
        self.drain = Drain::Told;
        let first = self.seen.next();
        self.first_unanswered = Some(first);
        self.owed.goaway = Some(first);
    }

    /// Ends the connection, nothing being wrong; the first reason stays.
    pub(crate) fn close(&mut self, closed: Closed) {
        self.closed.get_or_insert(closed);
    }
}
