//! The way out: a response becomes commands to the machine, its content is sent as there is room.

use std::task::{Context, Poll};

use trilane_exchange::{AskFailure, BodyError, Frame, Outcome, Outgoing, Response, Summary};
use trilane_semantics::section;
use trilane_semantics::{
    Cause, Content, Effect, ExchangeId, Fields, Instant, Known, Machine, Method, Payload,
    StatusCode,
};

use crate::connection::{Connection, Sends};
use crate::guarded::Guarded;
use crate::host::Host;
use crate::reading::Reading;
use crate::slot::{Slot, Stage};

/// What a step of sending came to.
enum Step {
    /// The message is complete.
    Done,
    /// The message can never be complete.
    Broken,
    /// Later: when there is room, or when the source has more.
    Later,
}

impl<M: Machine> Connection<M> {
    /// Something of exchange `id` has been woken.
    pub fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        self.poll_slot(host, now, id);
        self.resume(host, now);
    }

    /// Polls the handler or the content of an exchange.
    pub(crate) fn poll_slot(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        let Some(at) = self.place(id) else { return };
        if self.desk.is_some() && self.is_unwanted(at) {
            return self.give_up(host, now, at);
        }
        let mut slot = self.slots.swap_remove(at);
        let over = match &mut slot.stage {
            Stage::Fresh(_) => false,
            Stage::Running(running) => {
                let mut cx = Context::from_waker(slot.waker.waker());
                match host.run(&slot.exchange, || running.poll(&mut cx)) {
                    Poll::Ready(response) => self.answer(host, now, &mut slot, response),
                    Poll::Pending => {
                        self.tell_hints(host, now, slot.id, &slot.exchange);
                        false
                    }
                }
            }
            Stage::Sending { .. } => self.send(host, now, &mut slot),
            Stage::Sent => false,
        };
        if over {
            self.retire(host, *slot);
            return;
        }
        self.release(host, now, &mut slot);
        slot.notify_room();
        self.send_datagrams(&slot);
        self.slots.push(slot);
    }

    /// Sends a response. Whether the exchange is over.
    pub(crate) fn answer(
        &mut self,
        host: &Host,
        now: Instant,
        slot: &mut Slot,
        mut response: Response,
    ) -> bool {
        if let Some(alt_svc) = host.alt_svc().filter(|_| self.advertises)
            && !response.head.fields.contains(Known::Alt)
        {
            // It was checked when it was made; what cannot be said is not.
            let _ = response.head.fields.append(Known::Alt, alt_svc);
        }
        if response.error.as_ref().is_some_and(|error| error.is_panic()) {
            host.stats().panics.add(1);
        }
        slot.deadline = None;
        self.tell_hints(host, now, slot.id, &slot.exchange);
        let content = match &response.body {
            Outgoing::Empty => Content::None,
            body => body.length().map_or(Content::Unknown, Content::Exact),
        };
        if let (Outgoing::Stream { .. }, Some(writer)) = (&response.body, &slot.writer)
            && writer.has_reader()
        {
            // The answer reads while it is sent: the peer must not wait for us to ask.
            self.machine.proceed(slot.id, &mut self.out);
        }
        let stamp = host.stamp();
        let head = &response.head;
        if self.machine.respond(slot.id, head, content, &stamp, &mut self.out).is_err() {
            self.machine.cancel(slot.id, &mut self.out);
            return self.over(host, now, slot, Outcome::Aborted);
        }
        slot.status = Some(response.head.status);
        if let Some(writer) = slot.writer.as_ref().filter(|_| slot.is_tunnel()) {
            writer.open();
        }
        if has_no_content(slot, response.head.status) {
            // Its length was said; nobody is asked to make it (RFC 9110 §9.3.2, §15.3.5, §15.4.5).
            drop(Guarded::new(response.body));
            let step = self.finish(slot.id, None);
            return self.stepped(host, now, slot, step);
        }
        match response.body {
            Outgoing::Empty => self.complete(host, now, slot),
            Outgoing::Full(bytes) if bytes.is_in_memory() && host.limits().bandwidth == 0 => {
                self.send_full(host, now, slot, bytes)
            }
            // A file is no memory yet: it goes by pieces, as from a source; and so does what must not go all at once.
            Outgoing::Full(rest) => {
                slot.stage = Stage::Sending { rest, source: None, ahead: None };
                self.send(host, now, slot)
            }
            Outgoing::Stream { source, .. } => {
                let (source, takes_pipes) = self.source(host, slot.id, source);
                slot.takes_pipes = takes_pipes;
                slot.stage =
                    Stage::Sending { rest: Payload::new(), source: Some(source), ahead: None };
                self.send(host, now, slot)
            }
        }
    }

    /// Sends content that is all here: it takes no more memory by being queued. Whether the exchange is over.
    #[inline]
    pub(crate) fn send_full(
        &mut self,
        host: &Host,
        now: Instant,
        slot: &mut Slot,
        all: Payload,
    ) -> bool {
        let (length, mut rest) = (all.len(), all);
        let sent = self.machine.send_body(slot.id, &mut rest, usize::MAX, &mut self.out);
        slot.bytes_out += (length - rest.len()) as u64;
        let step = match sent {
            Err(_) => Step::Broken,
            Ok(()) if rest.is_empty() => self.finish(slot.id, None),
            Ok(()) => {
                slot.stage = Stage::Sending { rest, source: None, ahead: None };
                Step::Later
            }
        };
        self.stepped(host, now, slot, step)
    }

    /// Sends as much content as there is room for. Whether the exchange is over.
    pub(crate) fn send(&mut self, host: &Host, now: Instant, slot: &mut Slot) -> bool {
        let stage = std::mem::replace(&mut slot.stage, Stage::Sent);
        let Stage::Sending { mut rest, mut source, mut ahead } = stage else { return false };
        if slot.waits_for_tunnel() {
            slot.stage = Stage::Sending { rest, source, ahead };
            return false;
        }
        let mut budget = host.limits().events_a_turn;
        let step = loop {
            if rest.file().is_some() && !rest.is_empty() && self.sends == Sends::Bytes {
                let then = source.take().and_then(Guarded::into_inner);
                let left = std::mem::take(&mut rest);
                let (reading, its) = Reading::new(host.shard().clone(), left, then);
                source = Some(Guarded::new(Box::pin(reading)));
                ahead = Some(its);
            }
            let room = match &source {
                _ if !rest.is_in_memory() => self.file_room(host),
                Some(_) => self.room(host),
                // What is in memory already takes no more of it by being queued.
                None => usize::MAX,
            };
            let room = room.min(self.throttle.room(host.limits(), now));
            let before = rest.len();
            let sent = self.machine.send_body(slot.id, &mut rest, room, &mut self.out);
            slot.bytes_out += (before - rest.len()) as u64;
            self.throttle.spend(host.limits(), now, before - rest.len());
            if sent.is_err() {
                break Step::Broken;
            }
            if !rest.is_empty() {
                break Step::Later;
            }
            let Some(source) = &mut source else {
                break self.finish(slot.id, None);
            };
            let is_piping = slot.takes_pipes && self.files_waiting() > 0;
            if self.room(host) == 0 || is_piping {
                break Step::Later;
            }
            if budget == 0 {
                slot.waker.waker().wake_by_ref();
                break Step::Later;
            }
            budget -= 1;
            if let Some(ahead) = ahead.as_ref().filter(|ahead| ahead.has_more()) {
                // Nothing is read that no window lets through: a peer that holds all of them closed is to cost no memory.
                let open = self.machine.sendable(slot.id);
                if open == 0 {
                    break Step::Later;
                }
                ahead.allow(open, self.slots.iter().map(|slot| slot.held()).sum());
            }
            let mut cx = Context::from_waker(slot.waker.waker());
            match host.run(&slot.exchange, || source.poll_frame(&mut cx)) {
                Ok(Poll::Pending) => break Step::Later,
                Ok(Poll::Ready(Some(Ok(Frame::Data(data))))) => rest = data,
                Ok(Poll::Ready(Some(Ok(Frame::Trailers(fields))))) => {
                    break self.finish(slot.id, Some(&fields));
                }
                Ok(Poll::Ready(None)) => break self.finish(slot.id, None),
                Ok(Poll::Ready(Some(Err(error)))) => {
                    slot.note_broken(&*error);
                    break Step::Broken;
                }
                Err(_) => {
                    host.stats().panics.add(1);
                    break Step::Broken;
                }
            }
        };
        match step {
            Step::Later => slot.stage = Stage::Sending { rest, source, ahead },
            // The source may hold the reader of the incoming half: let go of it first.
            Step::Done | Step::Broken => drop(source),
        }
        self.stepped(host, now, slot, step)
    }

    /// What comes after a step. Whether the exchange is over.
    #[inline]
    fn stepped(&mut self, host: &Host, now: Instant, slot: &mut Slot, step: Step) -> bool {
        match step {
            Step::Done => self.complete(host, now, slot),
            Step::Later => {
                self.release(host, now, slot);
                false
            }
            Step::Broken => {
                self.machine.cancel(slot.id, &mut self.out);
                self.over(host, now, slot, Outcome::Aborted)
            }
        }
    }

    #[inline]
    fn finish(&mut self, id: ExchangeId, trailers: Option<&Fields>) -> Step {
        match self.machine.finish(id, trailers, &mut self.out) {
            Ok(()) => Step::Done,
            Err(_) => Step::Broken,
        }
    }

    /// The outgoing half is complete; the exchange is over unless it is a tunnel whose other half is open.
    #[inline]
    fn complete(&mut self, host: &Host, now: Instant, slot: &mut Slot) -> bool {
        if self.desk.is_some() {
            return self.asked_all(host, now, slot);
        }
        if slot.writer.as_ref().is_some_and(|writer| !writer.is_ended()) && slot.is_tunnel() {
            slot.stage = Stage::Sent;
            return false;
        }
        self.over(host, now, slot, Outcome::Complete)
    }

    #[inline]
    pub(crate) fn over(
        &mut self,
        host: &Host,
        now: Instant,
        slot: &mut Slot,
        outcome: Outcome,
    ) -> bool {
        if let Some(writer) = &slot.writer {
            writer.end(Err(BodyError::Gone));
        }
        if outcome == Outcome::Aborted && self.desk.is_some() {
            slot.fail(AskFailure::Content(slot.broken()), Effect::Unknown);
        }
        if !matches!(slot.stage, Stage::Sent) {
            slot.stage = Stage::Sent;
        }
        self.finished(host, now, slot, outcome);
        true
    }

    /// Tells the service that an exchange is over.
    #[inline]
    pub(crate) fn finished(&self, host: &Host, now: Instant, slot: &Slot, outcome: Outcome) {
        if self.desk.is_some() {
            return;
        }
        let summary = Summary {
            outcome,
            closed: self.cause(),
            status: slot.status,
            duration: now.since(slot.exchange.started()),
            bytes_in: slot.bytes_in,
            bytes_out: slot.bytes_out,
        };
        host.stats().finished.add(1);
        slot.app(host).finished(&slot.exchange, &summary);
    }

    /// Gives an exchange's memory back.
    #[inline]
    pub(crate) fn retire(&self, host: &Host, slot: Slot) {
        let Slot { waker, exchange, .. } = slot;
        if let Some(datagrams) = exchange.datagrams() {
            datagrams.end();
        }
        host.give_waker(waker);
        host.give_exchange(exchange);
    }

    /// How many bytes of content may be queued to be sent; none while files fill their own queue.
    pub(crate) fn room(&self, host: &Host) -> usize {
        if self.file_room(host) == 0 {
            return 0;
        }
        let in_flight = self.in_flight.unwrap_or(0);
        host.limits().send_queue.saturating_sub(self.out.len() + in_flight)
    }

    /// How many bytes of open files may be queued to be sent.
    fn file_room(&self, host: &Host) -> usize {
        host.limits().file_queue.saturating_sub(self.files_waiting())
    }

    /// Bytes of open files, and in pipes, that are queued to be sent.
    fn files_waiting(&self) -> usize {
        self.out.file_bytes() + self.files_in_flight
    }

    /// The peer has taken a part of the bytes that the shard took: it has its time anew for the rest.
    pub fn progress(&mut self, host: &Host, now: Instant) {
        #[cfg(planted = "write_timer")] // A mistake on purpose: `make planted`.
        return;
        self.write_deadline = self.write_deadline.map(|_| now + host.limits().write_timeout);
    }

    /// The bytes that the shard took have been sent: there is room again.
    pub fn sent(&mut self, host: &Host, now: Instant) {
        self.passed_on(host, now, 0);
    }

    /// The bytes that were taken have been sent, but for `left` of them, and they go on: for transports whose streams do
    /// not wait for each other.
    pub fn passed_on(&mut self, host: &Host, now: Instant, left: usize) {
        // Looked at before: what waits may come to its end here, and the machine has something to say then.
        let is_sending = |slot: &Slot| matches!(slot.stage, Stage::Sending { .. });
        let is_busy = match self.desk {
            // Who waits for a response is not helped by room.
            Some(_) => self.slots.iter().any(|slot| is_sending(slot)),
            None => !self.slots.is_empty(),
        };
        let was_busy = self.room(host) == 0 || is_busy;
        self.in_flight = (left > 0).then_some(left);
        self.files_in_flight = 0;
        self.write_deadline = self.in_flight.map(|_| now + host.limits().write_timeout);
        self.left_at = self.left_at.map(|_| now + host.limits().write_timeout);
        self.send_waiting(host, now);
        // Between two requests there is nothing that room could help with.
        if was_busy || !self.carry.is_empty() || self.peer_done {
            self.resume(host, now);
        }
    }

    /// Sends what waits for room, in the order that the peer wants it.
    pub(crate) fn send_waiting(&mut self, host: &Host, now: Instant) {
        let mut waiting: Vec<ExchangeId> = self
            .slots
            .iter()
            .filter(|slot| matches!(slot.stage, Stage::Sending { .. }))
            .map(|slot| slot.id)
            .collect();
        self.machine.schedule(&mut waiting);
        for id in waiting {
            self.poll_slot(host, now, id);
        }
    }

    /// The transport has failed.
    pub fn failed(&mut self, host: &Host, now: Instant) {
        self.peer_done = true;
        self.cut(host, now, Cause::Transport);
    }
}

/// Whether the response has a head only, whatever its handler gave it.
fn has_no_content(slot: &Slot, status: StatusCode) -> bool {
    slot.exchange.head().method == Method::HEAD && !cfg!(planted = "head_content")
        || section::is_bare(status)
        // RFC 9110 §15.3.6: nor in a 205.
        || status == StatusCode::RESET_CONTENT
}
