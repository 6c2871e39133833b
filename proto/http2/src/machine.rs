//! The way out: commands to frames (RFC 9113 §8), and the `Machine` interface.
//!
//! Says what is sent, and when a window forbids it; how heads are written is `encode`'s.

use trilane_semantics::sending::{self, Outgoing, SHARE, announces_trailers};
use trilane_semantics::{
    Content, ExchangeId, Fault, Fields, Input, Instant, Machine, Misuse, Next, Outbox, Payload,
    Protocol, RequestHead, ResponseHead, Stamp, StatusCode,
};

use crate::code::Code;
use crate::encode;
use crate::frame::{self, MOST, flag, kind};
use crate::state::{Http2, Reading, Role, Then};
use crate::streams::{Expect, Incoming, Kind, Past, Wants};
use trilane_semantics::budget;

impl Machine for Http2 {
    type Stream = ();

    const PROTOCOL: Protocol = Protocol::Http2;

    const MULTIPLEXES: bool = true;

    fn poll_event<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Result<Next<'b>, Fault> {
        self.receive(now, input)
    }

    fn refused(&mut self) -> Option<ExchangeId> {
        self.leaves_last.then(|| ExchangeId(self.last[1].into()))
    }

    fn respond(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        content: Content,
        stamp: &Stamp,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let Some(stream) = self.streams.get_mut(number(id)) else { return Ok(()) };
        if stream.outgoing != Outgoing::Owed {
            return Err(Misuse::OutOfOrder);
        }
        // RFC 9113 §8.6: there is no 101; other 1xx are not final.
        if head.status.is_informational() || content == Content::Tunnel {
            return Err(Misuse::Status);
        }
        let is_of_use = stream.verdict.is_none_or(|code| code == Code::NoError);
        let is_tunnel = stream.kind == Kind::Connect && head.status.is_success();
        let (said, outgoing) = sending::of_response(stream.kind, head.status, content);
        stream.outgoing = outgoing;
        stream.has_trailers = announces_trailers(&head.fields);
        if stream.incoming == Incoming::Tunnel && !is_tunnel {
            stream.incoming = Incoming::Refused;
        }
        if std::mem::replace(&mut stream.expect, Expect::Nothing) == Expect::Continue {
            // RFC 9110 §10.1.1: it waits for us, and is not waited for.
            stream.verdict = stream.verdict.or(Some(Code::NoError));
        }
        let id = stream.id;
        let then = if outgoing == Outgoing::Over { Then::End } else { Then::More };
        encode::response((&mut self.encoder, out), id, head, stamp, (said, then));
        if is_tunnel {
            self.note_tunnel(id);
        }
        if is_of_use {
            // The peer was of use, or at least no worse than long: it may give up another one.
            self.budget.earn(budget::RESET, &self.limits);
        }
        if then == Then::End {
            self.settle(id);
        }
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
        self.greet(out);
        let Some(stream) = self.streams.get_mut(number(id)) else { return Ok(()) };
        if stream.outgoing != Outgoing::Owed {
            return Err(Misuse::OutOfOrder);
        }
        if head.status == StatusCode::CONTINUE {
            stream.expect = Expect::Nothing;
        }
        encode::interim(&mut self.encoder, out, stream.id, head);
        Ok(())
    }

    fn proceed(&mut self, id: ExchangeId, out: &mut Outbox) {
        let waits = self.stream(id).is_some_and(|stream| {
            stream.expect == Expect::Continue && stream.incoming == Incoming::Open
        });
        if waits && self.closed.is_none() {
            // It was neither answered, nor is 100 anything but informational.
            let _ = self.interim(id, &ResponseHead::new(StatusCode::CONTINUE), out);
        }
    }

    fn request(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        self.ask(head, content, out)
    }

    fn capacity(&self) -> usize {
        self.may_ask()
    }

    fn knows_peer(&self) -> bool {
        !matches!(self.reading, Reading::Preface(_) | Reading::First)
    }

    fn push(
        &mut self,
        id: ExchangeId,
        head: &RequestHead,
        out: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        self.promise(id, head, out)
    }

    fn send_body(
        &mut self,
        id: ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let others = self.streams.len() > 1;
        let Some(stream) = self.streams.get_mut(number(id)) else {
            *body = Payload::new();
            return Ok(());
        };
        if body.is_empty() {
            // Whoever waits for a window goes on waiting.
            return Ok(());
        }
        let left = match stream.outgoing {
            Outgoing::Exact(0) => return Err(Misuse::ContentLength),
            Outgoing::Exact(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Outgoing::Unknown => usize::MAX,
            Outgoing::Held | Outgoing::Over | Outgoing::Owed => return Err(Misuse::OutOfOrder),
        };
        let room = if stream.priority.incremental && others { room.min(SHARE) } else { room };
        let window = stream.outflow.left().min(self.outflow.left());
        let may = body.len().min(room).min(left);
        let mut goes = may.min(window);
        let (id, is_blocked) = (stream.id, goes < may);
        stream.outflow.spend(goes);
        self.outflow.spend(goes);
        let is_all = goes == left;
        let ends = is_all && !stream.has_trailers;
        if let Outgoing::Exact(left) = &mut stream.outgoing {
            *left -= goes as u64;
        }
        let had_some = goes > 0;
        if had_some {
            self.went = self.now;
        }
        let is_first = stream.wants == Wants::Nothing;
        stream.wants = if is_blocked { Wants::Window } else { Wants::Nothing };
        let can_go_on = stream.outflow.left() > 0;
        if is_blocked && can_go_on && !stream.is_waiting {
            // It is the connection's window that is closed.
            stream.is_waiting = true;
            self.waiting.add(id.into());
        }
        if stream.incoming == Incoming::Tunnel && had_some {
            self.note_tunnel(id);
        }
        while goes > 0 {
            let piece = body.split_to(goes.min(MOST));
            goes -= piece.len();
            if !is_blocked || piece.len() >= budget::TINY_BELOW {
                self.updates = self.updates.saturating_add(updates_for(piece.len()));
            }
            let flags = if ends && goes == 0 { flag::END_STREAM } else { 0 };
            #[cfg(planted = "h2_end")] // A mistake on purpose: `make planted`.
            let flags = if piece.len() == MOST { 0 } else { flags };
            out.framing((), |bytes| frame::write(bytes, kind::DATA, flags, id, piece.len()));
            out.payload((), piece);
        }
        if is_blocked && (is_first || had_some) {
            self.note_blocked(id);
        }
        if is_all && had_some {
            if ends {
                self.end_outgoing(id);
            }
            return if body.is_empty() { Ok(()) } else { Err(Misuse::ContentLength) };
        }
        Ok(())
    }

    fn finish(
        &mut self,
        id: ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let Some(stream) = self.streams.get_mut(number(id)) else { return Ok(()) };
        let number = stream.id;
        match stream.outgoing {
            Outgoing::Held | Outgoing::Owed => return Err(Misuse::OutOfOrder),
            Outgoing::Over => return Ok(()),
            Outgoing::Exact(1..) => {
                self.cancel(id, out);
                return Err(Misuse::ContentLength);
            }
            Outgoing::Exact(0) | Outgoing::Unknown => match trailers {
                Some(fields) if !fields.is_empty() => {
                    encode::trailers(&mut self.encoder, out, number, fields);
                }
                _ => out.framing((), |bytes| {
                    frame::write(bytes, kind::DATA, flag::END_STREAM, number, 0);
                }),
            },
        }
        self.end_outgoing(number);
        Ok(())
    }

    fn release(&mut self, id: ExchangeId, n: usize) {
        self.released(id, n);
    }

    fn cancel(&mut self, id: ExchangeId, _: &mut Outbox) {
        let is_client = self.role == Role::Client;
        let Some(stream) = self.stream(id) else { return };
        let verdict = stream.verdict.filter(|code| *code != Code::NoError);
        // RFC 8441 §5: the end of a tunnel that is not in order is a CANCEL.
        let is_cancelled = is_client || stream.kind == Kind::Connect;
        let unasked = if is_cancelled { Code::Cancel } else { Code::Internal };
        self.end_by(number(id), verdict.unwrap_or(unasked));
    }

    fn wanted(&self, (): ()) -> usize {
        if self.closed.is_some() { 0 } else { usize::MAX }
    }

    fn sendable(&mut self, id: ExchangeId) -> usize {
        let left = self.outflow.left();
        let Some(stream) = self.streams.get_mut(number(id)) else { return usize::MAX };
        let open = stream.outflow.left().min(left);
        if open == 0 {
            let (id, is_first) = (stream.id, stream.wants == Wants::Nothing);
            stream.wants = Wants::Window;
            self.window_opened(id);
            if is_first {
                self.note_blocked(id);
            }
        }
        open
    }

    fn schedule(&mut self, waiting: &mut [ExchangeId]) {
        self.order(waiting);
    }

    fn drain(&mut self) {
        self.begin_drain();
    }

    fn flush(&mut self, now: Instant, out: &mut Outbox) {
        self.now = now;
        self.pay(out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        self.timeout(now)
    }
}

impl Http2 {
    /// We have ended our half.
    fn end_outgoing(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.outgoing = Outgoing::Over;
        match (stream.incoming, stream.verdict) {
            // The whole exchange is over, as nearly always.
            (Incoming::Over, None) => self.forget(id, Past::Ended),
            _ => self.settle(id),
        }
    }
}

/// The stream of an exchange; no stream for what is none of ours.
#[inline]
fn number(id: ExchangeId) -> u32 {
    u32::try_from(id.0).unwrap_or(0)
}

/// How many WINDOW_UPDATE frames content may bring about: for the stream and for the connection, and more for a peer that
/// reads by small pieces. Not for what its window cuts into tiny ones.
#[inline]
const fn updates_for(bytes: usize) -> u32 {
    // A frame of content has 2^14 bytes at most.
    2 + (bytes >> 10) as u32
}
