//! The way in: from bytes to frames, and each to who knows its type (RFC 9113 §3.4, §4, §6).
//!
//! A frame is looked at when all of it is there, but for DATA, whose content goes on as it comes. `Ok(None)` is "the state
//! has changed, look again". Never sends anything.

use trilane_semantics::{Cause, Closed, Event, ExchangeId, Fault, Input, Instant, Next, Reason};

use crate::frame::{Frame, HEADER, MOST, PREFACE, flag, kind};
use crate::state::{Drain, Http2, Reading, Role, Wait};
use crate::streams::Incoming;
use trilane_semantics::budget;

pub(crate) type Step<'b> = Result<Option<Next<'b>>, Fault>;

impl Http2 {
    /// As [`Machine::poll_event`](trilane_semantics::Machine::poll_event).
    pub(crate) fn receive<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b>,
    ) -> Result<Next<'b>, Fault> {
        self.now = now;
        loop {
            if let Some(closed) = self.closed {
                let is_answering = self.leaves_last && self.streams.get(self.last[1]).is_some();
                return Ok(if is_answering { Next::NeedInput } else { Next::Closed(closed) });
            }
            if let Some(id) = self.ends.take() {
                self.settle(id);
                return Ok(Next::Event(Event::End { id: ExchangeId(id.into()) }));
            }
            if let Some(id) = self.next_writable() {
                return Ok(Next::Event(Event::Writable { id: ExchangeId(id.into()) }));
            }
            if self.drain != Drain::No {
                if let Some(next) = self.undone() {
                    return Ok(next);
                }
                if self.close_drained() {
                    continue;
                }
            }
            let step = match self.reading {
                Reading::Preface(matched) => self.preface(input, matched),
                Reading::First | Reading::Frame => self.frame(input),
                Reading::Data(data) => self.data(input, data),
            };
            match step? {
                Some(Next::NeedInput) => match self.rest(input) {
                    Some(next) => return Ok(next),
                    None => continue,
                },
                Some(next) => return Ok(next),
                None => (),
            }
        }
    }

    /// Ends the connection if it is drained. Whether it was.
    fn close_drained(&mut self) -> bool {
        let cause = match self.drain {
            Drain::Told => Cause::Drain,
            Drain::Peer => Cause::Peer,
            Drain::No | Drain::Asked(_) => return false,
        };
        let is_over = self.streams.is_empty() && self.block.is_none();
        if is_over {
            self.close(Closed::lingering(cause));
        }
        is_over
    }

    /// Nothing more can be done without bytes: which of the timers runs now?
    fn rest<'b>(&mut self, input: &mut Input<'b>) -> Option<Next<'b>> {
        if input.is_fin() {
            // What is cut short will never be whole.
            input.take(usize::MAX);
            if self.streams.iter().all(|stream| stream.incoming == Incoming::Unwanted) {
                // There is nobody to tell.
                self.closed.get_or_insert(Closed::now(Cause::Peer));
                return None;
            }
            if self.role == Role::Client {
                // Nothing will be answered any more.
                self.closed.get_or_insert(Closed::now(Cause::PeerLeft));
                return None;
            }
        }
        let is_data = matches!(self.reading, Reading::Data(_));
        let is_partial = (!input.is_empty() && !is_data)
            || self.block.is_some()
            || matches!(self.reading, Reading::Preface(_) | Reading::First);
        let (wait, until) = if is_partial {
            (Wait::Frame, self.now + self.limits.head_timeout)
        } else if self.streams.is_empty() {
            (Wait::Idle, self.quiet + self.limits.idle_timeout)
        } else {
            (Wait::Nothing, self.now)
        };
        if wait != self.wait {
            (self.wait, self.deadline) = (wait, until);
        }
        Some(Next::NeedInput)
    }

    /// A frame came whole: the next one has its time anew, unless it goes on with a header section.
    #[inline]
    pub(crate) fn frame_came(&mut self) {
        if self.wait == Wait::Frame && self.block.is_none() {
            self.wait = Wait::Nothing;
        }
    }

    /// RFC 9113 §3.4: the client's preface begins with these bytes.
    fn preface<'b>(&mut self, input: &mut Input<'b>, matched: usize) -> Step<'b> {
        if input.is_empty() {
            return Ok(Some(Next::NeedInput));
        }
        let rest = &PREFACE[matched..];
        let came = input.take(rest.len());
        if !rest.starts_with(came) {
            return Err(self.fail(Reason::Preface));
        }
        let matched = matched + came.len();
        let is_whole = matched == PREFACE.len();
        self.reading = if is_whole { Reading::First } else { Reading::Preface(matched) };
        Ok(None)
    }

    /// The next frame.
    fn frame<'b>(&mut self, input: &mut Input<'b>) -> Step<'b> {
        let Some(frame) = Frame::read(input.bytes()) else { return Ok(Some(Next::NeedInput)) };
        // RFC 9113 §3.4: the first frame MUST be SETTINGS.
        let is_settings = frame.kind == kind::SETTINGS && !frame.has(flag::ACK);
        if self.reading == Reading::First && !is_settings {
            return Err(self.fail(Reason::Preface));
        }
        // RFC 9113 §4.2: what is larger than we allow MUST be refused; to know that, no payload is needed.
        if frame.length > MOST {
            return Err(self.fail(Reason::FrameSize));
        }
        // RFC 9113 §4.3: a field block MUST be contiguous.
        if let Some(block) = &self.block
            && (frame.kind != kind::CONTINUATION || frame.stream != block.opening.stream)
        {
            return Err(self.fail(Reason::Frame));
        }
        if frame.kind == kind::DATA {
            return self.begin_data(input, frame);
        }
        let Some(payload) = input.bytes().get(HEADER..HEADER + frame.length) else {
            return Ok(Some(Next::NeedInput));
        };
        input.take(HEADER + frame.length);
        self.reading = Reading::Frame;
        self.frame_came();
        match frame.kind {
            kind::HEADERS => self.headers(frame, payload),
            kind::CONTINUATION => self.continuation(frame, payload),
            kind::PRIORITY => self.priority(frame, payload),
            kind::RST_STREAM => self.rst_stream(frame, payload),
            kind::SETTINGS => self.settings(frame, payload),
            kind::PUSH_PROMISE => self.push_promise(frame, payload),
            kind::PING => self.ping(frame, payload),
            kind::GOAWAY => self.goaway_came(frame, payload),
            kind::WINDOW_UPDATE => self.window_update(frame, payload),
            kind::PRIORITY_UPDATE => self.priority_update(frame, payload),
            // RFC 9113 §5.5: unknown types MUST be ignored.
            _ => self.charge(budget::EMPTY, Reason::Flood).map(|()| None),
        }
    }
}
