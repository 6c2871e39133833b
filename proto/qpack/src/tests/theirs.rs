//! What a peer may do to a decoder: instructions cut anywhere, hostile ones, sections before and after their lines.

use super::{hex, lines, same};
use crate::{DecodeError, Decoded, Decoder, Decompression, EncoderStreamError, Seen};

fn with_table(capacity: usize, instructions: &str) -> Decoder {
    let mut decoder = Decoder::new(capacity, 2);
    let bytes = hex(instructions);
    assert_eq!(decoder.instructions(&bytes), Ok(bytes.len()));
    decoder
}

/// Capacity 1000; `a: b` with a literal name; `:path: c`; `a: d`, in the Huffman code; `a: b` again.
const SOME: &str = "3fc907 4161 0162 c1 0163 81 81 93 02";

/// Wherever the bytes end, what is whole is taken, and the rest can come again.
#[test]
fn instructions_are_cut_anywhere() {
    let bytes = hex(SOME);
    let whole = with_table(1000, SOME);
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let mut decoder = Decoder::new(1000, 0);
            let mut at = 0;
            for end in [first, second, bytes.len()] {
                at += decoder.instructions(&bytes[at..end]).unwrap();
            }
            assert_eq!((at, decoder.inserted()), (bytes.len(), 4));
            assert_eq!(table(&decoder), table(&whole));
        }
    }
    assert_eq!(table(&whole), ["a: b", "a: d", ":path: c", "a: b"]);
}

/// The newest line first.
fn table(decoder: &Decoder) -> Vec<String> {
    let line = |age| {
        let (name, value, _) = decoder.table.line(age).unwrap();
        String::from_utf8([name.as_bytes(), b": ", value].concat()).unwrap()
    };
    (0..decoder.table.len()).map(line).collect()
}

/// RFC 9204 §3.2.2, §3.2.3, §4.3, §2.2.3: each with the least that shows it.
#[test]
fn hostile_instructions_are_refused() {
    use EncoderStreamError::{Capacity, Huffman, Index, Integer, TooLarge};
    for (wire, why) in [
        // No capacity was chosen yet: no line has room.
        ("c100", TooLarge),
        ("4000", TooLarge),
        ("00", Index),
        ("3fca07", Capacity),
        ("3fff ffff ffff ffff ffff 7f", Integer),
        ("3f45 80", Index),
        ("3f45 ff24", Index),
        ("3f45 ffff ffff ffff ffff ffff 7f", Integer),
        ("3f45 c1 8100", Huffman),
        ("3f45 6100 00", Huffman),
        // 32 for the line, 5 for `:path`, 63 are left; its bytes need not come.
        ("3f45 c1 40", TooLarge),
        // More bytes than 68 can be in the code.
        ("3f45 7fe201", TooLarge),
        ("3f45 7fff ffff ffff ffff", Integer),
        // A capacity that is too small for the line, and one that empties the table.
        ("3f45 4161 0162 3f02 02", Index),
        ("3f45 4161 0162 3f01 4161 00", TooLarge),
        ("3f45 4161 0162 20 00", Index),
    ] {
        let mut decoder = Decoder::new(1000, 0);
        assert_eq!(decoder.instructions(&hex(wire)), Err(why), "{wire}");
    }
    // 60 for the name, 9 for the value.
    let long = [&hex("3f45 5f1d")[..], &[b'x'; 60], &[9]].concat();
    assert_eq!(Decoder::new(100, 0).instructions(&long), Err(TooLarge));
    // 40 bytes in the code are 64 times `0`, and 63 fit.
    let coded = [&hex("3f45 c1 a8")[..], &[0; 40]].concat();
    assert_eq!(Decoder::new(100, 0).instructions(&coded), Err(TooLarge));
    // Four bytes in the code are one line feed, which fits.
    let wire = hex("3f02 40 84 ffff fff3");
    assert_eq!(Decoder::new(100, 0).instructions(&wire), Ok(8));
    let mut decoder = Decoder::new(0, 0);
    assert_eq!(decoder.instructions(&hex("20")), Ok(1));
    assert_eq!(decoder.instructions(&hex("21")), Err(Capacity));
}

