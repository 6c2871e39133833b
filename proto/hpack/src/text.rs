//! String literals (RFC 7541 §5.2, RFC 9204 §4.1.2): a length, then bytes, in the Huffman code or as they are.

use std::cell::Cell;
use std::ops::Range;

use trilane_semantics::{Known, NameRef};

use crate::decoder::Compression;
use crate::field::Field;
use crate::huffman::HuffmanError;
use crate::integer::IntegerError;
use crate::policy::is_random;
use crate::{huffman, integer};

/// The bits of a length where a string has the first byte for itself; the one before them says that its bytes are in the Huffman
/// code.
pub const LENGTH_BITS: u32 = 7;

/// Scratch memory that grew past this is not kept, in bytes.
const KEEP: usize = 16 << 10;

thread_local! {
    // For strings that were in the Huffman code. Memory and no state: it is emptied before each use.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `with` with memory for strings that come in the Huffman code; what is left in it means nothing.
#[inline]
pub fn with_scratch<R>(with: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut scratch = SCRATCH.take();
    let result = with(&mut scratch);
    if scratch.capacity() <= KEEP {
        SCRATCH.set(scratch);
    }
    result
}

/// How a string begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Its bytes are in the Huffman code.
    pub is_coded: bool,
    /// How many they are.
    pub len: usize,
}

impl Start {
    /// Takes a length with a prefix of `bits` bits, 1 to 7, off the front of `block`.
    ///
    /// # Errors
    ///
    /// [`IntegerError`]; `block` is as it was.
    #[inline]
    pub fn take(block: &mut &[u8], bits: u32) -> Result<Self, IntegerError> {
        let first = *block.first().ok_or(IntegerError::Truncated)?;
        let len = integer::decode(block, bits)?;
        // What does not fit into a usize is longer than any block.
        Ok(Self {
            is_coded: first & 1 << bits != 0,
            len: usize::try_from(len).unwrap_or(usize::MAX),
        })
    }

    /// How long the string is at least once it is decoded: no code has more than 30 bits, and no more than 7 are padding.
    #[must_use]
    pub const fn least(&self) -> usize {
        if self.is_coded {
            self.len.saturating_mul(8).saturating_sub(7).div_ceil(30)
        } else {
            self.len
        }
    }
}

/// A string of a block: where its bytes are.
#[derive(Debug)]
pub enum Text<'a> {
    /// In the block, or in the static table.
    Plain(&'a [u8]),
    /// In the scratch memory.
    Scratch(Range<usize>),
}

impl<'a> Text<'a> {
    /// Takes a string, its length with a prefix of `bits` bits, off the front of `block`; what has to be decoded is appended to
    /// `scratch`.
    ///
    /// # Errors
    ///
    /// [`Compression::Truncated`], [`Compression::Integer`] or [`Compression::Huffman`].
    #[inline]
    pub fn take(
        block: &mut &'a [u8],
        bits: u32,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, Compression> {
        let start = Start::take(block, bits)?;
        let (bytes, rest) = block.split_at_checked(start.len).ok_or(Compression::Truncated)?;
        *block = rest;
        Self::new(bytes, start.is_coded, scratch).map_err(|HuffmanError| Compression::Huffman)
    }

    /// The string that `bytes` are, in the Huffman code or not.
    ///
    /// # Errors
    ///
    /// [`HuffmanError`].
    #[inline]
    pub fn new(
        bytes: &'a [u8],
        is_coded: bool,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, HuffmanError> {
        if !is_coded {
            return Ok(Self::Plain(bytes));
        }
        let start = scratch.len();
        huffman::decode(bytes, scratch)?;
        Ok(Self::Scratch(start..scratch.len()))
    }

    /// Its bytes; `scratch` is what it was taken with.
    #[must_use]
    #[inline]
    pub fn bytes<'b>(&self, scratch: &'b [u8]) -> &'b [u8]
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
#[must_use]
#[inline]
pub fn exact_name(name: &[u8]) -> NameRef<'_> {
    match Known::from_name(name) {
        Some(known) if known.as_str().as_bytes() == name => NameRef::Known(known),
        _ => NameRef::Other(name),
    }
}

/// Appends `text` in the shorter of its two forms, its length with a prefix of `bits` bits, 2 to 7; the bits before that are
/// those of `first`.
#[inline]
pub fn write(text: &[u8], first: u8, bits: u32, out: &mut Vec<u8>) {
    let one_byte = (1 << bits) - 1;
    // Two codes have 10 bits at least: no shorter than two bytes.
    if text.len() <= 2 {
        out.push(first | text.len() as u8);
        out.extend_from_slice(text);
    } else if text.len() < one_byte {
        let start = out.len();
        out.push(0);
        let coded = huffman::encode_shorter(text, out);
        let len = out.len() - start - 1;
        out[start] = first | len as u8 | if coded { 1 << bits } else { 0 };
    } else {
        write_long(text, first, bits, out);
    }
}

/// Appends the value of a field: as it is where chance has made it, for the code would hardly make it shorter, and never by
/// the same (answers of one length can leave in one train of datagrams); else as [`write()`] does.
#[inline]
pub fn write_value(field: &Field<'_>, out: &mut Vec<u8>) {
    if is_random(field.name) {
        integer::encode(out, 0, LENGTH_BITS, field.value.len() as u64);
        out.extend_from_slice(field.value);
    } else {
        write(field.value, 0, LENGTH_BITS, out);
    }
}

fn write_long(text: &[u8], first: u8, bits: u32, out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::encode(out, first | 1 << bits, bits, coded as u64);
        huffman::encode_to(text, coded, out);
    } else {
        integer::encode(out, first, bits, text.len() as u64);
        out.extend_from_slice(text);
    }
}
