//! Frames of the control stream: SETTINGS, GOAWAY, what push has (RFC 9114 §7.2.3 to §7.2.7) and PRIORITY_UPDATE
//! (RFC 9218 §7.2).

use trilane_semantics::{Fault, Input, Next, Priority, Reason, budget};

use crate::code::Code;
use crate::frame::{Frame, kind};
use crate::receive::Step;
use crate::settings::Settings;
use crate::state::{Drain, Http3, Role};
use crate::uni::is_request;
use crate::varint;

/// The longest frame that is taken, in bytes: a known one has no reason to be longer.
const LONGEST: u64 = 4 << 10;
/// Priorities that are kept for requests still to come (RFC 9218 §7.1 asks for some); then the oldest goes.
const EARLY: usize = 16;

impl Http3 {
    pub(crate) fn control_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        if self.theirs.skip > 0 {
            let skip = usize::try_from(self.theirs.skip).unwrap_or(usize::MAX);
            let came = input.take(skip).len();
            self.theirs.skip -= came as u64;
            return Ok(if came > 0 { None } else { Some(Next::NeedInput) });
        }
        let Some(frame) = Frame::read(input.bytes()) else { return Ok(Some(Next::NeedInput)) };
        let is_known = self.in_place(frame)?;
        if !is_known {
            // RFC 9114 §9: unknown types MUST be ignored.
            input.take(frame.header);
            self.theirs.skip = frame.length;
            return self.charge(budget::EMPTY, Reason::Flood).map(|()| None);
        }
        if frame.length > LONGEST {
            return Err(self.fail(Code::ExcessiveLoad));
        }
        let Some(payload) = frame.payload(input.bytes()) else { return Ok(Some(Next::NeedInput)) };
        input.take(frame.header + payload.len());
        match frame.kind {
            kind::SETTINGS => self.settings(payload)?,
            kind::PRIORITY_UPDATE => self.priority_update(payload)?,
            // RFC 9218 §7.2: no push was promised.
            kind::PRIORITY_UPDATE_OF_PUSH => return Err(self.fail(Code::Id)),
            other => {
                // RFC 9114 §7.1: no more and no less than its fields.
                let Some(number) = varint::whole(payload) else {
                    return Err(self.fail(Code::Frame));
                };
                self.number(other, number)?;
            }
        }
        Ok(None)
    }

    /// Whether a frame of a known type is where it may be.
    fn in_place(&mut self, frame: Frame) -> Result<bool, Fault> {
        // RFC 9114 §6.2.1: the first frame MUST be SETTINGS; §7.2.4: and no other.
        if !self.theirs.is_settled && frame.kind != kind::SETTINGS {
            return Err(self.fail(Code::MissingSettings));
        }
        let is_server = self.role == Role::Server;
        let is_fit = match frame.kind {
            kind::SETTINGS => !self.theirs.is_settled,
            // RFC 9114 §7.2.7, RFC 9218 §7.2: a server MUST NOT send it.
            kind::MAX_PUSH_ID | kind::PRIORITY_UPDATE | kind::PRIORITY_UPDATE_OF_PUSH => is_server,
            kind::DATA | kind::HEADERS | kind::PUSH_PROMISE => false,
            other if kind::is_of_http2(other) => false,
            kind::GOAWAY | kind::CANCEL_PUSH => true,
            _ => return Ok(false),
        };
        if is_fit { Ok(true) } else { Err(self.fail(Code::FrameUnexpected)) }
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Fault> {
        self.peer = Settings::read(payload).map_err(|code| self.fail(code))?;
        self.theirs.is_settled = true;
        self.encoder.set_peer(self.peer.table);
        Ok(())
    }

    /// GOAWAY, CANCEL_PUSH, MAX_PUSH_ID.
    fn number(&mut self, frame: u64, number: u64) -> Result<(), Fault> {
        self.charge(budget::EMPTY, Reason::Flood)?;
        match frame {
            kind::GOAWAY => self.goaway_came(number),
            // RFC 9114 §7.2.7: it cannot be lowered.
            kind::MAX_PUSH_ID if self.theirs.max_push.is_some_and(|it| number < it) => {
                Err(self.fail(Code::Id))
            }
            kind::MAX_PUSH_ID => {
                self.theirs.max_push = Some(number);
                Ok(())
            }
            // RFC 9114 §7.2.3: no push was promised, nor allowed.
            _ => Err(self.fail(Code::Id)),
        }
    }

    /// RFC 9114 §5.2: of a server's, the first of our requests that it does not answer; of a client's, a push.
    fn goaway_came(&mut self, number: u64) -> Result<(), Fault> {
        let is_fit = self.role == Role::Server || is_request(number);
        // RFC 9114 §5.2: it never grows.
        if !is_fit || self.goaway.is_some_and(|before| number > before) {
            return Err(self.fail(Code::Id));
        }
        self.goaway = Some(number);
        // A client's is about pushes alone: its requests may go on. Of ours, those that were begun are finished.
        if self.role == Role::Client && self.drain == Drain::No {
            self.drain = Drain::Peer;
        }
        Ok(())
    }

    /// RFC 9218 §7.2: the priority of a request, as a Priority field would say it.
    fn priority_update(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some((id, length)) = varint::read(payload) else { return Err(self.fail(Code::Frame)) };
        if !is_request(id) {
            return Err(self.fail(Code::Id));
        }
        self.charge(budget::EMPTY, Reason::Flood)?;
        let priority = Priority::parse(&payload[length..]);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.priority = priority;
            self.owe_priority(id);
        } else if !self.seen.has(id) {
            self.early.retain(|&(known, _)| known != id);
            if self.early.len() >= EARLY {
                self.early.pop_front();
            }
            self.early.push_back((id, priority));
        }
        Ok(())
    }

    /// What was said of a request before it came.
    pub(crate) fn take_early(&mut self, id: u64) -> Option<Priority> {
        let at = self.early.iter().position(|&(known, _)| known == id)?;
        self.early.remove(at).map(|(_, priority)| priority)
    }
}
