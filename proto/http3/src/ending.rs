//! How streams and the connection itself come to an end (RFC 9114 §4.1.1, §5, §8).

use trilane_semantics::sending::Outgoing;
use trilane_semantics::{Cause, Closed, Command, Effect, ExchangeId, Fault, Reason, budget};

use crate::code::Code;
use crate::state::{Gone, Http3, Role};
use crate::streams::{Incoming, Stream};
use crate::uni;

impl Http3 {
    /// The connection cannot go on (RFC 9114 §8).
    #[cold]
    pub(crate) fn fail(&mut self, code: Code) -> Fault {
        self.fail_by(code, code.reason())
    }

    /// The same, with a reason of its own.
    #[cold]
    pub(crate) fn fail_by(&mut self, code: Code, reason: Reason) -> Fault {
        if self.closed.is_none() {
            self.owed.close = Some(code);
            self.closed = Some(Closed::now(Cause::Fault(reason)));
        }
        Fault::connection(reason)
    }

    /// The message of that stream, which is in the table, cannot be taken (RFC 9114 §4.1.2). A request is answered, and the
    /// stream then ends for that reason; a response ends at once.
    #[cold]
    pub(crate) fn refuse(&mut self, id: u64, reason: Reason) -> Fault {
        if let Err(fault) = self.charge(budget::RESET, Reason::Resets) {
            return fault;
        }
        let code = Code::of_stream(reason);
        if self.role == Role::Client {
            let code = if code == Code::NoError { Code::RequestCancelled } else { code };
            self.end_by(id, code);
        } else if let Some(stream) = self.streams.get_mut(id) {
            if stream.incoming != Incoming::Over {
                stream.incoming = Incoming::Refused;
            }
            stream.is_blocked = false;
            stream.verdict = Some(code);
        }
        Fault::exchange(ExchangeId(id), reason)
    }

    /// Gives up both halves of a stream, as far as they are open, and forgets it.
    pub(crate) fn end_by(&mut self, id: u64, code: Code) {
        let Some(stream) = self.streams.get(id) else { return };
        let (incoming, outgoing) = (stream.incoming, stream.outgoing);
        if outgoing != Outgoing::Over {
            self.owed.commands.push((id, Command::Reset(code as u64)));
        }
        if incoming != Incoming::Over {
            self.stop(id, code);
        }
        self.forget(id);
    }

    /// Nothing more is wanted of what comes on a stream.
    fn stop(&mut self, id: u64, code: Code) {
        self.owed.commands.push((id, Command::StopSending(code as u64)));
        // RFC 9204 §2.2.2.2: who stops reading says so to the encoder.
        self.decoder.cancel(id);
    }

    /// A request that is not looked at: it can be made again (RFC 9114 §4.1.1).
    pub(crate) fn reject(&mut self, id: u64) {
        self.owed.commands.push((id, Command::Reset(Code::RequestRejected as u64)));
        self.stop(id, Code::RequestRejected);
    }

