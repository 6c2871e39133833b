//! HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10): field blocks put together, decompressed, and made heads or trailers of.
//!
//! Every block is decompressed, also that of a stream that will not be served: the table must follow (RFC 9113 §4.3).

use trilane_hpack::{DecodeError, Decoder, Field, Seen};
use trilane_semantics::section::{self, End, Kind};
use trilane_semantics::{
    Content, Event, ExchangeId, Fault, Known, Limits, Method, Next, Priority, Protocol, Reason,
    RequestHead, RequestSection, ResponseHead, ResponseSection, TrailerSection,
};

use crate::code::Code;
use crate::flow::WINDOW;
use crate::frame::{Frame, flag, u31};
use crate::receive::Step;
use crate::state::{Block, Http2, Role, Then};
use crate::streams::{Expect, Incoming, Stream};
use trilane_semantics::budget;

/// What a HEADERS frame says besides its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) stream: u32,
    pub(crate) then: Then,
    /// RFC 9113 §5.3.1: a stream cannot depend on itself.
    pub(crate) depends_on_itself: bool,
    /// The block is that of a PUSH_PROMISE, which names the server's last stream.
    pub(crate) is_promise: bool,
}

/// What came out of a block.
pub(crate) enum Decoded<T> {
    Good(T),
    /// What it says is not a message, or too much of one.
    Bad(Reason),
}

