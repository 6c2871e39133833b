//! RFC 9204 as a peer sees it: representations, references to both tables, and the three errors.

use super::Row;
use super::frames::{code, frame, integer, integers, kind, literal, section, uni};
use super::peer::Expected;

/// Our encoder stream, and our decoder stream.
const ENCODER: u64 = 6;
const DECODER: u64 = 10;
/// What the server's SETTINGS let us use of its table, in bytes: entries of 32 at least, so 128.
const CAPACITY: usize = 4096;

pub(super) fn rows() -> Vec<Row> {
    let all = [lines(), strings(), statics(), prefixes(), dynamic(), blocked()];
    all.into_iter().chain([instructions(), acknowledgements()]).flatten().collect()
}

/// `GET https://it/plaintext` without the dynamic table: lines 17, 23 and names 0 and 1 of the static one (appendix A).
const GET: &[u8] = b"\xd1\xd7\x50\x02it\x51\x0a/plaintext";
const NO_TABLE: &[u8] = &[0, 0];

/// An honest GET behind that prefix, with these lines.
fn request(prefix: &[u8], lines: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, &[prefix, GET, lines].concat())
}

fn row(of: &'static str, lines: &[u8]) -> Row {
    Row::new(of).fin(0, &request(NO_TABLE, lines))
}

/// §4.5: each representation of a field line.
fn lines() -> Vec<Row> {
    // `custom-key` and `custom-value` in the Huffman code (RFC 7541 §C.4.3), with their lengths.
    let (key, value) =
        (b"\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", b"\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf");
    let mut rows = vec![
        row("9204 §4.5.2 indexed", b"").answer(0),
        row("9204 §4.5.2 the last line of the table", &integer(0xc0, 6, 98)).answer(0),
        row("9204 §4.5.6 a literal name", &literal(b"custom-key", b"custom-value")).answer(0),
        row("9204 §4.5.6 never indexed", &[&[0x37, 3][..], b"custom-key\x01x"].concat()).answer(0),
        row("9204 §4.5.6 in the Huffman code", &[&[0x2f, 1], &key[1..], value].concat()).answer(0),
    ];
    // `user-agent` is line 95.
    for first in [0x50, 0x70] {
        let named = integer(first, 4, 95);
        rows.extend([
            row("9204 §4.5.4 a name of the table", &[&named[..], b"\x01x"].concat()).answer(0),
            row("9204 §4.5.4 in the Huffman code", &[&named[..], value].concat()).answer(0),
        ]);
    }
    rows
}

/// §4.1.2, RFC 7541 §5.2.
fn strings() -> Vec<Row> {
    let fails = |of, lines: &[u8]| row(of, lines).closes(code::DECOMPRESSION);
    vec![
        fails("9204 §4.1.2 EOS in the Huffman code", b"\x5f\x50\x84\xff\xff\xff\xff"),
        fails("9204 §4.1.2 padding of a byte", b"\x5f\x50\x82\x1f\xff"),
        fails("9204 §4.1.2 padding with zeros", b"\x5f\x50\x81\x18"),
        fails("9204 §4.1.2 a value that is cut", b"\x5f\x50\x09x"),
        fails("9204 §4.1.2 a name that is cut", b"\x25x"),
        fails("9204 §4.1.1 a length that is cut", b"\x5f\x50\x7f\x80"),
        fails(
            "9204 §4.1.1 a length beyond 62 bits",
            &[&b"\x5f\x50\x7f"[..], &[0xff; 10], &[1]].concat(),
        ),
        fails("9204 §4.5.4 no value", b"\x5f\x50"),
    ]
}

/// §3.1.
fn statics() -> Vec<Row> {
    let fails = |of, lines: &[u8]| row(of, lines).closes(code::DECOMPRESSION);
    vec![
        fails("9204 §3.1 line 99", &integer(0xc0, 6, 99)),
        fails("9204 §3.1 a line far beyond", &integer(0xc0, 6, 1 << 20)),
        fails("9204 §3.1 name 99", &[&integer(0x50, 4, 99)[..], b"\x01x"].concat()),
        fails("9204 §3.1 an index that is cut", &[0xff, 0x80]),
    ]
}

