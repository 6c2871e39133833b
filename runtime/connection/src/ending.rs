//! How a connection ends: refusals, timeouts, drain, the peer's leaving, and letting go of the transport.

use std::time::Duration;

use trilane_exchange::{AskFailure, BodyError, DialError, Outcome, Outgoing, Refusal, Response};
use trilane_semantics::{
    Cause, Closed, Content, Effect, ExchangeId, Instant, Linger, Machine, Outbox, Reason,
};

use crate::connection::Connection;
use crate::host::Host;
use crate::slot::{Slot, Stage};

/// Memory that an outbox keeps from one use to the next, in bytes.
const KEEP: usize = 16 << 10;

/// What the transport should do once everything in hand is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Go on.
    Open,
    /// Half-close, then [`Connection::half_closed`]; what still comes is discarded.
    HalfClose,
    /// Close now.
    Close,
    /// Close now, by a reset: what was sent must not look complete.
    Reset,
}

impl<M: Machine> Connection<M> {
    /// A fault of the whole connection: one last answer where the protocol allows it, then the end.
    pub(crate) fn refuse(&mut self, host: &Host, now: Instant, reason: Reason) {
        if self.desk.is_some() {
            // A server is told nothing of what is wrong with its responses (RFC 9112 §11.2).
            return self.close(host, now, Closed::now(Cause::Fault(reason)));
        }
        let refused = self.machine.refused();
        if let Some(slot) = self.slots.iter().find(|slot| Some(slot.id) == refused)
            && !slot.has_answered()
            && (self.peer_done || !slot.is_reading())
        {
            // Its handler would not learn of it, or its peer has left: it is not waited for.
            self.carry.clear();
            self.refuse_exchange(host, now, slot.id, reason);
            return;
        }
        for slot in &mut self.slots {
            if let Some(writer) = &slot.writer {
                writer.end(Err(BodyError::Fault(reason)));
            }
            // Its handler has its time anew, to answer to that.
            slot.deadline = slot.deadline.map(|_| now + host.limits().handler_timeout);
        }
        self.carry.clear();
        let Some(id) = refused else {
            self.close(host, now, Closed::lingering(Cause::Fault(reason)));
            return;
        };
        if self.place(id).is_some() {
            // Its handler learns of it from the content and answers, or is answering already.
            return;
        }
        let response = self.refusal(host, reason, None);
        self.answer_refused(host, id, response);
    }

    /// A fault of one exchange: answered if nothing was yet, else given up.
    pub(crate) fn refuse_exchange(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        reason: Reason,
    ) {
        if self.desk.is_some() {
            self.machine.cancel(id, &mut self.out);
            let failure = match reason {
                Reason::HandlerTimeout => AskFailure::Timeout,
                reason => AskFailure::Fault(reason),
            };
            return self.given_up(host, now, id, (failure, Effect::Unknown));
        }
        let Some(at) = self.place(id) else {
            let response = self.refusal(host, reason, None);
            self.answer_refused(host, id, response);
            return;
        };
        let mut slot = self.slots.swap_remove(at);
        if slot.has_answered() {
            self.machine.cancel(id, &mut self.out);
            self.finished(host, now, &slot, Outcome::Aborted);
        } else {
            // Drop the handler first, so that it sees nothing of what follows.
            slot.stage = Stage::Sent;
            let response = self.refusal(host, reason, Some(&slot));
            if !self.answer(host, now, &mut slot, response) {
                self.slots.push(slot);
                return;
            }
        }
        self.retire(host, *slot);
    }

    /// What the service answers to what it never saw, or was too slow for.
    fn refusal(&self, host: &Host, reason: Reason, slot: Option<&Slot>) -> Response {
        let (connection, shard) = (&*self.info, host.shard());
        let app = slot.map_or(&**host.app(), |slot| slot.app(host));
        let exchange = slot.map(|slot| &*slot.exchange);
        app.refuse(&Refusal { reason, exchange, connection, shard })
    }

    /// Answers an exchange that never got as far as having a slot.
    fn answer_refused(&mut self, host: &Host, id: ExchangeId, response: Response) {
        let Response { head, body, .. } = response;
        let (content, payload) = match body {
            Outgoing::Full(payload) if payload.is_in_memory() => {
                (Content::Exact(payload.len() as u64), Some(payload))
            }
            // A refusal has no time to stream, nor to read a file.
            _ => (Content::None, None),
        };
        if self.machine.respond(id, &head, content, &host.stamp(), &mut self.out).is_err() {
            self.machine.cancel(id, &mut self.out);
            return;
        }
        if let Some(mut payload) = payload
            && (self.machine.send_body(id, &mut payload, usize::MAX, &mut self.out).is_err()
                || self.machine.finish(id, None, &mut self.out).is_err())
        {
            self.machine.cancel(id, &mut self.out);
        }
    }