impl Http2 {
    pub(crate) fn headers<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §5.1.1: clients' streams have odd numbers; §5.1: a server's HEADERS begin no stream.
        let is_in_place = match self.role {
            Role::Client => frame.stream != 0 && !self.is_idle(frame.stream),
            Role::Server => !self.is_ours(frame.stream),
        };
        if !is_in_place {
            return Err(self.fail(Reason::Frame));
        }
        let (opening, block) = match open(frame, payload) {
            Ok(opened) => opened,
            Err(reason) => return Err(self.fail(reason)),
        };
        self.opened(frame, opening, block)
    }

    /// The first frame of a field block.
    #[inline]
    pub(crate) fn opened<'b>(&mut self, frame: Frame, opening: Opening, block: &[u8]) -> Step<'b> {
        if frame.has(flag::END_HEADERS) {
            return self.section(opening, block);
        }
        if frame.length == 0 {
            self.charge(budget::EMPTY, Reason::Flood)?;
        }
        self.block = Some(Block { opening, bytes: block.to_vec(), frames: 0 });
        Ok(None)
    }

    pub(crate) fn continuation<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §6.10: it continues something.
        let Some(mut block) = self.block.take() else { return Err(self.fail(Reason::Frame)) };
        if payload.is_empty() {
            self.charge(budget::EMPTY, Reason::Flood)?;
        }
        block.frames += 1;
        if block.frames > self.limits.continuations {
            return Err(self.fail(Reason::Continuations));
        }
        if block.bytes.len() + payload.len() > self.limits.head {
            return Err(self.give_up(block.opening, Reason::FieldsTooLarge));
        }
        block.bytes.extend_from_slice(payload);
        if frame.has(flag::END_HEADERS) {
            // The section had its time; what comes next has its own.
            self.frame_came();
            return self.section(block.opening, &block.bytes);
        }
        self.block = Some(block);
        Ok(None)
    }

    /// A block that is larger than its section may be, or late, is not waited for; without it, no later one can be read
    /// either. A new stream is still answered (RFC 9113 §10.5.1).
    pub(crate) fn give_up(&mut self, opening: Opening, reason: Reason) -> Fault {
        // RFC 9113 §6.8: none above the last one of a GOAWAY.
        if self.is_idle(opening.stream) && self.last_answered.is_none() {
            self.last[1] = opening.stream;
            let mut stream = self.new_stream(opening.stream);
            (stream.incoming, stream.verdict) = (Incoming::Refused, Some(Code::NoError));
            self.streams.insert(stream);
            self.leaves_last = true;
        }
        self.fail(reason)
    }

    pub(crate) fn new_stream(&self, id: u32) -> Stream {
        let window = u32::try_from(self.limits.stream_window).unwrap_or(i32::MAX as u32);
        // RFC 9113 §6.9.3: who has not read our settings may send more than they allow.
        let least = if self.is_read { 0 } else { WINDOW as u32 };
        let window = window.clamp(least, i32::MAX as u32);
        Stream::new(id, window, self.peer.window, self.now)
    }

    /// A whole field block.
    fn section<'b>(&mut self, opening: Opening, block: &[u8]) -> Step<'b> {
        let id = opening.stream;
        // In the client role idle streams were looked at before.
        if opening.is_promise || self.is_idle(id) {
            return self.request(opening, block);
        }
        let Some(stream) = self.streams.get(id) else {
            self.skip(block)?;
            // RFC 9113 §5.1.1: numbers only grow. One that was never used is an error of the connection; we use all of ours.
            return match self.ended.how(id) {
                None if self.last_answered.is_none() && !self.is_ours(id) => {
                    Err(self.fail(Reason::Frame))
                }
                _ => self.late(id),
            };
        };
        match stream.incoming {
            Incoming::Head => self.response(opening, block),
            Incoming::Open => self.trailers(opening, block),
            Incoming::Refused => {
                self.skip(block)?;
                self.charge(budget::EMPTY, Reason::Flood).map(|()| None)
            }
            Incoming::Unwanted => {
                let is_whole = stream.missing.unwrap_or(0) == 0 && opening.then == Then::End;
                self.skip(block)?;
                if !is_whole {
                    return self.reset(id, Reason::Frame);
                }
                self.end_incoming(id);
                self.settle(id);
                Ok(None)
            }
            // RFC 9113 §5.1: half-closed (remote); §8.5: a tunnel has DATA only.
            Incoming::Over | Incoming::Tunnel => {
                let is_over = stream.incoming == Incoming::Over;
                self.skip(block)?;
                self.reset(id, if is_over { Reason::StreamClosed } else { Reason::Frame })
            }
        }
    }

    /// The header section of a request: of a new stream, or promised.
    fn request<'b>(&mut self, opening: Opening, block: &[u8]) -> Step<'b> {
        let id = opening.stream;
        if !opening.is_promise {
            self.last[1] = id;
            // RFC 9113 §6.8: after GOAWAY, streams above the last one are ignored.
            if self.last_answered.is_some() {
                self.skip(block)?;
                return self.charge(budget::EMPTY, Reason::Flood).map(|()| None);
            }
            if self.streams.asked() >= self.limits.streams || opening.depends_on_itself {
                return self.turn_away(opening, block);
            }
        }
        let (method, decoded) = self.head(block)?;
        if opening.is_promise {
            return self.promised(id, decoded);
        }
        let ends = if opening.then == Then::End { End::Message } else { End::Section };
        let result = match decoded {
            Decoded::Bad(reason) => Err(reason),
            Decoded::Good(head) => section::judge(&head, ends).map(|it| (head, it)),
        };
        let weight = result.as_ref().map_or(0, |(head, _)| head.weight());
        let heads = (self.heads as usize).saturating_add(weight);
        // One alone has kept to `Limits::head`.
        if heads > self.limits.heads && self.heads > 0 {
            self.charge(budget::RESET, Reason::Resets)?;
            self.end_by(id, Code::RefusedStream);
            return Ok(None);
        }
        let mut stream = self.new_stream(id);
        // `Limits::usable` keeps their sum within 32 bits.
        (stream.head, self.heads) = (weight as u32, heads as u32);
        stream.kind = Kind::of(&method);
        if opening.then == Then::End {
            stream.incoming = Incoming::Over;
        }
        let (head, (content, waits)) = match result {
            Ok(good) => good,
            Err(reason) => {
                self.streams.insert(stream);
                return Err(self.refuse(id, reason));
            }
        };
        stream.expect = if waits { Expect::Continue } else { Expect::Nothing };
        if let Some(priority) = head.fields.get(Known::Priority) {
            stream.priority = Priority::parse(priority);
        }
        match content {
            Content::Exact(length) => stream.missing = Some(length),
            Content::Tunnel if opening.then == Then::End => self.ends = Some(id),
            Content::Tunnel => stream.incoming = Incoming::Tunnel,
            Content::None | Content::Unknown => (),
        }
        let waits = stream.incoming == Incoming::Open;
        self.streams.insert(stream);
        if waits {
            self.wait_for_content(id);
        }
        Ok(Some(Next::Event(Event::Request { id: ExchangeId(id.into()), head, content })))
    }

    /// A new stream that is one too many (RFC 9113 §5.1.2), or depends on itself.
    #[cold]
    fn turn_away<'b>(&mut self, opening: Opening, block: &[u8]) -> Step<'b> {
        self.skip(block)?;
        self.charge(budget::RESET, Reason::Resets)?;
        let is_full = !opening.depends_on_itself;
        self.end_by(opening.stream, if is_full { Code::RefusedStream } else { Code::Protocol });
        Ok(None)
    }

    /// What a block says as the head of a request, and its method as far as it is known.
    #[inline]
    fn head(&mut self, block: &[u8]) -> Result<(Method, Decoded<RequestHead>), Fault> {
        let state = self.decoder.changes();
        if let Some(head) = self.repeat.find(block, state) {
            return Ok((head.method.clone(), Decoded::Good(head)));
        }
        let mut crumbs = std::mem::take(&mut self.crumbs);
        let decoded = request(&mut self.decoder, block, &self.limits, &mut crumbs);
        crumbs.shrink_to(if crumbs.capacity() > 4096 { 0 } else { crumbs.capacity() });
        self.crumbs = crumbs;
        let decoded = decoded.map_err(|reason| self.fail(reason))?;
        if let (_, Decoded::Good(head)) = &decoded
            && self.decoder.changes() == state
        {
            self.repeat.note(block, state, head);
        }
        Ok(decoded)
    }

    /// The trailer section of a stream that is open.
    fn trailers<'b>(&mut self, opening: Opening, block: &[u8]) -> Step<'b> {
        let id = opening.stream;
        let decoded = match trailers(&mut self.decoder, block, &self.limits) {
            Err(reason) => return Err(self.fail(reason)),
            Ok(decoded) => decoded,
        };
        let missing = self.streams.get(id).and_then(|stream| stream.missing);
        let fields = match decoded {
            // RFC 9113 §8.1: a section after the first that does not end the stream makes the message malformed.
            Decoded::Good(_) if opening.then == Then::More || opening.depends_on_itself => {
                return Err(self.refuse(id, Reason::Frame));
            }
            Decoded::Good(_) if missing.is_some_and(|left| left > 0) => {
                return Err(self.refuse(id, Reason::ContentLength));
            }
            Decoded::Good(fields) => fields,
            Decoded::Bad(reason) => return Err(self.refuse(id, reason)),
        };
        self.end_incoming(id);
        self.ends = Some(id);
        // A section without fields says no more than that.
        let has_some = !fields.is_empty();
        let id = ExchangeId(id.into());
        Ok(has_some.then_some(Next::Event(Event::Trailers { id, fields })))
    }

    /// A block whose fields nobody wants.
    fn skip(&mut self, block: &[u8]) -> Result<(), Fault> {
        let skipped = self.decoder.decode(block, |_: Field<'_>| Ok::<(), Reason>(()));
        skipped.map_err(|_| self.fail(Reason::Compression))
    }
}

