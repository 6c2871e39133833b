//! Bytes in: the machine is asked for events until it has none, and each becomes a step of an exchange.

use std::rc::Rc;

use trilane_exchange::{
    AskFailure, BodyError, ConnectionInfo, Desk, Frame, Incoming, IncomingWriter, Reader, Reply,
    Request,
};
use trilane_semantics::{
    Cause, Closed, Content, Event, ExchangeId, Fault, Input, Instant, Linger, Machine, Next,
    Outbox, Reason, RequestHead, Scope,
};

use crate::carry::{Carry, Rest};
use crate::host::Host;
pub use crate::received::{LEASE_FROM, Received, Sends};
use crate::slot::{Role, Slot, Stage};
use crate::throttle::Throttle;

/// One connection, from the moment its protocol is known.
#[derive(Debug)]
pub struct Connection<M: Machine> {
    pub(crate) machine: M,
    /// The shard's name for this connection.
    pub(crate) key: u64,
    pub(crate) info: Rc<ConnectionInfo>,
    #[expect(
        clippy::vec_box,
        reason = "slots are large, rarely more than one, and move on removal"
    )]
    pub(crate) slots: Vec<Box<Slot>>,
    pub(crate) carry: Carry<M::Stream>,
    pub(crate) out: Outbox<M::Stream>,
    /// Bytes taken by the shard and not yet sent; perhaps none, but a command.
    pub(crate) in_flight: Option<usize>,
    /// Bytes of files among what the shard took, which are not counted above.
    pub(crate) files_in_flight: usize,
    pub(crate) sends: Sends,
    pub(crate) write_deadline: Option<Instant>,
    pub(crate) closed: Option<Closed>,
    pub(crate) linger_until: Option<Instant>,
    pub(crate) drain_at: Option<Instant>,
    /// When a peer that has closed its half, and whom nothing is sent, has left.
    pub(crate) left_at: Option<Instant>,
    pub(crate) half_closed: bool,
    pub(crate) peer_done: bool,
    /// What the host knows to wait for our readers, in bytes.
    queued: usize,
    /// Exchanges that were begun.
    pub(crate) begun: u64,
    /// The last message that was refused.
    pub(crate) last_fault: Option<Reason>,
    /// What comes may be a replay.
    pub(crate) is_early: bool,
    /// Its answers say where else the same is to be had.
    pub(crate) advertises: bool,
    /// How long a datagram may be, as the transport has it.
    pub(crate) datagram_room: Option<usize>,
    pub(crate) throttle: Throttle,
    /// Where requests of ours come from, in the client role.
    pub(crate) desk: Option<Rc<Desk>>,
}

impl<M: Machine> Connection<M> {
    /// Whether the transport has many streams, which say more than bytes.
    const HAS_STREAMS: bool = size_of::<M::Stream>() > 0;

    /// A connection that speaks through `machine`. `key` is the shard's name for it.
    #[must_use]
    pub fn new(machine: M, key: u64, info: Rc<ConnectionInfo>) -> Self {
        Self {
            machine,
            key,
            info,
            slots: Vec::new(),
            carry: Carry::new(),
            out: Outbox::new(),
            in_flight: None,
            files_in_flight: 0,
            sends: Sends::Bytes,
            write_deadline: None,
            closed: None,
            linger_until: None,
            drain_at: None,
            left_at: None,
            half_closed: false,
            peer_done: false,
            queued: 0,
            begun: 0,
            last_fault: None,
            is_early: false,
            advertises: false,
            datagram_room: None,
            throttle: Throttle::default(),
            desk: None,
        }
    }

    /// The same over a transport that can send more than bytes.
    #[must_use]
    pub fn sending(mut self, sends: Sends) -> Self {
        self.sends = sends;
        self
    }

    /// The same. If `so`, its answers say where else the same is to be had (RFC 7838 §3), if the host knows: that is for those
    /// over TLS and TCP.
    #[must_use]
    pub const fn advertising(mut self, so: bool) -> Self {
        self.advertises = so;
        self
    }