/// §4.5.1.
fn prefixes() -> Vec<Row> {
    let raw = |of, section: &[u8]| {
        Row::new(of).fin(0, &frame(kind::HEADERS, section)).closes(code::DECOMPRESSION)
    };
    vec![
        raw("9204 §4.5.1 no prefix", b""),
        raw("9204 §4.5.1 half a prefix", &[0]),
        raw("9204 §4.5.1 a count that is cut", &[0xff, 0x80]),
        raw(
            "9204 §4.5.1.1 a count beyond twice the entries",
            &[&integer(0, 8, 400)[..], &[0], GET].concat(),
        ),
        raw(
            "9204 §4.5.1.1 a count beyond 62 bits",
            &[&[0xff][..], &[0xff; 10], &[1, 0], GET].concat(),
        ),
        raw("9204 §4.5.1.2 a base below 0", &[&[0, 0x80], GET].concat()),
        raw("9204 §4.5.2 a dynamic line, and a count of 0", &[&[0, 0][..], GET, &[0x80]].concat()),
        raw(
            "9204 §4.5.3 a post-base line, and a count of 0",
            &[&[0, 0][..], GET, &[0x10]].concat(),
        ),
        raw(
            "9204 §4.5.4 a dynamic name, and a count of 0",
            &[&[0, 0][..], GET, b"\x40\x01x"].concat(),
        ),
        raw(
            "9204 §4.5.5 a post-base name, and a count of 0",
            &[&[0, 0][..], GET, b"\x00\x01x"].concat(),
        ),
        Row::new("9204 §4.5.1.2 a base that nobody refers to")
            .fin(0, &request(&[0, 5], b""))
            .answer(0),
    ]
}

/// A capacity as large as may be.
fn capacity() -> Vec<u8> {
    integer(0x20, 5, CAPACITY)
}

/// An insertion with a literal name (§4.3.3).
fn insert(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&integer(0x40, 5, name.len())[..], name, &integer(0, 7, value.len()), value].concat()
}

/// An encoder stream that says this behind its type and the capacity.
fn encoder(row: Row, instructions: &[u8]) -> Row {
    row.send(ENCODER, &[&integers(&[uni::ENCODER]), &capacity()[..], instructions].concat())
}

fn learned(of: &'static str, instructions: &[u8], count: u8, lines: &[u8]) -> Row {
    // The count of insertions is sent as itself and one, below 256.
    encoder(Row::new(of), instructions).fin(0, &request(&[count + 1, 0], lines)).answer(0)
}

/// §3.2, §4.3, §4.5: references to lines that are there.
fn dynamic() -> Vec<Row> {
    let one = insert(b"x-one", b"1");
    let two = [one.clone(), insert(b"x-two", b"2")].concat();
    let agent = [&integer(0xc0, 6, 95)[..], b"\x01x"].concat();
    let fails = |of, instructions: &[u8], prefix: &[u8], lines: &[u8]| {
        encoder(Row::new(of), instructions)
            .fin(0, &request(prefix, lines))
            .closes(code::DECOMPRESSION)
    };
    vec![
        learned("9204 §4.5.2 a dynamic line", &one, 1, &[0x80]),
        learned("9204 §4.5.2 the older one", &two, 2, &[0x81, 0x80]),
        learned("9204 §4.5.4 a dynamic name", &one, 1, b"\x40\x01y"),
        learned("9204 §4.3.2 a static name", &agent, 1, &[0x80]),
        learned(
            "9204 §4.3.2 a dynamic name",
            &[one.clone(), b"\x80\x01y".to_vec()].concat(),
            2,
            &[0x80],
        ),
        learned("9204 §4.3.4 a duplicate", &[one.clone(), vec![0]].concat(), 2, &[0x80, 0x81]),
        encoder(Row::new("9204 §4.5.3 behind the base"), &two)
            .fin(0, &request(&[3, 0x81], &[0x10, 0x11]))
            .answer(0),
        encoder(Row::new("9204 §4.5.5 a name behind the base"), &two)
            .fin(0, &request(&[3, 0x80], b"\x00\x01y"))
            .answer(0),
        encoder(Row::new("9204 §4.3.1 less capacity, then more"), &one)
            .send(ENCODER, &[integer(0x20, 5, 0), capacity(), insert(b"x-two", b"2")].concat())
            .fin(0, &request(&[3, 0], &[0x80]))
            .answer(0),
        encoder(Row::new("9204 §4.2 a byte at a time"), &[])
            .send(ENCODER, &one[..1])
            .send(ENCODER, &one[1..4])
            .send(ENCODER, &one[4..])
            .fin(0, &request(&[2, 0], &[0x80]))
            .answer(0),
        encoder(Row::new("9204 §2.2.1 one table for all streams"), &one)
            .fin(0, &request(&[2, 0], &[0x80]))
            .fin(4, &request(&[2, 0], &[0x80]))
            .expect(Expected::Answer(0, 200))
            .answer(4),
        fails("9204 §3.2.5 a line before the first", &one, &[2, 0], &[0x81]),
        fails("9204 §3.2.6 a line behind the last", &one, &[2, 0], &[0x10]),
        fails("9204 §3.2.5 a name before the first", &one, &[2, 0], b"\x41\x01y"),
        fails("9204 §2.2.1 a line beyond the count", &two, &[2, 0x01], &[0x80]),
        fails("9204 §4.5.1.2 a base below 0", &one, &[2, 0x81], &[0x80]),
        fails(
            "9204 §3.2.2 an evicted line",
            &[one, integer(0x20, 5, 0)].concat(),
            &[2, 0],
            &[0x80],
        ),
    ]
}