/// What is not refused is never longer than the bound says, however its strings are written.
#[test]
fn what_is_kept_is_bounded() {
    for capacity in [0usize, 32, 64, 100, 1000] {
        let mut set = Vec::new();
        trilane_hpack::integer::encode(&mut set, 0x20, 5, capacity as u64);
        for (first, bits) in [(0x40, 5), (0x60, 5), (0xc1, 0)] {
            let mut longest = 0;
            for len in 0..5 * capacity as u64 + 64 {
                let mut bytes = Vec::new();
                if bits == 0 {
                    bytes.push(first);
                    trilane_hpack::integer::encode(&mut bytes, 0x80, 7, len);
                } else {
                    trilane_hpack::integer::encode(&mut bytes, first, bits, len);
                }
                bytes.resize(bytes.len() + len as usize - usize::from(len > 0), 0xff);
                let mut decoder = Decoder::new(capacity, 0);
                assert!(decoder.instructions(&set).is_ok());
                if decoder.instructions(&bytes) == Ok(0) {
                    longest = longest.max(bytes.len());
                }
            }
            assert!(longest <= 4 * capacity + 32, "{longest} for {capacity}");
        }
    }
}

/// A name may be that of the line that goes for the new one, and a line may be its own duplicate's room (RFC 9204 §3.2.2).
#[test]
fn the_line_that_goes_can_be_named() {
    let mut decoder = with_table(40, "3f09 4161 0162 80 0163");
    assert_eq!((decoder.inserted(), decoder.table.len()), (2, 1));
    same(lines(&mut decoder, 0, &hex("0100 80")), &["a: c"]);
    assert_eq!(decoder.instructions(&[0]), Ok(1));
    assert_eq!((decoder.inserted(), decoder.table.len()), (3, 1));
    same(lines(&mut decoder, 0, &hex("0200 80")), &["a: c"]);
}

/// RFC 9204 §4.5.3, §4.5.5, §4.5.4: before the base and from it on, whole lines and names.
#[test]
fn both_sides_of_the_base() {
    let mut decoder = with_table(1000, SOME);
    for (wire, line) in [
        ("0500 80", "a: b"),
        ("0500 83", "a: b"),
        ("0500 82", ":path: c"),
        ("0580 10", "a: b"),
        ("0581 11", "a: b"),
        ("0581 10", "a: d"),
        ("0583 11", ":path: c"),
        ("0500 42 0178", ":path: x"),
        ("0583 01 0178", ":path: x"),
        ("0583 00 0178", "a: x"),
    ] {
        same(lines(&mut decoder, 0, &hex(wire)), &[line]);
    }
    for (wire, sensitive) in
        [("0500 62 00", true), ("0583 08 00", true), ("0583 00 00", false), ("0500 42 00", false)]
    {
        let decoded = lines(&mut decoder, 0, &hex(wire)).unwrap().unwrap();
        assert_eq!(decoded[0].2, sensitive, "{wire}");
    }
}

/// RFC 9204 §2.2.3, §4.5.1.2: no line, one that is gone, and one past the Required Insert Count.
#[test]
fn bad_references_are_refused() {
    let mut decoder = with_table(100, "3f45 4161 0162 4161 0163 4161 0164 4161 0165");
    // Capacity 100 holds two lines of 34, so 2 and 3 are there, and 0 and 1 are gone.
    assert_eq!((decoder.inserted(), decoder.table.len()), (4, 2));
    for (wire, why) in [
        ("0500 82", Decompression::Index),
        ("0500 84", Decompression::Index),
        ("0500 10", Decompression::Index),
        ("0500 42 00", Decompression::Index),
        ("0500 00 00", Decompression::Index),
        ("0400 10", Decompression::Index),
        ("0401 80", Decompression::Index),
        ("0583 10", Decompression::Index),
        ("0584", Decompression::Base),
        ("0500 1f ffff ffff ffff ffff 3f", Decompression::Integer),
    ] {
        assert_eq!(lines(&mut decoder, 0, &hex(wire)), Err(why), "{wire}");
    }
    // A base may be far above; only what is referred to must be there.
    same(lines(&mut decoder, 0, &hex("057f ffff ffff 07 d1")), &[":method: GET"]);
}

