//! String literals (RFC 7541 §5.2): a length, then bytes, in the Huffman code or as they are.

use std::ops::Range;

use trilane_semantics::{Known, NameRef};

use crate::decoder::Compression;
use crate::{huffman, integer};

/// The bit before the length: the bytes are in the Huffman code.
const CODED: u8 = 0x80;
const LENGTH_BITS: u32 = 7;
/// Lengths below fit into the first byte.
const ONE_BYTE: usize = (1 << LENGTH_BITS) - 1;

/// A string of a block: where its bytes are.
#[derive(Debug)]
pub(crate) enum Text<'a> {
    /// In the block, or in the static table.
    Plain(&'a [u8]),
    /// In the scratch memory.
    Scratch(Range<usize>),
}

impl<'a> Text<'a> {
    /// Takes a string off the front of `block`; what has to be decoded is appended to `scratch`.
    #[inline]
    pub(crate) fn take(block: &mut &'a [u8], scratch: &mut Vec<u8>) -> Result<Self, Compression> {
        let first = *block.first().ok_or(Compression::Truncated)?;
        let length = integer::decode(block, LENGTH_BITS)?;
        // What does not fit into a usize is longer than any block.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, rest) = block.split_at_checked(length).ok_or(Compression::Truncated)?;
        *block = rest;
        if first & CODED == 0 {
            return Ok(Self::Plain(bytes));
        }
        let start = scratch.len();
        huffman::decode(bytes, scratch).map_err(|_| Compression::Huffman)?;
        Ok(Self::Scratch(start..scratch.len()))
    }

    #[inline]
    pub(crate) fn bytes<'b>(&self, scratch: &'b [u8]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Plain(bytes) => bytes,
            // Ranges are of what was appended.
            Self::Scratch(range) => &scratch[range.clone()],
        }
    }
}

/// `name` as one that is well known, but only if it is in lower case: whoever has to refuse capitals (RFC 9113 §8.2.1) still
/// sees them.
#[inline]
pub(crate) fn exact_name(name: &[u8]) -> NameRef<'_> {
    match Known::from_name(name) {
        Some(known) if known.as_str().as_bytes() == name => NameRef::Known(known),
        _ => NameRef::Other(name),
    }
}

/// Appends `text` in the shorter of its two forms.
#[inline]
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) {
    // Two codes have 10 bits at least: no shorter than two bytes.
    if text.len() <= 2 {
        out.push(text.len() as u8);
        out.extend_from_slice(text);
    } else if text.len() < ONE_BYTE {
        let start = out.len();
        out.push(0);
        let coded = huffman::encode_shorter(text, out);
        out[start] = if coded { CODED | (out.len() - start - 1) as u8 } else { text.len() as u8 };
    } else {
        write_long(text, out);
    }
}

fn write_long(text: &[u8], out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::encode(out, CODED, LENGTH_BITS, coded as u64);
        huffman::encode_to(text, coded, out);
    } else {
        integer::encode(out, 0, LENGTH_BITS, text.len() as u64);
        out.extend_from_slice(text);
    }
}
