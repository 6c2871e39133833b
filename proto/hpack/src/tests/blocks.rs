//! What a decoder takes and refuses, and the bounds of its table.

use super::{block, hex, lines, same};
use crate::decoder::NAMES;
use crate::{Compression, DecodeError, Decoder, Encoder, Seen};
use trilane_semantics::{Known, NameRef};

#[track_caller]
fn refused(wire: &str, why: Compression) {
    assert_eq!(lines(&mut Decoder::new(4096), &hex(wire)), Err(why), "{wire}");
}

/// RFC 7541 §2.3.3, §6.1.
#[test]
fn an_index_names_a_line() {
    refused("80", Compression::Index);
    refused("be", Compression::Index);
    refused("ff00", Compression::Index);
    refused("7e 01 61", Compression::Index);
    refused("0f 2f 01 61", Compression::Index);
    let mut decoder = Decoder::new(4096);
    same(lines(&mut decoder, &hex("bd")), &["www-authenticate: "]);
    same(lines(&mut decoder, &hex("40 01 61 01 62 be")), &["a: b", "a: b"]);
    same(lines(&mut decoder, &hex("be 7e 01 63 bf")), &["a: b", "a: c", "a: b"]);
    assert_eq!(lines(&mut decoder, &hex("c0")), Err(Compression::Index));
}

#[test]
fn a_block_ends_with_a_line() {
    for wire in ["ff", "ff80", "40", "4001", "400161", "40016102", "4001610261", "0f", "10", "3f"] {
        refused(wire, Compression::Truncated);
    }
    refused("40 7f ff ff ff ff 7f 61", Compression::Truncated);
    refused("ff 80 80 80 80 80 00", Compression::Integer);
    refused("40 7f 80 80 80 80 80 00", Compression::Integer);
    same(lines(&mut Decoder::new(4096), b""), &[]);
}

/// RFC 7541 §5.2.
#[test]
fn strings_are_in_the_code() {
    // EOS; 8 bits of padding; padding of a 0.
    refused("40 84 ff ff ff fc 00", Compression::Huffman);
    refused("40 82 1f ff 00", Compression::Huffman);
    refused("40 81 ff 00", Compression::Huffman);
    refused("40 81 18 00", Compression::Huffman);
    same(lines(&mut Decoder::new(4096), &hex("40 81 1f 80")), &["a: "]);
}

/// RFC 7541 §4.2: at the front, two at most; §6.3: not past the maximum.
#[test]
fn size_updates_are_bounded() {
    let mut decoder = Decoder::new(4096);
    same(lines(&mut decoder, &hex("20 3f e1 1f 82")), &[":method: GET"]);
    for wire in ["82 20", "20 20 20", "3f e1 1f 82 20", "40 01 61 01 62 3f e1 1f"] {
        refused(wire, Compression::UpdateMisplaced);
    }
    // 4095, 4096 and 4097.
    same(lines(&mut Decoder::new(4096), &hex("3f e0 1f")), &[]);
    same(lines(&mut Decoder::new(4096), &hex("3f e1 1f")), &[]);
    refused("3f e2 1f", Compression::UpdateTooLarge);
    refused("20 3f e2 1f", Compression::UpdateTooLarge);
    refused("3f ff ff ff ff 7f", Compression::UpdateTooLarge);
}

/// RFC 9113 §4.3.1: after a reduction a block begins with an update.
#[test]
fn a_lower_maximum_is_obeyed_at_once() {
    let lowered = || {
        let mut decoder = Decoder::new(4096);
        decoder.set_max_table_size(100);
        decoder
    };
    assert_eq!(lines(&mut lowered(), &hex("82")), Err(Compression::UpdateMissing));
    assert_eq!(lines(&mut lowered(), &hex("3f 46 82")), Err(Compression::UpdateTooLarge));
    same(lines(&mut lowered(), &hex("3f 45 82")), &[":method: GET"]);
    same(lines(&mut lowered(), &hex("3f 44 82")), &[":method: GET"]);
    let mut decoder = lowered();
    decoder.set_max_table_size(8192);
    assert_eq!(lines(&mut decoder, &hex("3f 46 82")), Err(Compression::UpdateTooLarge));
    let mut decoder = lowered();
    decoder.set_max_table_size(8192);
    same(lines(&mut decoder, &hex("3f 45 3f e1 3f 82")), &[":method: GET"]);
    // Who uses less already owes nothing.
    same(lines(&mut decoder, &hex("3f 45")), &[]);
    decoder.set_max_table_size(100);
    same(lines(&mut decoder, &hex("82")), &[":method: GET"]);
    decoder.set_max_table_size(99);
    assert_eq!(lines(&mut decoder, &hex("82")), Err(Compression::UpdateMissing));
}

/// An error of the caller ends its calls, not the block: the tables stay the same.
#[test]
fn an_error_of_the_caller_does_not_desynchronise() {
    let mut decoder = Decoder::new(4096);
    let mut calls = 0;
    let decoded = decoder.decode(&hex("82 40 01 61 01 62 40 01 63 01 64"), |_| {
        calls += 1;
        Err(calls)
    });
    assert_eq!((decoded, calls), (Err(DecodeError::Field(1)), 1));
    same(lines(&mut decoder, &hex("be bf")), &["c: d", "a: b"]);
    // The worse of two.
    let decoded = decoder.decode(&hex("82 ff"), |_| Err(()));
    assert_eq!(decoded, Err(DecodeError::Compression(Compression::Truncated)));
}

