//! The client role: requests of ours go out, their responses come in. All that it does as the server role does is there.

use std::rc::Rc;

use trilane_exchange::{
    Answer, Ask, AskError, AskFailure, Asked, BodyError, Desk, Incoming, Outcome, Outgoing,
};
use trilane_semantics::{
    Closed, Content, Effect, ExchangeId, Instant, Machine, Method, Payload, Protocol, Reason,
    ResponseHead,
};

use crate::connection::Connection;
use crate::host::Host;
use crate::slot::{Role, Slot, Stage};

impl<M: Machine> Connection<M> {
    /// The same in the client role: `machine` is a client's, requests come from `desk`, and `first` goes before all that it says.
    #[must_use]
    pub(crate) fn asking(
        mut self,
        host: &Host,
        (protocol, first): (Protocol, Vec<u8>),
        desk: Rc<Desk>,
    ) -> Self {
        desk.attach(host.take_waker(self.key, ExchangeId(0)).waker().clone());
        desk.opened(protocol, Rc::clone(&self.info));
        if !first.is_empty() {
            self.out.payload(M::Stream::default(), first.into());
        }
        self.desk = Some(desk);
        self
    }

    /// Takes from the desk what there is room for, and says there how much more there is.
    pub(crate) fn attend(&mut self, host: &Host, now: Instant) {
        let Some(desk) = self.desk.clone() else { return };
        let knows_peer = self.machine.knows_peer();
        while self.machine.capacity() > 0
            && let Some((ask, asked)) = desk.next(|ask| knows_peer || !ask.is_tunnel)
        {
            self.ask(host, now, ask, asked);
        }
        // Over HTTP/1 they come one after the other. Elsewhere nobody knows when there will be room, or whether (GOAWAY): another connection
        // may have some.
        while M::MULTIPLEXES
            && self.machine.capacity() == 0
            && let Some((ask, asked)) = desk.next(|_| true)
        {
            asked.end(Err(AskError::unsent(AskFailure::NotNow, ask)));
        }
        let (room, wanted) = (self.machine.capacity(), desk.wanted());
        desk.offer(self.slots.len(), room);
        if let Some(cause) = wanted
            && self.slots.is_empty()
        {
            self.close(host, now, Closed::now(cause));
        }
    }

    /// Begins a request.
    fn ask(&mut self, host: &Host, now: Instant, ask: Ask, asked: Asked) {
        if asked.is_gone() {
            return;
        }
        let content = match &ask.body {
            _ if ask.is_tunnel => Content::Tunnel,
            Outgoing::Empty if has_content(&ask.head.method) => Content::Exact(0),
            Outgoing::Empty => Content::None,
            body => body.length().map_or(Content::Unknown, Content::Exact),
        };
        let Ok(id) = self.machine.request(&ask.head, content, &mut self.out) else {
            return asked.end(Err(AskError::unsent(AskFailure::NotNow, ask)));
        };
        host.stats().asked.add(1);
        let Ask { head, body, timeout, is_tunnel } = ask;
        let waker = host.take_waker(self.key, id);
        asked.notify_gone(waker.waker());
        let mut slot = Box::new(Slot {
            id,
            exchange: host.new_exchange(head, &self.info, now),
            stage: Stage::Sent,
            writer: None,
            waker,
            // What goes through a tunnel waits for the response, which has its time from the beginning.
            deadline: is_tunnel.then(|| now + timeout),
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            takes_pipes: false,
            is_piped: false,
            role: Role::Client {
                asked: Some(asked),
                timeout,
                is_tunnel,
                is_heard: false,
                broken: None,
            },
        });
        let is_over = match body {
            Outgoing::Empty => self.asked_all(host, now, &mut slot),
            Outgoing::Full(bytes) if bytes.is_in_memory() && !is_tunnel => {
                self.send_full(host, now, &mut slot, bytes)
            }
            Outgoing::Full(rest) => {
                slot.stage = Stage::Sending { rest, source: None, ahead: None };
                self.send(host, now, &mut slot)
            }
            Outgoing::Stream { source, .. } => {
                let (source, takes_pipes) = self.source(host, id, source);
                slot.takes_pipes = takes_pipes;
                slot.stage =
                    Stage::Sending { rest: Payload::new(), source: Some(source), ahead: None };
                self.send(host, now, &mut slot)
            }
        };
        if is_over {
            self.retire(host, *slot);
        } else {
            self.slots.push(slot);
        }
    }

    /// All of a request was sent: the response has its time from now. Whether the exchange is over.
    pub(crate) fn asked_all(&mut self, host: &Host, now: Instant, slot: &mut Slot) -> bool {
        slot.stage = Stage::Sent;
        match &slot.role {
            Role::Client { is_heard: true, .. } => {
                return self.over(host, now, slot, Outcome::Complete);
            }
            Role::Client { asked: Some(_), timeout, .. } => slot.deadline = Some(now + *timeout),
            _ => {}
        }
        false
    }

