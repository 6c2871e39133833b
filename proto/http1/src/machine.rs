//! The outgoing direction: commands to bytes (RFC 9112 §4, §6, §9), and the `Machine` interface.
//!
//! Says what is sent and in which framing; how it is written is `encode`'s.

use trilane_semantics::section;
use trilane_semantics::{
    Cause, Closed, Command, Content, ExchangeId, Fault, Fields, Input, Instant, Known, Machine,
    Method, Misuse, Next, Outbox, Payload, Protocol, RequestHead, ResponseHead, Stamp, StatusCode,
};

use crate::chunked;
use crate::encode::{self, Framing, Persistence, Plan};
use crate::framing::Kind;
use crate::state::{Ending, Expect, Http1, Incoming, Outgoing, Peer, Phase, Role, Wait};

impl Machine for Http1 {
    type Stream = ();

    const PROTOCOL: Protocol = Protocol::Http11;

    fn poll_event<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Result<Next<'b>, Fault> {
        self.receive(now, input)
    }

    fn unseen(&self) -> usize {
        match self.incoming {
            Incoming::Exact(left) if self.closed.is_none() && !self.discards() => {
                usize::try_from(left).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }

    fn passed_by(&mut self, now: Instant, n: usize) -> Option<ExchangeId> {
        let Incoming::Exact(left) = &mut self.incoming else { return None };
        *left = left.saturating_sub(n as u64);
        self.held += n as u64;
        self.expect = Expect::Nothing;
        self.wait_for_content(now, n);
        Some(self.id())
    }

    fn sends_bare(&self, id: ExchangeId) -> bool {
        id == self.id() && matches!(self.outgoing, Outgoing::Exact(_) | Outgoing::UntilClose)
    }

    fn refused(&mut self) -> Option<ExchangeId> {
        let open = self.ending == Ending::Fault && self.outgoing == Outgoing::Owed;
        open.then(|| self.id())
    }

    #[inline]
    fn respond(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        content: Content,
        stamp: &Stamp,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        match self.outgoing {
            _ if id != self.id() => return Err(Misuse::OutOfOrder),
            Outgoing::Owed => (),
            Outgoing::Gone => return Ok(()),
            _ => return Err(Misuse::OutOfOrder),
        }
        if self.becomes_tunnel(head.status) {
            return self.accept_tunnel(head, stamp, out);
        }
        // 101 needs a request for it (RFC 9110 §15.2.2), and other 1xx are not final.
        if head.status.is_informational() || content == Content::Tunnel {
            return Err(Misuse::Status);
        }
        let (framing, outgoing) = self.frame(head.status, content);
        self.ending = self.ending_after(head, outgoing);
        let persistence = match (self.ending, self.peer) {
            (Ending::Keep, Peer::Http11) => Persistence::Silent,
            (Ending::Keep, Peer::Http10) => Persistence::KeepAlive,
            _ => Persistence::Close,
        };
        let plan = Plan { framing, persistence };
        out.framing((), |bytes| encode::response(bytes, head, stamp, plan));
        self.outgoing = outgoing;
        if matches!(self.incoming, Incoming::Held) {
            self.incoming = Incoming::Over;
        }
        self.settle();
        Ok(())
    }

    fn interim(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Misuse::Status);
        }
        match self.outgoing {
            _ if id != self.id() => return Err(Misuse::OutOfOrder),
            Outgoing::Owed => (),
            Outgoing::Gone => return Ok(()),
            _ => return Err(Misuse::OutOfOrder),
        }
        // RFC 9110 §15.2: a server MUST NOT send a 1xx response to an HTTP/1.0 client.
        if self.peer == Peer::Http11 {
            if head.status == StatusCode::CONTINUE {
                self.expect = Expect::Nothing;
            }
            out.framing((), |bytes| encode::interim(bytes, head));
        }
        Ok(())
    }

    fn proceed(&mut self, id: ExchangeId, out: &mut Outbox) {
        let waits = self.expect == Expect::Continue && self.outgoing == Outgoing::Owed;
        if id == self.id() && waits && self.closed.is_none() {
            self.expect = Expect::Nothing;
            #[cfg(planted = "continue_twice")] // A mistake on purpose: `make planted`.
            let _ = std::mem::replace(&mut self.expect, Expect::Continue);
            out.framing((), |bytes| bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
    }

    fn request(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        if self.capacity() == 0 {
            return Err(Misuse::NotNow);
        }
        let kind = match (&head.method, content) {
            (&Method::CONNECT, _) => Kind::Connect,
            (_, Content::Tunnel) => Kind::Upgrade,
            (&Method::HEAD, _) => Kind::Head,
            _ => Kind::Plain,
        };
        // RFC 9110 §9.3.6: a CONNECT request has no content.
        let content = if kind == Kind::Connect { Content::Tunnel } else { content };
        out.framing((), |bytes| encode::request(bytes, head, content));
        self.outgoing = match content {
            Content::None | Content::Exact(0) => Outgoing::Over,
            Content::Exact(length) => Outgoing::Exact(length),
            Content::Unknown => Outgoing::Chunked,
            Content::Tunnel => Outgoing::Held,
        };
        if head.fields.list_has(Known::Connection, "close") {
            self.ending = Ending::Us;
        }
        Ok(self.begin(kind))
    }

    fn cut(&mut self) {
        self.is_cut = true;
    }

    fn capacity(&self) -> usize {
        let is_free = self.outgoing == Outgoing::Idle && self.closed.is_none();
        usize::from(is_free && self.role == Role::Client && self.phase == Phase::Running)
    }

    #[inline]
    fn send_body(
        &mut self,
        id: ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        match &mut self.outgoing {
            _ if id.0 != self.exchange => return Err(Misuse::OutOfOrder),
            Outgoing::Exact(left) => {
                let fitting = usize::try_from(*left).unwrap_or(usize::MAX);
                if body.len() <= room.min(fitting) {
                    *left -= body.len() as u64;
                    send(std::mem::take(body), out);
                    return Ok(());
                }
                let front = body.split_to(room.min(fitting));
                *left -= front.len() as u64;
                let too_much = *left == 0 && !body.is_empty();
                send(front, out);
                return if too_much { Err(Misuse::ContentLength) } else { Ok(()) };
            }
            Outgoing::Chunked => chunked::send_chunk(body.split_to(room), out),
            Outgoing::UntilClose => send(body.split_to(room), out),
            Outgoing::Tunnel => {
                // Armed anew by the next flush: something goes.
                self.wait = Wait::Nothing;
                send(body.split_to(room), out);
            }
            Outgoing::Swallow | Outgoing::Gone => *body = Payload::new(),
            // Not a tunnel yet: nothing is taken.
            Outgoing::Held => (),
            Outgoing::Over | Outgoing::Idle if body.is_empty() => (),
            Outgoing::Over | Outgoing::Idle | Outgoing::Owed => return Err(Misuse::OutOfOrder),
        }
        Ok(())
    }

    #[inline]
    fn finish(
        &mut self,
        id: ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        match self.outgoing {
            _ if id != self.id() => return Err(Misuse::OutOfOrder),
            Outgoing::Exact(1..) => {
                self.cancel(id, out);
                return Err(Misuse::ContentLength);
            }
            Outgoing::Held | Outgoing::Owed => return Err(Misuse::OutOfOrder),
            Outgoing::Gone | Outgoing::Idle | Outgoing::Over => return Ok(()),
            #[cfg(planted = "last_chunk")] // A mistake on purpose: `make planted`.
            Outgoing::Chunked if trailers.is_none() => (),
            Outgoing::Chunked => chunked::send_last(trailers, out),
            Outgoing::Tunnel => out.command((), Command::Fin),
            Outgoing::Exact(0) | Outgoing::Swallow | Outgoing::UntilClose => (),
        }
        self.outgoing = Outgoing::Over;
        self.settle();
        Ok(())
    }

    fn release(&mut self, id: ExchangeId, n: usize) {
        if id != self.id() {
            return;
        }
        self.held = self.held.saturating_sub(n as u64);
        if self.held == 0 && self.wait == Wait::Body {
            // Armed anew by the next look at the input: only now it is the peer's turn.
            self.wait = Wait::Released;
        }
    }

    fn cancel(&mut self, id: ExchangeId, _out: &mut Outbox) {
        // After a complete answer there is nothing to give up: unwanted content is discarded
        // anyway.
        let is_answered = self.discards() && self.ending != Ending::Tunnel;
        if id != self.id() || self.outgoing == Outgoing::Idle || is_answered {
            return;
        }
        // RFC 9112 §8: without the last chunk, or with bytes missing, the peer sees that it was
        // cut.
        // Where the end of the connection is the end of the content, only a reset shows it.
        let closed = match self.outgoing {
            Outgoing::UntilClose => Closed::reset(Cause::Aborted),
            _ => Closed::now(Cause::Aborted),
        };
        self.outgoing = Outgoing::Gone;
        self.close(closed);
    }

    fn wanted(&self, (): ()) -> usize {
        let reads = match self.incoming {
            Incoming::Over | Incoming::Held => false,
            Incoming::Idle => self.role == Role::Server || self.outgoing != Outgoing::Idle,
            _ => true,
        };
        if reads && self.closed.is_none() { usize::MAX } else { 0 }
    }

    fn drain(&mut self) {
        self.phase = Phase::Draining;
    }

    fn flush(&mut self, now: Instant, _out: &mut Outbox) {
        let is_open = self.ending == Ending::Tunnel && self.closed.is_none();
        if is_open && self.wait != Wait::Tunnel {
            self.wait_in_tunnel(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        self.timeout(now)
    }
}

impl Http1 {
    /// Whether a response with that status turns the connection into a tunnel.
    fn becomes_tunnel(&self, status: StatusCode) -> bool {
        self.closed.is_none()
            && match self.kind {
                Kind::Connect => status.is_success(),
                Kind::Upgrade => status == StatusCode::SWITCHING_PROTOCOLS,
                Kind::Head | Kind::Plain => false,
            }
    }

    fn accept_tunnel(
        &mut self,
        head: &ResponseHead,
        stamp: &Stamp,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        // RFC 9110 §8.6: a server MUST NOT send Content-Length in a 1xx, or in a 2xx to CONNECT.
        let plan = Plan { framing: Framing::Absent, persistence: Persistence::Tunnel };
        out.framing((), |bytes| encode::response(bytes, head, stamp, plan));
        (self.incoming, self.outgoing) = (Incoming::Tunnel, Outgoing::Tunnel);
        self.ending = Ending::Tunnel;
        Ok(())
    }

    /// The framing of a response, and what may be sent of its content (RFC 9112 §6.3).
    #[inline]
    fn frame(&self, status: StatusCode, content: Content) -> (Framing, Outgoing) {
        if section::is_bare(status) {
            return (Framing::Absent, swallow(content));
        }
        // RFC 9110 §15.3.6: a server MUST NOT generate content in a 205.
        if status == StatusCode::RESET_CONTENT {
            return (Framing::Length(0), swallow(content));
        }
        let (framing, outgoing) = match content {
            Content::None | Content::Tunnel => (Framing::Length(0), Outgoing::Over),
            Content::Exact(length) => (Framing::Length(length), Outgoing::Exact(length)),
            Content::Unknown if self.peer == Peer::Http11 => (Framing::Chunked, Outgoing::Chunked),
            // RFC 9112 §6.1: no transfer coding to an HTTP/1.0 client.
            Content::Unknown => (Framing::Absent, Outgoing::UntilClose),
        };
        // RFC 9110 §9.3.2: HEAD has the same fields as GET, and no content.
        #[cfg(not(planted = "head_content"))] // Its lack is a mistake on purpose: `make planted`.
        let outgoing = if self.kind == Kind::Head { swallow(content) } else { outgoing };
        (framing, outgoing)
    }

    /// Whether more content than that is still to come, as far as is known.
    const fn is_owed_more_than(&self, most: u64) -> bool {
        matches!(self.incoming, Incoming::Exact(left) if left > most)
    }

    /// What comes after this response; decided once, so that its Connection field is true.
    #[inline]
    fn ending_after(&self, head: &ResponseHead, outgoing: Outgoing) -> Ending {
        if self.ending != Ending::Keep {
            return self.ending;
        }
        if self.phase == Phase::Draining {
            return Ending::Drain;
        }
        // After a refused CONNECT the client's bytes may be meant for the tunnel. A client that
        // still waits for 100 may send its content or not: nobody knows where the next request
        // begins.
        let is_unclear = self.kind == Kind::Connect || self.expect == Expect::Continue;
        let closes = head.fields.contains(Known::Connection)
            && head.fields.list_has(Known::Connection, "close");
        // Whoever sends so much to be refused is not waited for (RFC 9110 §15.5.14), and is told so.
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        let is_too_much = is_error && self.is_owed_more_than(self.limits.discard);
        if is_unclear || is_too_much || closes || outgoing == Outgoing::UntilClose {
            return Ending::Us;
        }
        Ending::Keep
    }
}

/// Content that must not be sent: nothing to wait for if there is none.
const fn swallow(content: Content) -> Outgoing {
    match content {
        Content::None => Outgoing::Over,
        _ => Outgoing::Swallow,
    }
}

#[inline]
fn send(payload: Payload, out: &mut Outbox) {
    if !payload.is_empty() {
        out.payload((), payload);
    }
}
