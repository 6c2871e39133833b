//! QPACK both ways (RFC 9204): what an encoder writes is read at once, whatever of the other streams has come.
//!
//! Steps: `fname:value` a field, `sname:value` a sensitive one, `eN` ends the section and sends it on stream N, `dN` the oldest
//! section of stream N arrives, `cN` stream N is cancelled, `iN` and `aN` the next N bytes of the encoder stream and of the decoder
//! stream arrive. The first step `pN` is what the peer allows.

use trilane_qpack::{Decoded, Decoder, Encoder, Field};
use trilane_semantics::NameRef;

use crate::script::Script;

/// What the encoder's table takes at most.
const CAPACITY: usize = 300;

type Lines = Vec<(Vec<u8>, Vec<u8>, bool)>;

struct World {
    encoder: Encoder,
    decoder: Decoder,
    out: Vec<u8>,
    lines: Lines,
    sent: Vec<(u64, Vec<u8>, Lines)>,
    cancelled: Vec<u64>,
    /// The encoder stream and the decoder stream, from what was not taken yet.
    there: Vec<u8>,
    back: Vec<u8>,
    /// How much of them has come.
    came: (usize, usize),
}

/// `data` as a script.
pub fn qpack_pair(data: &[u8]) {
    let script = Script::new(data).0;
    let allowed = script.first().filter(|step| step.op == b'p').map_or(CAPACITY, |s| s.number());
    let mut world = World {
        encoder: Encoder::new(CAPACITY),
        // Nobody ever waits.
        decoder: Decoder::new(allowed, 0),
        out: Vec::new(),
        lines: Lines::new(),
        sent: Vec::new(),
        cancelled: Vec::new(),
        there: Vec::new(),
        back: Vec::new(),
        came: (0, 0),
    };
    world.encoder.set_peer(allowed as u64);
    for step in script {
        let (name, value) = step.pair();
        let number = step.number() as u64;
        match step.op {
            b'f' => world.lines.push((name.to_ascii_lowercase(), value.to_vec(), false)),
            b's' => world.lines.push((name.to_ascii_lowercase(), value.to_vec(), true)),
            b'e' => world.send(number),
            b'd' => world.arrive(number),
            b'c' => world.cancel(number),
            b'i' => world.instruct(step.number()),
            b'a' => world.acknowledge(step.number()),
            _ => {}
        }
    }
    world.settle();
}

impl World {
    fn send(&mut self, stream: u64) {
        if self.cancelled.contains(&stream) {
            return;
        }
        self.out.clear();
        self.encoder.begin(stream, &mut self.out);
        for (name, value, sensitive) in &self.lines {
            let field = Field { name: NameRef::new(name), value, sensitive: *sensitive };
            self.encoder.field(&mut self.out, field);
        }
        self.encoder.end(&mut self.out);
        self.sent.push((stream, self.out.clone(), std::mem::take(&mut self.lines)));
    }

    fn arrive(&mut self, stream: u64) {
        let Some(at) = self.sent.iter().position(|(sent, ..)| *sent == stream) else { return };
        let (_, section, lines) = self.sent.remove(at);
        let mut read = Lines::new();
        let decoded = self.decoder.decode(stream, &section, |field| {
            read.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.sensitive));
            Ok::<_, ()>(())
        });
        assert_eq!(decoded, Ok(Decoded::Whole));
        assert_eq!(read.len(), lines.len());
        for (read, line) in read.iter().zip(&lines) {
            assert_eq!((&read.0, &read.1), (&line.0, &line.1));
            assert!(read.2 || !line.2, "a secret was indexed: {line:?}");
        }
    }

    fn cancel(&mut self, stream: u64) {
        // A stream that is over is never used again.
        if !self.cancelled.contains(&stream) {
            self.cancelled.push(stream);
            self.sent.retain(|(sent, ..)| *sent != stream);
            self.decoder.cancel(stream);
        }
    }

    fn instruct(&mut self, count: usize) {
        self.encoder.instructions_owed(&mut self.there);
        self.came.0 = (self.came.0 + count).min(self.there.len());
        let taken = self.decoder.instructions(&self.there[..self.came.0]);
        assert!(taken.is_ok());
        self.there.drain(..taken.unwrap_or_default());
        self.came.0 -= taken.unwrap_or_default();
    }

    fn acknowledge(&mut self, count: usize) {
        self.decoder.owed(&mut self.back);
        self.came.1 = (self.came.1 + count).min(self.back.len());
        let taken = self.encoder.acknowledge(&self.back[..self.came.1]);
        assert!(taken.is_ok());
        self.back.drain(..taken.unwrap_or_default());
        self.came.1 -= taken.unwrap_or_default();
    }

    /// Everything arrives, and a section after that is read as well.
    fn settle(&mut self) {
        while let Some(&(stream, ..)) = self.sent.first() {
            self.arrive(stream);
        }
        self.instruct(usize::MAX >> 1);
        self.acknowledge(usize::MAX >> 1);
        assert!(self.there.is_empty() && self.back.is_empty());
        let last = u64::MAX >> 2;
        self.lines.push((b"x-own".to_vec(), b"last".to_vec(), false));
        self.send(last);
        self.arrive(last);
    }
}
