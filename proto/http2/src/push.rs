//! Server push, both ends (RFC 9113 §6.6, §8.4): promises out in the server role, and in, in the client role.
//!
//! A promised exchange is one like others then, but for who began it.

use trilane_semantics::section::{self, End, Kind};
use trilane_semantics::sending::Outgoing;
use trilane_semantics::{
    Content, Event, ExchangeId, Method, Misuse, Next, Outbox, Reason, RequestHead,
};

use crate::client::LAST;
use crate::code::Code;
use crate::encode;
use crate::frame::{Frame, flag, u31};
use crate::headers::{Decoded, Opening, unpad};
use crate::receive::Step;
use crate::state::{Drain, Http2, Role, Then};
use crate::streams::{Incoming, Past};
use trilane_semantics::budget;

impl Http2 {
    /// As [`Machine::push`](trilane_semantics::Machine::push).
    pub(crate) fn promise(
        &mut self,
        id: ExchangeId,
        head: &RequestHead,
        out: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        // RFC 9113 §8.4: safe, cacheable, and with an authority.
        let is_fit = is_promisable(&head.method) && head.authority().is_some();
        let parent = u32::try_from(id.0).ok().filter(|&id| is_fit && self.may_promise(id));
        let Some(parent) = parent else { return Err(Misuse::NotNow) };
        self.greet(out);
        // RFC 9113 §5.1.1: servers' numbers are even.
        let promised = self.last[0] + 2;
        self.last[0] = promised;
        let mut stream = self.new_stream(promised);
        (stream.incoming, stream.kind) = (Incoming::Over, Kind::of(&head.method));
        self.streams.insert(stream);
        encode::promise((&mut self.encoder, out), parent, promised, head);
        Ok(ExchangeId(promised.into()))
    }

    /// Whether the client takes a promise with the answer to its request `id`, and we want to make one: RFC 9113 §6.5.2
    /// (ENABLE_PUSH, MAX_CONCURRENT_STREAMS), §6.6 (on a stream of the client's that we have not ended), §6.8.
    fn may_promise(&self, id: u32) -> bool {
        let most = self.limits.pushes.min(self.peer.streams as usize);
        self.role == Role::Server
            && self.closed.is_none()
            && self.drain == Drain::No
            && self.peer.push
            && self.streams.promised() < most
            && self.last[0] < LAST - 1
            && !self.is_ours(id)
            && self.streams.get(id).is_some_and(|it| it.outgoing != Outgoing::Over)
    }

    pub(crate) fn push_promise<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §8.4: a client MUST NOT push; §6.6: nor a server that was told not to.
        if self.role == Role::Server || self.limits.pushes == 0 {
            return Err(self.fail(Reason::Frame));
        }
        let (promised, block) = match open(frame, payload) {
            Ok(opened) => opened,
            Err(reason) => return Err(self.fail(reason)),
        };
        // RFC 9113 §6.6: the one is a request of ours that is not answered in full, the other is idle, and even.
        let parent = frame.stream;
        let is_request = self.is_ours(parent) && !self.is_idle(parent);
        let is_open = match self.streams.get(parent) {
            Some(stream) => stream.incoming != Incoming::Over,
            // It may have been on its way when we ended the stream.
            None => !matches!(self.ended.how(parent), Some(Past::Ended | Past::ResetByPeer)),
        };
        if !is_request || !is_open || self.is_ours(promised) || !self.is_idle(promised) {
            return Err(self.fail(Reason::Frame));
        }
        self.last[0] = promised;
        let then = Then::More;
        let opening = Opening { stream: parent, then, depends_on_itself: false, is_promise: true };
        self.opened(frame, opening, block)
    }

    /// The header section of a request that was promised with the answer to `parent`.
    #[cold]
    pub(crate) fn promised<'b>(&mut self, parent: u32, head: Decoded<RequestHead>) -> Step<'b> {
        // A block is contiguous: no other promise came in between.
        let promised = self.last[0];
        let head = match head {
            // RFC 9113 §8.4: not safe, not cacheable, or not alone.
            Decoded::Good(head) if is_promisable(&head.method) => {
                let content = section::content(&head, End::Message);
                (content == Ok(Content::None)).then_some(head)
            }
            _ => None,
        };
        if self.last_answered.is_some() {
            // RFC 9113 §6.8: after our GOAWAY, streams above the last one are ignored.
            return Ok(None);
        }
        let code = match head {
            None => Code::Protocol,
            Some(_) if self.streams.promised() >= self.limits.pushes => Code::RefusedStream,
            Some(_) if self.streams.get(parent).is_none() => Code::Cancel,
            Some(head) => {
                let mut stream = self.new_stream(promised);
                (stream.incoming, stream.outgoing) = (Incoming::Head, Outgoing::Over);
                stream.kind = Kind::of(&head.method);
                self.streams.insert(stream);
                let [id, promised] = [parent, promised].map(|id| ExchangeId(id.into()));
                return Ok(Some(Next::Event(Event::Promise { id, promised, head })));
            }
        };
        // Nobody has heard of it.
        self.charge(budget::RESET, Reason::Resets)?;
        self.end_by(promised, code);
        Ok(None)
    }
}

/// Takes padding and the promised number off a PUSH_PROMISE payload (RFC 9113 §6.6).
fn open(frame: Frame, payload: &[u8]) -> Result<(u32, &[u8]), Reason> {
    let payload = if frame.has(flag::PADDED) { unpad(payload)? } else { payload };
    let (promised, block) = payload.split_first_chunk().ok_or(Reason::FrameSize)?;
    Ok((u31(*promised), block))
}

/// RFC 9113 §8.4: safe and cacheable.
fn is_promisable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