    /// The peer gave up one exchange.
    pub(crate) fn drop_exchange(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        let Some(at) = self.place(id) else { return };
        let slot = self.slots.swap_remove(at);
        self.abandon(host, now, slot, Outcome::PeerLeft);
    }

    /// The peer has closed its half while we work for it: it has left (as nginx and hyper see it).
    pub(crate) fn peer_left(&mut self, host: &Host, now: Instant) {
        // What has not come never will: who reads a tunnel over HTTP/2 would not learn of it otherwise.
        for writer in self.slots.iter().filter_map(|slot| slot.writer.as_ref()) {
            writer.end(Err(BodyError::Gone));
        }
        // Answers that are on their way may still arrive: a half-closed peer can read. Whether it does is seen
        // only when something is sent: a source that is silent for long is not waited for.
        // A server that has left answers nothing more.
        let waits = |slot: &Slot| {
            let is_sending = matches!(slot.stage, Stage::Sending { .. });
            is_sending && (self.desk.is_none() || slot.is_tunnel())
        };
        if self.slots.iter().all(|slot| waits(slot)) {
            self.left_at.get_or_insert(now + host.limits().write_timeout);
            return;
        }
        self.close(host, now, Closed::now(Cause::PeerLeft));
    }

    /// Ends the connection; what the outbox holds is still sent.
    pub(crate) fn close(&mut self, host: &Host, now: Instant, closed: Closed) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(closed);
        self.machine.ended(closed);
        self.carry.clear();
        let outcome = match closed.cause {
            Cause::Aborted | Cause::DrainDeadline | Cause::Operator => Outcome::Aborted,
            _ => Outcome::PeerLeft,
        };
        for slot in std::mem::take(&mut self.slots) {
            self.abandon(host, now, slot, outcome);
        }
        if let Some(desk) = &self.desk {
            desk.end(DialError::Closed(closed.cause));
        }
        self.account(host);
    }

    pub(crate) fn abandon(&self, host: &Host, now: Instant, mut slot: Box<Slot>, outcome: Outcome) {
        if let Some(writer) = &slot.writer {
            writer.end(Err(BodyError::Gone));
        }
        let cause = self.cause().unwrap_or(Cause::PeerLeft);
        slot.fail(AskFailure::Connection(DialError::Closed(cause)), Effect::Unknown);
        slot.stage = Stage::Sent;
        self.finished(host, now, &slot, outcome);
        self.retire(host, *slot);
    }

    /// Why it closed, once it has.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.closed.map(|closed| closed.cause)
    }

    /// Whether nothing more is to be read for now. A server reads no faster than its peer takes answers; a client does, for its server may
    /// wait for that before it takes the rest of a request, and what comes has us say little more than is said in any case.
    pub(crate) fn is_held(&self, host: &Host) -> bool {
        self.is_full(host) || self.desk.is_none() && self.room(host) == 0
    }

    /// Whether bytes are welcome; if not, reading should stop. After the end they are read to be discarded.
    #[must_use]
    pub fn wants_input(&self, host: &Host) -> bool {
        if self.closed.is_some() {
            return true;
        }
        // What a paused machine cannot take yet (pipelined requests) is kept, up to a head's size.
        !self.is_held(host) && self.carry.len() <= host.limits().head
    }

    /// Takes what is to be sent, if anything; [`Connection::sent`] must follow.
    #[must_use]
    pub fn take_output(&mut self, host: &Host, now: Instant) -> Option<Outbox<M::Stream>> {
        self.machine.flush(now, &mut self.out);
        if self.out.is_empty() {
            return None;
        }
        let out = std::mem::take(&mut self.out);
        (self.in_flight, self.files_in_flight) = (Some(out.len()), out.file_bytes());
        self.write_deadline = Some(now + host.limits().write_timeout);
        Some(out)
    }

    /// Takes back the memory of what was taken, to be used again.
    pub fn take_back(&mut self, mut out: Outbox<M::Stream>) {
        if self.out.is_empty() && !self.out.has_memory() {
            out.clear(KEEP);
            self.out = out;
        }
    }

    /// What the transport should do once everything in hand is sent.
    #[must_use]
    pub fn goal(&self) -> Goal {
        match self.closed {
            None => Goal::Open,
            _ if self.in_flight.is_some() || !self.out.is_empty() => Goal::Open,
            Some(closed) => match closed.linger {
                Linger::Yes if self.peer_done => Goal::Close,
                Linger::Yes if self.half_closed => Goal::Open,
                Linger::Yes => Goal::HalfClose,
                Linger::No => Goal::Close,
                Linger::Reset => Goal::Reset,
            },
        }
    }

    /// The transport has half-closed: discard what comes until the peer closes too, but not for ever.
    pub fn half_closed(&mut self, host: &Host, now: Instant) {
        self.half_closed = true;
        self.linger_until = Some(now + host.limits().linger_timeout);
    }

    /// Begins to drain: what is under way is finished; an idle connection is kept `grace` longer, so that a
    /// request that is on its way still gets its answer.
    pub fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        self.machine.drain();
        self.drain_at = Some(now + grace);
        // A tunnel has no end of its own, unless who made it knows how to say so (`Shard::is_draining`).
        for slot in self.slots.iter().filter(|slot| slot.is_tunnel()) {
            slot.waker.waker().wake_by_ref();
        }
        self.resume(host, now);
    }

    /// Ends it at once, for that reason.
    pub fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        self.cut(host, now, cause);
    }

    /// Ends it at once, throwing away what was not sent. The first cause stays.
    pub(crate) fn cut(&mut self, host: &Host, now: Instant, cause: Cause) {
        // The end of the connection must not tell the peer that it has all, unless it has.
        let is_sending = self.slots.iter().any(|slot| matches!(slot.stage, Stage::Sending { .. }));
        let is_cut = is_sending || self.in_flight.is_some() || !self.out.is_empty();
        let linger = if is_cut && cause != Cause::Transport { Linger::Reset } else { Linger::No };
        (self.in_flight, self.write_deadline, self.linger_until) = (None, None, None);
        self.files_in_flight = 0;
        // What the machine still owes goes too, or the next flush would be output after the end.
        self.machine.flush(now, &mut self.out);
        self.out.clear(0);
        self.close(host, now, Closed { cause, linger });
        self.closed = self.closed.map(|closed| Closed { linger, ..closed });
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
            && self.carry.is_empty()
            && self.out.is_empty()
            && self.in_flight.is_none()
    }

    /// When [`Connection::timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return Instant::earliest(self.write_deadline, self.linger_until);
        }
        let handlers = self.slots.iter().filter_map(|slot| slot.deadline).min();
        let drain = self.drain_at.filter(|_| self.is_idle());
        let left = self.left_at.filter(|_| self.in_flight.is_none() && self.out.is_empty());
        let handlers = Instant::earliest(handlers, Instant::earliest(left, self.throttle.due()));
        let earliest = Instant::earliest(self.machine.poll_timeout(), handlers);
        Instant::earliest(earliest, Instant::earliest(self.write_deadline, drain))
    }

    /// The time of [`Connection::poll_timeout`] has come; early calls do no harm.
    pub fn timeout(&mut self, host: &Host, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.write_deadline) {
            // The peer takes nothing: what is left can only be thrown away.
            self.closed = None;
            self.cut(host, now, Cause::WriteTimeout);
            return;
        }
        if is_due(self.linger_until) {
            self.linger_until = None;
            self.closed = self.closed.map(|closed| Closed { linger: Linger::No, ..closed });
            return;
        }
        if self.closed.is_some() {
            return;
        }
        if is_due(self.left_at) && self.in_flight.is_none() && self.out.is_empty() {
            self.close(host, now, Closed::now(Cause::PeerLeft));
            return;
        }
        if is_due(self.drain_at) && self.is_idle() {
            self.close(host, now, Closed::lingering(Cause::Drain));
            return;
        }
        // The peer first: a handler that waits for content is not to blame for its coming late.
        if let Err(fault) = self.machine.handle_timeout(now) {
            self.on_fault(host, now, fault);
        }
        let late = self.slots.iter().filter(|slot| is_due(slot.deadline)).map(|slot| slot.id);
        for id in late.collect::<Vec<_>>() {
            self.refuse_exchange(host, now, id, Reason::HandlerTimeout);
        }
        if is_due(self.throttle.due()) {
            self.throttle.go_on();
            self.send_waiting(host, now);
        }
        self.resume(host, now);
    }
}
