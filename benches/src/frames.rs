//! Requests and answers as HTTP/2 frames: what a warm client sends in one turn, and whether it got what it asked for.
//!
//! A client of benches: it knows only what ours sends, and reads no field but the status. Streams are numbered by [`Talk`],
//! so that the same bytes can come again and again.

use trilane_hpack::{Encoder, Field};
use trilane_semantics::{NameRef, Outbox, Piece};

/// What comes before everything else: the preface, and SETTINGS with windows as large as they may be (RFC 9113 §3.4, §6.9.1).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff\
    \x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\x00\x00";

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` as an index (RFC 7541 Appendix A).
const OK: u8 = 0x88;

/// The frames of a client that has asked before, so that its table and ours know most fields.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The preface, and the first request.
    first: Vec<u8>,
    /// What comes in one turn, one after the other, and from the first again.
    turns: Vec<Vec<u8>>,
}

impl Frames {
    /// GET requests with these fields besides `:method`, `:scheme` and `:path`. Turns differ by their paths, which are
    /// `paths(turn)`, one a request.
    #[must_use]
    pub fn new(
        turns: usize,
        paths: impl Fn(usize) -> Vec<String>,
        fields: &[(&str, &str)],
    ) -> Self {
        let mut encoder = Encoder::new();
        let mut first = GREETING.to_vec();
        let all: Vec<_> = (0..turns).map(&paths).collect();
        // What is added to the table is added by the first, so that the others are the same whenever they come.
        request(&mut encoder, &mut first, &all[0][0], fields);
        let turns = all.iter().map(|paths| {
            let mut bytes = Vec::new();
            paths.iter().for_each(|path| request(&mut encoder, &mut bytes, path, fields));
            bytes
        });
        Self { first, turns: turns.collect() }
    }
}

fn request(encoder: &mut Encoder, out: &mut Vec<u8>, path: &str, fields: &[(&str, &str)]) {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", path)];
    for (name, value) in pseudo.iter().chain(fields) {
        encoder.field(&mut block, Field::new(NameRef::new(name.as_bytes()), value.as_bytes()));
    }
    header(out, HEADERS, END_STREAM | END_HEADERS, block.len());
    out.extend_from_slice(&block);
}

/// A frame header without a stream's number.
fn header(out: &mut Vec<u8>, kind: u8, flags: u8, length: usize) {
    let [.., a, b, c] = (length as u64).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, 0, 0, 0, 0]);
}

/// Where one client is.
#[derive(Debug)]
pub struct Talk {
    /// What is sent next.
    bytes: Vec<u8>,
    next_stream: u32,
    turn: usize,
    /// Content that came, and that the server was not given credit for.
    came: usize,
}

impl Default for Talk {
    fn default() -> Self {
        Self { bytes: Vec::new(), next_stream: 1, turn: 0, came: 0 }
    }
}

impl Talk {
    /// What comes next: the first turn is the greeting with one request.
    pub fn next(&mut self, frames: &Frames) -> &[u8] {
        let (bytes, mut at) = match self.turn.checked_sub(1) {
            None => (&frames.first, GREETING.len()),
            Some(turn) => (&frames.turns[turn % frames.turns.len()], 0),
        };
        self.turn += 1;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        while at < self.bytes.len() {
            self.bytes[at + 5..at + HEADER].copy_from_slice(&self.next_stream.to_be_bytes());
            self.next_stream += 2;
            at += HEADER + length(&self.bytes[at..]);
        }
        if self.came > 0 {
            header(&mut self.bytes, WINDOW_UPDATE, 0, 4);
            self.bytes.extend_from_slice(&(self.came as u32).to_be_bytes());
            self.came = 0;
        }
        &self.bytes
    }

    /// Whether `out` has `answers` answers of 200, all content of which ends in `body`. What else there is belongs to the
    /// connection.
    pub fn reads(&mut self, out: &Outbox, answers: usize, body: &[u8]) -> bool {
        // A payload may be a piece of its own: how much of it is missing, and whether an answer ends with it.
        let (mut missing, mut ends) = (0, false);
        let mut done = 0;
        for piece in out.pieces() {
            let Piece::Bytes(mut bytes) = piece else { return false };
            while !bytes.is_empty() {
                if missing == 0 {
                    let (kind, flags) = (bytes[3], bytes[4]);
                    missing = length(bytes);
                    bytes = &bytes[HEADER..];
                    ends = kind == DATA && flags & END_STREAM != 0;
                    self.came += if kind == DATA { missing } else { 0 };
                    if kind == HEADERS && bytes[0] != OK {
                        return false;
                    }
                    continue;
                }
                let (here, rest) = bytes.split_at(missing.min(bytes.len()));
                (missing, bytes) = (missing - here.len(), rest);
                if missing == 0 && ends {
                    done += 1;
                    if !here.ends_with(body) {
                        return false;
                    }
                }
            }
        }
        done == answers && missing == 0
    }
}

/// Of the payload of the frame that begins here.
fn length(frame: &[u8]) -> usize {
    usize::from(frame[0]) << 16 | usize::from(frame[1]) << 8 | usize::from(frame[2])
}
