//! Request streams on their way in: which of them are taken, and the frames on them (RFC 9114 §4.1, §7).
//!
//! A HEADERS frame is looked at when all of it is there; until then its bytes stay with the caller. Content goes on as it comes.

use trilane_semantics::{Event, ExchangeId, Fault, Input, Next, Reason, budget};

use crate::code::Code;
use crate::frame::{Frame, kind};
use crate::receive::{Step, discard};
use crate::seen::Sight;
use crate::state::{Http3, Role};
use crate::streams::{Incoming, Reading, Stream};

impl Http3 {
    /// Bytes, or the end, of a request stream.
    pub(crate) fn request_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let id = input.stream();
        let reading = match self.streams.get(id) {
            Some(stream) if stream.incoming == Incoming::Refused => {
                input.take(usize::MAX);
                if !input.is_fin() {
                    return Ok(Some(Next::NeedInput));
                }
                // RFC 9204 §2.2.2.2: what waited, or came after, is not decoded.
                self.decoder.cancel(id);
                self.end_incoming(id);
                return Ok(None);
            }
            Some(stream) if stream.incoming == Incoming::Over => return discard(input),
            Some(stream) => stream.reading,
            None if self.role == Role::Client => return discard(input),
            None => {
                // What is gone may have been on its way when it went.
                if !self.admit(id)? {
                    return discard(input);
                }
                Reading::Frame
            }
        };
        let step = match reading {
            Reading::Frame => self.frame(input),
            Reading::Data(left) => self.data(input, left),
            Reading::Skip(left) => self.skip(input, left),
        };
        if matches!(step, Ok(Some(Next::NeedInput))) {
            self.note_head(id);
        }
        step
    }

    /// A stream of the client's: begins it, if it is new and may begin. Whether it is so.
    pub(crate) fn admit(&mut self, id: u64) -> Result<bool, Fault> {
        match self.seen.note(id, self.limits.streams) {
            Sight::First => (),
            Sight::Again => return Ok(false),
            Sight::TooFar => return Err(self.fail(Code::ExcessiveLoad)),
        }
        // RFC 9114 §5.2: none at or above the number of our GOAWAY.
        if self.first_unanswered.is_some_and(|first| id >= first) {
            self.charge(budget::EMPTY, Reason::Flood)?;
            self.reject(id);
            return Ok(false);
        }
        if self.streams.len() >= self.limits.streams {
            self.charge(budget::RESET, Reason::Resets)?;
            self.reject(id);
            return Ok(false);
        }
        let room = if self.first_room.0 == id { self.first_room.1 } else { 0 };
        let mut stream = Stream::new(id, room, self.now);
        if !self.early.is_empty() {
            stream.priority = self.take_early(id).unwrap_or_default();
        }
        stream.pace.body = self.now + self.limits.head_timeout;
        self.streams.insert(stream);
        Ok(true)
    }

    /// The next frame, or the end.
    fn frame<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        if input.is_empty() {
            return self.ended(input.stream());
        }
        let Some(frame) = Frame::read(input.bytes()) else { return self.cut(input) };
        match frame.kind {
            kind::DATA => self.begin_data(input, frame),
            kind::HEADERS => self.headers(input, frame),
            // RFC 9114 §7.2.5: a client MUST NOT push; §4.6: nor a server that was allowed no push.
            kind::PUSH_PROMISE if self.role == Role::Client => Err(self.fail(Code::Id)),
            kind::PUSH_PROMISE => Err(self.fail(Code::FrameUnexpected)),
            // RFC 9114 §7.2, §7.2.8.
            other if kind::is_of_control(other) || kind::is_of_http2(other) => {
                Err(self.fail(Code::FrameUnexpected))
            }
            _ => {
                // RFC 9114 §9: unknown types MUST be ignored.
                input.take(frame.header);
                self.charge(budget::EMPTY, Reason::Flood)?;
                self.read_on(input.stream(), Reading::Skip(frame.length));
                Ok(None)
            }
        }
    }

    /// Something is missing of a frame.
    pub(crate) fn cut<'b>(&mut self, input: &Input<'b, u64>) -> Step<'b> {
        // RFC 9114 §7.1: a stream that ends within a frame is an error of the connection.
        if input.is_fin() { Err(self.fail(Code::Frame)) } else { Ok(Some(Next::NeedInput)) }
    }

    pub(crate) fn read_on(&mut self, id: u64, reading: Reading) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.reading = match reading {
                Reading::Data(0) | Reading::Skip(0) => Reading::Frame,
                some => some,
            };
        }
    }

    fn skip<'b>(&mut self, input: &mut Input<'b, u64>, left: u64) -> Step<'b> {
        let came = input.take(usize::try_from(left).unwrap_or(usize::MAX)).len();
        if came == 0 {
            return self.cut(input);
        }
        self.read_on(input.stream(), Reading::Skip(left - came as u64));
        Ok(None)
    }

    /// The stream has ended, between two frames.
    fn ended<'b>(&mut self, id: u64) -> Step<'b> {
        let Some(stream) = self.streams.get(id) else { return Ok(Some(Next::NeedInput)) };
        if stream.incoming == Incoming::Head {
            if self.role == Role::Client {
                return Err(self.refuse(id, Reason::Incomplete));
            }
            // RFC 9114 §4.1: there is no request to answer.
            self.charge(budget::RESET, Reason::Resets)?;
            if let Some(stream) = self.streams.get_mut(id) {
                stream.incoming = Incoming::Over;
            }
            self.end_by(id, Code::RequestIncomplete);
            return Ok(None);
        }
        // RFC 9114 §4.1.2: the content is as long as its head says, or the message is malformed.
        if stream.missing.is_some_and(|left| left > 0) {
            if !matches!(stream.incoming, Incoming::Unwanted(_)) {
                return Err(self.refuse(id, Reason::ContentLength));
            }
            self.charge(budget::RESET, Reason::Resets)?;
        }
        let Some(stream) = self.streams.get(id) else { return Ok(Some(Next::NeedInput)) };
        let has_reader = stream.takes_content();
        self.end_incoming(id);
        let event = Event::End { id: ExchangeId(id) };
        Ok(has_reader.then_some(Next::Event(event)))
    }

    /// The peer has ended its half.
    pub(crate) fn end_incoming(&mut self, id: u64) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.incoming = Incoming::Over;
            self.settle(id);
        }
    }
}
