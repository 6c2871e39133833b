//! The client role: requests out, responses in, and what a GOAWAY leaves undone (RFC 9114 §4.1, §5.2, §6.1).
//!
//! What both roles do alike is not here. How long an answer may take to begin is for the caller to say.

use trilane_qpack::{DecodeError, Decoded};
use trilane_semantics::section::{self, End, Kind};
use trilane_semantics::sending::{self, Outgoing, announces_trailers};
use trilane_semantics::{
    Command, Content, Effect, Event, ExchangeId, Misuse, Next, Outbox, Reason, RequestHead,
    ResponseSection, budget,
};

use crate::code::Code;
use crate::encode;
use crate::receive::Step;
use crate::state::{Drain, Http3, Role};
use crate::streams::{Incoming, Stream};
use crate::varint;

impl Http3 {
    /// As [`Machine::request`](trilane_semantics::Machine::request).
    pub(crate) fn ask(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox<u64>,
    ) -> Result<ExchangeId, Misuse> {
        let kind = Kind::of(&head.method);
        let (said, outgoing) = sending::of_request(kind, content).ok_or(Misuse::NotNow)?;
        // RFC 9220 §3: only where the server has said that it takes :protocol.
        let is_extended = kind == Kind::Connect && head.connect_protocol().is_some();
        if self.may_ask() == 0 || is_extended && !self.peer.connect {
            return Err(Misuse::NotNow);
        }
        self.greet(out);
        let id = self.next;
        self.next += 4;
        self.may_begin -= 1;
        let room = if self.first_room.0 == id { self.first_room.1 } else { 0 };
        let mut stream = Stream::new(id, room, self.now);
        (stream.outgoing, stream.kind) = (outgoing, kind);
        stream.has_trailers = announces_trailers(&head.fields);
        self.streams.insert(stream);
        encode::request((&mut self.encoder, out), id, head, said);
        if outgoing == Outgoing::Over {
            out.command(id, Command::Fin);
        }
        Ok(ExchangeId(id))
    }

    /// How many requests may begin: RFC 9000 §4.6 (as many as the transport takes), RFC 9114 §5.2 (none after GOAWAY).
    pub(crate) fn may_ask(&self) -> usize {
        let takes = self.role == Role::Client
            && self.closed.is_none()
            && self.drain == Drain::No
            && self.next <= varint::MOST;
        let most = usize::try_from(self.may_begin).unwrap_or(usize::MAX);
        let free = self.limits.streams.saturating_sub(self.streams.len());
        if takes { most.min(free) } else { 0 }
    }

    /// The header section of a response, interim or final.
    pub(crate) fn response<'b>(&mut self, id: u64, payload: &[u8], ends: End) -> Step<'b> {
        let mut section = ResponseSection::new(&self.limits);
        let decoded =
            self.decoder.decode(id, payload, |field| section.field(field.name, field.value));
        let head = match decoded {
            Ok(Decoded::Whole) => section.finish(),
            Ok(Decoded::Blocked) => return self.block(id),
            Err(DecodeError::Field(reason)) => Err(reason),
            Err(_) => return Err(self.fail(Code::Decompression)),
        };
        let head = match head {
            Ok(head) => head,
            Err(reason) => return Err(self.refuse(id, reason)),
        };
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        stream.is_blocked = false;
        if head.status.is_informational() {
            self.charge(budget::INTERIM, Reason::Flood)?;
            return Ok(Some(Next::Event(Event::Interim { id: ExchangeId(id), head })));
        }
        let content = match section::response_content(&head, stream.kind, ends) {
            Ok(content) => content,
            Err(reason) => return Err(self.refuse(id, reason)),
        };
        stream.incoming = match content {
            Content::Tunnel => Incoming::Tunnel,
            Content::None => Incoming::Over,
            _ => Incoming::Open,
        };
        match content {
            Content::Exact(length) => stream.missing = Some(length),
            Content::Tunnel => stream.outgoing = Outgoing::Unknown,
            Content::None | Content::Unknown => (),
        }
        if stream.outgoing == Outgoing::Held {
            // No tunnel: nothing will be sent.
            stream.outgoing = Outgoing::Over;
            self.owed.commands.push((id, Command::Reset(Code::RequestCancelled as u64)));
        }
        // The peer was of use.
        self.budget.earn(budget::RESET, &self.limits);
        match content {
            Content::Tunnel => self.note_tunnel(id),
            Content::None => self.settle(id),
            _ => self.wait_for_content(id),
        }
        Ok(Some(Next::Event(Event::Response { id: ExchangeId(id), head, content })))
    }

    /// The next exchange of ours that the peer's GOAWAY left out: it is not below what the GOAWAY said (RFC 9114 §5.2).
    pub(crate) fn undone<'b>(&mut self) -> Option<Next<'b>> {
        let first = self.goaway.filter(|_| self.role == Role::Client)?;
        let left_out = self.streams.iter().filter(|stream| stream.id >= first);
        let (id, incoming) =
            left_out.map(|stream| (stream.id, stream.incoming)).min_by_key(|it| it.0)?;
        self.end_by(id, Code::RequestCancelled);
        // What was answered was processed, whatever the peer says.
        let effect = if incoming == Incoming::Head { Effect::None } else { Effect::Unknown };
        let code = Code::RequestRejected as u64;
        Some(Next::Event(Event::Reset { id: ExchangeId(id), code, effect }))
    }
}