/// RFC 9204 §2.1.2: as many streams may wait as were announced; each counts once, and until it is decoded or cancelled.
#[test]
fn streams_wait_within_the_bound() {
    let mut decoder = Decoder::new(100, 2);
    let section = hex("0200 80");
    for stream in [0, 4, 0, 4] {
        assert_eq!(lines(&mut decoder, stream, &section), Ok(None));
    }
    assert_eq!(lines(&mut decoder, 8, &section), Err(Decompression::Blocked));
    decoder.cancel(0);
    assert_eq!(lines(&mut decoder, 8, &section), Ok(None));
    assert_eq!(lines(&mut decoder, 12, &section), Err(Decompression::Blocked));
    assert_eq!(decoder.instructions(&hex("3f45 4161 0162")), Ok(6));
    for stream in [8, 4] {
        same(lines(&mut decoder, stream, &section), &["a: b"]);
    }
    let mut owed = Vec::new();
    decoder.owed(&mut owed);
    assert_eq!(owed, hex("40 88 84"));
    for stream in [0, 4] {
        assert_eq!(lines(&mut decoder, stream, &hex("0300 80")), Ok(None));
    }
    let mut none = Decoder::new(100, 0);
    assert_eq!(lines(&mut none, 0, &section), Err(Decompression::Blocked));
}

/// RFC 9204 §4.4.3, §2.1.4: what an acknowledgment says already is not said again.
#[test]
fn increments_are_for_the_rest() {
    let mut decoder = with_table(1000, SOME);
    same(lines(&mut decoder, 4, &hex("0300 80")), &[":path: c"]);
    same(lines(&mut decoder, 8, &hex("0200 80")), &["a: b"]);
    // No acknowledgment for a section that needs nothing.
    same(lines(&mut decoder, 12, &hex("0000 c1")), &[":path: /"]);
    let mut owed = Vec::new();
    decoder.owed(&mut owed);
    assert_eq!(owed, hex("84 88 02"));
    decoder.owed(&mut owed);
    assert_eq!(owed.len(), 3);
}

/// An error of the sink ends the section, which is acknowledged: its references are not needed any more.
#[test]
fn a_refused_section_is_acknowledged() {
    let mut decoder = with_table(1000, SOME);
    let mut calls = 0;
    let refused = decoder.decode(4, &hex("0500 80 81"), |_| {
        calls += 1;
        Err("no")
    });
    assert_eq!((refused, calls), (Err(DecodeError::Field("no")), 1));
    let mut owed = Vec::new();
    decoder.owed(&mut owed);
    assert_eq!(owed, hex("84"));
}

/// A line that was accepted is known again; a duplicate is the same line.
#[test]
fn accepted_lines_are_noted() {
    let mut decoder = with_table(1000, SOME);
    let look = |decoder: &mut Decoder, wire: &str, accept: bool| {
        let mut seen = Vec::new();
        let decoded = decoder.decode_noting(0, &hex(wire), |_, before| {
            seen.push(before);
            if accept { Ok(()) } else { Err(()) }
        });
        assert_eq!(decoded.is_ok(), accept);
        seen
    };
    assert_eq!(look(&mut decoder, "0500 80", false), [Seen::First]);
    assert_eq!(look(&mut decoder, "0500 80 d1", true), [Seen::First; 2]);
    assert_eq!(look(&mut decoder, "0500 80 81", true), [Seen::Before, Seen::First]);
    assert_eq!(decoder.instructions(&[0]), Ok(1));
    assert_eq!(look(&mut decoder, "0600 80", true), [Seen::Before]);
}

/// A peer that never reads its decoder stream cannot make us keep more and more.
#[test]
fn what_is_owed_is_bounded() {
    let mut decoder = with_table(1000, SOME);
    let section = hex("0500 80");
    let mut count = 0u64;
    let refused = loop {
        match decoder.decode((1 << 40) + count, &section, |_| Ok::<_, ()>(())) {
            Ok(decoded) => assert_eq!(decoded, Decoded::Whole),
            Err(why) => break why,
        }
        count += 1;
        assert!(count < 100_000);
    };
    assert_eq!(refused, DecodeError::Compression(Decompression::Owed));
    let mut owed = Vec::new();
    decoder.owed(&mut owed);
    assert!(count > 1000 && owed.len() < 20_000);
}

/// A whole connection's worth of lines through a small table: the count goes round many times (RFC 9204 §4.5.1.1).
#[test]
fn counts_go_round() {
    let mut decoder = with_table(100, "3f45");
    for count in 1..1000u64 {
        assert_eq!(decoder.instructions(&[0x41, b'a', 0x01, b'a' + (count % 26) as u8]), Ok(4));
        let encoded = (count % 6 + 1) as u8;
        let line = format!("a: {}", char::from(b'a' + (count % 26) as u8));
        assert_eq!(decoder.required(&[encoded, 0]), Ok(count));
        same(lines(&mut decoder, 0, &[encoded, 0, 0x80]), &[&line]);
    }
}
