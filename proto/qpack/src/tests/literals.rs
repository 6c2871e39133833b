//! The static table and literals, which is all that is ever used without a dynamic table.

use super::{hex, lines, same, section};
use crate::{Decoder, Decompression, Encoder, Field};
use trilane_semantics::{NameRef, StatusCode};

const REQUEST: &[&str] = &[
    ":method: GET",
    ":authority: www.example.com",
    ":scheme: https",
    ":path: /",
    ":path: /a/picture.png?version=12",
    "accept-encoding: gzip, deflate, br",
    "x-own: a",
    "x: ",
    "x-frame-options: sameorigin",
    "content-type: text/plain;charset=utf-8",
    "access-control-allow-headers: *",
    "a-name-that-is-longer-than-seven-bytes: b",
];

#[test]
fn everything_comes_back() {
    let (mut encoder, mut decoder) = (Encoder::new(0), Decoder::new(0, 0));
    let whole = section(&mut encoder, 0, REQUEST);
    same(lines(&mut decoder, 0, &whole), REQUEST);
    let mut owed = Vec::new();
    decoder.owed(&mut owed);
    decoder.cancel(0);
    decoder.owed(&mut owed);
    encoder.instructions_owed(&mut owed);
    assert!(owed.is_empty());
    // RFC 9204 §4.5: a section ends with a line, or it is truncated.
    let mut ends = 0;
    for cut in 0..whole.len() {
        match lines(&mut decoder, 0, &whole[..cut]) {
            Ok(Some(lines)) => ends += usize::from(lines.len() < REQUEST.len()),
            other => assert_eq!(other, Err(Decompression::Truncated)),
        }
    }
    assert_eq!(ends, REQUEST.len());
}

/// RFC 9204 §4.5.2 to §4.5.6: each form, as short as it gets.
#[test]
fn forms() {
    for (wire, line) in [
        ("0000 d1", ":method: GET"),
        ("0000 ff23", "x-frame-options: sameorigin"),
        ("0000 510b 2f69 6e64 6578 2e68 746d 6c", ":path: /index.html"),
        ("0000 5f00 0161", "method: a"),
        ("0000 2161 0162", "a: b"),
    ] {
        let line = if line == "method: a" { ":method: a" } else { line };
        same(lines(&mut Decoder::new(0, 0), 0, &hex(wire)), &[line]);
    }
    let refused = [
        ("", Decompression::Truncated),
        ("00", Decompression::Truncated),
        ("0000 ff", Decompression::Truncated),
        ("0000 ff24", Decompression::Index),
        ("0000 80", Decompression::Index),
        ("0000 10", Decompression::Index),
        ("0000 40 00", Decompression::Index),
        ("0000 00 00", Decompression::Index),
        ("0000 5f54 00", Decompression::Index),
        ("0000 51 8100", Decompression::Huffman),
        ("0000 ff ffff ffff ffff ffff ff7f", Decompression::Integer),
        ("0000 51 7fff ffff ffff ff", Decompression::Integer),
        ("0100", Decompression::RequiredInsertCount),
    ];
    for (wire, why) in refused {
        assert_eq!(lines(&mut Decoder::new(0, 0), 0, &hex(wire)), Err(why), "{wire}");
    }
}

/// RFC 9204 §7.1.3, §4.5.4: what is sensitive stays a literal, with its bit.
#[test]
fn secrets_stay_literal() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096, 0));
    for (name, value) in [(":path", "/"), ("authorization", ""), ("x-own", "secret"), ("a", "")] {
        for sensitive in [false, true] {
            let mut out = Vec::new();
            encoder.begin(0, &mut out);
            let field = Field { sensitive, ..Field::new(name, value.as_bytes()) };
            encoder.field(&mut out, field);
            encoder.end(&mut out);
            let read = lines(&mut decoder, 0, &out).unwrap().unwrap();
            let is_secret = sensitive || name == "authorization";
            assert_eq!(read, [(name.into(), value.into(), is_secret)]);
        }
    }
}

#[test]
fn every_status_is_right() {
    let mut decoder = Decoder::new(0, 0);
    for code in 100..1000 {
        let status = StatusCode::from_u16(code).unwrap();
        let mut out = Vec::new();
        let mut encoder = Encoder::new(0);
        encoder.begin(0, &mut out);
        encoder.status(&mut out, status);
        encoder.end(&mut out);
        same(lines(&mut decoder, 0, &out), &[&format!(":status: {code}")]);
        let mut slow = Vec::new();
        encoder.begin(0, &mut slow);
        encoder
            .field(&mut slow, Field::new(NameRef::Other(b":status"), status.as_str().as_bytes()));
        assert_eq!(out, slow);
    }
}
