//! How long the content of a message is (RFC 9112 §6.3), and whether the connection outlives it
//! (§9.3).
//!
//! Decides from complete heads. What could be read in two ways is refused, never guessed.

use trilane_semantics::section;
use trilane_semantics::{
    Content, Fields, Known, Method, Protocol, Reason, RequestHead, ResponseHead, StatusCode,
};

/// How the end of the content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    None,
    /// By a count.
    Exact(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection (client role).
    UntilClose,
    /// It is a tunnel, or may become one.
    Tunnel,
}

impl Length {
    /// As events say it.
    pub(crate) const fn content(self) -> Content {
        match self {
            Self::None => Content::None,
            Self::Exact(length) => Content::Exact(length),
            Self::Chunked | Self::UntilClose => Content::Unknown,
            Self::Tunnel => Content::Tunnel,
        }
    }
}

/// What the request means for the framing of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// CONNECT: a 2xx makes a tunnel.
    Connect,
    /// HEAD: the response has no content.
    Head,
    /// All others.
    Plain,
    /// It asked for an upgrade: 101 makes a tunnel.
    Upgrade,
}

/// The content of a request, and its kind.
#[inline]
pub(crate) fn of_request(head: &RequestHead) -> Result<(Length, Kind), Reason> {
    let length = match declared(head.protocol, &head.fields)? {
        None | Some(Length::Exact(0)) => Length::None,
        Some(length) => length,
    };
    if head.method == Method::CONNECT {
        // RFC 9110 §9.3.6: a CONNECT request has no content; what looks like it would be ambiguous.
        return match length {
            Length::None => Ok((Length::Tunnel, Kind::Connect)),
            _ => Err(Reason::Framing),
        };
    }
    if head.method == Method::HEAD {
        return Ok((length, Kind::Head));
    }
    // RFC 9110 §7.8: Upgrade in an HTTP/1.0 request MUST be ignored; it is a connection option.
    let asks = head.fields.contains(Known::Upgrade)
        && head.protocol == Protocol::Http11
        && head.fields.list_has(Known::Connection, "upgrade");
    match length {
        Length::None if asks => Ok((Length::Tunnel, Kind::Upgrade)),
        _ => Ok((length, Kind::Plain)),
    }
}

/// The content of a final response, or of an interim one, to a request of that kind.
pub(crate) fn of_response(
    kind: Kind,
    version: Protocol,
    head: &ResponseHead,
) -> Result<Length, Reason> {
    let status = head.status;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // RFC 9110 §7.8: a server MUST NOT switch to what the client did not ask for.
        return if kind == Kind::Upgrade { Ok(Length::Tunnel) } else { Err(Reason::StatusLine) };
    }
    // RFC 9112 §6.3, rules 1 and 2.
    if kind == Kind::Head || status.is_informational() || section::is_bare(status) {
        return Ok(Length::None);
    }
    if kind == Kind::Connect && status.is_success() {
        return Ok(Length::Tunnel);
    }
    Ok(match declared(version, &head.fields)? {
        None => Length::UntilClose,
        Some(Length::Exact(0)) => Length::None,
        Some(length) => length,
    })
}

/// Whether the sender of these fields will go on after this message (RFC 9112 §9.3).
#[inline]
pub(crate) fn persists(version: Protocol, fields: &Fields) -> bool {
    if !fields.contains(Known::Connection) {
        return version == Protocol::Http11;
    }
    !fields.list_has(Known::Connection, "close")
        && (version == Protocol::Http11 || fields.list_has(Known::Connection, "keep-alive"))
}

/// Whether the client waits for 100 (Continue) before it sends content (RFC 9110 §10.1.1).
#[inline]
pub(crate) fn waits_for_continue(head: &RequestHead, length: Length) -> Result<bool, Reason> {
    // A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore it.
    if head.protocol == Protocol::Http10 {
        return Ok(false);
    }
    section::waits_for_continue(&head.fields, length.content())
}

/// What Content-Length and Transfer-Encoding say, if they are there and agree with the RFC.
#[inline]
fn declared(version: Protocol, fields: &Fields) -> Result<Option<Length>, Reason> {
    let coded = fields.contains(Known::TransferEncoding);
    let counted = fields.contains(Known::ContentLength);
    match (coded, counted) {
        (false, false) => Ok(None),
        // RFC 9112 §6.3, rule 5: an invalid length makes the framing invalid.
        (false, true) => match section::content_length(fields) {
            Ok(length) => Ok(length.map(Length::Exact)),
            Err(_) => Err(Reason::Framing),
        },
        // RFC 9112 §6.1: in HTTP/1.0 the framing MUST be treated as faulty.
        (true, false) if version == Protocol::Http11 => {
            transfer_coding(fields)?;
            Ok(Some(Length::Chunked))
        }
        // RFC 9112 §6.3, rule 3: both together may be an attack and ought to be refused.
        (true, _) => Err(Reason::Framing),
    }
}

/// RFC 9112 §6.1: `chunked` must be there, last, and once; we know no other coding.
fn transfer_coding(fields: &Fields) -> Result<(), Reason> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut lines = fields.all(Known::TransferEncoding);
    if lines.next().is_some_and(is_chunked) && lines.next().is_none() {
        return Ok(());
    }
    let count = fields.list(Known::TransferEncoding).count();
    let mut chunked_at = fields.list(Known::TransferEncoding).enumerate();
    let first = chunked_at.find(|(_, coding)| is_chunked(coding)).map(|(at, _)| at);
    match first {
        _ if count <= usize::from(first.is_some()) => Err(Reason::Framing),
        Some(at) if at + 1 < count => Err(Reason::Framing),
        _ => Err(Reason::TransferCoding),
    }
}