/// Takes padding and priority off a HEADERS payload (RFC 9113 §6.2).
fn open(frame: Frame, payload: &[u8]) -> Result<(Opening, &[u8]), Reason> {
    let mut block = if frame.has(flag::PADDED) { unpad(payload)? } else { payload };
    let mut depends_on_itself = false;
    if frame.has(flag::PRIORITY) {
        let (dependency, rest) = block.split_first_chunk::<4>().ok_or(Reason::FrameSize)?;
        depends_on_itself = u31(*dependency) == frame.stream;
        block = rest.get(1..).ok_or(Reason::FrameSize)?;
    }
    let then = if frame.has(flag::END_STREAM) { Then::End } else { Then::More };
    Ok((Opening { stream: frame.stream, then, depends_on_itself, is_promise: false }, block))
}

/// Takes padding off a payload that has some.
pub(crate) fn unpad(payload: &[u8]) -> Result<&[u8], Reason> {
    let (&padding, rest) = payload.split_first().ok_or(Reason::FrameSize)?;
    // Padding as long as what is left, or longer, is an error of the connection.
    let end = rest.len().checked_sub(padding.into()).ok_or(Reason::Frame)?;
    Ok(&rest[..end])
}

fn request(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &Limits,
    crumbs: &mut Vec<u8>,
) -> Result<(Method, Decoded<RequestHead>), Reason> {
    let mut section = RequestSection::new(Protocol::Http2, limits, crumbs);
    let decoded = decoder.decode_noting(block, |field, seen| match seen {
        Seen::Before => section.field_again(field.name, field.value),
        Seen::First => section.field(field.name, field.value),
    });
    let method = section.method().clone();
    let head = match decoded {
        Ok(()) => section.finish(),
        Err(DecodeError::Field(reason)) => Err(reason),
        Err(DecodeError::Compression(_)) => return Err(Reason::Compression),
    };
    Ok((method, head.map_or_else(Decoded::Bad, Decoded::Good)))
}

/// The head of a response; an error when the table is lost.
pub(crate) fn response(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &Limits,
) -> Result<Decoded<ResponseHead>, Reason> {
    let mut section = ResponseSection::new(limits);
    let head = match decoder.decode(block, |field| section.field(field.name, field.value)) {
        Ok(()) => section.finish(),
        Err(DecodeError::Field(reason)) => Err(reason),
        Err(DecodeError::Compression(_)) => return Err(Reason::Compression),
    };
    Ok(head.map_or_else(Decoded::Bad, Decoded::Good))
}

fn trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limits: &Limits,
) -> Result<Decoded<trilane_semantics::Fields>, Reason> {
    let mut section = TrailerSection::new(limits);
    match decoder.decode(block, |field| section.field(field.name, field.value)) {
        Ok(()) => Ok(Decoded::Good(section.finish())),
        Err(DecodeError::Field(reason)) => Ok(Decoded::Bad(reason)),
        Err(DecodeError::Compression(_)) => Err(Reason::Compression),
    }
}
