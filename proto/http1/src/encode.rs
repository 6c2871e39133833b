//! Writes heads (RFC 9112 §3, §4, §5): one pass, copies only, no formatting machinery.
//!
//! What is written was checked before: `Fields` holds no CR or LF, methods are tokens, targets
//! visible ASCII. Never decides anything; [`Plan`] says how.

use trilane_semantics::{Content, Fields, Known, RequestHead, ResponseHead, Stamp, StatusCode};

/// How the content of an outgoing message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No field says so.
    Absent,
    /// `transfer-encoding: chunked`.
    Chunked,
    /// `content-length`.
    Length(u64),
}

/// What the Connection field of a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// `close`.
    Close,
    /// `keep-alive`, for HTTP/1.0.
    KeepAlive,
    /// Nothing: HTTP/1.1 persists.
    Silent,
    /// What the handler said: the connection becomes a tunnel.
    Tunnel,
}

/// How a final response is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The field about the length.
    pub(crate) framing: Framing,
    /// The field about the connection.
    pub(crate) persistence: Persistence,
}

/// A final response's head.
#[inline]
pub(crate) fn response(bytes: &mut Vec<u8>, head: &ResponseHead, stamp: &Stamp, plan: Plan) {
    // What the common head takes, once and not piece by piece.
    bytes.reserve(256);
    status_line(bytes, head.status);
    // RFC 9110 §6.6.1: an origin server with a clock MUST send Date in 2xx, 3xx and 4xx.
    match (head.fields.contains(Known::Date), head.fields.contains(Known::Server)) {
        (false, false) => bytes.extend_from_slice(stamp.lines().as_bytes()),
        (false, true) => field(bytes, b"date", stamp.date().as_bytes()),
        (true, false) if !stamp.server().is_empty() => {
            field(bytes, b"server", stamp.server().as_bytes());
        }
        (true, _) => (),
    }
    match head.fields.wire() {
        Some(lines) if !head.fields.has_any(OURS) => bytes.extend_from_slice(lines),
        _ => picked_lines(bytes, &head.fields, plan.persistence == Persistence::Tunnel),
    }
    connection(bytes, plan.persistence, &head.fields);
    end(bytes, plan.framing);
}

/// Field lines of a final response that are not its sender's to say.
const OURS: &[Known] = &[Known::Connection, Known::ContentLength, Known::TransferEncoding];

/// All lines but those; a tunnel's sender says what the connection becomes.
fn picked_lines(bytes: &mut Vec<u8>, fields: &Fields, is_tunnel: bool) {
    for (known, name, value) in fields.lines() {
        let is_ours = known.is_some_and(|known| OURS.contains(&known));
        if !is_ours || (is_tunnel && known == Some(Known::Connection)) {
            field(bytes, name, value);
        }
    }
}

/// An interim response's head: no framing, no stamp (RFC 9110 §15.2).
pub(crate) fn interim(bytes: &mut Vec<u8>, head: &ResponseHead) {
    status_line(bytes, head.status);
    for (known, name, value) in head.fields.lines() {
        if !matches!(
            known,
            Some(Known::Connection | Known::ContentLength | Known::TransferEncoding)
        ) {
            field(bytes, name, value);
        }
    }
    bytes.extend_from_slice(b"\r\n");
}

/// A request's head. The target is sent as it is; the fields about the length are ours.
pub(crate) fn request(bytes: &mut Vec<u8>, head: &RequestHead, content: Content) {
    bytes.extend_from_slice(head.method.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(head.target().as_bytes());
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    // RFC 9112 §3.2: a client MUST send Host, empty if the target has no authority.
    if !head.fields.contains(Known::Host) {
        field(bytes, b"host", head.authority().unwrap_or_default().as_bytes());
    }
    for (known, name, value) in head.fields.lines() {
        if !matches!(known, Some(Known::ContentLength | Known::TransferEncoding)) {
            field(bytes, name, value);
        }
    }
    end(
        bytes,
        match content {
            Content::Exact(length) => Framing::Length(length),
            Content::Unknown => Framing::Chunked,
            Content::None | Content::Tunnel => Framing::Absent,
        },
    );
}

/// One field line.
#[inline]
pub(crate) fn field(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    bytes.reserve(name.len() + value.len() + 4);
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

#[inline]
fn connection(bytes: &mut Vec<u8>, persistence: Persistence, fields: &Fields) {
    // RFC 9110 §7.8: a sender of Upgrade (a 426) MUST also send the upgrade option.
    let upgrade = fields.contains(Known::Upgrade);
    let line: &[u8] = match (persistence, upgrade) {
        (Persistence::Tunnel, _) | (Persistence::Silent, false) => b"",
        (Persistence::Close, false) => b"connection: close\r\n",
        (Persistence::Close, true) => b"connection: close, upgrade\r\n",
        (Persistence::KeepAlive, _) => b"connection: keep-alive\r\n",
        (Persistence::Silent, true) => b"connection: upgrade\r\n",
    };
    bytes.extend_from_slice(line);
}

/// The field about the length, and the empty line.
#[inline]
fn end(bytes: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Absent => bytes.extend_from_slice(b"\r\n"),
        Framing::Chunked => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
        Framing::Length(length) => length_and_end(bytes, length),
    }
}

/// Written from its end, so that it is one copy.
#[inline]
fn length_and_end(bytes: &mut Vec<u8>, mut length: u64) {
    const NAME: &[u8; 16] = b"content-length: ";
    const END: &[u8; 4] = b"\r\n\r\n";
    // A u64 has at most 20 digits.
    let mut line = [0; NAME.len() + 20 + END.len()];
    let mut at = line.len() - END.len();
    line[at..].copy_from_slice(END);
    loop {
        at -= 1;
        line[at] = b'0' + (length % 10) as u8;
        length /= 10;
        if length == 0 {
            break;
        }
    }
    at -= NAME.len();
    line[at..at + NAME.len()].copy_from_slice(NAME);
    bytes.extend_from_slice(&line[at..]);
}

/// RFC 9112 §4. The common lines are ready made.
#[inline]
fn status_line(bytes: &mut Vec<u8>, status: StatusCode) {
    let line: &[u8] = match status.as_u16() {
        100 => b"HTTP/1.1 100 Continue\r\n",
        101 => b"HTTP/1.1 101 Switching Protocols\r\n",
        103 => b"HTTP/1.1 103 Early Hints\r\n",
        200 => b"HTTP/1.1 200 OK\r\n",
        201 => b"HTTP/1.1 201 Created\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        206 => b"HTTP/1.1 206 Partial Content\r\n",
        301 => b"HTTP/1.1 301 Moved Permanently\r\n",
        302 => b"HTTP/1.1 302 Found\r\n",
        303 => b"HTTP/1.1 303 See Other\r\n",
        304 => b"HTTP/1.1 304 Not Modified\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\n",
        403 => b"HTTP/1.1 403 Forbidden\r\n",
        404 => b"HTTP/1.1 404 Not Found\r\n",
        429 => b"HTTP/1.1 429 Too Many Requests\r\n",
        500 => b"HTTP/1.1 500 Internal Server Error\r\n",
        503 => b"HTTP/1.1 503 Service Unavailable\r\n",
        _ => return rare_status_line(bytes, status),
    };
    bytes.extend_from_slice(line);
}

#[cold]
fn rare_status_line(bytes: &mut Vec<u8>, status: StatusCode) {
    bytes.extend_from_slice(b"HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    // RFC 9112 §4: the space MUST be sent even when the reason phrase is absent.
    bytes.push(b' ');
    bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    bytes.extend_from_slice(b"\r\n");
}
