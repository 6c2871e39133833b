//! Encoder and decoder with nothing between them but time: three channels, any order between them, any cut within them.

use std::collections::VecDeque;

use super::{Line, lines, section};
use crate::{Decoder, Encoder};

/// A generator that is the same everywhere.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// A section on its way.
struct Sent {
    stream: u64,
    section: Vec<u8>,
    lines: Vec<String>,
}

struct World {
    encoder: Encoder,
    decoder: Decoder,
    chance: Chance,
    streams: [u64; 20],
    sent: Vec<Sent>,
    /// The encoder stream and the decoder stream: what is on its way.
    instructions: VecDeque<u8>,
    acknowledgments: VecDeque<u8>,
    /// What came of them, and is not whole yet.
    came: [Vec<u8>; 2],
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let sizes = [0, 32, 64, 100, 200, 500, 4096];
        let (ours, theirs) = (sizes[chance.below(7)], sizes[chance.below(7)]);
        let mut encoder = Encoder::new(ours);
        encoder.set_peer(theirs as u64);
        Self {
            encoder,
            // Nobody may ever wait.
            decoder: Decoder::new(theirs, 0),
            chance,
            streams: std::array::from_fn(|at| at as u64),
            sent: Vec::new(),
            instructions: VecDeque::new(),
            acknowledgments: VecDeque::new(),
            came: Default::default(),
        }
    }

    fn step(&mut self) {
        match self.chance.below(7) {
            0 | 1 => self.send(),
            2 => self.deliver(),
            3 => self.cancel(),
            4 => {
                let mut bytes = Vec::new();
                self.encoder.instructions_owed(&mut bytes);
                self.instructions.extend(bytes);
                self.instruct();
            }
            5 => {
                let mut bytes = Vec::new();
                self.decoder.owed(&mut bytes);
                self.acknowledgments.extend(bytes);
                self.acknowledge();
            }
            _ => self.deliver(),
        }
        assert!(self.decoder.inserted() <= self.encoder.inserted);
        assert!(self.encoder.known <= self.decoder.inserted());
    }

    fn send(&mut self) {
        let stream = self.streams[self.chance.below(20)];
        let names =
            [":status", ":path", "server", "date", "content-length", "x-request-id", "x-own", "y"];
        let lines: Vec<_> = (0..self.chance.below(6))
            .map(|_| {
                let name = names[self.chance.below(names.len())];
                let most = [2, 5, 40][self.chance.below(3)];
                let value = self.chance.below(most);
                format!(
                    "{name}: {}",
                    if value > 20 { "long".repeat(value) } else { value.to_string() }
                )
            })
            .collect();
        let borrowed: Vec<_> = lines.iter().map(|line| &line[..]).collect();
        let section = section(&mut self.encoder, stream, &borrowed);
        self.sent.push(Sent { stream, section, lines });
    }

    /// Some stream's oldest section arrives.
    fn deliver(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let stream = self.sent[self.chance.below(self.sent.len())].stream;
        let at = self.sent.iter().position(|sent| sent.stream == stream).unwrap();
        let Sent { section, lines: expected, .. } = self.sent.remove(at);
        let read: Vec<Line> = lines(&mut self.decoder, stream, &section).unwrap().unwrap();
        let read = read.iter().map(|(name, value, _)| [&name[..], b": ", value].concat());
        assert!(read.eq(expected.iter().map(|line| line.as_bytes().to_vec())));
    }

    /// Nothing more of some stream arrives.
    fn cancel(&mut self) {
        if self.chance.below(5) == 0 && !self.sent.is_empty() {
            let stream = self.sent[self.chance.below(self.sent.len())].stream;
            self.sent.retain(|sent| sent.stream != stream);
            self.decoder.cancel(stream);
            // Another takes its place: nothing of it is acknowledged any more.
            if let Some(place) = self.streams.iter_mut().find(|place| **place == stream) {
                *place += 20;
            }
        }
    }

    fn instruct(&mut self) {
        let count = self.chance.below(self.instructions.len() + 1);
        self.came[0].extend(self.instructions.drain(..count));
        let taken = self.decoder.instructions(&self.came[0]).unwrap();
        self.came[0].drain(..taken);
    }

    fn acknowledge(&mut self) {
        let count = self.chance.below(self.acknowledgments.len() + 1);
        self.came[1].extend(self.acknowledgments.drain(..count));
        let taken = self.encoder.acknowledge(&self.came[1]).unwrap();
        self.came[1].drain(..taken);
        assert!(self.came[1].len() < 10);
    }

    /// Everything arrives; both tables are one.
    fn settle(&mut self) {
        while !self.sent.is_empty() {
            self.deliver();
        }
        let mut bytes = Vec::new();
        self.encoder.instructions_owed(&mut bytes);
        self.instructions.extend(bytes);
        while !self.instructions.is_empty() {
            self.instruct();
        }
        let mut bytes = Vec::new();
        self.decoder.owed(&mut bytes);
        self.acknowledgments.extend(bytes);
        while !self.acknowledgments.is_empty() {
            self.acknowledge();
        }
        assert!(self.came.iter().all(Vec::is_empty));
        assert_eq!(self.encoder.inserted, self.decoder.inserted());
        assert_eq!(self.encoder.known, self.encoder.inserted);
        assert_eq!(self.encoder.sections.oldest(), u64::MAX);
        let (ours, theirs) = (self.encoder.lookup.table(), &self.decoder.table);
        assert_eq!((ours.len(), ours.size()), (theirs.len(), theirs.size()));
        for age in 0..ours.len() {
            let (ours, theirs) = (ours.line(age).unwrap(), theirs.line(age).unwrap());
            assert_eq!((ours.0.as_bytes(), ours.1), (theirs.0.as_bytes(), theirs.1));
        }
    }
}

/// RFC 9204 §2.1: what one of them writes the other reads, at once, whatever comes first.
#[test]
fn nothing_but_time() {
    let mut inserted = 0;
    for seed in 0..200 {
        let mut world = World::new(seed);
        for _ in 0..3 {
            for _ in 0..400 {
                world.step();
            }
            world.settle();
        }
        inserted += world.encoder.inserted;
    }
    // They did use their tables.
    assert!(inserted > 5_000, "{inserted}");
}
