//! A peer that says whatever it is told to, and looks at all that comes. Nothing is answered by itself but what QUIC answers.

use std::collections::BTreeMap;

use super::frames::{code, get, integers, kind, settings, uni};
use super::reader::{Answer, Control};
use super::wire::{self, End, Quic, SOON};
use crate::parity::{Got, Over, Place};

/// Our control stream.
pub(crate) const CONTROL: u64 = 2;

/// What must come.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// A request on a new stream is answered: whatever was sent before is over and done with.
    Alive,
    /// A whole answer on that stream, of that status.
    Answer(u64, u16),
    /// CONNECTION_CLOSE of HTTP/3 with that code.
    Closed(u64),
    /// That content on that stream, the whole of it.
    Content(u64, Vec<u8>),
    /// A stream error of type H3_MESSAGE_ERROR, with an answer before it or without one (RFC 9114 §4.1.2).
    Malformed(u64),
    /// RESET_STREAM on that stream with that code.
    Reset(u64, u64),
    /// The server's SETTINGS.
    Settings,
    /// STOP_SENDING on that stream with that code, as far as writing shows it.
    Stopped(u64, u64),
}

/// One connection.
pub(crate) struct Peer {
    pub(crate) quic: Quic,
    control: Control,
    answers: BTreeMap<u64, Answer>,
    /// The highest request stream that was used.
    highest: u64,
}

impl Peer {
    /// Connects, and says nothing of HTTP/3.
    pub(crate) fn connect(place: &dyn Place) -> Self {
        Self::over(Quic::open(place.address(Over::Quic), wire::config()))
    }

    /// As [`Self::connect`], over a connection made otherwise.
    pub(crate) fn over(quic: Quic) -> Self {
        Self { quic, control: Control::default(), answers: BTreeMap::new(), highest: 0 }
    }

    /// Connects, and exchanges SETTINGS.
    pub(crate) fn ready(place: &dyn Place) -> Self {
        let mut peer = Self::connect(place);
        peer.send(CONTROL, &[integers(&[uni::CONTROL]), settings(&[])].concat(), false);
        peer.expect(&Expected::Settings).unwrap();
        peer
    }

    /// Sends; who has closed meanwhile will be seen by what came.
    pub(crate) fn send(&mut self, stream: u64, bytes: &[u8], fin: bool) {
        if stream & 3 == 0 {
            self.highest = self.highest.max(stream);
        }
        let _ = self.quic.write(stream, bytes, fin);
    }

    /// What came on the server's stream of that type, behind the type; something must have.
    pub(crate) fn theirs(&mut self, kind: u64) -> Vec<u8> {
        let control = &mut self.control;
        let found = self.quic.until(SOON, |quic| {
            control.listen(quic);
            control.said(kind).filter(|said| !said.is_empty()).map(<[u8]>::to_vec)
        });
        found.unwrap_or_else(|| panic!("nothing on a stream of type {kind}"))
    }

    /// Waits for that.
    pub(crate) fn expect(&mut self, expected: &Expected) -> Result<(), String> {
        let told = match *expected {
            Expected::Alive => {
                let stream = self.highest + 4;
                self.send(stream, &get("/plaintext"), true);
                return self.expect(&Expected::Answer(stream, 200));
            }
            Expected::Answer(stream, status) => {
                let (got, _, last) = self.rest(stream)?;
                (got == Some(status) && last == Got::End, format!("{got:?}, {last:?}"))
            }
            Expected::Content(stream, ref content) => {
                let (got, body, last) = self.rest(stream)?;
                (body == *content && last == Got::End, format!("{got:?} {body:?}"))
            }
            Expected::Reset(stream, wanted) => {
                let (got, ..) = self.rest(stream)?;
                let reset = self.answers.get(&stream).and_then(|answer| answer.reset);
                (reset == Some(wanted), format!("{got:?}, RESET_STREAM {reset:x?}"))
            }
            Expected::Malformed(stream) => {
                let (got, _, last) = self.rest(stream)?;
                let reset = self.answers.get(&stream).and_then(|answer| answer.reset);
                let is_answered = got.is_none_or(|status| (400..500).contains(&status));
                let is_over = reset == Some(code::MESSAGE) || got.is_some() && last == Got::End;
                (is_answered && is_over, format!("{got:?}, {last:?}, RESET_STREAM {reset:x?}"))
            }
            Expected::Closed(wanted) => {
                let end = self.quic.until(SOON, |quic| wire::end_of(quic));
                (end == Some(End::Http(wanted)), format!("{end:x?}"))
            }
            Expected::Stopped(stream, wanted) => {
                let stopped = self.quic.until(SOON, |quic| {
                    if wire::has_ended(quic) {
                        return Some(None);
                    }
                    match quic.stream_capacity(stream) {
                        Err(quiche::Error::StreamStopped(code)) => Some(Some(code)),
                        _ => None,
                    }
                });
                (stopped == Some(Some(wanted)), format!("STOP_SENDING {stopped:x?}"))
            }
            Expected::Settings => return self.tells(kind::SETTINGS),
        };
        let (is_so, what) = told;
        if is_so { Ok(()) } else { Err(format!("{expected:x?}: {what}, {:x?}", self.quic.end())) }
    }

    fn tells(&mut self, kind: u64) -> Result<(), String> {
        let control = &mut self.control;
        let has_it = self.quic.until(SOON, |quic| {
            control.listen(quic);
            (control.has(kind) || wire::has_ended(quic)).then(|| control.has(kind))
        });
        let is_so = has_it == Some(true);
        if is_so { Ok(()) } else { Err(format!("no frame of type {kind}: {:x?}", self.quic.end())) }
    }

    /// The rest of an answer: its final status, its content, and how it ends.
    pub(crate) fn rest(&mut self, stream: u64) -> Result<(Option<u16>, Vec<u8>, Got), String> {
        let (mut status, mut body) = (None, Vec::new());
        let answer = self.answers.entry(stream).or_default();
        loop {
            match self.quic.until(SOON, |quic| answer.next(quic, stream)) {
                Some(Got::Head(head)) => status = Some(head.status),
                Some(Got::Data(data)) => body.extend(data),
                Some(last @ (Got::End | Got::Cut)) => return Ok((status, body, last)),
                Some(_) => (),
                None => return Err(format!("stream {stream} hangs after {status:?}")),
            }
        }
    }
}
