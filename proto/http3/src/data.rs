//! DATA (RFC 9114 §7.2.1): content in, and counted.

use trilane_semantics::{Event, ExchangeId, Input, Next, Reason, budget};

use crate::code::Code;
use crate::frame::Frame;
use crate::receive::Step;
use crate::state::Http3;
use crate::streams::{Incoming, Reading};

impl Http3 {
    /// The header of a DATA frame, which was not taken yet.
    pub(crate) fn begin_data<'b>(&mut self, input: &mut Input<'b, u64>, frame: Frame) -> Step<'b> {
        let id = input.stream();
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        // RFC 9114 §4.1: content comes after a head, and before trailers.
        if matches!(stream.incoming, Incoming::Head | Incoming::Ending) {
            return Err(self.fail(Code::FrameUnexpected));
        }
        input.take(frame.header);
        // RFC 9110 §10.1.1: 100 MAY be omitted once content has come.
        stream.expects = false;
        if frame.length > 0 {
            stream.reading = Reading::Data(frame.length);
        }
        if let Some(missing) = stream.missing {
            // RFC 9114 §4.1.2.
            stream.missing = missing.checked_sub(frame.length);
            if stream.missing.is_none() {
                return self.too_long(id);
            }
        }
        let has_reader = stream.takes_content();
        if frame.length == 0 {
            self.charge(budget::EMPTY, Reason::Flood)?;
        } else if frame.length < budget::TINY_BELOW as u64 {
            if has_reader && stream.held == 0 {
                return Ok(None);
            }
            // Content that has no reader costs what it takes us to look at it.
            stream.tiny += if has_reader { budget::TINY } else { 0 };
            self.charge(budget::TINY, Reason::Flood)?;
        }
        Ok(None)
    }

    /// Content is longer than its head says.
    fn too_long<'b>(&mut self, id: u64) -> Step<'b> {
        let stream = self.streams.get(id);
        if stream.is_some_and(|stream| matches!(stream.incoming, Incoming::Unwanted(_))) {
            self.charge(budget::RESET, Reason::Resets)?;
            self.end_by(id, Code::Message);
            return Ok(None);
        }
        Err(self.refuse(id, Reason::ContentLength))
    }

    /// The payload of a DATA frame, as it comes.
    pub(crate) fn data<'b>(&mut self, input: &mut Input<'b, u64>, left: u64) -> Step<'b> {
        let id = input.stream();
        let bytes = input.take(usize::try_from(left).unwrap_or(usize::MAX));
        if bytes.is_empty() {
            return self.cut(input);
        }
        self.read_on(id, Reading::Data(left - bytes.len() as u64));
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        if let Incoming::Unwanted(left) = stream.incoming {
            match left.checked_sub(bytes.len() as u64) {
                Some(left) => stream.incoming = Incoming::Unwanted(left),
                // RFC 9114 §4.1: it was answered; H3_NO_ERROR asks for the rest not to be sent.
                None => self.end_by(id, Code::NoError),
            }
            return Ok(None);
        }
        if !stream.takes_content() {
            return Ok(None);
        }
        stream.held += bytes.len();
        self.note_content(id, bytes.len());
        Ok(Some(Next::Event(Event::Body { id: ExchangeId(id), data: bytes })))
    }

    /// How much content the caller may be given until some is released, of all streams together.
    pub(crate) fn left(&self) -> usize {
        let held = self.streams.iter().map(|stream| stream.held).sum();
        self.limits.connection_window.max(self.window()).saturating_sub(held)
    }

    /// `n` bytes of content were consumed by the caller.
    pub(crate) fn released(&mut self, id: ExchangeId, n: usize) {
        let Some(stream) = self.streams.get_mut(id.0) else { return };
        let n = n.min(stream.held);
        #[cfg(not(planted = "h3_credit"))] // Its lack is a mistake on purpose: `make planted`.
        {
            stream.held -= n;
        }
        if n > 0 && stream.held == 0 {
            let tiny = std::mem::take(&mut stream.tiny);
            if tiny > 0 {
                self.budget.earn(tiny, &self.limits);
            }
            self.note_released(id.0);
        }
    }
}
