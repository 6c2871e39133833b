//! The incoming direction: bytes to events (RFC 9112 §3 to §8), and the timers that wait for bytes.
//!
//! Each function takes what it can off the input and says what happened; `Ok(None)` is "the state
//! has changed, look again". Never sends anything.

use core::time::Duration;

use trilane_semantics::{
    Cause, Closed, Event, Fault, Fields, Input, Instant, Next, Protocol, Reason, StatusCode, Why,
};

use crate::chunked::{Decoded, Decoder};
use crate::framing::{self, Kind, Length};
use crate::head;
use crate::state::{Ending, Expect, Http1, Incoming, Outgoing, Peer, Phase, Role, Wait};

type Step<'b> = Result<Option<Next<'b>>, Reason>;

/// A piece of content, whatever frames it.
enum Piece<'b> {
    Data(&'b [u8]),
    Trailers(Fields),
    End,
    NeedInput,
}

impl Http1 {
    /// As [`Machine::poll_event`](trilane_semantics::Machine::poll_event).
    pub(crate) fn receive<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b>,
    ) -> Result<Next<'b>, Fault> {
        loop {
            if let Some(closed) = self.closed
                && !self.is_sending()
            {
                return Ok(Next::Closed(closed));
            }
            let step = match (self.incoming, self.role) {
                (Incoming::Over | Incoming::Held, role) => Ok(Some(Next::Paused(match role {
                    Role::Client => Why::Request,
                    Role::Server => Why::Answer,
                }))),
                (Incoming::Idle | Incoming::Skipped | Incoming::Head, Role::Server) => {
                    self.request_head(now, input)
                }
                (Incoming::Idle | Incoming::Skipped | Incoming::Head, Role::Client) => {
                    self.response_head(now, input)
                }
                (Incoming::Tunnel, _) => Ok(self.tunnel(now, input)),
                (Incoming::Exact(_) | Incoming::Chunked(_) | Incoming::UntilClose, _) => {
                    self.content(now, input)
                }
            };
            match step {
                Ok(Some(next)) => return Ok(next),
                Ok(None) => (),
                Err(reason) => {
                    let fault = self.fail(reason);
                    // RFC 9110 §9.3.2: what can be known of the method of a refused head is heeded.
                    if self.kind == Kind::Plain && input.bytes().starts_with(b"HEAD ") {
                        self.kind = Kind::Head;
                    }
                    return Err(fault);
                }
            }
        }
    }

    fn request_head<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Step<'b> {
        let bytes = input.bytes();
        if bytes.is_empty() {
            if input.is_fin() {
                self.close(Closed::now(Cause::Peer));
                return Ok(None);
            }
            // A poll without bytes in the middle of a head changes nothing.
            if self.wait == Wait::Nothing {
                (self.wait, self.deadline) = (Wait::Next, now + self.limits.idle_timeout);
            }
            return Ok(Some(Next::NeedInput));
        }
        // RFC 9112 §2.2: a server SHOULD ignore at least one empty line before the request line.
        if matches!(self.incoming, Incoming::Idle) && bytes.starts_with(b"\r\n") {
            input.take(2);
            self.incoming = Incoming::Skipped;
            return Ok(None);
        }
        let may_be_empty_line = matches!(self.incoming, Incoming::Idle) && bytes == b"\r";
        let found = if may_be_empty_line {
            None
        } else {
            head::request(bytes, &mut self.scan, &self.limits)?
        };
        let Some((head, length)) = found else { return self.more_of_head(now, input) };
        let (content, kind) = framing::of_request(&head)?;
        let waits = framing::waits_for_continue(&head, content)?;
        let persists = framing::persists(head.protocol, &head.fields);
        input.take(length);
        let id = self.begin(kind);
        self.peer = match head.protocol {
            Protocol::Http10 => Peer::Http10,
            _ => Peer::Http11,
        };
        self.ending = if persists { Ending::Keep } else { Ending::Peer };
        self.expect = if waits { Expect::Continue } else { Expect::Nothing };
        self.incoming = incoming(content);
        #[cfg(planted = "pipelining")] // A mistake on purpose: `make planted`.
        if matches!(self.incoming, Incoming::Over) && !input.is_empty() {
            self.incoming = Incoming::Idle;
        }
        (self.outgoing, self.wait) = (Outgoing::Owed, Wait::Nothing);
        let content = content.content();
        Ok(Some(Next::Event(Event::Request { id, head, content })))
    }

    /// The head is incomplete.
    fn more_of_head<'b>(&mut self, now: Instant, input: &Input<'b>) -> Step<'b> {
        if input.is_fin() {
            return Err(Reason::Incomplete);
        }
        match self.wait {
            Wait::Head => (),
            // The time for the first head counts from the beginning of the connection.
            Wait::First => self.wait = Wait::Head,
            _ => (self.wait, self.deadline) = (Wait::Head, now + self.limits.head_timeout),
        }
        Ok(Some(Next::NeedInput))
    }

    fn response_head<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Step<'b> {
        if self.outgoing == Outgoing::Idle {
            return Ok(self.between_requests(input));
        }
        if input.is_empty() {
            return match (self.incoming, input.is_fin()) {
                (_, false) => Ok(Some(Next::NeedInput)),
                // Not a byte of a response: the request may be tried elsewhere (RFC 9112 §9.3.1).
                (Incoming::Idle, true) => {
                    self.outgoing = Outgoing::Gone;
                    self.close(Closed::now(Cause::Peer));
                    Ok(None)
                }
                (_, true) => Err(Reason::Incomplete),
            };
        }
        let found = head::response(input.bytes(), &mut self.scan, &self.limits)?;
        let Some(((version, head), length)) = found else { return self.more_of_head(now, input) };
        let content = framing::of_response(self.kind, version, &head)?;
        input.take(length);
        self.wait = Wait::Nothing;
        let id = self.id();
        if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9110 §15.2: any number may come; together they have the limit of a head.
            self.discarded += length as u64;
            if self.discarded > self.limits.head as u64 {
                return Err(Reason::FieldsTooLarge);
            }
            self.incoming = Incoming::Head;
            return Ok(Some(Next::Event(Event::Interim { id, head })));
        }
        self.incoming = match content {
            Length::Tunnel => Incoming::Tunnel,
            other => incoming(other),
        };
        match (content, self.outgoing) {
            (Length::Tunnel, _) => {
                (self.outgoing, self.ending) = (Outgoing::Tunnel, Ending::Tunnel);
            }
            (_, Outgoing::Held) => self.outgoing = Outgoing::Over,
            _ => (),
        }
        if self.ending == Ending::Keep
            && (content == Length::UntilClose || !framing::persists(version, &head.fields))
        {
            self.ending = Ending::Peer;
        }
        self.settle();
        let content = content.content();
        Ok(Some(Next::Event(Event::Response { id, head, content })))
    }

    /// Client role, no request under way.
    fn between_requests<'b>(&mut self, input: &Input<'_>) -> Option<Next<'b>> {
        if !input.is_empty() {
            // RFC 9112 §9.2: what nobody asked for is not a response; the connection is closed.
            self.close(Closed::now(Cause::Fault(Reason::StatusLine)));
        } else if input.is_fin() {
            self.close(Closed::now(Cause::Peer));
        } else if self.phase == Phase::Draining {
            self.close(Closed::now(Cause::Drain));
        } else {
            return Some(Next::Paused(Why::Request));
        }
        None
    }

    fn content<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Step<'b> {
        let before = input.bytes().len();
        if before > 0 {
            // RFC 9110 §10.1.1: 100 MAY be omitted once content has come.
            self.expect = Expect::Nothing;
        }
        let piece = self.piece(input)?;
        let taken = before - input.bytes().len();
        self.wait_for_content(now, taken);
        if self.discards() {
            return Ok(self.discard(piece, taken, input));
        }
        let id = self.id();
        Ok(Some(Next::Event(match piece {
            Piece::Data(data) => {
                self.held += data.len() as u64;
                Event::Body { id, data }
            }
            Piece::Trailers(fields) => Event::Trailers { id, fields },
            Piece::End => {
                (self.incoming, self.wait) = (Incoming::Over, Wait::Nothing);
                self.settle();
                Event::End { id }
            }
            // RFC 9112 §8: a message cut short is incomplete, whatever came of it.
            Piece::NeedInput if input.is_fin() => return Err(Reason::Incomplete),
            Piece::NeedInput => return Ok(Some(Next::NeedInput)),
        })))
    }

    /// Arms the timers of content of which `taken` bytes more have come.
    pub(crate) fn wait_for_content(&mut self, now: Instant, taken: usize) {
        let (limits, before) = (&self.limits, self.wait);
        match before {
            Wait::Body => (),
            // What the caller held back, since the last piece came, is not the peer's time.
            Wait::Released => {
                let last =
                    self.deadline.since(Instant::default()).saturating_sub(limits.body_timeout);
                let held = now.since(Instant::default()).saturating_sub(last);
                self.rate_deadline = self.rate_deadline + held;
            }
            _ => self.rate_deadline = now + limits.body_grace,
        }
        if taken > 0 || before != Wait::Body {
            (self.wait, self.deadline) = (Wait::Body, now + limits.body_timeout);
        }
        if taken > 0 && limits.body_rate > 0 {
            // A lead does not grow: what came fast cannot be followed by hours of nothing.
            let nanos = (taken as u64).saturating_mul(1_000_000_000) / limits.body_rate;
            let later = self.rate_deadline + Duration::from_nanos(nanos);
            self.rate_deadline = later.min(now + limits.body_grace);
        }
    }

    /// When content is late: nothing came for too long, or too little.
    pub(crate) fn content_deadline(&self) -> Instant {
        match self.limits.body_rate {
            0 => self.deadline,
            _ => self.deadline.min(self.rate_deadline),
        }
    }

    /// Content after the answer: only its end matters.
    fn discard<'b>(
        &mut self,
        piece: Piece<'_>,
        taken: usize,
        input: &Input<'_>,
    ) -> Option<Next<'b>> {
        self.discarded += taken as u64;
        if self.discarded > self.limits.discard {
            self.close(Closed::lingering(Cause::LastMessage));
            return None;
        }
        match piece {
            Piece::Data(_) | Piece::Trailers(_) => (),
            Piece::End => {
                self.incoming = Incoming::Over;
                self.settle();
            }
            Piece::NeedInput if input.is_fin() => self.close(Closed::now(Cause::PeerLeft)),
            Piece::NeedInput => return Some(Next::NeedInput),
        }
        None
    }

    /// The next piece of content off the input. After trailers nothing is missing: `Exact(0)`.
    fn piece<'b>(&mut self, input: &mut Input<'b>) -> Result<Piece<'b>, Reason> {
        Ok(match &mut self.incoming {
            Incoming::Exact(0) => Piece::End,
            Incoming::Exact(_) | Incoming::UntilClose if input.is_empty() => {
                let is_end = input.is_fin() && !self.is_cut;
                let ends = matches!(self.incoming, Incoming::UntilClose) && is_end;
                if ends { Piece::End } else { Piece::NeedInput }
            }
            Incoming::Exact(left) => {
                let data = input.take(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                Piece::Data(data)
            }
            Incoming::Chunked(decoder) => {
                match decoder.decode(input, &self.limits, &mut self.extensions)? {
                    Decoded::Data(data) => Piece::Data(data),
                    Decoded::NeedInput => Piece::NeedInput,
                    Decoded::Last(fields) => {
                        self.incoming = Incoming::Exact(0);
                        if fields.is_empty() { Piece::End } else { Piece::Trailers(fields) }
                    }
                }
            }
            _ => Piece::Data(input.take(usize::MAX)),
        })
    }

    fn tunnel<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Option<Next<'b>> {
        let id = self.id();
        if !input.is_empty() || self.wait != Wait::Tunnel {
            self.wait_in_tunnel(now);
        }
        if !input.is_empty() {
            return Some(Next::Event(Event::Body { id, data: input.take(usize::MAX) }));
        }
        if !input.is_fin() {
            return Some(Next::NeedInput);
        }
        self.incoming = Incoming::Over;
        self.settle();
        Some(Next::Event(Event::End { id }))
    }

    /// Arms the timer of a tunnel: something has gone through it.
    pub(crate) fn wait_in_tunnel(&mut self, now: Instant) {
        (self.wait, self.deadline) = (Wait::Tunnel, now + self.limits.tunnel_timeout);
    }

    /// As [`Machine::handle_timeout`](trilane_semantics::Machine::handle_timeout).
    pub(crate) fn timeout(&mut self, now: Instant) -> Result<(), Fault> {
        if self.next_timeout().is_none_or(|at| now < at) {
            return Ok(());
        }
        match self.wait {
            Wait::First | Wait::Next | Wait::Tunnel => self.close(Closed::now(Cause::IdleTimeout)),
            Wait::Head => return Err(self.fail(Reason::HeadTimeout)),
            Wait::Body => return Err(self.fail(Reason::BodyTimeout)),
            Wait::Nothing | Wait::Released => (),
        }
        Ok(())
    }

    /// When the peer will have taken too long.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.wait {
            Wait::Nothing | Wait::Released => None,
            // It is the caller who holds back, not the peer.
            Wait::Body if self.held > 0 => None,
            Wait::Body => Some(self.content_deadline()),
            Wait::First | Wait::Head | Wait::Next | Wait::Tunnel => Some(self.deadline),
        }
    }
}

const fn incoming(length: Length) -> Incoming {
    match length {
        Length::None => Incoming::Over,
        Length::Exact(length) => Incoming::Exact(length),
        Length::Chunked => Incoming::Chunked(Decoder::new()),
        Length::UntilClose => Incoming::UntilClose,
        Length::Tunnel => Incoming::Held,
    }
}
