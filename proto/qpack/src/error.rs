//! What ends a connection (RFC 9204 §6): three kinds of errors, each with one code.

use std::fmt;

use trilane_hpack::Compression;
use trilane_hpack::huffman::HuffmanError;
use trilane_hpack::integer::IntegerError;

/// Why a section could not be decoded: QPACK_DECOMPRESSION_FAILED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decompression {
    /// A base below 0 (RFC 9204 §4.5.1.2).
    Base,
    /// More streams wait than was announced (RFC 9204 §2.1.2).
    Blocked,
    /// A string in the Huffman code that no text has (RFC 9204 §4.1.2).
    Huffman,
    /// An index of no line, of one that is gone, or of one past what the section says that it needs (RFC 9204 §2.2.3).
    Index,
    /// An integer of more than 62 bits, or a length that no section has (RFC 9204 §4.1.1).
    Integer,
    /// The peer does not take what it is owed on our decoder stream, and asks for more.
    Owed,
    /// A Required Insert Count that no encoder can have meant (RFC 9204 §4.5.1.1).
    RequiredInsertCount,
    /// The section ends within a line.
    Truncated,
}

/// Why an instruction of the peer's encoder could not be followed: QPACK_ENCODER_STREAM_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncoderStreamError {
    /// A capacity past the one that was announced (RFC 9204 §4.3.1).
    Capacity,
    /// A string in the Huffman code that no text has (RFC 9204 §4.1.2).
    Huffman,
    /// An index of no line, or of one that is gone (RFC 9204 §2.2.3).
    Index,
    /// An integer of more than 62 bits, or a length that no line has (RFC 9204 §4.1.1).
    Integer,
    /// A line that is larger than the table (RFC 9204 §3.2.2).
    TooLarge,
}

/// Why an instruction of the peer's decoder could not be followed: QPACK_DECODER_STREAM_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecoderStreamError {
    /// An increment of 0, or past what was inserted (RFC 9204 §4.4.3).
    Increment,
    /// An integer of more than 62 bits (RFC 9204 §4.1.1).
    Integer,
    /// An acknowledgment for a stream that owes none (RFC 9204 §4.4.1).
    Section,
}

impl Decompression {
    /// QPACK_DECOMPRESSION_FAILED (RFC 9204 §6).
    pub const CODE: u64 = 0x0200;
}

impl EncoderStreamError {
    /// QPACK_ENCODER_STREAM_ERROR (RFC 9204 §6).
    pub const CODE: u64 = 0x0201;
}

impl DecoderStreamError {
    /// QPACK_DECODER_STREAM_ERROR (RFC 9204 §6).
    pub const CODE: u64 = 0x0202;
}

impl fmt::Display for Decompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "the base is below 0",
            Self::Blocked => "too many streams wait for the table",
            Self::Huffman => "a string is not in the Huffman code",
            Self::Index => "an index names no line",
            Self::Integer => "an integer is too long",
            Self::Owed => "what is owed is not read",
            Self::RequiredInsertCount => "no table can have that insert count",
            Self::Truncated => "the section ends within a line",
        })
    }
}

impl fmt::Display for EncoderStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capacity => "the capacity is past the maximum",
            Self::Huffman => "a string is not in the Huffman code",
            Self::Index => "an index names no line",
            Self::Integer => "an integer is too long",
            Self::TooLarge => "a line is larger than the table",
        })
    }
}

impl fmt::Display for DecoderStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Increment => "an increment is 0 or past what was inserted",
            Self::Integer => "an integer is too long",
            Self::Section => "no section of the stream waits to be acknowledged",
        })
    }
}

impl std::error::Error for Decompression {}
impl std::error::Error for EncoderStreamError {}
impl std::error::Error for DecoderStreamError {}

impl From<IntegerError> for Decompression {
    fn from(error: IntegerError) -> Self {
        match error {
            IntegerError::TooLong => Self::Integer,
            IntegerError::Truncated => Self::Truncated,
        }
    }
}

impl From<Compression> for Decompression {
    fn from(error: Compression) -> Self {
        match error {
            Compression::Huffman => Self::Huffman,
            Compression::Integer => Self::Integer,
            // Strings have no other errors.
            _ => Self::Truncated,
        }
    }
}

impl From<HuffmanError> for EncoderStreamError {
    fn from(HuffmanError: HuffmanError) -> Self {
        Self::Huffman
    }
}