    /// A half of that stream has ended. What comes now?
    #[inline]
    pub(crate) fn settle(&mut self, id: u64) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.outgoing != Outgoing::Over {
            return;
        }
        match (stream.incoming, stream.verdict) {
            (Incoming::Over, _) => self.forget(id),
            (Incoming::Tunnel | Incoming::Unwanted(_), _) => (),
            (Incoming::Head | Incoming::Open | Incoming::Ending, _)
                if self.role == Role::Client => {}
            (Incoming::Open | Incoming::Ending, None) if self.reads_on(id) => (),
            // RFC 9114 §4.1: after a complete answer, H3_NO_ERROR asks for the rest not to be sent.
            (_, verdict) => {
                self.stop(id, verdict.unwrap_or(Code::NoError));
                self.forget(id);
            }
        }
    }

    /// The answer of a stream is complete, and its content is not. Where no more than a little can be missing it is read and
    /// discarded, so that a mistake in it is still told, and who sends it is not disturbed. Whether it is so.
    #[cold]
    fn reads_on(&mut self, id: u64) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let discard = self.limits.discard;
        if stream.missing.unwrap_or(1) > discard {
            return false;
        }
        stream.incoming = Incoming::Unwanted(discard);
        self.heads -= std::mem::take(&mut stream.head);
        stream.held = 0;
        let tiny = std::mem::take(&mut stream.tiny);
        self.budget.earn(tiny, &self.limits);
        self.note_unwanted(id);
        true
    }

    /// Takes a stream out of the table.
    pub(crate) fn forget(&mut self, id: u64) {
        let Some(stream) = self.streams.remove(id) else { return };
        if stream.tiny > 0 {
            self.budget.earn(stream.tiny, &self.limits);
        }
        self.heads -= stream.head;
        if stream.is_waiting {
            self.waiting.remove(id);
        }
        if self.streams.is_empty() {
            self.quiet = self.now;
        }
    }

    /// Whether the caller knows of that stream, and waits for something of it.
    fn is_known(&self, stream: &Stream) -> bool {
        match self.role {
            Role::Client => true,
            Role::Server => stream.incoming != Incoming::Head && stream.outgoing != Outgoing::Over,
        }
    }

    /// The peer gave up sending on that stream (RFC 9114 §4.1.1).
    pub(crate) fn was_reset(&mut self, id: u64, code: u64) {
        if !uni::is_request(id) {
            return self.uni_ended(id);
        }
        if self.role == Role::Server && !self.seen.has(id) {
            // Nothing of it was read.
            if uni::is_request(id) && self.admit(id).is_err() {
                return;
            }
        }
        let Some(stream) = self.streams.get(id) else { return };
        if stream.incoming == Incoming::Over {
            return;
        }
        let is_rejected = code == Code::RequestRejected as u64;
        let is_undone = is_rejected && stream.incoming == Incoming::Head;
        let effect = if is_undone { Effect::None } else { Effect::Unknown };
        let is_answered = matches!(stream.incoming, Incoming::Unwanted(_));
        let is_known = self.is_known(stream);
        // RFC 9204 §2.2.2.2: a section that was not read will not be.
        self.decoder.cancel(id);
        if stream.outgoing != Outgoing::Over {
            let code = Command::Reset(Code::RequestCancelled as u64);
            self.owed.commands.push((id, code));
        }
        self.forget(id);
        if is_known {
            self.gone.push_back(Gone { id, code, effect });
        }
        // Who has its answer gives up nothing but its own content.
        let points = if is_answered { budget::EMPTY } else { budget::RESET };
        self.spend_later(points, Reason::Resets);
    }

    /// The peer wants nothing more on that stream.
    pub(crate) fn was_stopped(&mut self, id: u64, code: u64) {
        if !uni::is_request(id) {
            // RFC 9114 §6.2.1, RFC 9204 §4.2: nor may the peer ask to close those.
            if uni::Ours::of(self.role).are(id) {
                self.failed.get_or_insert((Code::ClosedCriticalStream, Reason::StreamClosed));
            }
            return;
        }
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.outgoing == Outgoing::Over {
            return;
        }
        if self.role == Role::Client {
            // RFC 9114 §4.1: the answer may be complete without the rest of the request; it is not thrown away.
            stream.outgoing = Outgoing::Over;
            stream.wants_room = false;
            if stream.incoming == Incoming::Over {
                self.forget(id);
            }
            return;
        }
        let is_known = stream.incoming != Incoming::Head;
        self.end_by(id, Code::RequestCancelled);
        if is_known {
            self.gone.push_back(Gone { id, code, effect: Effect::Unknown });
        }
        self.spend_later(budget::RESET, Reason::Resets);
    }

    /// Takes points where no fault can be told; it is told at the next poll.
    pub(crate) fn spend_later(&mut self, points: u32, reason: Reason) {
        if self.budget.spend(points, self.now, &self.limits).is_err() {
            self.failed.get_or_insert((Code::ExcessiveLoad, reason));
        }
    }
}
