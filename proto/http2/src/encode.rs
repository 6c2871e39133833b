//! How heads and trailers are written: field lines to blocks, blocks to HEADERS and CONTINUATION frames (RFC 9113 §4.3, §8).
//!
//! Never decides what is sent.

use std::borrow::Cow;

use trilane_hpack::{Encoder, Field};
use trilane_semantics::{
    Fields, Form, Known, Method, NameRef, Outbox, RequestHead, ResponseHead, Stamp,
};

use crate::frame::kind::CONTINUATION;
use crate::frame::{self, HEADER, MOST, flag, kind};
use crate::state::Then;

/// What a response says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Length(u64),
    Nothing,
}

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
        // RFC 9110 §6.6.1: an origin server with a clock MUST send Date in 2xx, 3xx and 4xx.
        if !head.fields.contains(Known::Date) {
            encoder.field(bytes, Field::new(Known::Date, stamp.date().as_bytes()));
        }
        if !head.fields.contains(Known::Server) && !stamp.server().is_empty() {
            encoder.field(bytes, Field::new(Known::Server, stamp.server().as_bytes()));
        }
        lines(encoder, bytes, &head.fields);
        length(encoder, bytes, said);
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
        asked(encoder, bytes, head);
        length(encoder, bytes, said);
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
        asked(encoder, bytes, head);
    });
}

/// An interim response's head: no stamp, and nothing after it (RFC 9110 §15.2).
pub(crate) fn interim(encoder: &mut Encoder, out: &mut Outbox, id: u32, head: &ResponseHead) {
    section(out, id, Then::More, |bytes| {
        encoder.begin(bytes);
        encoder.status(bytes, head.status);
        lines(encoder, bytes, &head.fields);
    });
}

/// Trailers, which end the stream (RFC 9113 §8.1).
pub(crate) fn trailers(encoder: &mut Encoder, out: &mut Outbox, id: u32, fields: &Fields) {
    section(out, id, Then::End, |bytes| {
        encoder.begin(bytes);
        lines(encoder, bytes, fields);
    });
}

#[inline]
fn length(encoder: &mut Encoder, bytes: &mut Vec<u8>, said: Said) {
    if let Said::Length(length) = said {
        let mut digits = itoa::Buffer::new();
        let value = digits.format(length).as_bytes();
        encoder.field(bytes, Field::new(Known::ContentLength, value));
    }
}

/// The header section of a request, but for the length of its content: pseudo-fields first (RFC 9113 §8.3).
fn asked(encoder: &mut Encoder, bytes: &mut Vec<u8>, head: &RequestHead) {
    bytes.reserve(128);
    encoder.begin(bytes);
    let mut pseudo = |bytes: &mut Vec<u8>, name: &'static [u8], value: &str| {
        encoder.field(bytes, Field::new(NameRef::Other(name), value.as_bytes()));
    };
    pseudo(bytes, b":method", head.method.as_str());
    // RFC 9113 §8.5: a plain CONNECT has no scheme and no path; RFC 8441 §4: with :protocol it has.
    let protocol = head.connect_protocol().filter(|_| head.method == Method::CONNECT);
    if head.method != Method::CONNECT || protocol.is_some() {
        pseudo(bytes, b":scheme", head.scheme().unwrap_or("http"));
        pseudo(bytes, b":path", &path(head));
    }
    // RFC 9113 §8.3.1: instead of Host.
    if let Some(authority) = head.authority() {
        pseudo(bytes, b":authority", authority);
    }
    if let Some(protocol) = protocol {
        pseudo(bytes, b":protocol", protocol);
    }
    lines(encoder, bytes, &head.fields);
    // RFC 9113 §8.2.2: the one thing about connections that may be said.
    if head.fields.list_has(Known::Te, "trailers") {
        encoder.field(bytes, Field::new(Known::Te, b"trailers"));
    }
}

/// The path and query of a request, never empty (RFC 9113 §8.3.1).
fn path(head: &RequestHead) -> Cow<'_, str> {
    match (head.form(), head.query()) {
        (Form::Asterisk | Form::Origin, _) => head.target().into(),
        (Form::Absolute | Form::Authority, Some(query)) => {
            format!("{}?{query}", head.path()).into()
        }
        // RFC 9110 §7.1: OPTIONS of a whole server.
        (_, None) if head.method == Method::OPTIONS && !head.target().ends_with('/') => {
            let is_whole = head.authority().is_some_and(|it| head.target().ends_with(it));
            if is_whole { "*".into() } else { head.path().into() }
        }
        (_, None) => head.path().into(),
    }
}

/// Field lines, but for those that are not their sender's to say: the length, and what is specific to connections
/// (RFC 9113 §8.2.2).
fn lines(encoder: &mut Encoder, bytes: &mut Vec<u8>, fields: &Fields) {
    for (known, name, value) in fields.lines() {
        let name = match known {
            Some(
                Known::Connection
                | Known::ContentLength
                | Known::Host
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::Te
                | Known::TransferEncoding
                | Known::Upgrade,
            ) => continue,
            Some(known) => NameRef::Known(known),
            None => NameRef::Other(name),
        };
        // RFC 7541 §7.1.3: what is a secret is kept out of tables, ours and others'.
        let sensitive = matches!(
            known,
            Some(Known::Authorization | Known::ProxyAuthorization | Known::SetCookie)
        );
        encoder.field(bytes, Field { name, value, sensitive });
    }
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
