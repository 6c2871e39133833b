//! Content that nobody looks at: it may come in a pipe, and go out of it, without being copied to us.

use std::pin::Pin;

use trilane_exchange::{Frame, IncomingWriter, Reader, Source};
use trilane_semantics::{ExchangeId, Input, Instant, Machine, Next, Payload};

use crate::connection::{Connection, Received, Sends};
use crate::guarded::Guarded;
use crate::host::Host;

/// With less content to come, in bytes, it is not worth while to wait for what its reader wants.
pub const PIPE_FROM: usize = 64 << 10;
/// With less, a pipe is not worth the calls that it takes.
pub const PIPE_LEAST: usize = 16 << 10;

/// Whether content may come in a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piping {
    /// It may not.
    No,
    /// It may soon, perhaps: nothing should be received until the connection is woken.
    Soon,
    /// It may, as many bytes at most.
    UpTo(usize),
}

impl<M: Machine> Connection<M> {
    /// Whether content may come in a pipe now.
    #[must_use]
    pub fn piping(&self, host: &Host) -> Piping {
        let left = self.machine.unseen();
        if left < PIPE_LEAST || !self.carry.is_empty() || !self.wants_input(host) {
            return Piping::No;
        }
        let receives = |writer: &IncomingWriter| !writer.is_ended();
        let mut slots = self.slots.iter().filter(|it| it.writer.as_ref().is_some_and(receives));
        let Some(slot) = slots.next() else { return Piping::No };
        let Some(writer) = slot.writer.as_ref().filter(|it| it.has_reader()) else {
            return Piping::No;
        };
        match writer.reader() {
            Reader::Bytes => Piping::No,
            _ if left < PIPE_FROM && !slot.is_piped => Piping::No,
            Reader::Pipes if writer.queued() == 0 => Piping::UpTo(left),
            // Something is read in any case: only then it is not the peer who takes time.
            Reader::Unknown if writer.queued() == 0 => Piping::No,
            // One pipe waits at most; and who has not begun to read may yet say that bytes need not be seen.
            Reader::Pipes | Reader::Unknown => Piping::Soon,
        }
    }

    /// Content came in a pipe, as much as [`Connection::piping`] allowed, or less.
    pub fn receive_piped(&mut self, host: &Host, now: Instant, piped: Payload) {
        if self.closed.is_some() {
            return;
        }
        if let Some(id) = self.machine.passed_by(now, piped.len()) {
            if let Some(slot) = self.slot(id) {
                slot.is_piped = true;
            }
            self.content(host, now, id, piped.len(), || piped);
        }
        if self.machine.unseen() == 0 {
            // Its end waits for nobody, or who has sent all of a request would not know it when the answer is there already.
            let mut nothing = Input::new(M::Stream::default(), &[], false);
            match self.machine.poll_event(now, &mut nothing) {
                Ok(Next::Event(end)) => self.on_event(host, now, end, Received::copied(&[])),
                Ok(_) => {}
                Err(fault) => self.on_fault(host, now, fault),
            }
        }
        self.resume(host, now);
    }

    /// `len` bytes of an exchange's content came; `keep` makes of them what a reader gets, if there is one.
    pub(crate) fn content(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        len: usize,
        keep: impl FnOnce() -> Payload,
    ) {
        let mut released = len;
        if let Some(slot) = self.slot(id) {
            slot.bytes_in += len as u64;
            // While content comes it is the peer who takes time, and `body_timeout` that watches.
            slot.deadline = slot.deadline.map(|_| now + host.limits().handler_timeout);
            if let Some(writer) = &slot.writer {
                writer.push(Frame::Data(keep()));
                released = writer.take_released();
            }
        }
        self.machine.release(id, released);
    }

    /// A source of content that goes out. It is told if what it gives may lie in pipes; whether it was.
    pub(crate) fn source(
        &self,
        host: &Host,
        id: ExchangeId,
        source: Pin<Box<dyn Source>>,
    ) -> (Guarded<Pin<Box<dyn Source>>>, bool) {
        let mut source = Guarded::new(source);
        let takes_pipes = self.sends == Sends::Files
            && host.limits().bandwidth == 0
            && self.machine.sends_bare(id);
        if takes_pipes {
            source.welcome_pipes();
        }
        (source, takes_pipes)
    }
}
