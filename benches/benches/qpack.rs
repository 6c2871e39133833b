//! QPACK: what a browser and a server say, written and read: with the static table alone, and when everything before is acknowledged.

use std::hint::black_box;

use criterion::Criterion;
use trilane_benches::fields::{Pairs, request, response};
use trilane_qpack::{Decoded, Decoder, Encoder, Field};
use trilane_semantics::NameRef;

/// The streams are one here: what is acknowledged at once need not be told apart.
const STREAM: u64 = 0;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, before, lines) in [
        ("request", request("/"), request("/assets/pictures/lanes-1234.webp?v=7f3a")),
        ("response", response("1234"), response("56789")),
    ] {
        for (kind, capacity) in [("static", 0), ("next", 4096)] {
            measure(&mut criterion, &format!("{name}, {kind}"), capacity, &before, &lines);
        }
    }
    criterion.final_summary();
}

/// Two ends of a connection, with everything sent between them.
struct Pair {
    encoder: Encoder,
    decoder: Decoder,
    section: Vec<u8>,
    instructions: Vec<u8>,
    acknowledgments: Vec<u8>,
}

impl Pair {
    fn new(capacity: usize) -> Self {
        let mut encoder = Encoder::new(capacity);
        encoder.set_peer(capacity as u64);
        Self {
            encoder,
            decoder: Decoder::new(capacity, 0),
            section: Vec::with_capacity(4096),
            instructions: Vec::new(),
            acknowledgments: Vec::new(),
        }
    }

    fn write(&mut self, fields: &[Field<'_>]) {
        self.section.clear();
        self.encoder.begin(STREAM, &mut self.section);
        for field in fields {
            self.encoder.field(&mut self.section, *field);
        }
        self.encoder.end(&mut self.section);
        self.instructions.clear();
        self.encoder.instructions_owed(&mut self.instructions);
    }

    /// How many bytes names and values are.
    fn read(&mut self) -> usize {
        let mut bytes = 0;
        let decoded = self.decoder.decode(STREAM, &self.section, |field| {
            bytes += black_box(field.name.as_bytes()).len() + black_box(field.value).len();
            Ok::<_, ()>(())
        });
        assert_eq!(decoded, Ok(Decoded::Whole));
        assert!(self.decoder.instructions(&self.instructions).is_ok());
        self.acknowledgments.clear();
        self.decoder.owed(&mut self.acknowledgments);
        bytes
    }

    fn acknowledge(&mut self) {
        assert!(self.encoder.acknowledge(&self.acknowledgments).is_ok());
    }

    /// One section from end to end.
    fn exchange(&mut self, fields: &[Field<'_>]) -> usize {
        self.write(fields);
        let bytes = self.read();
        self.acknowledge();
        bytes
    }
}

fn measure(criterion: &mut Criterion, what: &str, capacity: usize, before: &Pairs, lines: &Pairs) {
    let fields = |lines: &Pairs| -> Vec<Field<'static>> {
        lines.iter().map(|(name, value)| Field::new(NameRef::new(name), value)).collect()
    };
    let mut pair = Pair::new(capacity);
    let (before, fields) = (fields(before), fields(lines));
    let size = lines.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    for _ in 0..3 {
        pair.exchange(&before);
    }
    assert_eq!(pair.exchange(&fields), size);
    criterion.bench_function(&format!("qpack encode and hear, {what}"), |bencher| {
        // An acknowledgment of the same stream is the same bytes each time.
        pair.write(&fields);
        pair.read();
        let acknowledgment = std::mem::take(&mut pair.acknowledgments);
        assert!(pair.encoder.acknowledge(&acknowledgment).is_ok());
        bencher.iter(|| {
            pair.write(black_box(&fields));
            assert!(pair.encoder.acknowledge(black_box(&acknowledgment)).is_ok());
        });
    });
    criterion.bench_function(&format!("qpack decode and answer, {what}"), |bencher| {
        pair.write(&fields);
        bencher.iter(|| assert_eq!(pair.read(), size));
    });
}
