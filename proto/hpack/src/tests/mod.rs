//! Blocks whole: the examples of the RFC, everything both ways, and what is refused.

mod blocks;
mod examples;
mod ours;
mod tables;
mod theirs;

use crate::{Compression, DecodeError, Decoder, Encoder, Field};
use trilane_semantics::NameRef;

/// A name, a value, and whether it is sensitive.
type Line = (Vec<u8>, Vec<u8>, bool);

/// The bytes of hexadecimal digits, white space left out.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn lines(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Line>, Compression> {
    let mut lines = Vec::new();
    let decoded = decoder.decode(block, |field| {
        lines.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.sensitive));
        Ok::<_, ()>(())
    });
    match decoded {
        Ok(()) => Ok(lines),
        Err(DecodeError::Compression(why)) => Err(why),
        Err(DecodeError::Field(())) => unreachable!(),
    }
}

/// A block of these lines, `name: value` each.
fn block(encoder: &mut Encoder, lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for line in lines {
        let (name, value) = split(line);
        encoder.field(&mut out, Field::new(NameRef::new(name), value));
    }
    out
}

fn split(line: &str) -> (&[u8], &[u8]) {
    let at = 1 + line[1..].find(": ").unwrap();
    (&line.as_bytes()[..at], &line.as_bytes()[at + 2..])
}

#[track_caller]
fn same(decoded: Result<Vec<Line>, Compression>, expected: &[&str]) {
    let decoded = decoded.unwrap();
    let ours = decoded.iter().map(|(name, value, _)| (&name[..], &value[..]));
    assert!(ours.eq(expected.iter().map(|line| split(line))), "{decoded:?}");
}
