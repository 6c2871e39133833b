//! What a peer can do wrong. Each mistake ends the connection, with a code that says of which kind it is.

use std::fmt;

use crate::code::CloseCode;

/// Why a connection fails (RFC 6455 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A reserved bit that no extension stands for (§5.2), or stands for on other frames (RFC 7692 §6).
    ReservedBit,
    /// An opcode that nobody knows (§5.2).
    Opcode,
    /// A client's frame without a mask, or a server's with one (§5.1).
    Mask,
    /// A length in more bytes than it needs, or with its highest bit set (§5.2).
    Length,
    /// A control frame in fragments, or with more than 125 bytes (§5.5).
    Control,
    /// A continuation of nothing (§5.4).
    Continuation,
    /// A new message in the middle of one (§5.4).
    Interleaved,
    /// A Close frame of one byte (§5.5.1).
    CloseLength,
    /// A Close frame with a code that may not be sent (§7.4).
    CloseCode(u16),
    /// Text that is not UTF-8 (§8.1).
    Utf8,
    /// Compressed data that is none (RFC 7692 §7.2.2).
    Deflate,
    /// A message or a frame above its limit.
    TooBig,
    /// More fragments without a byte than one message may have.
    EmptyFragments,
}

impl Error {
    /// What the peer is told of it.
    #[must_use]
    pub const fn code(self) -> CloseCode {
        match self {
            // RFC 6455 §7.4.1: data that is not what its type says.
            Self::Utf8 | Self::Deflate => CloseCode::INVALID,
            Self::TooBig => CloseCode::TOO_BIG,
            Self::EmptyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL,
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::ReservedBit => "a reserved bit is set",
            Self::Opcode => "an unknown opcode",
            Self::Mask => "a mask is missing, or too much",
            Self::Length => "a badly encoded length",
            Self::Control => "a control frame is fragmented or too long",
            Self::Continuation => "a continuation of nothing",
            Self::Interleaved => "a message inside another",
            Self::CloseLength => "a close frame of one byte",
            Self::CloseCode(_) => "a close code that may not be sent",
            Self::Utf8 => "text that is not UTF-8",
            Self::Deflate => "badly compressed data",
            Self::TooBig => "a message is too big",
            Self::EmptyFragments => "too many empty fragments",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {}