    /// Bytes came on `stream`; `fin` when nothing comes after them on that stream. Where one stream is all of
    /// the transport, [`Connection::receive_end`] says so instead.
    pub fn receive(
        &mut self,
        host: &Host,
        now: Instant,
        stream: M::Stream,
        received: Received<'_>,
        fin: bool,
    ) {
        if self.closed.is_some() {
            return;
        }
        if let Some(mut rest) = self.carry.take(stream) {
            rest.bytes.extend_from_slice(received.bytes());
            rest.fin |= fin;
            self.go_on(host, now, rest);
        } else {
            let (left, fin) = self.pump(host, now, stream, received, fin);
            let bytes = received.bytes()[received.bytes().len() - left..].to_vec();
            self.keep(Rest { stream, bytes, fin });
        }
        // What came may be what others have waited for.
        while let Some(stream) = self.machine.revisit() {
            if let Some(rest) = self.carry.take(stream) {
                self.go_on(host, now, rest);
            }
        }
    }

    /// The peer has closed its half of a transport that is one stream.
    pub fn receive_end(&mut self, host: &Host, now: Instant) {
        self.peer_done = true;
        self.receive(host, now, M::Stream::default(), Received::copied(&[]), true);
    }

    /// Goes on with what was kept, or with nothing, because something else has changed.
    pub(crate) fn resume(&mut self, host: &Host, now: Instant) {
        if self.carry.is_empty() {
            let (stream, fin) = (M::Stream::default(), self.peer_done);
            self.go_on(host, now, Rest { stream, bytes: Vec::new(), fin });
            return;
        }
        let streams: Vec<_> = self.carry.streams().collect();
        for stream in streams {
            if let Some(rest) = self.carry.take(stream) {
                self.go_on(host, now, rest);
            }
        }
    }

    fn go_on(&mut self, host: &Host, now: Instant, mut rest: Rest<M::Stream>) {
        let (stream, fin) = (rest.stream, rest.fin);
        let (left, fin) = self.pump(host, now, stream, Received::copied(&rest.bytes), fin);
        rest.bytes.drain(..rest.bytes.len() - left);
        rest.fin = fin;
        self.keep(rest);
    }

    fn keep(&mut self, rest: Rest<M::Stream>) {
        #[cfg(planted = "carry")] // A mistake on purpose: `make planted`.
        let rest = Rest {
            bytes: rest.bytes[..rest.bytes.len() * usize::from(self.slots.is_empty())].to_vec(),
            ..rest
        };
        if self.closed.is_none() {
            self.carry.keep(rest);
        }
    }

    /// Asks the machine for events until it has none, or may have no more. How many bytes are left, and
    /// whether the stream's end is still to be told: a machine that needs input after it has noted it.
    fn pump(
        &mut self,
        host: &Host,
        now: Instant,
        stream: M::Stream,
        received: Received<'_>,
        fin: bool,
    ) -> (usize, bool) {
        let mut untold = fin;
        let mut input = Input::new(stream, received.bytes(), fin);
        let mut budget = host.limits().events_a_turn;
        while self.closed.is_none() {
            let is_held = self.is_held(host);
            if is_held && !Self::HAS_STREAMS {
                // Nothing more is asked for while a reader, or the peer, is that far behind.
                if !self.start_fresh(host, now) {
                    break;
                }
                continue;
            }
            if budget == 0 {
                // Others have their turn first; the wake queue brings us back.
                host.take_waker(self.key, ExchangeId(0)).waker().wake_by_ref();
                break;
            }
            budget -= 1;
            // What needs no bytes is heard all the same: who gives up an exchange makes room.
            let mut nothing = Input::new(M::Stream::default(), &[], false);
            let from = if is_held { &mut nothing } else { &mut input };
            match self.machine.poll_event(now, from) {
                Ok(Next::Event(event)) => self.on_event(host, now, event, received),
                Ok(next @ (Next::NeedInput | Next::Paused(_))) => {
                    untold &= is_held || !input.is_empty() || matches!(next, Next::Paused(_));
                    if !self.start_fresh(host, now) {
                        if self.peer_done && input.is_empty() && !self.slots.is_empty() {
                            self.peer_left(host, now);
                        }
                        break;
                    }
                }
                Ok(Next::Closed(mut closed)) => {
                    // The peer goes on after its last message: closing would reset, and our answer with it.
                    if closed.cause == Cause::LastMessage && !input.is_empty() {
                        closed.linger = Linger::Yes;
                    }
                    self.close(host, now, closed);
                }
                Err(fault) => self.on_fault(host, now, fault),
            }
        }
        self.start_fresh(host, now);
        if self.desk.is_some() {
            self.attend(host, now);
        }
        self.slots.iter().for_each(|slot| slot.notify_room());
        self.account(host);
        (input.bytes().len(), untold)
    }

