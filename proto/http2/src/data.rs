//! DATA (RFC 9113 §6.1): content in, padding off, both windows kept.

use std::rc::Rc;

use trilane_semantics::{Event, ExchangeId, Input, Next, Reason};

use crate::code::Code;
use crate::frame::{Frame, HEADER, flag};
use crate::receive::Step;
use crate::state::{Data, Http2, Reading, Then};
use crate::streams::{Expect, Incoming, Past};
use trilane_semantics::budget;

impl Http2 {
    /// The header of a DATA frame, which was not taken yet.
    pub(crate) fn begin_data<'b>(&mut self, input: &mut Input<'b>, frame: Frame) -> Step<'b> {
        let id = frame.stream;
        // RFC 9113 §6.1, §5.1: DATA belongs to a stream, and not to an idle one.
        if id == 0 || self.is_idle(id) {
            return Err(self.fail(Reason::Frame));
        }
        let mut padding = 0;
        if frame.has(flag::PADDED) {
            if frame.length == 0 {
                return Err(self.fail(Reason::FrameSize));
            }
            let Some(&length) = input.bytes().get(HEADER) else {
                return Ok(Some(Next::NeedInput));
            };
            // RFC 9113 §6.1: padding as long as the payload, or longer, is an error of the connection.
            if usize::from(length) >= frame.length {
                return Err(self.fail(Reason::Frame));
            }
            padding = u32::from(length) + 1;
        }
        input.take(HEADER + usize::from(padding > 0));
        self.frame_came();
        // At most 16,384: it was compared.
        let length = frame.length as u32;
        // RFC 9113 §6.9.1: the whole payload counts, padding too.
        if !self.inflow.take(length) {
            return Err(self.fail(Reason::FlowControl));
        }
        self.inflow.release(padding);
        let then = if frame.has(flag::END_STREAM) { Then::End } else { Then::More };
        let content = length - padding;
        let padding = padding.saturating_sub(1);
        self.reading = Reading::Data(Data { stream: id, content, padding, then });
        if content == 0 && then == Then::More {
            self.charge(budget::EMPTY, Reason::Flood)?;
        }
        self.admit(id, length, content, then)
    }

    /// Looks whether the stream may have that frame. What it may not is still read, and discarded.
    fn admit<'b>(&mut self, id: u32, length: u32, content: u32, then: Then) -> Step<'b> {
        let Some(stream) = self.streams.get_mut(id) else { return self.late(id) };
        match stream.incoming {
            Incoming::Open | Incoming::Tunnel => (),
            Incoming::Refused => return self.pay_for_tiny(content, then),
            Incoming::Unwanted => return self.unwanted(id, content, then),
            // RFC 9113 §5.1: reserved (local), reserved (remote).
            Incoming::Over if stream.is_reserved() => return Err(self.fail(Reason::Frame)),
            Incoming::Head if stream.is_reserved() => return Err(self.fail(Reason::Frame)),
            // RFC 9113 §8.1: content comes after a head.
            Incoming::Head => return self.reset(id, Reason::Frame),
            // RFC 9113 §5.1: half-closed (remote).
            Incoming::Over => return self.reset(id, Reason::StreamClosed),
        }
        if !stream.inflow.take(length) {
            return self.reset(id, Reason::FlowControl);
        }
        if length > content {
            stream.inflow.release(length - content);
            if !std::mem::replace(&mut stream.is_credited, true) {
                self.owed.credits.push(id);
            }
        }
        // RFC 9110 §10.1.1: 100 MAY be omitted once content has come.
        stream.expect = Expect::Nothing;
        if let Some(missing) = stream.missing {
            // RFC 9113 §8.1.1: the content is as long as its head says, or the message is malformed.
            let left = missing.checked_sub(content.into());
            stream.missing = left;
            if left.is_none() || (then == Then::End && left != Some(0)) {
                return Err(self.refuse(id, Reason::ContentLength));
            }
        }
        if then == Then::More && stream.held > 0 && (content as usize) < budget::TINY_BELOW {
            stream.tiny += budget::TINY;
            self.charge(budget::TINY, Reason::Flood)?;
        }
        Ok(None)
    }

    /// Content of a stream whose answer is complete.
    fn unwanted<'b>(&mut self, id: u32, content: u32, then: Then) -> Step<'b> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        let is_allowed = stream.inflow.take(content);
        // RFC 9113 §8.1.1, as for content that has a reader.
        let left = stream.missing.map(|missing| missing.checked_sub(content.into()));
        stream.missing = left.flatten();
        let is_wrong = left.is_some_and(|it| it.is_none() || then == Then::End && it != Some(0));
        let is_exhausted = stream.inflow.is_exhausted();
        if !is_allowed || is_wrong {
            let reason = if is_allowed { Reason::ContentLength } else { Reason::FlowControl };
            return self.reset(id, reason);
        }
        if is_exhausted && then == Then::More {
            // It could send no more without our credit.
            self.end_by(id, Code::NoError);
            return Ok(None);
        }
        self.pay_for_tiny(content, then)
    }

    /// Content that has no reader costs what it takes us to look at it.
    fn pay_for_tiny<'b>(&mut self, content: u32, then: Then) -> Step<'b> {
        if then == Then::More && content > 0 && (content as usize) < budget::TINY_BELOW {
            self.charge(budget::TINY, Reason::Flood)?;
        }
        Ok(None)
    }

    /// A frame on a stream that has ended (RFC 9113 §5.1).
    pub(crate) fn late<'b>(&mut self, id: u32) -> Step<'b> {
        match self.ended.how(id) {
            // It was on its way when we ended the stream; or the stream came after the last one that we answer; or it is
            // too long ago to know.
            Some(Past::ResetByUs) | None => (),
            Some(Past::Ended) => return Err(self.fail(Reason::StreamClosed)),
            Some(Past::ResetByPeer) => return self.reset(id, Reason::StreamClosed),
        }
        self.charge(budget::EMPTY, Reason::Flood).map(|()| None)
    }

    /// The payload of a DATA frame, as it comes.
    pub(crate) fn data<'b>(&mut self, input: &mut Input<'b>, data: Data) -> Step<'b> {
        let id = data.stream;
        let has_reader = self.streams.get(id).is_some_and(|stream| stream.takes_content());
        if data.content > 0 {
            let bytes = input.take(data.content as usize);
            // No more than the frame holds.
            let came = bytes.len() as u32;
            if came == 0 {
                return Ok(Some(Next::NeedInput));
            }
            self.reading = Reading::Data(Data { content: data.content - came, ..data });
            let Some(stream) = self.streams.get_mut(id).filter(|_| has_reader) else {
                self.inflow.release(came);
                return Ok(None);
            };
            stream.held += came;
            self.note_content(id, bytes.len());
            return Ok(Some(Next::Event(Event::Body { id: ExchangeId(id.into()), data: bytes })));
        }
        if data.padding > 0 {
            // No more than 255.
            let came = input.take(data.padding as usize).len() as u32;
            if came == 0 {
                return Ok(Some(Next::NeedInput));
            }
            self.reading = Reading::Data(Data { padding: data.padding - came, ..data });
            return Ok(None);
        }
        self.reading = Reading::Frame;
        if data.then == Then::More {
            return Ok(None);
        }
        let has_reader = self.end_incoming(id);
        self.settle(id);
        Ok(has_reader.then_some(Next::Event(Event::End { id: ExchangeId(id.into()) })))
    }

    /// The peer has ended its half. Whether the caller is to hear of it.
    pub(crate) fn end_incoming(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let has_reader = stream.takes_content();
        stream.incoming = Incoming::Over;
        has_reader
    }

    /// `n` bytes of content were consumed by the caller.
    pub(crate) fn released(&mut self, id: ExchangeId, n: usize) {
        let limits = Rc::clone(&self.limits);
        let Some(stream) = self.stream(id) else { return };
        let n = u32::try_from(n).unwrap_or(u32::MAX).min(stream.held);
        if n == 0 {
            return;
        }
        stream.held -= n;
        stream.inflow.release(n);
        let (number, is_listed) = (stream.id, std::mem::replace(&mut stream.is_credited, true));
        let tiny = if stream.held == 0 { std::mem::take(&mut stream.tiny) } else { 0 };
        let is_quiet = stream.held == 0;
        self.inflow.release(n);
        #[cfg(planted = "h2_credit")] // A mistake on purpose: `make planted`.
        self.inflow.release(n);
        self.budget.earn(tiny, &limits);
        if !is_listed {
            self.owed.credits.push(number);
        }
        if is_quiet {
            self.note_released(number);
        }
    }
}
