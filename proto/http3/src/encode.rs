//! How heads and trailers are written: field lines to sections, and those to HEADERS frames (RFC 9114 §4.2, §7.2.2).
//!
//! Never decides what is sent.

use trilane_qpack::{Encoder, Field};
use trilane_semantics::sending::{self, Line, Said};
use trilane_semantics::{Fields, Outbox, RequestHead, ResponseHead, Stamp};

use crate::frame::kind;
use crate::varint;

/// How long the length of a HEADERS frame is, in bytes, where nothing else is needed.
const LENGTH: usize = 2;
/// The longest section whose length has [`LENGTH`] bytes.
const SHORT: usize = (1 << 14) - 1;

/// A final response's head.
pub(crate) fn response(
    (encoder, out): (&mut Encoder, &mut Outbox<u64>),
    id: u64,
    head: &ResponseHead,
    stamp: &Stamp,
    said: Said,
) {
    section((encoder, out), id, |encoder, bytes| {
        encoder.status(bytes, head.status);
        sending::response(head, stamp, said, |line| add(encoder, bytes, line));
    });
}

/// A request's head.
pub(crate) fn request(
    (encoder, out): (&mut Encoder, &mut Outbox<u64>),
    id: u64,
    head: &RequestHead,
    said: Said,
) {
    section((encoder, out), id, |encoder, bytes| {
        sending::request(head, said, |line| add(encoder, bytes, line));
    });
}

/// An interim response's head: no stamp, and nothing of a length (RFC 9110 §15.2).
pub(crate) fn interim(
    (encoder, out): (&mut Encoder, &mut Outbox<u64>),
    id: u64,
    head: &ResponseHead,
) {
    section((encoder, out), id, |encoder, bytes| {
        encoder.status(bytes, head.status);
        sending::fields(&head.fields, |line| add(encoder, bytes, line));
    });
}

/// Trailers.
pub(crate) fn trailers((encoder, out): (&mut Encoder, &mut Outbox<u64>), id: u64, fields: &Fields) {
    section((encoder, out), id, |encoder, bytes| {
        sending::fields(fields, |line| add(encoder, bytes, line));
    });
}

#[inline]
fn add(encoder: &mut Encoder, bytes: &mut Vec<u8>, line: Line<'_>) {
    let Line { name, value, sensitive } = line;
    encoder.field(bytes, Field { name, value, sensitive });
}

/// A HEADERS frame. Its length is known at its end.
#[inline]
fn section(
    (encoder, out): (&mut Encoder, &mut Outbox<u64>),
    id: u64,
    write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
) {
    out.framing(id, |bytes| {
        bytes.reserve(128);
        bytes.push(kind::HEADERS as u8);
        let at = bytes.len();
        bytes.extend_from_slice(&[0; LENGTH]);
        encoder.begin(id, bytes);
        write(encoder, bytes);
        encoder.end(bytes);
        let length = bytes.len() - at - LENGTH;
        if length > SHORT {
            return lengthen(bytes, at, length);
        }
        // RFC 9000 §16: 2 bytes, though 1 may be enough.
        let number = length as u16 | 0x4000;
        bytes[at..at + LENGTH].copy_from_slice(&number.to_be_bytes());
    });
}

/// Makes room for a longer length.
#[cold]
fn lengthen(bytes: &mut Vec<u8>, at: usize, length: usize) {
    let mut number = Vec::new();
    varint::write(&mut number, length as u64);
    bytes.splice(at..at + LENGTH, number);
}
