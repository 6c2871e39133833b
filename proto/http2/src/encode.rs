//! How heads and trailers are written: field lines to blocks, blocks to HEADERS and CONTINUATION frames (RFC 9113 §4.3, §8).
//!
//! Never decides what is sent.

use trilane_hpack::{Encoder, Field};
use trilane_semantics::sending::{self, Line, Said};
use trilane_semantics::{Fields, Outbox, RequestHead, ResponseHead, Stamp};

use crate::frame::kind::CONTINUATION;
use crate::frame::{self, HEADER, MOST, flag, kind};
use crate::state::Then;

/// A final response's head.
pub(crate) fn response(
    (encoder, out): (&mut Encoder, &mut Outbox),
    id: u32,
    head: &ResponseHead,
    stamp: &Stamp,
    (said, then): (Said, Then),
) {
    section(out, id, then, |bytes| {
        bytes.reserve(128);
        encoder.begin(bytes);
        encoder.status(bytes, head.status);
        sending::response(head, stamp, said, |line| add(encoder, bytes, line));
    });
}

/// A request's head (RFC 9113 §8.3.1).
pub(crate) fn request(
    (encoder, out): (&mut Encoder, &mut Outbox),
    id: u32,
    head: &RequestHead,
    (said, then): (Said, Then),
) {
    section(out, id, then, |bytes| {
        asked(encoder, bytes, head, said);
    });
}

/// A request that is promised: its head behind its number (RFC 9113 §6.6).
pub(crate) fn promise(
    (encoder, out): (&mut Encoder, &mut Outbox),
    id: u32,
    promised: u32,
    head: &RequestHead,
) {
    block(out, (kind::PUSH_PROMISE, 0), id, |bytes| {
        bytes.extend_from_slice(&promised.to_be_bytes());
        asked(encoder, bytes, head, Said::Nothing);
    });
}

/// An interim response's head: no stamp, and nothing after it (RFC 9110 §15.2).
pub(crate) fn interim(encoder: &mut Encoder, out: &mut Outbox, id: u32, head: &ResponseHead) {
    section(out, id, Then::More, |bytes| {
        encoder.begin(bytes);
        encoder.status(bytes, head.status);
        sending::fields(&head.fields, |line| add(encoder, bytes, line));
    });
}

/// Trailers, which end the stream (RFC 9113 §8.1).
pub(crate) fn trailers(encoder: &mut Encoder, out: &mut Outbox, id: u32, fields: &Fields) {
    section(out, id, Then::End, |bytes| {
        encoder.begin(bytes);
        sending::fields(fields, |line| add(encoder, bytes, line));
    });
}

/// The header section of a request.
fn asked(encoder: &mut Encoder, bytes: &mut Vec<u8>, head: &RequestHead, said: Said) {
    bytes.reserve(128);
    encoder.begin(bytes);
    sending::request(head, said, |line| add(encoder, bytes, line));
}

#[inline]
fn add(encoder: &mut Encoder, bytes: &mut Vec<u8>, line: Line<'_>) {
    let Line { name, value, sensitive } = line;
    encoder.field(bytes, Field { name, value, sensitive });
}

/// A block in one frame, or in several where it is long.
fn section(out: &mut Outbox, id: u32, then: Then, write: impl FnOnce(&mut Vec<u8>)) {
    let end = if then == Then::End { flag::END_STREAM } else { 0 };
    block(out, (kind::HEADERS, end), id, write);
}

/// A frame of that kind and flags, with a block; and what does not fit into it.
#[inline]
fn block(out: &mut Outbox, (kind, flags): (u8, u8), id: u32, write: impl FnOnce(&mut Vec<u8>)) {
    out.framing((), |bytes| {
        let start = bytes.len();
        frame::write(bytes, kind, flags | flag::END_HEADERS, id, 0);
        write(bytes);
        let length = bytes.len() - start - HEADER;
        if length > MOST {
            return split(bytes, start, id, (kind, flags));
        }
        // At most 2^14.
        let [_, a, b, c] = (length as u32).to_be_bytes();
        bytes[start..start + 3].copy_from_slice(&[a, b, c]);
    });
}

/// Writes a long block anew, in frames that everybody takes (RFC 9113 §4.2).
#[cold]
fn split(bytes: &mut Vec<u8>, start: usize, id: u32, (mut kind, mut flags): (u8, u8)) {
    let block = bytes.split_off(start + HEADER);
    bytes.truncate(start);
    let mut pieces = block.chunks(MOST).peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        frame::write(bytes, kind, flags, id, piece.len());
        bytes.extend_from_slice(piece);
        (kind, flags) = (CONTINUATION, 0);
    }
}