/// RFC 7541 §4.4: a line may take its name from one that has to go for it.
#[test]
fn a_name_outlives_its_line() {
    let mut decoder = Decoder::new(34);
    same(lines(&mut decoder, &hex("40 01 61 01 62")), &["a: b"]);
    same(lines(&mut decoder, &hex("7e 01 63 be")), &["a: c", "a: c"]);
    // 33, 34 and 35 bytes: the last empties the table.
    same(lines(&mut decoder, &hex("7e 00 be")), &["a: ", "a: "]);
    same(lines(&mut decoder, &hex("7e 02 63 64")), &["a: cd"]);
    assert_eq!((decoder.table().len(), decoder.table().size()), (0, 0));
}

/// Well-known names come as such, but only in lower case: who must refuse capitals sees them (RFC 9113 §8.2.1).
#[test]
fn names_are_recognised_as_they_stand() {
    let known = |wire: &str| {
        let mut all = Vec::new();
        let decoded = Decoder::new(4096).decode(&hex(wire), |field| {
            all.push(match field.name {
                NameRef::Known(known) => Ok(known),
                NameRef::Other(name) => Err(name.to_vec()),
            });
            Ok::<_, ()>(())
        });
        assert_eq!(decoded, Ok(()));
        all
    };
    assert_eq!(known("40 04 64617465 00 be"), [Ok(Known::Date), Ok(Known::Date)]);
    let capital = b"Date".to_vec();
    assert_eq!(known("40 04 44617465 00 be"), [Err(capital.clone()), Err(capital)]);
    assert_eq!(known("a1 82"), [Ok(Known::Date), Err(b":method".to_vec())]);
}

/// What `each` was told of each line, of which it accepts all but those of that value.
fn seen(decoder: &mut Decoder, wire: &str, unwanted: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    let decoded = decoder.decode_noting(&hex(wire), |field, seen| {
        all.push(seen);
        if field.value == unwanted { Err(()) } else { Ok(()) }
    });
    assert!(!matches!(decoded, Err(DecodeError::Compression(_))));
    all
}

/// A line is known to be accepted when that very line was, and nobody but `decode_noting` accepts.
#[test]
fn lines_that_were_accepted_are_known() {
    use Seen::{Before, First};
    let mut decoder = Decoder::new(4096);
    // A literal is new each time, and so is what the static table has; what goes into the table is known from then on.
    assert_eq!(
        seen(&mut decoder, "82 00 01 61 01 62 40 01 61 01 62 be", b""),
        [First, First, First, Before]
    );
    // Lines move as others come: b is 1, and the one before it 2. Of two alike one is new.
    assert_eq!(
        seen(&mut decoder, "40 01 61 01 63 bf be 40 01 61 01 62 be c0", b""),
        [First, Before, Before, First, Before, Before]
    );
    // What was refused, or came after that, or was only decoded, is not accepted.
    assert_eq!(seen(&mut decoder, "40 01 78 01 79 40 01 78 01 7a be", b"y"), [First]);
    assert_eq!(seen(&mut decoder, "be", b""), [First]);
    assert_eq!(seen(&mut decoder, "be bf bf", b""), [Before, First, Before]);
    same(lines(&mut decoder, &hex("40 01 76 01 77 be bf")), &["v: w", "v: w", "x: z"]);
    assert_eq!(seen(&mut decoder, "be bf", b""), [First, Before]);
    assert_eq!(seen(&mut decoder, "be", b"w"), [Before]);
    assert_eq!(seen(&mut decoder, "be", b""), [First], "it was refused in between");
}

/// Blocks cut anywhere are refused or shorter, and never panic.
#[test]
fn every_cut_of_a_block() {
    let long = format!("x-long: {}", "a value of some length ".repeat(20));
    let all =
        [":method: GET", ":path: /a/b?c=d", "user-agent: one/1.0 (two)", "x-own: 12\u{e9}", &long];
    let whole = block(&mut Encoder::new(), &all);
    for cut in 0..whole.len() {
        if let Ok(lines) = lines(&mut Decoder::new(4096), &whole[..cut]) {
            assert!(lines.len() < all.len());
        }
    }
    same(lines(&mut Decoder::new(4096), &whole), &all);
}

/// Two bytes can name a line of 4 KB, whose name is copied twice then: for no more than [`NAMES`] of a block, which is more than
/// any has of use. At n-1, n, n+1.
#[test]
fn names_of_the_table_have_a_bound() {
    let name = vec![b'n'; 4000];
    let first = [&[0x40, 0x7f, 0xa1, 0x1e][..], &name, &[0]].concat();
    let most = NAMES / name.len();
    // Into the table, past it, and never.
    for line in [&[0x7e, 0][..], &[0x0f, 0x2f, 0], &[0x1f, 0x2f, 0]] {
        for (n, fits) in [(most - 1, true), (most, true), (most + 1, false)] {
            let mut decoder = Decoder::new(4096);
            assert!(lines(&mut decoder, &first).is_ok());
            let mut count = 0;
            let decoded = decoder.decode(&line.repeat(n), |_| {
                count += 1;
                Ok::<_, ()>(())
            });
            let expected =
                if fits { Ok(()) } else { Err(DecodeError::Compression(Compression::Names)) };
            assert_eq!((decoded, count), (expected, n.min(most)), "{line:x?}");
        }
        // Each block has as much, and names that are well known take none of it.
        let mut decoder = Decoder::new(4096);
        assert!(lines(&mut decoder, &first).is_ok());
        for block in [line.repeat(most), line.repeat(most), b"\x01\0".repeat(30_000)] {
            assert!(decoder.decode(&block, |_| Ok::<_, ()>(())).is_ok());
        }
    }
}