    pub(crate) fn on_event(
        &mut self,
        host: &Host,
        now: Instant,
        event: Event<'_>,
        received: Received<'_>,
    ) {
        match event {
            Event::Request { id, head, content } => self.begin(host, now, id, head, content),
            Event::Body { id, data } => {
                self.content(host, now, id, data.len(), || received.keep(data));
            }
            Event::Trailers { id, fields } => {
                if let Some(writer) = self.slot(id).and_then(|slot| slot.writer.as_ref()) {
                    writer.push(Frame::Trailers(fields));
                }
            }
            Event::End { id } => self.end_incoming(host, now, id, Ok(())),
            Event::Reset { id, code, effect } if self.desk.is_some() => {
                self.given_up(host, now, id, (AskFailure::Reset(code), effect));
            }
            Event::Reset { id, .. } => self.drop_exchange(host, now, id),
            Event::Writable { id } => self.poll_slot(host, now, id),
            Event::Response { id, head, content } => self.heard(host, now, id, head, content),
            Event::Interim { id, head } => self.heard_interim(id, head),
            // We ask for none: what a server promises is refused.
            Event::Promise { promised, .. } => self.machine.cancel(promised, &mut self.out),
            _ => {}
        }
    }

    pub(crate) fn begin(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        head: RequestHead,
        content: Content,
    ) {
        host.stats().requests.add(1);
        host.stats().spoken.of(M::PROTOCOL).add(1);
        self.begun += 1;
        let app = Rc::clone(host.app());
        let is_refused = self.is_early
            && !head.method.is_safe()
            && !(host.limits().early_any && app.takes_early(&head));
        let exchange = host.new_exchange(head, &self.info, now);
        if self.is_early {
            exchange.note_early();
        }
        exchange.offer_datagrams(self.most_datagram());
        let body = |promised, limit| {
            let (writer, incoming) = Incoming::channel(promised, limit);
            (Some(writer), incoming)
        };
        let (writer, incoming): (Option<IncomingWriter>, _) = match content {
            Content::None => (None, Incoming::empty()),
            Content::Exact(length) => body(Some(length), host.limits().body),
            Content::Unknown => body(None, host.limits().body),
            Content::Tunnel => {
                let (writer, incoming) = Incoming::tunnel();
                (Some(writer), incoming)
            }
        };
        let request = Request::new(Rc::clone(&exchange), incoming);
        let mut slot = Slot {
            id,
            exchange,
            stage: Stage::Sent,
            writer,
            waker: host.take_waker(self.key, id),
            deadline: None,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            takes_pipes: false,
            is_piped: false,
            role: Role::Server(app),
        };
        if is_refused {
            // It is to be answered, as what no handler saw.
            slot.stage = Stage::Fresh(request);
            self.slots.push(Box::new(slot));
            return self.refuse_exchange(host, now, id, Reason::EarlyData);
        }
        if content == Content::None {
            // Nothing to wait for: the answer is often there before the slot is ever stored.
            if self.start(host, now, &mut slot, request) {
                self.retire(host, slot);
            } else {
                self.slots.push(Box::new(slot));
            }
        } else {
            slot.stage = Stage::Fresh(request);
            self.slots.push(Box::new(slot));
        }
    }

    /// Hands the requests that wait to the service, now that all content that came with them is queued.
    /// Whether there was one.
    fn start_fresh(&mut self, host: &Host, now: Instant) -> bool {
        let Some(at) = self.slots.iter().position(|slot| matches!(slot.stage, Stage::Fresh(_)))
        else {
            return false;
        };
        let mut slot = self.slots.swap_remove(at);
        let Stage::Fresh(request) = std::mem::replace(&mut slot.stage, Stage::Sent) else {
            return false;
        };
        if self.start(host, now, &mut slot, request) {
            self.retire(host, *slot);
        } else {
            self.slots.push(slot);
        }
        true
    }

