//! The chunked transfer coding (RFC 9112 §7.1): an incremental decoder, and the encoder's helpers.
//!
//! Chunk lines are consumed as they come; only a trailer section waits in the caller's input until
//! it is whole. Extensions are read over, never interpreted.

use trilane_semantics::{Fields, Input, Known, Limits, Outbox, Payload, Reason};

use crate::encode;
use crate::head;
use crate::scan::Scan;

/// Where in the coding the decoder is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decoder {
    /// In a chunk-size line: its value so far, its bytes so far, and its part.
    Line { size: u64, length: u32, part: Part },
    /// That many bytes of chunk data are missing.
    Data(u64),
    /// The CR after chunk data is missing.
    DataCr,
    /// The LF after chunk data is missing.
    DataLf,
    /// After the last chunk.
    Trailers(Scan),
}

/// A part of a chunk-size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Before the first digit.
    Start,
    /// Among the digits.
    Digits,
    /// White space before an extension.
    Space,
    /// In the extensions.
    Extension,
    /// After the CR.
    Lf,
}

/// What the decoder found.
#[derive(Debug)]
pub(crate) enum Decoded<'b> {
    /// Content, at least a byte.
    Data(&'b [u8]),
    /// The end, with the trailer fields.
    Last(Fields),
    /// Everything was used.
    NeedInput,
}

impl Decoder {
    /// Before the first chunk.
    pub(crate) const fn new() -> Self {
        Self::Line { size: 0, length: 0, part: Part::Start }
    }

    /// Takes the next piece off the input. `extensions` counts their bytes, over all chunks.
    pub(crate) fn decode<'b>(
        &mut self,
        input: &mut Input<'b>,
        limits: &Limits,
        extensions: &mut u32,
    ) -> Result<Decoded<'b>, Reason> {
        while !input.is_empty() {
            let before = input.bytes().len();
            match self {
                Self::Line { .. } => self.line(input, limits, extensions)?,
                Self::Data(left) => {
                    let data = input.take(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= data.len() as u64;
                    if *left == 0 {
                        *self = Self::DataCr;
                    }
                    return Ok(Decoded::Data(data));
                }
                // RFC 9112 §7.1: chunk data ends in CRLF.
                Self::DataCr if input.take(1) == b"\r" => *self = Self::DataLf,
                Self::DataLf if input.take(1) == b"\n" => *self = Self::new(),
                Self::DataCr | Self::DataLf => return Err(Reason::Chunk),
                Self::Trailers(scan) => {
                    let found = head::trailers(input.bytes(), scan, limits)?;
                    let Some((fields, length)) = found else { break };
                    input.take(length);
                    return Ok(Decoded::Last(fields));
                }
            }
            debug_assert!(input.bytes().len() < before, "the decoder advances");
        }
        Ok(Decoded::NeedInput)
    }

    /// Takes as much of a chunk-size line as there is.
    fn line(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
        extensions: &mut u32,
    ) -> Result<(), Reason> {
        let Self::Line { size, length, part } = self else { return Ok(()) };
        for (at, &byte) in input.bytes().iter().enumerate() {
            match (*part, byte) {
                (Part::Lf, b'\n') => {
                    *self = match *size {
                        0 => Self::Trailers(Scan::new()),
                        size => Self::Data(size),
                    };
                    input.take(at + 1);
                    return Ok(());
                }
                (Part::Start | Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = (byte as char).to_digit(16).map_or(0, u64::from);
                    // RFC 9112 §7.1: recipients MUST anticipate large numerals and prevent
                    // overflow.
                    *size = size.checked_mul(16).ok_or(Reason::Chunk)? + digit;
                    *part = Part::Digits;
                }
                (Part::Digits | Part::Extension, b'\r') => {
                    *part = Part::Lf;
                    continue;
                }
                (Part::Digits | Part::Space, b';') => *part = Part::Extension,
                (Part::Digits | Part::Space, b' ' | b'\t') => *part = Part::Space,
                (Part::Extension, b'\t' | 0x20..=0x7e | 0x80..) => (),
                _ => return Err(Reason::Chunk),
            }
            *length = length.saturating_add(1);
            *extensions = extensions.saturating_add(u32::from(*part != Part::Digits));
            // RFC 9112 §7.1.1: a recipient ought to limit the total length of chunk extensions.
            if *length as usize > limits.chunk_line || *extensions as usize > limits.head {
                return Err(Reason::Chunk);
            }
        }
        input.take(usize::MAX);
        Ok(())
    }
}

/// Sends one chunk. An empty one would be the last one: nothing is sent then.
pub(crate) fn send_chunk(payload: Payload, out: &mut Outbox) {
    if payload.is_empty() {
        return;
    }
    let size = payload.len();
    #[cfg(planted = "chunk_size")] // A mistake on purpose: `make planted`.
    let size = size - usize::from(size > 4096);
    out.framing((), |bytes| {
        // Two digits a byte of the size are enough.
        let mut digits = [0u8; 2 * size_of::<usize>()];
        let mut at = digits.len();
        let mut rest = size;
        while rest > 0 {
            at -= 1;
            digits[at] = b"0123456789abcdef"[rest & 15];
            rest >>= 4;
        }
        bytes.extend_from_slice(&digits[at..]);
        bytes.extend_from_slice(b"\r\n");
    });
    out.payload((), payload);
    out.framing((), |bytes| bytes.extend_from_slice(b"\r\n"));
}

/// Sends the last chunk, with those trailer fields that may be there (RFC 9110 §6.5.1).
pub(crate) fn send_last(trailers: Option<&Fields>, out: &mut Outbox) {
    out.framing((), |bytes| {
        bytes.extend_from_slice(b"0\r\n");
        for (known, name, value) in trailers.into_iter().flat_map(Fields::lines) {
            if !known.is_some_and(is_head_only) {
                encode::field(bytes, name, value);
            }
        }
        bytes.extend_from_slice(b"\r\n");
    });
}

/// RFC 9110 §6.5.1: a sender MUST NOT put into trailers what frames, routes, modifies the request,
/// authenticates, or says how to process the content.
const fn is_head_only(known: Known) -> bool {
    matches!(
        known,
        Known::Authorization
            | Known::CacheControl
            | Known::Connection
            | Known::ContentEncoding
            | Known::ContentLength
            | Known::ContentRange
            | Known::ContentType
            | Known::Cookie
            | Known::Expect
            | Known::Host
            | Known::IfMatch
            | Known::IfModifiedSince
            | Known::IfNoneMatch
            | Known::IfRange
            | Known::IfUnmodifiedSince
            | Known::KeepAlive
            | Known::MaxForwards
            | Known::ProxyAuthenticate
            | Known::ProxyAuthorization
            | Known::ProxyConnection
            | Known::Range
            | Known::SetCookie
            | Known::Te
            | Known::Trailer
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::WwwAuthenticate
    )
}
