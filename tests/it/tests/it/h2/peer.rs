//! A peer that says whatever it is told to, and looks at every frame that comes. Nothing is answered by itself.

use std::time::{Duration, Instant};

use trilane_hpack::Decoder;

use super::frames::{PREFACE, code, flag, kind, ping, settings};
use crate::parity::{Over, Place, Wire};

/// How long is waited for what must come.
const SOON: Duration = Duration::from_secs(20);
/// What this peer's own PING carries.
const MARK: &[u8; 8] = b"are you?";

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number that a payload begins with.
    fn number(&self, at: usize) -> Option<u32> {
        self.payload.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The error code of a frame that ends something.
    pub(crate) fn code(&self) -> Option<u32> {
        match self.kind {
            kind::RST_STREAM => self.number(0),
            kind::GOAWAY => self.number(4),
            _ => None,
        }
    }
}

/// What must come.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// A PING of ours is answered, and nothing else has come of what was sent.
    Alive,
    /// A whole answer on that stream, of that status.
    Answer(u32, u16),
    /// DATA on that stream, with so many bytes.
    Data(u32, usize),
    /// GOAWAY with one of these codes, and then the end.
    Goaway(&'static [u32]),
    /// A PING with that payload is answered.
    Pong([u8; 8]),
    /// RST_STREAM on that stream with one of these codes.
    Reset(u32, &'static [u32]),
    /// SETTINGS, and before them nothing.
    Settings,
    /// SETTINGS are acknowledged.
    SettingsAck,
}

/// One connection.
pub(crate) struct Peer {
    wire: Wire,
    decoder: Decoder,
    seen: usize,
}

impl Peer {
    /// Connects, and says nothing.
    pub(crate) fn connect(place: &dyn Place, over: Over) -> Self {
        Self { wire: Wire::open(place, over, "h2"), decoder: Decoder::new(4096), seen: 0 }
    }

    /// Connects, and exchanges prefaces.
    pub(crate) fn ready(place: &dyn Place, over: Over) -> Self {
        let mut peer = Self::connect(place, over);
        peer.send(&[PREFACE, &settings(&[])].concat());
        peer.expect(&Expected::Settings).unwrap();
        peer.expect(&Expected::SettingsAck).unwrap();
        peer
    }

    /// Sends; who has closed meanwhile will be seen by what came.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.wire.write(bytes);
    }

    /// The next frame; nothing when none comes in that time, or none ever.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<Frame> {
        let end = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take() {
                self.seen += 1;
                return Some(frame);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.wire.is_end {
                return None;
            }
            self.wire.read(left);
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = self.wire.input.first_chunk()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.wire.input.get(9..9 + length)?.to_vec();
        self.wire.input.drain(..9 + length);
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    /// Whether a PING is answered, whatever comes before that; if not, the code of the GOAWAY that came in its place.
    pub(crate) fn lives(&mut self) -> Result<(), Option<u32>> {
        self.send(&ping(MARK));
        loop {
            match self.next(SOON) {
                None => return Err(None),
                Some(frame) if frame.kind == kind::GOAWAY => return Err(frame.code()),
                Some(frame) if frame.kind == kind::PING && frame.payload == MARK => return Ok(()),
                Some(_) => (),
            }
        }
    }

    /// Whether the server has closed, as far as was read.
    pub(crate) const fn has_ended(&self) -> bool {
        self.wire.is_end
    }

    /// Whether nothing comes any more, all having been read.
    pub(crate) fn is_over(&mut self) -> bool {
        let end = Instant::now() + SOON;
        while !self.wire.is_end && Instant::now() < end {
            self.wire.read(SOON);
        }
        self.wire.is_end
    }

    /// Reads, and forgets, all up to the end. The code of the last GOAWAY, if one came.
    pub(crate) fn ends(&mut self) -> Result<Option<u32>, &'static str> {
        let mut last = None;
        while let Some(frame) = self.next(SOON / 4) {
            last = frame.code().filter(|_| frame.kind == kind::GOAWAY).or(last);
        }
        if self.wire.is_end { Ok(last) } else { Err("the connection stays open") }
    }

    /// Waits for that.
    pub(crate) fn expect(&mut self, expected: &Expected) -> Result<(), String> {
        if matches!(expected, Expected::Alive) {
            self.send(&ping(MARK));
        }
        let mut status = None;
        loop {
            let Some(frame) = self.next(SOON) else {
                let how = if self.wire.is_end { "the end" } else { "silence" };
                return Err(format!("{expected:?}: {how} after {} frames", self.seen));
            };
            if frame.kind == kind::HEADERS {
                status = self.status(&frame).filter(|status| *status >= 200).or(status);
            }
            match self.is_it(expected, &frame, status) {
                Some(true) => return Ok(()),
                Some(false) => return Err(format!("{expected:?}: {frame:?}")),
                None => (),
            }
        }
    }

    /// Whether it is what was expected, or must not come at all; nothing if it is neither.
    fn is_it(&mut self, expected: &Expected, frame: &Frame, status: Option<u16>) -> Option<bool> {
        let ends = matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM);
        let is_pong = frame.kind == kind::PING && frame.has(flag::ACK);
        match *expected {
            Expected::Alive if is_pong => Some(frame.payload == MARK),
            Expected::Answer(id, wanted) if ends && frame.stream == id => {
                Some(status == Some(wanted))
            }
            Expected::Data(id, length) if frame.kind == kind::DATA && frame.stream == id => {
                Some(frame.payload.len() == length)
            }
            Expected::Goaway(codes) if frame.kind == kind::GOAWAY => {
                Some(frame.code().is_some_and(|code| codes.contains(&code)) && self.is_over())
            }
            // What was malformed may have been answered first.
            Expected::Goaway(_) if frame.kind == kind::RST_STREAM => None,
            Expected::Pong(payload) if is_pong => Some(frame.payload == payload),
            Expected::Reset(id, codes) if frame.kind == kind::RST_STREAM => {
                let is_one = frame.code().is_some_and(|code| codes.contains(&code));
                Some(frame.stream == id && is_one)
            }
            Expected::Settings => Some(frame.kind == kind::SETTINGS && !frame.has(flag::ACK)),
            Expected::SettingsAck if frame.kind == kind::SETTINGS => {
                frame.has(flag::ACK).then_some(frame.payload.is_empty())
            }
            // After a complete answer the rest may be declined (RFC 9113 §8.1).
            _ if frame.kind == kind::RST_STREAM && frame.code() == Some(code::NO_ERROR) => None,
            _ => matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY).then_some(false),
        }
    }

    /// The status of a head; none of what is a trailer section.
    fn status(&mut self, frame: &Frame) -> Option<u16> {
        let mut status = None;
        let decoded = self.decoder.decode(&frame.payload, |field| {
            if field.name.as_bytes() == b":status" {
                status = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            }
            Ok::<_, ()>(())
        });
        decoded.unwrap();
        status
    }
}
