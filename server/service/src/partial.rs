//! Parts of a whole answer (RFC 9110 §14, §15.3.7): one range, or several as multipart/byteranges.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::{Source, SourceError};
use trilane_exchange::{Error, Frame, Outgoing, Response};
use trilane_semantics::{Fields, Known, Payload, StatusCode};

use crate::range::{Asked, Ranges, asked};

/// Makes of a 200 with all of its content what the Range field of its request asks for: 206, 416, or the same 200. Whether
/// Range may be looked at says [`is_in_range`](crate::conditional::is_in_range). `random` is asked for the boundary of several
/// parts.
pub(crate) fn of(whole: Response, request: &Fields, random: impl FnOnce() -> u64) -> Response {
    let content = match &whole.body {
        Outgoing::Full(content) => content.clone(),
        Outgoing::Empty => Payload::new(),
        Outgoing::Stream { .. } => return whole,
    };
    let length = content.len() as u64;
    match asked(request, length) {
        Asked::Whole => whole,
        Asked::Unsatisfiable => {
            let error =
                Error::new(StatusCode::RANGE_NOT_SATISFIABLE).message("there are no such bytes");
            // RFC 9110 §15.5.17: with the length that there is.
            Response::from(error).field(Known::ContentRange, format!("bytes */{length}"))
        }
        Asked::Parts(parts) => {
            let mut partial = whole;
            partial.head.status = StatusCode::PARTIAL_CONTENT;
            match parts.as_slice() {
                // RFC 9110 §15.3.7.1: MUST have Content-Range; and §15.3.7.2: MUST NOT be multipart.
                [part] => {
                    partial = partial.field(Known::ContentRange, content_range(part, length));
                    partial.body(cut(&content, part))
                }
                _ => multipart(partial, &content, &parts, random()),
            }
        }
    }
}

/// Several parts (RFC 9110 §15.3.7.2), each with the Content-Type of the whole, and its Content-Range. In capitals, since not
/// every reader of parts is as careful with names (§5.1) as readers of heads are.
fn multipart(mut partial: Response, content: &Payload, parts: &Ranges, random: u64) -> Response {
    let kind = partial.head.fields.get(Known::ContentType).map(<[u8]>::to_vec);
    let kind = kind.as_deref().unwrap_or(b"application/octet-stream");
    let boundary = format!("{random:016x}");
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let mut head = format!("\r\n--{boundary}\r\nContent-Type: ").into_bytes();
        head.extend_from_slice(kind);
        head.extend_from_slice(b"\r\nContent-Range: ");
        head.extend_from_slice(content_range(part, content.len() as u64).as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
        pieces.push(head.into());
        pieces.push(cut(content, part));
    }
    pieces.push(format!("\r\n--{boundary}--\r\n").into());
    // The names are known, and a hexadecimal number may stand in a field. Content-Range MUST NOT be there.
    let kind = format!("multipart/byteranges; boundary={boundary}");
    let _ = partial.head.fields.set(Known::ContentType, kind);
    let length = pieces.iter().map(|piece: &Payload| piece.len() as u64).sum();
    partial.body(Outgoing::source(Pieces(pieces.into_iter())).with_length(length))
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

/// A part of the content, within which it lies; so its ends are lengths in memory.
fn cut(content: &Payload, part: &Range<u64>) -> Payload {
    let mut front = content.clone().split_to(part.end as usize);
    let _ = front.split_to(part.start as usize);
    front
}

/// Content in pieces that are all known, files among them.
struct Pieces(std::vec::IntoIter<Payload>);

impl Source for Pieces {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::Data(piece))))
    }
}
