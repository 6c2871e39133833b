//! HPACK: what a browser and a server say, written and read, with the `hpack` crate as the floor. Each kind twice: the first
//! block of a connection, and one of which the tables know most already.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use trilane_benches::fields::{Pairs, request, response};
use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::NameRef;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for set in sets() {
        encode(&mut criterion, &set);
        decode(&mut criterion, &set);
    }
    criterion.final_summary();
}

/// The lines of one block, and those of another that came before it on the same connection, if any did.
struct Set {
    name: &'static str,
    before: Option<Pairs>,
    lines: Pairs,
}

impl Set {
    fn fields(lines: &Pairs) -> Vec<Field<'static>> {
        lines.iter().map(|(name, value)| Field::new(NameRef::new(name), value)).collect()
    }

    fn size(&self) -> usize {
        self.lines.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

fn sets() -> [Set; 4] {
    [
        Set { name: "request, first", before: None, lines: request("/") },
        Set {
            name: "request, next",
            before: Some(request("/")),
            lines: request("/assets/pictures/lanes-1234.webp?v=7f3a"),
        },
        Set { name: "response, first", before: None, lines: response("1234") },
        Set { name: "response, next", before: Some(response("1234")), lines: response("56789") },
    ]
}

fn write(encoder: &mut Encoder, fields: &[Field<'_>], out: &mut Vec<u8>) {
    out.clear();
    encoder.begin(out);
    for field in fields {
        encoder.field(out, *field);
    }
}

fn read(decoder: &mut Decoder, block: &[u8]) -> usize {
    let mut bytes = 0;
    let decoded = decoder.decode(block, |field| {
        bytes += black_box(field.name.as_bytes()).len() + black_box(field.value).len();
        Ok::<_, ()>(())
    });
    assert_eq!(decoded, Ok(()));
    bytes
}

fn read_by_them(decoder: &mut hpack::Decoder<'_>, block: &[u8]) -> usize {
    let mut bytes = 0;
    let decoded = decoder.decode_with_cb(block, |name, value| {
        bytes += black_box(&name[..]).len() + black_box(&value[..]).len();
    });
    assert!(decoded.is_ok());
    bytes
}

fn encode(criterion: &mut Criterion, set: &Set) {
    let mut out = Vec::with_capacity(4096);
    let fields = Set::fields(&set.lines);
    let ours = || {
        let mut encoder = Encoder::new();
        if let Some(before) = &set.before {
            write(&mut encoder, &Set::fields(before), &mut Vec::new());
        }
        encoder
    };
    let theirs = || {
        let mut encoder = hpack::Encoder::new();
        if let Some(before) = &set.before {
            encoder.encode(before.iter().copied());
        }
        encoder
    };
    let what = format!("hpack encode, {}", set.name);
    measure(criterion, set, &format!("{what}, the hpack crate"), theirs, |encoder| {
        out.clear();
        let written = encoder.encode_into(black_box(&set.lines).iter().copied(), &mut out);
        assert!(written.is_ok());
    });
    measure(criterion, set, &what, ours, |encoder| write(encoder, black_box(&fields), &mut out));
}

fn decode(criterion: &mut Criterion, set: &Set) {
    let mut encoder = Encoder::new();
    let (mut before, mut block) = (Vec::new(), Vec::new());
    if let Some(lines) = &set.before {
        write(&mut encoder, &Set::fields(lines), &mut before);
    }
    write(&mut encoder, &Set::fields(&set.lines), &mut block);
    let size = set.size();
    let ours = || {
        let mut decoder = Decoder::new(4096);
        read(&mut decoder, &before);
        decoder
    };
    let theirs = || {
        let mut decoder = hpack::Decoder::new();
        read_by_them(&mut decoder, &before);
        decoder
    };
    let what = format!("hpack decode, {}", set.name);
    measure(criterion, set, &format!("{what}, the hpack crate"), theirs, |decoder| {
        assert_eq!(read_by_them(decoder, black_box(&block)), size);
    });
    measure(criterion, set, &what, ours, |decoder| {
        assert_eq!(read(decoder, black_box(&block)), size);
    });
}

/// A first block has a fresh codec each time; later ones leave the tables as they are, and share one.
fn measure<C>(
    criterion: &mut Criterion,
    set: &Set,
    name: &str,
    codec: impl Fn() -> C,
    mut once: impl FnMut(&mut C),
) {
    criterion.bench_function(name, |bencher| {
        if set.before.is_none() {
            bencher.iter_batched_ref(&codec, &mut once, BatchSize::SmallInput);
        } else {
            let mut codec = codec();
            bencher.iter(|| once(&mut codec));
        }
    });
}
