//! The way out: commands to frames (RFC 9114 §4.1), and the `Machine` interface.
//!
//! Says what is sent, and when the lack of room forbids it; how heads are written is `encode`'s.

use trilane_semantics::section;
use trilane_semantics::sending::{self, Outgoing, SHARE, announces_trailers};
use trilane_semantics::{
    Command, Content, ExchangeId, Fault, Fields, Input, Instant, Machine, Misuse, Next, Outbox,
    Payload, Protocol, RequestHead, ResponseHead, Stamp, StatusCode, budget,
};

use crate::code::Code;
use crate::encode;
use crate::frame::{self, kind};
use crate::state::{Http3, Role};
use crate::streams::Incoming;
use crate::uni::{self, is_request};

/// The longest frame header, in bytes: two numbers.
const LONGEST_HEADER: usize = 16;

impl Machine for Http3 {
    type Stream = u64;

    const PROTOCOL: Protocol = Protocol::Http3;

    const MULTIPLEXES: bool = true;

    fn poll_event<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b, u64>,
    ) -> Result<Next<'b>, Fault> {
        self.receive(now, input)
    }

    fn reset(&mut self, stream: u64, code: u64) {
        self.was_reset(stream, code);
    }

    fn stopped(&mut self, stream: u64, code: u64) {
        self.was_stopped(stream, code);
    }

    fn set_room(&mut self, stream: u64, room: usize) {
        if is_request(stream) {
            self.room_came(stream, room);
        }
    }

    fn set_streams(&mut self, more: u64) {
        self.may_begin = more;
    }

    fn revisit(&mut self) -> Option<u64> {
        self.again.pop()
    }

    fn datagram<'b>(
        &mut self,
        datagram: &'b [u8],
    ) -> Result<Option<(ExchangeId, &'b [u8])>, Fault> {
        self.datagram_came(datagram)
    }

    fn send_datagram(
        &mut self,
        id: ExchangeId,
        data: &[u8],
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        self.datagram_goes(id, data, out)
    }

    fn refused(&mut self) -> Option<ExchangeId> {
        // What one stream does wrong is answered on that stream; after an error of the connection nothing is.
        None
    }

    fn respond(
        &mut self,
        ExchangeId(id): ExchangeId,
        head: &ResponseHead,
        content: Content,
        stamp: &Stamp,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if stream.outgoing != Outgoing::Owed {
            return Err(Misuse::OutOfOrder);
        }
        // RFC 9114 §4.5: there is no 101; other 1xx are not final.
        if head.status.is_informational() || content == Content::Tunnel {
            return Err(Misuse::Status);
        }
        let is_of_use = stream.verdict.is_none_or(|code| code == Code::NoError);
        let (said, outgoing) = sending::of_response(stream.kind, head.status, content);
        stream.outgoing = outgoing;
        stream.has_trailers = announces_trailers(&head.fields);
        let is_tunnel = stream.kind == section::Kind::Connect && head.status.is_success();
        if stream.incoming == Incoming::Tunnel && !is_tunnel {
            stream.incoming = Incoming::Refused;
        }
        if std::mem::replace(&mut stream.expects, false) {
            // RFC 9110 §10.1.1: it waits for us, and is not waited for.
            stream.verdict = stream.verdict.or(Some(Code::NoError));
        }
        self.prioritize(id, out);
        encode::response((&mut self.encoder, out), id, head, stamp, said);
        if is_tunnel {
            self.note_tunnel(id);
        }
        if is_of_use {
            // The peer was of use, or at least no worse than long: it may give up another one.
            self.budget.earn(budget::RESET, &self.limits);
        }
        if outgoing == Outgoing::Over {
            out.command(id, Command::Fin);
            self.settle(id);
        }
        Ok(())
    }

    fn interim(
        &mut self,
        ExchangeId(id): ExchangeId,
        head: &ResponseHead,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Misuse::Status);
        }
        self.greet(out);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        if stream.outgoing != Outgoing::Owed {
            return Err(Misuse::OutOfOrder);
        }
        if head.status == StatusCode::CONTINUE {
            stream.expects = false;
        }
        encode::interim((&mut self.encoder, out), id, head);
        Ok(())
    }

    fn proceed(&mut self, id: ExchangeId, out: &mut Outbox<u64>) {
        let waits = self
            .streams
            .get(id.0)
            .is_some_and(|stream| stream.expects && stream.incoming == Incoming::Open);
        if waits && self.closed.is_none() {
            // It was neither answered, nor is 100 anything but informational.
            let _ = self.interim(id, &ResponseHead::new(StatusCode::CONTINUE), out);
        }
    }

    fn request(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox<u64>,
    ) -> Result<ExchangeId, Misuse> {
        self.ask(head, content, out)
    }

    fn capacity(&self) -> usize {
        self.may_ask()
    }

    fn knows_peer(&self) -> bool {
        self.theirs.is_settled
    }

    fn send_body(
        &mut self,
        ExchangeId(id): ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let others = self.streams.len() > 1;
        let Some(stream) = self.streams.get_mut(id) else {
            *body = Payload::new();
            return Ok(());
        };
        if body.is_empty() {
            // Whoever waits for room goes on waiting.
            return Ok(());
        }
        let left = match stream.outgoing {
            Outgoing::Exact(0) => return Err(Misuse::ContentLength),
            Outgoing::Exact(left) => left,
            Outgoing::Unknown => u64::MAX,
            Outgoing::Over if self.role == Role::Client => {
                // The server has asked for no more of it.
                *body = Payload::new();
                return Ok(());
            }
            Outgoing::Held | Outgoing::Over | Outgoing::Owed => return Err(Misuse::OutOfOrder),
        };
        let room = if stream.priority.incremental && others { room.min(SHARE) } else { room };
        let may = body.len().min(room).min(usize::try_from(left).unwrap_or(usize::MAX));
        let goes = may.min(stream.room);
        let (is_blocked, is_first) = (goes < may, !stream.wants_room);
        stream.room -= goes;
        stream.wants_room = is_blocked;
        if goes > 0 {
            // Content whose length is known is one frame, whatever pieces it goes in.
            let length = match &mut stream.outgoing {
                Outgoing::Exact(left) => {
                    let all = *left;
                    *left -= goes as u64;
                    (!std::mem::replace(&mut stream.is_framed, true)).then_some(all)
                }
                _ => Some(goes as u64),
            };
            if let Some(length) = length {
                out.framing(id, |bytes| frame::write(bytes, kind::DATA, length));
            }
            out.payload(id, body.split_to(goes));
            self.went = self.now;
        }
        let (is_tunnel, has_trailers) = (stream.incoming == Incoming::Tunnel, stream.has_trailers);
        if is_tunnel && goes > 0 {
            self.note_tunnel(id);
        }
        if is_blocked && (is_first || goes > 0) {
            self.note_blocked(id);
        }
        if goes > 0 && goes as u64 == left {
            if !has_trailers {
                self.end_outgoing(id, out);
            }
            return if body.is_empty() { Ok(()) } else { Err(Misuse::ContentLength) };
        }
        Ok(())
    }

    fn finish(
        &mut self,
        ExchangeId(id): ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        self.greet(out);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        match stream.outgoing {
            Outgoing::Held | Outgoing::Owed => return Err(Misuse::OutOfOrder),
            Outgoing::Over => return Ok(()),
            Outgoing::Exact(1..) => {
                self.cancel(ExchangeId(id), out);
                return Err(Misuse::ContentLength);
            }
            Outgoing::Exact(0) | Outgoing::Unknown => {
                // RFC 9114 §4.4: a tunnel has none.
                let has_place = stream.kind != section::Kind::Connect;
                if let Some(fields) = trailers.filter(|it| !it.is_empty() && has_place) {
                    encode::trailers((&mut self.encoder, out), id, fields);
                }
            }
        }
        self.end_outgoing(id, out);
        Ok(())
    }

    fn release(&mut self, id: ExchangeId, n: usize) {
        self.released(id, n);
    }

    fn cancel(&mut self, ExchangeId(id): ExchangeId, _: &mut Outbox<u64>) {
        let Some(stream) = self.streams.get(id) else { return };
        let verdict = stream.verdict.filter(|code| *code != Code::NoError);
        // RFC 9220 §3: the end of a tunnel that is not in order is one too.
        let is_cancelled = self.role == Role::Client || stream.kind == section::Kind::Connect;
        let unasked = if is_cancelled { Code::RequestCancelled } else { Code::Internal };
        self.end_by(id, verdict.unwrap_or(unasked));
    }

    fn wanted(&self, stream: u64) -> usize {
        if self.closed.is_some() {
            return usize::MAX;
        }
        if !is_request(stream) {
            return match self.theirs.encoder {
                _ if self.theirs.ignores(stream) => usize::MAX,
                // An instruction is taken whole: no window is smaller.
                Some(encoder) if encoder == stream => uni::WINDOW.max(self.decoder.longest() + 1),
                _ => uni::WINDOW,
            };
        }
        let window = self.window();
        match self.streams.get(stream) {
            Some(stream) if stream.is_blocked => 0,
            Some(stream) => match stream.incoming {
                Incoming::Over | Incoming::Refused | Incoming::Unwanted(_) => usize::MAX,
                // Heads come whatever the content of others takes, as over HTTP/2.
                Incoming::Head => window,
                _ => window.saturating_sub(stream.held).min(self.left()),
            },
            None if self.role == Role::Server && !self.seen.has(stream) => window,
            None => usize::MAX,
        }
    }

    fn sendable(&mut self, ExchangeId(id): ExchangeId) -> usize {
        let Some(stream) = self.streams.get_mut(id) else { return usize::MAX };
        let room = stream.room;
        if room == 0 && !std::mem::replace(&mut stream.wants_room, true) {
            self.note_blocked(id);
        }
        room
    }

    fn schedule(&mut self, waiting: &mut [ExchangeId]) {
        self.order(waiting);
    }

    fn drain(&mut self) {
        self.begin_drain();
    }

    fn flush(&mut self, now: Instant, out: &mut Outbox<u64>) {
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

impl Http3 {
    /// How much may come of a stream ahead of its reader. A header section is taken whole: no window is smaller.
    pub(crate) fn window(&self) -> usize {
        self.limits.stream_window.max(self.limits.head + LONGEST_HEADER)
    }

    /// We have ended our half.
    fn end_outgoing(&mut self, id: u64, out: &mut Outbox<u64>) {
        out.command(id, Command::Fin);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.outgoing = Outgoing::Over;
            self.settle(id);
        }
    }
}