    /// Calls the service. Whether the exchange is over already.
    fn start(&mut self, host: &Host, now: Instant, slot: &mut Slot, request: Request) -> bool {
        let mut cx = std::task::Context::from_waker(slot.waker.waker());
        let app = slot.app(host);
        match host.run(&slot.exchange, || app.call(request, &mut cx)) {
            Reply::Ready(response) => {
                let is_over = self.answer(host, now, slot, response);
                self.send_datagrams(slot);
                is_over
            }
            Reply::Pending(running) => {
                slot.stage = Stage::Running(running);
                slot.deadline = Some(now + host.limits().handler_timeout);
                self.tell_hints(host, now, slot.id, &slot.exchange);
                self.release(host, now, slot);
                self.send_datagrams(slot);
                false
            }
        }
    }

    /// Gives the peer credit for what the reader took, and 100 (Continue) if the reader waits for it.
    pub(crate) fn release(&mut self, host: &Host, now: Instant, slot: &mut Slot) {
        let Some(writer) = &slot.writer else { return };
        let released = writer.take_released();
        if released > 0 {
            self.machine.release(slot.id, released);
            #[cfg(planted = "credit_twice")] // A mistake on purpose: `make planted`.
            self.machine.release(slot.id, released);
            slot.deadline = slot.deadline.map(|_| now + host.limits().handler_timeout);
        }
        if writer.is_wanted() && !slot.has_answered() {
            self.machine.proceed(slot.id, &mut self.out);
        }
    }

    /// Ends the incoming half of an exchange.
    pub(crate) fn end_incoming(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        how: Result<(), BodyError>,
    ) {
        let Some(at) = self.place(id) else { return };
        if let Some(writer) = &self.slots[at].writer {
            writer.end(how);
        }
        if self.desk.is_some() {
            return self.heard_all(host, now, id);
        }
        if matches!(self.slots[at].stage, Stage::Sent) {
            let slot = self.slots.swap_remove(at);
            self.finished(host, now, &slot, trilane_exchange::Outcome::Complete);
            self.retire(host, *slot);
        }
    }

    pub(crate) fn on_fault(&mut self, host: &Host, now: Instant, fault: Fault) {
        host.stats().faults.add(1);
        self.last_fault = Some(fault.reason);
        match fault.scope {
            Scope::Connection => self.refuse(host, now, fault.reason),
            Scope::Exchange(id) => self.refuse_exchange(host, now, id, fault.reason),
        }
    }

    /// Whether some reader is so far behind that no more should be read; exchanges that run beside each other have windows
    /// for that. While the shard as a whole is, one piece each must do.
    pub(crate) fn is_full(&self, host: &Host) -> bool {
        let most = match host.is_full() {
            true => 1,
            false if M::MULTIPLEXES => return false,
            false => host.limits().receive_queue,
        };
        self.slots.iter().any(|slot| slot.is_full(most))
    }

    /// Whether more content of some exchange is to come.
    #[must_use]
    pub fn takes_content(&self) -> bool {
        let mut writers = self.slots.iter().filter_map(|slot| slot.writer.as_ref());
        writers.any(|writer| !writer.is_ended())
    }

    /// Tells the host how much waits for our readers now.
    pub(crate) fn account(&mut self, host: &Host) {
        let queued = self.slots.iter().filter_map(|slot| slot.writer.as_ref());
        // What is in pipes is no memory of ours, and they have an end of their own.
        let queued = queued.filter(|it| it.reader() != Reader::Pipes);
        let queued = queued.map(IncomingWriter::queued).sum();
        host.queued(std::mem::replace(&mut self.queued, queued), queued);
    }

    pub(crate) fn slot(&mut self, id: ExchangeId) -> Option<&mut Slot> {
        let at = self.place(id)?;
        Some(&mut *self.slots[at])
    }

    /// Where the slot of an exchange is. What is asked for is mostly one of the last: its content follows its head.
    #[inline]
    pub(crate) fn place(&self, id: ExchangeId) -> Option<usize> {
        self.slots.iter().rposition(|slot| slot.id == id)
    }
}
