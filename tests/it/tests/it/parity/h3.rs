//! HTTP/3 over a real UDP socket: a small blocking client of the suite's own, on quiche's QUIC. It refers to no dynamic table, and
//! gives the server's encoder none.

use std::time::Duration;

use super::h2::lines;
use super::lane::{Ability, Ask, Client, Gone, Got, Id, Lane, Length, Over, Place};
use crate::h3::frames::{self, kind, uni};
use crate::h3::reader::{Answer, Control};
use crate::h3::wire::{self, Quic, Refused};

const NO_ERROR: u64 = 0x100;
const LINE_COST: usize = 32;
/// Our control stream.
const CONTROL: u64 = 2;

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
        // Its content goes in frames, and those in packets. RFC 9000 §3.2: whoever is told that a stream is reset may forget what
        // came of it.
        !matches!(ability, Ability::Files | Ability::Uncopied | Ability::Ordered)
    }

    fn open(&self, server: &dyn Place) -> Box<dyn Client> {
        let quic = Quic::open(server.address(Over::Quic), wire::config());
        Box::new(Connection { quic, goes: false, streams: Vec::new(), control: Control::default() })
    }
}

/// A request, and its answer.
struct Stream {
    answer: Answer,
    /// Content that is missing by what the head said.
    missing: Option<u64>,
}

struct Connection {
    quic: Quic,
    /// GOAWAY came, or was sent.
    goes: bool,
    streams: Vec<Stream>,
    control: Control,
}

const fn id_of(at: Id) -> u64 {
    4 * at as u64
}

impl Connection {
    fn start(&mut self, ask: &Ask, cut: usize) -> Id {
        let missing = match ask.length {
            Length::Exact(n) => Some(n),
            Length::None => Some(0),
            Length::Unknown => None,
        };
        if self.streams.is_empty() {
            let hello = [frames::integers(&[uni::CONTROL]), frames::settings(&[])].concat();
            let _ = self.quic.write(CONTROL, &hello, false);
        }
        self.streams.push(Stream { answer: Answer::default(), missing });
        let at = self.streams.len() - 1;
        let bytes = frames::frame(kind::HEADERS, &frames::section(&lines(ask, "https")));
        let fin = missing == Some(0) && cut == 0;
        // A server that is gone says so when its answer is asked for.
        let _ = self.quic.write(id_of(at), &bytes[..bytes.len() - cut], fin);
        at
    }

    fn write(&mut self, id: Id, bytes: &[u8], fin: bool) -> Result<(), Gone> {
        let answer = &mut self.streams[id].answer;
        let written =
            self.quic.write_while(id_of(id), bytes, fin, |quic| answer.take(quic, id_of(id)));
        match written {
            // RFC 9114 §4.1: its answer is complete without the rest.
            Ok(()) | Err(Refused::Stopped(NO_ERROR)) => Ok(()),
            Err(_) => Err(Gone),
        }
    }
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
        let (answer, control) = (&mut self.streams[id].answer, &mut self.control);
        let next = self.quic.until(patience, |quic| {
            control.listen(quic);
            answer.next(quic, id_of(id))
        });
        self.goes |= self.control.has(kind::GOAWAY);
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
