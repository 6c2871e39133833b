//! A peer that uses all that RFC 9204 allows, at random: every form of a line, bases anywhere, sections ahead of their lines.

use std::collections::VecDeque;

use super::model::Chance;
use super::{Line, lines};
use crate::Decoder;
use crate::prefix::{Prefix, max_entries};
use crate::statics;
use trilane_hpack::integer::encode;
use trilane_hpack::text::{self, LENGTH_BITS};

struct Sent {
    stream: u64,
    required: u64,
    section: Vec<u8>,
    lines: Vec<Line>,
}

struct Peer {
    chance: Chance,
    decoder: Decoder,
    max: usize,
    capacity: usize,
    /// Every line there ever was, and how many are gone.
    table: Vec<(Vec<u8>, Vec<u8>)>,
    gone: usize,
    instructions: VecDeque<u8>,
    came: Vec<u8>,
    sent: Vec<Sent>,
    streams: u64,
}

/// How many streams may wait.
const WAITING: usize = 8;

impl Peer {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let max = [64, 100, 200, 1000, 5000][chance.below(5)];
        Self {
            chance,
            decoder: Decoder::new(max, WAITING),
            max,
            capacity: 0,
            table: Vec::new(),
            gone: 0,
            instructions: VecDeque::new(),
            came: Vec::new(),
            sent: Vec::new(),
            streams: 0,
        }
    }

    fn size(&self) -> usize {
        let there = self.table[self.gone..].iter();
        there.map(|(name, value)| name.len() + value.len() + 32).sum()
    }

    /// An absolute index of a line that is there.
    fn some_line(&mut self) -> Option<usize> {
        let there = self.table.len() - self.gone;
        (there > 0).then(|| self.gone + self.chance.below(there))
    }

    fn some_text(&mut self) -> Vec<u8> {
        let len = self.chance.below(12);
        (0..len).map(|_| b'a' + self.chance.below(20) as u8).collect()
    }

    /// A string, in the shorter form or as it is.
    fn write(&mut self, text: &[u8], first: u8, bits: u32, out: &mut Vec<u8>) {
        if self.chance.below(2) == 0 {
            text::write(text, first, bits, out);
        } else {
            encode(out, first, bits, text.len() as u64);
            out.extend_from_slice(text);
        }
    }

    fn insert(&mut self) {
        let mut out = Vec::new();
        let static_line = self.chance.below(statics::COUNT);
        let value = self.some_text();
        let line = match (self.chance.below(5), self.some_line()) {
            (0, _) => {
                let capacity = self.chance.below(self.max + 1);
                self.resize(capacity);
                return;
            }
            (1, Some(at)) => {
                encode(&mut out, 0x00, 5, (self.table.len() - at - 1) as u64);
                self.table[at].clone()
            }
            (2, Some(at)) => {
                encode(&mut out, 0x80, 6, (self.table.len() - at - 1) as u64);
                self.write(&value, 0, LENGTH_BITS, &mut out);
                (self.table[at].0.clone(), value)
            }
            (3, _) => {
                encode(&mut out, 0xc0, 6, static_line as u64);
                self.write(&value, 0, LENGTH_BITS, &mut out);
                (statics::line(static_line as u64).unwrap().name.as_bytes().to_vec(), value)
            }
            _ => {
                let name = self.some_text();
                self.write(&name, 0x40, 5, &mut out);
                self.write(&value, 0, LENGTH_BITS, &mut out);
                (name, value)
            }
        };
        let size = line.0.len() + line.1.len() + 32;
        if size > self.capacity {
            return;
        }
        if self.size() + size > self.capacity {
            self.settle();
        }
        while self.size() + size > self.capacity {
            self.gone += 1;
        }
        self.table.push(line);
        self.instructions.extend(out);
    }

    fn resize(&mut self, capacity: usize) {
        self.settle();
        self.capacity = capacity;
        while self.size() > capacity {
            self.gone += 1;
        }
        let mut out = Vec::new();
        encode(&mut out, 0x20, 5, capacity as u64);
        self.instructions.extend(out);
    }

    fn send(&mut self) {
        if self.sent.len() == WAITING {
            return;
        }
        let (mut body, mut lines_of, mut required) = (Vec::new(), Vec::new(), 0);
        let base = self.chance.below(self.table.len() + 3);
        for _ in 0..self.chance.below(5) {
            let form = self.chance.below(3);
            let value = self.some_text();
            let sensitive = self.chance.below(2) == 0;
            let line = match self.some_line().filter(|_| form < 2) {
                Some(at) => {
                    required = required.max(at as u64 + 1);
                    let below = at < base;
                    let index = if below { base - at - 1 } else { at - base } as u64;
                    let (name, whole) = self.table[at].clone();
                    if form == 0 {
                        encode(
                            &mut body,
                            if below { 0x80 } else { 0x10 },
                            if below { 6 } else { 4 },
                            index,
                        );
                        (name, whole, false)
                    } else {
                        let never = u8::from(sensitive) * if below { 0x20 } else { 0x08 };
                        let (first, bits) = if below { (0x40, 4) } else { (0x00, 3) };
                        encode(&mut body, first | never, bits, index);
                        self.write(&value, 0, LENGTH_BITS, &mut body);
                        (name, value, sensitive)
                    }
                }
                None => {
                    let name = self.some_text();
                    let first = if sensitive { 0x30 } else { 0x20 };
                    self.write(&name, first, 3, &mut body);
                    self.write(&value, 0, LENGTH_BITS, &mut body);
                    (name, value, sensitive)
                }
            };
            lines_of.push(line);
        }
        let base = if required == 0 { 0 } else { base as u64 };
        let mut section = Vec::new();
        Prefix { required, base }.write(max_entries(self.max as u64), &mut section);
        section.extend(body);
        self.streams += 4;
        self.sent.push(Sent { stream: self.streams, required, section, lines: lines_of });
    }

    fn instruct(&mut self) {
        let count = self.chance.below(self.instructions.len() + 1);
        self.came.extend(self.instructions.drain(..count));
        let taken = self.decoder.instructions(&self.came).unwrap();
        self.came.drain(..taken);
    }

    fn deliver(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let at = self.chance.below(self.sent.len());
        let sent = &self.sent[at];
        assert_eq!(self.decoder.required(&sent.section), Ok(sent.required));
        let read = lines(&mut self.decoder, sent.stream, &sent.section).unwrap();
        assert_eq!(read.is_none(), sent.required > self.decoder.inserted());
        if let Some(read) = read {
            assert_eq!(read, sent.lines);
            self.sent.swap_remove(at);
        }
    }

    fn settle(&mut self) {
        while !self.instructions.is_empty() {
            self.instruct();
        }
        while !self.sent.is_empty() {
            self.deliver();
        }
        assert!(self.came.is_empty());
        assert_eq!(self.decoder.inserted(), self.table.len() as u64);
        assert_eq!(self.decoder.table.size(), self.size());
        let mut owed = Vec::new();
        self.decoder.owed(&mut owed);
    }
}

#[test]
fn every_form_is_read() {
    let (mut inserted, mut sections) = (0, 0);
    for seed in 0..200 {
        let mut peer = Peer::new(seed);
        let capacity = peer.max;
        peer.resize(capacity);
        for _ in 0..500 {
            match peer.chance.below(5) {
                0 => peer.insert(),
                1 => peer.instruct(),
                2 | 3 => peer.deliver(),
                _ => peer.send(),
            }
        }
        peer.settle();
        inserted += peer.table.len();
        sections += peer.streams;
    }
    assert!(inserted > 2_000 && sections > 20_000, "{inserted} {sections}");
}
