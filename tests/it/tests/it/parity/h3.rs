//! HTTP/3 over a real UDP socket: a small blocking client of the suite's own, on quiche's QUIC. It refers to no dynamic table, and
//! gives the server's encoder none.

use std::time::Duration;

use quiche::h3::{NameValue, qpack::Decoder};

use super::h2::lines;
use super::lane::{Ability, Ask, Client, Gone, Got, Head, Id, Lane, Length, Over, Place};
use crate::h3::frames::{self, kind, uni};
use crate::h3::wire::{self, Quic, Read, Refused};

const NO_ERROR: u64 = 0x100;
const LINE_COST: usize = 32;
/// Our control stream.
const CONTROL: u64 = 2;
/// What is read of a stream at once.
const PIECE: usize = 64 << 10;

/// HTTP/3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H3;

impl Lane for H3 {
    fn name(&self) -> &'static str {
        "h3"
    }

    fn protocol(&self) -> &'static str {
        "HTTP/3"
    }

    fn can(&self, ability: Ability) -> bool {
        // Its content goes in frames, and those in packets.
        ability != Ability::Files
    }

    fn open(&self, server: &dyn Place) -> Box<dyn Client> {
        let quic = Quic::open(server.address(Over::Quic), wire::config());
        let hello = [frames::integers(&[uni::CONTROL]), frames::settings(&[])].concat();
        // A server that is gone says so when its answer is asked for.
        let _ = quic.write(CONTROL, &hello, false);
        Box::new(Connection { quic, goes: false, streams: Vec::new(), heard: Vec::new() })
    }
}

/// A request, and its answer as far as it was read.
#[derive(Default)]
struct Stream {
    /// What was read, and is no whole frame.
    input: Vec<u8>,
    /// What is missing of a DATA frame.
    left: usize,
    is_end: bool,
    /// Content that is missing by what the head said.
    missing: Option<u64>,
    has_head: bool,
}

/// What the server says on a stream of its own.
struct Heard {
    id: u64,
    input: Vec<u8>,
}

struct Connection {
    quic: Quic,
    /// GOAWAY came, or was sent.
    goes: bool,
    streams: Vec<Stream>,
    heard: Vec<Heard>,
}

const fn id_of(at: Id) -> u64 {
    4 * at as u64
}

impl Stream {
    /// What comes next, as far as it is here; nothing when more must be read.
    fn next(&mut self) -> Option<Got> {
        loop {
            if self.left > 0 && !self.input.is_empty() {
                let n = self.left.min(self.input.len());
                self.left -= n;
                return Some(Got::Data(self.input.drain(..n).collect()));
            }
            let mut rest = &self.input[..];
            let (Some(kind), Some(length)) =
                (frames::take_varint(&mut rest), frames::take_varint(&mut rest))
            else {
                break;
            };
            let (length, front) = (length as usize, self.input.len() - rest.len());
            if kind == kind::DATA {
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
            Some(status @ 100..200) => Got::Interim(status),
            Some(status) if !self.has_head => {
                self.has_head = true;
                Got::Head(Head { status, fields })
            }
            _ => Got::Trailers(fields),
        }
    }
}

impl Connection {
    fn start(&mut self, ask: &Ask, cut: usize) -> Id {
        let missing = match ask.length {
            Length::Exact(n) => Some(n),
            Length::None => Some(0),
            Length::Unknown => None,
        };
        self.streams.push(Stream { missing, ..Stream::default() });
        let at = self.streams.len() - 1;
        let bytes = frames::frame(kind::HEADERS, &frames::section(&lines(ask, "https")));
        let fin = missing == Some(0) && cut == 0;
        // A server that is gone says so when its answer is asked for.
        let _ = self.quic.write(id_of(at), &bytes[..bytes.len() - cut], fin);
        at
    }

