//! Sections and instructions whole: the examples of the RFC, everything both ways, and what is refused.

mod examples;
mod foreign;
mod literals;
mod model;
mod ours;
mod theirs;

use crate::{DecodeError, Decoded, Decoder, Decompression, Encoder, Field};
use trilane_semantics::NameRef;

/// A name, a value, and whether it is sensitive.
type Line = (Vec<u8>, Vec<u8>, bool);

/// The bytes of hexadecimal digits, white space left out.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// The lines of a section; `None` if it is blocked.
fn lines(
    decoder: &mut Decoder,
    stream: u64,
    section: &[u8],
) -> Result<Option<Vec<Line>>, Decompression> {
    let mut lines = Vec::new();
    let decoded = decoder.decode(stream, section, |field| {
        lines.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.sensitive));
        Ok::<_, ()>(())
    });
    match decoded {
        Ok(Decoded::Whole) => Ok(Some(lines)),
        Ok(Decoded::Blocked) => {
            assert!(lines.is_empty());
            Ok(None)
        }
        Err(DecodeError::Compression(why)) => Err(why),
        Err(DecodeError::Field(())) => unreachable!(),
    }
}

/// A section of these lines, `name: value` each.
fn section(encoder: &mut Encoder, stream: u64, lines: &[&str]) -> Vec<u8> {
    // Whatever stands before it stays as it is.
    let mut out = b"before".to_vec();
    encoder.begin(stream, &mut out);
    for line in lines {
        let (name, value) = split(line);
        encoder.field(&mut out, Field::new(NameRef::new(name), value));
    }
    encoder.end(&mut out);
    assert_eq!(&out[..6], b"before");
    out.split_off(6)
}

fn split(line: &str) -> (&[u8], &[u8]) {
    let at = 1 + line[1..].find(": ").unwrap();
    (&line.as_bytes()[..at], &line.as_bytes()[at + 2..])
}

#[track_caller]
fn same(decoded: Result<Option<Vec<Line>>, Decompression>, expected: &[&str]) {
    let decoded = decoded.unwrap().unwrap();
    let ours = decoded.iter().map(|(name, value, _)| (&name[..], &value[..]));
    assert!(ours.eq(expected.iter().map(|line| split(line))), "{decoded:?}");
}
