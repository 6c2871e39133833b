//! What a server says, taken apart: the answer on a request stream, and the frames of its control stream. What no server may send
//! is a panic, and so a failed test.

use quiche::h3::{NameValue, qpack::Decoder};

use super::frames::{kind, take_varint, uni};
use super::wire::{self, Read};
use crate::parity::{Got, Head};

/// What is read of a stream at once.
const PIECE: usize = 64 << 10;

/// An answer, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What was read, and is no whole frame.
    input: Vec<u8>,
    /// What is missing of a DATA frame.
    left: usize,
    is_end: bool,
    has_head: bool,
    /// The code of the RESET_STREAM that ended it.
    pub(crate) reset: Option<u64>,
}

impl Answer {
    /// What comes next on that stream, as far as it has come.
    pub(crate) fn next(&mut self, quic: &mut quiche::Connection, stream: u64) -> Option<Got> {
        loop {
            if let Some(got) = self.parse() {
                return Some(got);
            }
            if self.reset.is_some() {
                return Some(Got::Cut);
            }
            if !self.read(quic, stream) {
                return wire::has_ended(quic).then_some(Got::Cut);
            }
        }
    }

    /// Takes in what has come on that stream.
    pub(crate) fn take(&mut self, quic: &mut quiche::Connection, stream: u64) {
        while self.read(quic, stream) {}
    }

    /// Whether there was anything.
    fn read(&mut self, quic: &mut quiche::Connection, stream: u64) -> bool {
        match wire::read(quic, stream, PIECE) {
            Read::Bytes(bytes, fin) => {
                self.input.extend(bytes);
                self.is_end |= fin;
            }
            Read::Reset(code) => self.reset = Some(code),
            Read::Nothing => return false,
        }
        true
    }

    fn parse(&mut self) -> Option<Got> {
        loop {
            if self.left > 0 && !self.input.is_empty() {
                let n = self.left.min(self.input.len());
                self.left -= n;
                return Some(Got::Data(self.input.drain(..n).collect()));
            }
            let mut rest = &self.input[..];
            let (Some(kind), Some(length)) = (take_varint(&mut rest), take_varint(&mut rest))
            else {
                break;
            };
            let (length, front) = (length as usize, self.input.len() - rest.len());
            if kind == kind::DATA {
                assert!(self.has_head, "RFC 9114 §4.1: DATA before a head");
                self.left = length;
                self.input.drain(..front);
                continue;
            }
            if rest.len() < length {
                break;
            }
            let payload: Vec<u8> = self.input.drain(..front + length).skip(front).collect();
            if kind == kind::HEADERS {
                return Some(self.head(&payload));
            }
            // RFC 9114 §9: what is not known means nothing.
            assert!(kind > 0xd, "RFC 9114 §7.2: a frame of type {kind} on a request stream");
        }
        self.is_end.then(|| {
            let is_whole = self.input.is_empty() && self.left == 0 && self.has_head;
            if is_whole { Got::End } else { Got::Cut }
        })
    }

    fn head(&mut self, section: &[u8]) -> Got {
        let (mut status, mut fields) = (None, Vec::new());
        for field in Decoder::new().decode(section, u64::MAX).unwrap() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match field.name() {
                b":status" => status = Some(text(field.value()).parse().unwrap()),
                name => fields.push((text(name), text(field.value()))),
            }
        }
        match status {
            Some(status @ 100..200) => Got::Interim(Head { status, fields }),
            Some(status) if !self.has_head => {
                self.has_head = true;
                Got::Head(Head { status, fields })
            }
            _ => Got::Trailers(fields),
        }
    }
}

/// The server's control stream, all that came of it: it says little.
#[derive(Debug, Default)]
pub(crate) struct Control {
    streams: Vec<(u64, Vec<u8>)>,
}

impl Control {
    /// Reads the server's unidirectional streams.
    pub(crate) fn listen(&mut self, quic: &mut quiche::Connection) {
        for id in quic.readable().filter(|id| id & 3 == 3).collect::<Vec<_>>() {
            while let Read::Bytes(bytes, false) = wire::read(quic, id, PIECE) {
                match self.streams.iter_mut().find(|(known, _)| *known == id) {
                    Some((_, all)) => all.extend(bytes),
                    None => self.streams.push((id, bytes)),
                }
            }
        }
    }

    /// What came on the server's stream of that type, behind the type.
    pub(crate) fn said(&self, kind: u64) -> Option<&[u8]> {
        self.streams.iter().find_map(|(_, bytes)| {
            let mut rest = &bytes[..];
            (take_varint(&mut rest) == Some(kind)).then_some(rest)
        })
    }

    /// The frames on it that are whole.
    pub(crate) fn frames(&self) -> Vec<(u64, &[u8])> {
        let mut frames = Vec::new();
        for (_, bytes) in &self.streams {
            let mut rest = &bytes[..];
            if take_varint(&mut rest) != Some(uni::CONTROL) {
                continue;
            }
            while let (Some(kind), Some(length)) = (take_varint(&mut rest), take_varint(&mut rest))
                && let Some((payload, behind)) = rest.split_at_checked(length as usize)
            {
                frames.push((kind, payload));
                rest = behind;
            }
        }
        // RFC 9114 §6.2.1: SETTINGS are first.
        assert!(frames.first().is_none_or(|(kind, _)| *kind == kind::SETTINGS), "{frames:?}");
        frames
    }

    /// Whether a frame of that type came.
    pub(crate) fn has(&self, kind: u64) -> bool {
        self.frames().iter().any(|(known, _)| *known == kind)
    }
}