    fn write(&mut self, id: Id, bytes: &[u8], fin: bool) -> Result<(), Gone> {
        match self.quic.write(id_of(id), bytes, fin) {
            // RFC 9114 §4.1: its answer is complete without the rest.
            Ok(()) | Err(Refused::Stopped(NO_ERROR)) => Ok(()),
            Err(_) => Err(Gone),
        }
    }
}

/// Reads what the server says of the connection. Whether it goes.
fn listen(quic: &mut quiche::Connection, heard: &mut Vec<Heard>) -> bool {
    for id in quic.readable().filter(|id| id & 3 == 3).collect::<Vec<_>>() {
        if !heard.iter().any(|known| known.id == id) {
            heard.push(Heard { id, input: Vec::new() });
        }
        let Some(stream) = heard.iter_mut().find(|known| known.id == id) else { continue };
        while let Read::Bytes(bytes, false) = wire::read(quic, id, PIECE) {
            stream.input.extend(bytes);
        }
    }
    // No control stream of these servers is long: it is read from its beginning each time.
    heard.iter().any(|stream| {
        let mut rest = &stream.input[..];
        let mut frames = Vec::new();
        let is_control = frames::take_varint(&mut rest) == Some(uni::CONTROL);
        while let (Some(kind), Some(length)) =
            (frames::take_varint(&mut rest), frames::take_varint(&mut rest))
        {
            frames.push(kind);
            rest = rest.get(length as usize..).unwrap_or_default();
        }
        // RFC 9114 §6.2.1: SETTINGS are first.
        assert!(!is_control || frames.first().is_none_or(|kind| *kind == kind::SETTINGS));
        is_control && frames.contains(&kind::GOAWAY)
    })
}

impl Client for Connection {
    fn begin(&mut self, ask: &Ask) -> Id {
        self.start(ask, 0)
    }

    fn dangle(&mut self, ask: &Ask) {
        self.start(ask, 1);
    }

    fn send(&mut self, id: Id, data: &[u8]) -> Result<(), Gone> {
        for piece in data.chunks(16_384) {
            let missing = &mut self.streams[id].missing;
            *missing = missing.map(|left| left - piece.len() as u64);
            let fin = *missing == Some(0);
            self.write(id, &frames::frame(kind::DATA, piece), fin)?;
        }
        Ok(())
    }

    fn finish(&mut self, id: Id, trailers: &[(&str, &str)]) -> Result<(), Gone> {
        if trailers.is_empty() {
            return self.write(id, b"", true);
        }
        let lower = |(name, value): &(&str, &str)| (name.to_ascii_lowercase(), (*value).to_owned());
        let lines: Vec<_> = trailers.iter().map(lower).collect();
        self.write(id, &frames::frame(kind::HEADERS, &frames::section(&lines)), true)
    }

    fn next_within(&mut self, id: Id, patience: Duration) -> Got {
        let (stream, heard, goes) = (&mut self.streams[id], &mut self.heard, &mut self.goes);
        let next = self.quic.until(patience, |quic| {
            *goes |= listen(quic, heard);
            loop {
                if let Some(got) = stream.next() {
                    return Some(got);
                }
                match wire::read(quic, id_of(id), PIECE) {
                    Read::Bytes(bytes, fin) => {
                        stream.input.extend(bytes);
                        stream.is_end |= fin;
                    }
                    Read::Reset(_) => return Some(Got::Cut),
                    Read::Nothing => return wire::has_ended(quic).then_some(Got::Cut),
                }
            }
        });
        next.unwrap_or(Got::Nothing)
    }

    fn cost(&self, ask: &Ask) -> (usize, usize) {
        let lines = lines(ask, "https");
        // RFC 9114 §4.2.2.
        let bytes = lines.iter().map(|(name, value)| name.len() + value.len() + LINE_COST).sum();
        (bytes, lines.len() - 4)
    }

    fn is_closed_within(&mut self, patience: Duration) -> bool {
        self.quic.until(patience, |quic| wire::has_ended(quic).then_some(())).is_some()
    }

    fn ask_no_more(&mut self) {
        self.quic.write(CONTROL, &frames::frame(kind::GOAWAY, &[0]), false).unwrap();
        self.goes = true;
    }

    fn is_open(&self) -> bool {
        !self.goes && self.quic.end().is_none()
    }

    fn leave(self: Box<Self>) {}
}
