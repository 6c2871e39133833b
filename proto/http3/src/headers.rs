//! HEADERS (RFC 9114 §7.2.2): field sections decompressed, and made heads or trailers of.
//!
//! A section that nobody wants is not decompressed: the table does not depend on it (RFC 9204 §2.1).

use trilane_qpack::{DecodeError, Decoded};
use trilane_semantics::section::{self, End, Kind};
use trilane_semantics::{
    Content, Event, ExchangeId, Fault, Input, Known, Method, Next, Priority, Protocol, Reason,
    RequestHead, RequestSection, TrailerSection, budget,
};

use crate::code::Code;
use crate::frame::Frame;
use crate::receive::Step;
use crate::state::{Http3, Role};
use crate::streams::{Incoming, Reading};

/// The method of a request as far as it is known, and its head or why it is none.
type Decoding = (Method, Result<RequestHead, Reason>);

impl Http3 {
    /// A HEADERS frame, whose header was not taken yet.
    pub(crate) fn headers<'b>(&mut self, input: &mut Input<'b, u64>, frame: Frame) -> Step<'b> {
        let id = input.stream();
        let Some(stream) = self.streams.get(id) else { return Ok(None) };
        match stream.incoming {
            // RFC 9114 §4.1: nothing known comes after trailers; §4.4: in a tunnel nothing but DATA.
            Incoming::Ending | Incoming::Tunnel => return Err(self.fail(Code::FrameUnexpected)),
            Incoming::Unwanted(_) => {
                input.take(frame.header);
                self.decoder.cancel(id);
                self.read_on(id, Reading::Skip(frame.length));
                return self.charge(budget::EMPTY, Reason::Flood).map(|()| None);
            }
            _ => (),
        }
        if frame.length > self.limits.head as u64 {
            // What is larger than its section may be is not waited for.
            input.take(frame.header);
            self.decoder.cancel(id);
            self.read_on(id, Reading::Skip(frame.length));
            return Err(self.refuse(id, Reason::FieldsTooLarge));
        }
        let Some(payload) = frame.payload(input.bytes()) else { return self.cut(input) };
        let size = frame.header + payload.len();
        let is_last = input.is_fin() && input.bytes().len() == size;
        let ends = if is_last { End::Message } else { End::Section };
        let is_head = stream.incoming == Incoming::Head;
        let step = match self.role {
            Role::Server if is_head => self.request(id, payload, ends),
            Role::Client if is_head => self.response(id, payload, ends),
            _ => self.trailers(id, payload),
        };
        if !self.streams.get(id).is_some_and(|stream| stream.is_blocked) {
            input.take(size);
        }
        step
    }

    /// A section waits for the table: it stays with the caller.
    pub(crate) fn block<'b>(&mut self, id: u64) -> Step<'b> {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.is_blocked = true;
        }
        Ok(Some(Next::NeedInput))
    }

    /// The header section of a request.
    fn request<'b>(&mut self, id: u64, payload: &[u8], ends: End) -> Step<'b> {
        let Some((method, head)) = self.head(id, payload)? else { return self.block(id) };
        let result = head.and_then(|head| section::judge(&head, ends).map(|it| (head, it)));
        let weight = result.as_ref().map_or(0, |(head, _)| head.weight());
        let heads = (self.heads as usize).saturating_add(weight);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        stream.is_blocked = false;
        stream.kind = Kind::of(&method);
        stream.incoming = if ends == End::Message { Incoming::Over } else { Incoming::Open };
        // One alone has kept to `Limits::head`.
        if heads > self.limits.heads && self.heads > 0 {
            self.charge(budget::RESET, Reason::Resets)?;
            self.end_by(id, Code::RequestRejected);
            return Ok(None);
        }
        let (head, (content, expects)) = match result {
            Ok(good) => good,
            Err(reason) => return Err(self.refuse(id, reason)),
        };
        // `Limits::usable` keeps their sum within 32 bits.
        (stream.head, self.heads) = (weight as u32, heads as u32);
        stream.expects = expects;
        match content {
            Content::Exact(length) => stream.missing = Some(length),
            Content::Tunnel => stream.incoming = Incoming::Tunnel,
            _ => (),
        }
        if head.fields.contains(Known::Priority) && stream.priority == Priority::default() {
            // RFC 9218 §7: what a PRIORITY_UPDATE has said before is newer.
            stream.priority = Priority::parse(head.fields.get(Known::Priority).unwrap_or_default());
        }
        if stream.incoming == Incoming::Open {
            self.wait_for_content(id);
        }
        Ok(Some(Next::Event(Event::Request { id: ExchangeId(id), head, content })))
    }

    /// What a section says as the head of a request, and its method as far as it is known. Nothing while it waits for the table.
    #[inline]
    fn head(&mut self, id: u64, payload: &[u8]) -> Result<Option<Decoding>, Fault> {
        // RFC 9204 §4.5.1.1: without an insert count it depends on no table, and is not acknowledged.
        let is_alone = payload.first() == Some(&0);
        if let Some(head) = self.repeat.find(payload, 0) {
            return Ok(Some((head.method.clone(), Ok(head))));
        }
        let mut crumbs = std::mem::take(&mut self.crumbs);
        let mut section = RequestSection::new(Protocol::Http3, &self.limits, &mut crumbs);
        let decoded =
            self.decoder.decode(id, payload, |field| section.field(field.name, field.value));
        let method = section.method().clone();
        let head = match decoded {
            Ok(Decoded::Whole) => section.finish(),
            Ok(Decoded::Blocked) => {
                self.crumbs = crumbs;
                return Ok(None);
            }
            Err(DecodeError::Field(reason)) => Err(reason),
            Err(_) => return Err(self.fail(Code::Decompression)),
        };
        crumbs.shrink_to(if crumbs.capacity() > 4096 { 0 } else { crumbs.capacity() });
        self.crumbs = crumbs;
        if is_alone && let Ok(head) = &head {
            self.repeat.note(payload, 0, head);
        }
        Ok(Some((method, head)))
    }

    /// The trailer section of a message.
    fn trailers<'b>(&mut self, id: u64, payload: &[u8]) -> Step<'b> {
        let mut section = TrailerSection::new(&self.limits);
        let decoded =
            self.decoder.decode(id, payload, |field| section.field(field.name, field.value));
        let fields = match decoded {
            Ok(Decoded::Whole) => section.finish(),
            Ok(Decoded::Blocked) => return self.block(id),
            Err(DecodeError::Field(reason)) => return Err(self.refuse(id, reason)),
            Err(_) => return Err(self.fail(Code::Decompression)),
        };
        let weight = fields.weight();
        let heads = (self.heads as usize).saturating_add(weight);
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        stream.is_blocked = false;
        // A few bytes can stand for large ones, as for heads; one alone has kept to `Limits::head`.
        if heads > self.limits.heads && self.heads > stream.head {
            return Err(self.refuse(id, Reason::FieldsTooLarge));
        }
        (stream.head, self.heads) = (stream.head + weight as u32, heads as u32);
        // RFC 9114 §4.1.2.
        if stream.missing.is_some_and(|left| left > 0) {
            return Err(self.refuse(id, Reason::ContentLength));
        }
        stream.incoming = Incoming::Ending;
        // A section without fields says no more than that.
        let has_some = !fields.is_empty();
        Ok(has_some.then_some(Next::Event(Event::Trailers { id: ExchangeId(id), fields })))
    }
}