    /// A response begins.
    pub(crate) fn heard(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        head: ResponseHead,
        content: Content,
    ) {
        let Some(slot) = self.slot(id) else { return };
        let (writer, body) = match content {
            Content::None => (None, Incoming::empty()),
            Content::Exact(length) => {
                let (writer, body) = Incoming::channel(Some(length), u64::MAX);
                (Some(writer), body)
            }
            Content::Unknown | Content::Tunnel => {
                let (writer, body) = Incoming::channel(None, u64::MAX);
                (Some(writer), body)
            }
        };
        (slot.status, slot.writer, slot.deadline) = (Some(head.status), writer, None);
        if let Role::Client { asked, .. } = &mut slot.role
            && let Some(asked) = asked.take()
        {
            asked.end(Ok(Answer { head, body }));
        }
        match content {
            Content::None => self.heard_all(host, now, id),
            // What was held back may go through the tunnel now.
            Content::Tunnel => self.poll_slot(host, now, id),
            Content::Exact(_) | Content::Unknown => {}
        }
    }

    /// An interim response came (RFC 9110 §15.2).
    pub(crate) fn heard_interim(&mut self, id: ExchangeId, head: ResponseHead) {
        if let Some(Role::Client { asked: Some(asked), .. }) = self.slot(id).map(|it| &it.role) {
            asked.interim(head);
        }
    }

    /// The response is complete, or what comes out of the tunnel.
    pub(crate) fn heard_all(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        let Some(at) = self.place(id) else { return };
        let slot = &mut self.slots[at];
        let is_tunnel = slot.is_tunnel();
        if let Role::Client { is_heard, .. } = &mut slot.role {
            *is_heard = true;
        }
        let is_sent = matches!(slot.stage, Stage::Sent);
        if is_tunnel && !is_sent {
            return;
        }
        if !is_sent {
            // It did not need the rest of the request (RFC 9112 §9.3, RFC 9113 §8.1).
            self.machine.cancel(id, &mut self.out);
        }
        let mut slot = self.slots.swap_remove(at);
        self.over(host, now, &mut slot, Outcome::Complete);
        self.retire(host, *slot);
    }

    /// Nobody wants what an exchange is for.
    pub(crate) fn is_unwanted(&self, at: usize) -> bool {
        let slot = &self.slots[at];
        match &slot.role {
            Role::Client { asked: Some(asked), .. } => asked.is_gone(),
            Role::Client { asked: None, .. } => {
                slot.writer.as_ref().is_some_and(|it| !it.has_reader() && !it.is_ended())
            }
            Role::Server(_) => false,
        }
    }

    /// Gives an exchange up that nobody wants.
    pub(crate) fn give_up(&mut self, host: &Host, now: Instant, at: usize) {
        let mut slot = self.slots.swap_remove(at);
        self.machine.cancel(slot.id, &mut self.out);
        self.over(host, now, &mut slot, Outcome::Aborted);
        self.retire(host, *slot);
    }

    /// The server has given an exchange up, or we have given up hope.
    pub(crate) fn given_up(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        (failure, effect): (AskFailure, Effect),
    ) {
        let Some(at) = self.place(id) else { return };
        let mut slot = self.slots.swap_remove(at);
        slot.fail(failure, effect);
        self.abandon(host, now, slot, Outcome::PeerLeft);
    }
}

impl<M: Machine> Connection<M> {
    /// The transport takes so many requests more. Whether that is more than it was thought to.
    #[cfg(feature = "http3")]
    pub(crate) fn set_streams(&mut self, more: u64) -> bool {
        if self.desk.is_none() {
            return false;
        }
        let before = self.machine.capacity();
        self.machine.set_streams(more);
        self.machine.capacity() > before
    }
}

impl Slot {
    /// Content of a request could not be made: if it comes from somebody else, that is what is wrong with it.
    pub(crate) fn note_broken(&mut self, error: &(dyn std::error::Error + 'static)) {
        if let Role::Client { broken, .. } = &mut self.role {
            *broken = error.downcast_ref().copied().map(BodyError::reason);
        }
    }

    /// What was noted.
    pub(crate) fn broken(&self) -> Option<Reason> {
        match self.role {
            Role::Client { broken, .. } => broken,
            Role::Server(_) => None,
        }
    }

    /// Tells whoever waits for the response that there will be none. A request without content can be made again.
    pub(crate) fn fail(&mut self, failure: AskFailure, effect: Effect) {
        let Role::Client { asked, .. } = &mut self.role else { return };
        let Some(asked) = asked.take() else { return };
        let head = Rc::get_mut(&mut self.exchange).filter(|_| self.bytes_out == 0);
        let is_whole = matches!(self.stage, Stage::Sent);
        let request = head.filter(|_| is_whole);
        let request = request.map(|it| Box::new((it.take_head(), Outgoing::Empty)));
        // The first exchange of a connection is number 0 or 1.
        let is_reused = self.id.0 > 1;
        asked.end(Err(AskError { failure, effect, is_reused, request }));
    }

    /// Whether its content is for a tunnel that is not there yet.
    pub(crate) fn waits_for_tunnel(&self) -> bool {
        matches!(self.role, Role::Client { asked: Some(_), is_tunnel: true, .. })
    }
}

/// Whether a request with that method is thought to have content, so that its lack is to be said (RFC 9110 §8.6).
fn has_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
#[path = "tests/asking.rs"]
mod tests;
