//! Frames that carry no message: PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE (RFC 9113 §6.3 to §6.9) and
//! PRIORITY_UPDATE (RFC 9218 §7.1).

use trilane_semantics::{Effect, Event, ExchangeId, Next, Priority, Reason};

use crate::code::Code;
use crate::flow::WINDOW;
use crate::frame::{Frame, flag, u31};
use crate::receive::Step;
use crate::state::{DRAIN_PING, Drain, Http2, Role};
use crate::streams::{Incoming, Past};
use trilane_semantics::budget;

/// The most that an encoder's table is allowed to take, whatever the peer allows, in bytes.
const ENCODER_TABLE: usize = 4096;

impl Http2 {
    /// RFC 9113 §6.3: deprecated, and read past; its form is still checked.
    pub(crate) fn priority<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        if frame.stream == 0 {
            return Err(self.fail(Reason::Frame));
        }
        self.charge(budget::EMPTY, Reason::Flood)?;
        let is_idle = self.is_idle(frame.stream);
        let wrong = match payload.first_chunk() {
            Some(_) if payload.len() != 5 => Some(Reason::FrameSize),
            None => Some(Reason::FrameSize),
            Some(dependency) => (u31(*dependency) == frame.stream).then_some(Reason::Frame),
        };
        match wrong {
            None => Ok(None),
            // RFC 9113 §5.4.2: an error of a stream; RST_STREAM on an idle one would be our own (§6.4).
            Some(reason) if is_idle => Err(self.fail(reason)),
            // RFC 9113 §6.3: also where the stream has ended meanwhile.
            Some(reason) => self.reset(frame.stream, reason),
        }
    }

    pub(crate) fn rst_stream<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        let id = frame.stream;
        // RFC 9113 §6.4: on a stream that is not idle, and 4 bytes long.
        if id == 0 || self.is_idle(id) {
            return Err(self.fail(Reason::Frame));
        }
        let Ok(code) = <[u8; 4]>::try_from(payload) else {
            return Err(self.fail(Reason::FrameSize));
        };
        let Some(stream) = self.streams.get(id) else {
            return self.charge(budget::EMPTY, Reason::Flood).map(|()| None);
        };
        let code = u32::from_be_bytes(code);
        // RFC 9113 §8.7: nothing of it was processed.
        let is_undone = stream.incoming == Incoming::Head && code == Code::RefusedStream as u32;
        let effect = if is_undone { Effect::None } else { Effect::Unknown };
        let is_known = self.is_known(stream);
        let is_answered = stream.incoming == Incoming::Unwanted;
        self.forget(id, Past::ResetByPeer);
        // RFC 9113 §8.4.2: a client may refuse what it did not ask for. Who has its answer gives up nothing but its own content.
        let is_promise = self.role == Role::Server && self.is_ours(id);
        let points = if is_promise || is_answered { budget::EMPTY } else { budget::RESET };
        self.charge(points, Reason::Resets)?;
        let event = Event::Reset { id: ExchangeId(id.into()), code: code.into(), effect };
        Ok(is_known.then_some(Next::Event(event)))
    }

    pub(crate) fn settings<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §6.5: of the connection, and settings of 6 bytes each; an acknowledgement has none.
        if frame.stream != 0 {
            return Err(self.fail(Reason::Frame));
        }
        let is_ack = frame.has(flag::ACK);
        if !payload.len().is_multiple_of(6) || (is_ack && !payload.is_empty()) {
            return Err(self.fail(Reason::FrameSize));
        }
        if is_ack && !self.is_read {
            // The one that we have asked for.
            self.settings_read();
            return Ok(None);
        }
        self.charge(budget::SETTINGS, Reason::Flood)?;
        if is_ack {
            return Ok(None);
        }
        let before = self.peer;
        if let Err(reason) = self.peer.apply(payload, self.role) {
            return Err(self.fail(reason));
        }
        self.owed.settings_acks += 1;
        for size in [self.peer.least_table, self.peer.table] {
            self.encoder.set_max_table_size(ENCODER_TABLE.min(size as usize));
        }
        // RFC 9113 §6.9.2: a change goes for all streams; past 2^31-1 it is an error of the connection.
        let by = i64::from(self.peer.window) - i64::from(before.window);
        #[cfg(planted = "h2_resize")] // A mistake on purpose: `make planted`.
        let by = by.max(0);
        if by != 0 {
            let changed = self.streams.iter_mut().try_for_each(|it| it.outflow.change(by));
            if changed.is_err() {
                return Err(self.fail(Reason::FlowControl));
            }
            self.windows_opened();
        }
        Ok(None)
    }

    /// Our settings are in force: all of them took effect when they were sent, being larger than what came before, but for windows
    /// that are smaller. A sender goes on with the larger ones until then (RFC 9113 §6.9.2, §6.9.3).
    fn settings_read(&mut self) {
        self.is_read = true;
        let less = (WINDOW as usize).saturating_sub(self.limits.stream_window) as u32;
        for stream in self.streams.iter_mut().filter(|_| less > 0) {
            stream.inflow.shrink(less);
            // It may have to be told now what was not worth a frame before.
            if !std::mem::replace(&mut stream.is_credited, true) {
                self.owed.credits.push(stream.id);
            }
        }
    }

    pub(crate) fn ping<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §6.7: of the connection, and 8 bytes long.
        if frame.stream != 0 {
            return Err(self.fail(Reason::Frame));
        }
        let Ok(payload) = <[u8; 8]>::try_from(payload) else {
            return Err(self.fail(Reason::FrameSize));
        };
        if frame.has(flag::ACK) {
            if payload == DRAIN_PING && matches!(self.drain, Drain::Asked(_)) {
                self.drain_on();
                return Ok(None);
            }
            return self.charge(budget::PING, Reason::Flood).map(|()| None);
        }
        self.charge(budget::PING, Reason::Flood)?;
        if self.owed.pongs.len() >= self.limits.pings {
            return Err(self.fail(Reason::Flood));
        }
        self.owed.pongs.push(payload);
        Ok(None)
    }

    pub(crate) fn goaway_came<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // RFC 9113 §6.8: of the connection; two numbers, and perhaps words for people.
        if frame.stream != 0 {
            return Err(self.fail(Reason::Frame));
        }
        if payload.len() < 8 {
            return Err(self.fail(Reason::FrameSize));
        }
        self.charge(budget::EMPTY, Reason::Flood)?;
        // What it has begun is finished.
        if self.drain == Drain::No {
            self.drain = Drain::Peer;
        }
        // What we have begun as far as it says. RFC 9113 §6.8: the number never grows.
        if let Some(([l0, l1, l2, l3, code @ ..], _)) = payload.split_first_chunk::<8>() {
            let last = u31([*l0, *l1, *l2, *l3]);
            self.left_out = (last, u32::from_be_bytes(*code));
        }
        Ok(None)
    }

    pub(crate) fn window_update<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        let id = frame.stream;
        let Ok(increment) = <[u8; 4]>::try_from(payload) else {
            return Err(self.fail(Reason::FrameSize));
        };
        // RFC 9113 §5.1: not on an idle stream.
        if self.is_idle(id) {
            return Err(self.fail(Reason::Frame));
        }
        match self.updates.checked_sub(1) {
            Some(left) => self.updates = left,
            None => self.charge(budget::WINDOW_UPDATE, Reason::Flood)?,
        }
        let increment = u31(increment);
        if id == 0 {
            // RFC 9113 §6.9: 0 is an error; §6.9.1: so is a window past 2^31-1.
            if increment == 0 {
                return Err(self.fail(Reason::Frame));
            }
            if self.outflow.change(increment.into()).is_err() {
                return Err(self.fail(Reason::FlowControl));
            }
            return Ok(None);
        }
        // RFC 9113 §5.1: it may come after the end of the stream.
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        // RFC 9113 §5.1: reserved (remote).
        if stream.incoming == Incoming::Head && stream.is_reserved() {
            return Err(self.fail(Reason::Frame));
        }
        if increment == 0 {
            return self.reset(id, Reason::Frame);
        }
        if stream.outflow.change(increment.into()).is_err() {
            return self.reset(id, Reason::FlowControl);
        }
        self.window_opened(id);
        Ok(None)
    }

    /// RFC 9218 §7.1: the priority of a stream, as a Priority field would say it.
    pub(crate) fn priority_update<'b>(&mut self, frame: Frame, payload: &[u8]) -> Step<'b> {
        // A server MUST NOT send it.
        if frame.stream != 0 || self.role == Role::Client {
            return Err(self.fail(Reason::Frame));
        }
        let Some((id, value)) = payload.split_first_chunk() else {
            return Err(self.fail(Reason::FrameSize));
        };
        // It names a stream of the client's, or a promised one.
        let is_ours = self.is_ours(u31(*id));
        if u31(*id) == 0 || is_ours && self.is_idle(u31(*id)) {
            return Err(self.fail(Reason::Frame));
        }
        self.charge(budget::EMPTY, Reason::Flood)?;
        // One that is still to come is not waited for: its field says it too.
        if let Some(stream) = self.streams.get_mut(u31(*id)) {
            stream.priority = Priority::parse(value);
        }
        Ok(None)
    }
}
