//! The `hpack` crate as the other opinion: it reads what we write, and we read what it writes.

use super::{Line, block, lines};
use crate::{Decoder, Encoder};

fn plain(lines: Vec<Line>) -> Vec<(Vec<u8>, Vec<u8>)> {
    lines.into_iter().map(|(name, value, _)| (name, value)).collect()
}

const BLOCKS: &[&[&str]] = &[
    &[":method: GET", ":path: /", "user-agent: one/1.0", "x-own: 1"],
    &[":method: PUT", ":path: /a/b", "user-agent: one/1.0", "x-own: 2", "cookie: a=b"],
    &[":status: 302", "location: /there", "x-own: 1", "x-own: 2", "\u{1}\u{ff}: \u{7f}\u{0}"],
    &[":status: 200", "date: Mon, 21 Oct 2013 20:13:22 GMT", "authorization: Basic abc"],
];

#[test]
fn they_read_what_we_write() {
    let (mut encoder, mut ours) = (Encoder::new(), Decoder::new(4096));
    let mut theirs = hpack::Decoder::new();
    for lines_of in BLOCKS.iter().cycle().take(40) {
        let block = block(&mut encoder, lines_of);
        let read = plain(lines(&mut ours, &block).unwrap());
        assert_eq!(theirs.decode(&block).unwrap(), read);
        assert_eq!(read.len(), lines_of.len());
    }
}

#[test]
fn we_read_what_they_write() {
    let (mut encoder, mut ours) = (hpack::Encoder::new(), Decoder::new(4096));
    for lines_of in BLOCKS.iter().cycle().take(40) {
        let pairs: Vec<_> = lines_of.iter().map(|line| super::split(line)).collect();
        let read = plain(lines(&mut ours, &encoder.encode(pairs.clone())).unwrap());
        assert!(read.iter().map(|(name, value)| (&name[..], &value[..])).eq(pairs));
    }
}

/// RFC 7541 Appendix B, from their table: each byte alone, and each pair.
#[test]
fn the_codes_are_the_same() {
    for first in 0..=255u8 {
        for text in [&[first][..], &[first, first.wrapping_mul(31)], &[b'a', first, b'z']] {
            let mut coded = Vec::new();
            crate::huffman::encode(text, &mut coded);
            let mut block = vec![0x00, 0x01, b'x', 0x80 | coded.len() as u8];
            block.extend_from_slice(&coded);
            assert_eq!(hpack::Decoder::new().decode(&block).unwrap()[0].1, text);
        }
    }
}
