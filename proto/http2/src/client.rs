//! The client role: requests out, responses in, and what a GOAWAY leaves undone (RFC 9113 §5.1.1, §6.8, §8.1).
//!
//! What both roles do alike is not here. How long an answer may take to begin is for the caller to say.

use trilane_semantics::section::{self, End};
use trilane_semantics::sending::{self, Outgoing, announces_trailers};
use trilane_semantics::{
    Content, Effect, Event, ExchangeId, Misuse, Next, Outbox, Reason, RequestHead,
};

use crate::code::Code;
use crate::encode;
use crate::headers::{self, Decoded, Opening};
use crate::receive::Step;
use crate::state::{Drain, Http2, Role, Then};
use crate::streams::{Incoming, Kind, Past};
use trilane_semantics::budget;

/// The highest number of a client's stream (RFC 9113 §5.1.1).
pub(crate) const LAST: u32 = 0x7fff_ffff;

impl Http2 {
    /// As [`Machine::request`](trilane_semantics::Machine::request).
    pub(crate) fn ask(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        let kind = Kind::of(&head.method);
        // RFC 9113 §8.5: a CONNECT has no content before its answer.
        let (said, outgoing) = sending::of_request(kind, content).ok_or(Misuse::NotNow)?;
        // RFC 8441 §4: only where the server has said that it takes :protocol.
        let is_extended = kind == Kind::Connect && head.connect_protocol().is_some();
        if self.may_ask() == 0 || is_extended && !self.peer.connect {
            return Err(Misuse::NotNow);
        }
        self.greet(out);
        // RFC 9113 §5.1.1: clients' numbers are odd, and only grow.
        let id = (self.last[1] + 1) | 1;
        self.last[1] = id;
        let mut stream = self.new_stream(id);
        (stream.incoming, stream.outgoing, stream.kind) = (Incoming::Head, outgoing, kind);
        stream.has_trailers = announces_trailers(&head.fields);
        self.streams.insert(stream);
        let then = if outgoing == Outgoing::Over { Then::End } else { Then::More };
        encode::request((&mut self.encoder, out), id, head, (said, then));
        Ok(ExchangeId(id.into()))
    }

    /// How many requests may begin: RFC 9113 §5.1.2 (as many as the server takes), §6.8 (none after GOAWAY), §5.1.1
    /// (while there are numbers).
    pub(crate) fn may_ask(&self) -> usize {
        let takes = self.role == Role::Client
            && self.closed.is_none()
            && self.drain == Drain::No
            && self.last[1] < LAST;
        let most = self.limits.streams.min(self.peer.streams as usize);
        if takes { most.saturating_sub(self.streams.asked()) } else { 0 }
    }

    /// The header section of a response, interim or final, to a request of ours or to a promised one.
    pub(crate) fn response<'b>(&mut self, opening: Opening, block: &[u8]) -> Step<'b> {
        let id = opening.stream;
        let decoded = headers::response(&mut self.decoder, block, &self.limits);
        let head = match decoded {
            Err(reason) => return Err(self.fail(reason)),
            Ok(Decoded::Bad(reason)) => return Err(self.refuse(id, reason)),
            Ok(Decoded::Good(_)) if opening.depends_on_itself => {
                return Err(self.refuse(id, Reason::Frame));
            }
            Ok(Decoded::Good(head)) => head,
        };
        let is_end = opening.then == Then::End;
        if head.status.is_informational() {
            // RFC 9113 §8.1: what is interim does not end the stream.
            if is_end {
                return Err(self.refuse(id, Reason::Frame));
            }
            self.charge(budget::INTERIM, Reason::Flood)?;
            return Ok(Some(Next::Event(Event::Interim { id: ExchangeId(id.into()), head })));
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        let ends = if is_end { End::Message } else { End::Section };
        let content = match section::response_content(&head, stream.kind, ends) {
            Ok(content) => content,
            Err(reason) => return Err(self.refuse(id, reason)),
        };
        stream.incoming = match content {
            _ if is_end => Incoming::Over,
            Content::Tunnel => Incoming::Tunnel,
            _ => Incoming::Open,
        };
        match content {
            Content::Exact(length) => stream.missing = Some(length),
            Content::Tunnel => stream.outgoing = Outgoing::Unknown,
            Content::None | Content::Unknown => (),
        }
        if stream.outgoing == Outgoing::Held {
            // No tunnel: nothing will be sent, and when the answer is complete the stream is given up.
            (stream.outgoing, stream.verdict) = (Outgoing::Over, Some(Code::Cancel));
        }
        // The peer was of use.
        self.budget.earn(budget::RESET, &self.limits);
        self.begin_incoming(id, content, is_end);
        Ok(Some(Next::Event(Event::Response { id: ExchangeId(id.into()), head, content })))
    }

    /// What is to happen after the head of a response.
    fn begin_incoming(&mut self, id: u32, content: Content, is_end: bool) {
        match content {
            Content::Tunnel => {
                self.note_tunnel(id);
                if is_end {
                    self.ends = Some(id);
                }
            }
            _ if is_end => self.settle(id),
            _ => self.wait_for_content(id),
        }
    }

    /// The next exchange of ours that the peer's GOAWAY left out: it is above the last that the peer took in (RFC 9113 §6.8).
    pub(crate) fn undone<'b>(&mut self) -> Option<Next<'b>> {
        let (last, code) = self.left_out;
        if last == LAST {
            return None;
        }
        let left_out = self.streams.iter().filter(|it| it.id > last && self.is_ours(it.id));
        let first = left_out.map(|stream| (stream.id, stream.incoming)).min_by_key(|it| it.0);
        let Some((id, incoming)) = first else {
            self.left_out = (LAST, 0);
            return None;
        };
        self.forget(id, Past::ResetByPeer);
        // What was answered was processed, whatever the peer says.
        let effect = if incoming == Incoming::Head { Effect::None } else { Effect::Unknown };
        Some(Next::Event(Event::Reset { id: ExchangeId(id.into()), code: code.into(), effect }))
    }
}