/// §2.1.2, §2.2.1: sections that come before what they refer to.
fn blocked() -> Vec<Row> {
    let one = insert(b"x-one", b"1");
    let waits = |of| encoder(Row::new(of), &[]).fin(0, &request(&[2, 0], &[0x80]));
    let many = (0..200)
        .fold(encoder(Row::new("9204 §2.1.2 more than may wait"), &[]), |row, n| {
            row.send(4 * n, &request(&[2, 0], &[0x80]))
        });
    vec![
        waits("9204 §2.2.1 a section waits").send(ENCODER, &one).answer(0),
        waits("9204 §2.2.1 it holds nobody else up")
            .fin(4, &request(NO_TABLE, b""))
            .expect(Expected::Answer(4, 200))
            .send(ENCODER, &one)
            .answer(0),
        waits("9204 §2.2.1 it is in pieces itself")
            .send(ENCODER, &one[..3])
            .send(ENCODER, &one[3..])
            .answer(0),
        encoder(Row::new("9204 §2.2.2.2 it is given up"), &[])
            .send(0, &request(&[2, 0], &[0x80]))
            .give_up(0, code::CANCELLED)
            .send(ENCODER, &one)
            .alive(),
        many.closes(code::DECOMPRESSION),
    ]
}

/// §4.3: errors of the encoder stream.
fn instructions() -> Vec<Row> {
    let fails =
        |of, instructions: &[u8]| encoder(Row::new(of), instructions).closes(code::ENCODER_STREAM);
    let first = |of, instructions: &[u8]| {
        Row::new(of)
            .send(ENCODER, &[&integers(&[uni::ENCODER]), instructions].concat())
            .closes(code::ENCODER_STREAM)
    };
    let small = |instructions: &[u8]| [&integer(0x20, 5, 40)[..], instructions].concat();
    vec![
        first("9204 §4.3.1 more capacity than there is", &integer(0x20, 5, 1 << 30)),
        first("9204 §3.2.3 an insertion without capacity", &insert(b"x", b"1")),
        first("9204 §3.2.2 an entry above the capacity", &small(&insert(b"x-one-two", b"1"))),
        first("9204 §4.3.4 a duplicate of nothing", &[0]),
        fails("9204 §4.3.2 static name 99", &[&integer(0xc0, 6, 99)[..], b"\x01x"].concat()),
        fails("9204 §4.3.2 a dynamic name that is not there", b"\x80\x01x"),
        fails(
            "9204 §4.3.4 a duplicate that is not there",
            &[&insert(b"x", b"1")[..], &[1]].concat(),
        ),
        fails("9204 §4.1.2 a name in a bad Huffman code", b"\x64\xff\xff\xff\xff\x01x"),
        fails("9204 §4.1.1 an integer beyond 62 bits", &[&[0x3f][..], &[0xff; 10], &[1]].concat()),
    ]
}

/// §4.4: errors of the decoder stream, and what is none.
fn acknowledgements() -> Vec<Row> {
    let says = |of, instructions: &[u8]| {
        Row::new(of).send(DECODER, &[&integers(&[uni::DECODER]), instructions].concat())
    };
    let fails = |of, instructions: &[u8]| says(of, instructions).closes(code::DECODER_STREAM);
    vec![
        fails("9204 §4.4.1 an acknowledgement of nothing", &[0x80]),
        fails("9204 §4.4.1 of a stream that never was", &integer(0x80, 7, 4000)),
        fails("9204 §4.4.3 an increment of 0", &[0]),
        fails("9204 §4.4.3 an increment beyond what was sent", &[5]),
        fails("9204 §4.1.1 an integer beyond 62 bits", &[&[0x3f][..], &[0xff; 10], &[1]].concat()),
        says("9204 §4.4.2 a cancellation", &[0x40]).alive(),
        says("9204 §4.4.2 of a stream that never was", &integer(0x40, 6, 4000)).alive(),
        says("9204 §4.2 it says nothing", b"").alive(),
        Row::new("9204 §2.1.1 a section with nothing in it")
            .fin(0, &frame(kind::HEADERS, &section::<&str, &str>(&[])))
            .malformed(0),
    ]
}
