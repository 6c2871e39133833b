//! What goes out, said alike by HTTP/2 and HTTP/3: how much content a head allows, and which field lines it is made of
//! (RFC 9113 §8.3, RFC 9114 §4.3).
//!
//! Lines go to a sink, one by one; never compresses anything.

use std::borrow::Cow;

use http::{Method, StatusCode};

use crate::event::Content;
use crate::field::{Known, NameRef};
use crate::fields::Fields;
use crate::head::{RequestHead, ResponseHead};
use crate::section::{self, Kind};
use crate::stamp::Stamp;
use crate::target::Form;

/// How much of an answer goes at a time where a part is of use (RFC 9218 §4.2), and others are under way, in bytes.
pub const SHARE: usize = 64 << 10;

/// The half of an exchange that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A tunnel, if the answer says so (client role).
    Held,
    /// The final response is owed (server role).
    Owed,
    /// That many bytes of content are missing; none only where trailers were announced.
    Exact(u64),
    /// As many as there will be.
    Unknown,
    /// It has ended.
    Over,
}

/// What a head says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// That many bytes.
    Length(u64),
    /// Nothing.
    Nothing,
}

/// A field line on its way out, in lower case.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its name, a pseudo-field's too.
    pub name: NameRef<'a>,
    /// Its value.
    pub value: &'a [u8],
    /// No table may hold it (RFC 7541 §7.1.3, RFC 9204 §7.1.3).
    pub sensitive: bool,
}

impl<'a> Line<'a> {
    fn new(name: impl Into<NameRef<'a>>, value: &'a [u8]) -> Self {
        Self { name: name.into(), value, sensitive: false }
    }
}

/// What a response says of its length, and what may be sent of its content (RFC 9110 §8.6, §9.3.2, §15.3.6).
#[must_use]
pub fn of_response(kind: Kind, status: StatusCode, content: Content) -> (Said, Outgoing) {
    if kind == Kind::Connect && status.is_success() {
        return (Said::Nothing, Outgoing::Unknown);
    }
    if section::is_bare(status) {
        return (Said::Nothing, Outgoing::Over);
    }
    let (said, outgoing) = match content {
        _ if status == StatusCode::RESET_CONTENT => (Said::Length(0), Outgoing::Over),
        Content::None | Content::Tunnel | Content::Exact(0) => (Said::Length(0), Outgoing::Over),
        Content::Exact(length) => (Said::Length(length), Outgoing::Exact(length)),
        Content::Unknown => (Said::Nothing, Outgoing::Unknown),
    };
    if kind == Kind::Head { (said, Outgoing::Over) } else { (said, outgoing) }
}

/// The same of a request. Nothing for an upgrade, which neither protocol has (RFC 9113 §8.6, RFC 9114 §4.5).
#[must_use]
pub fn of_request(kind: Kind, content: Content) -> Option<(Said, Outgoing)> {
    Some(match content {
        // RFC 9113 §8.5, RFC 9114 §4.4: a CONNECT has no content before its answer.
        _ if kind == Kind::Connect => (Said::Nothing, Outgoing::Held),
        Content::None => (Said::Nothing, Outgoing::Over),
        Content::Exact(0) => (Said::Length(0), Outgoing::Over),
        Content::Exact(length) => (Said::Length(length), Outgoing::Exact(length)),
        Content::Unknown => (Said::Nothing, Outgoing::Unknown),
        Content::Tunnel => return None,
    })
}

/// Whether a head says that trailers will come (RFC 9110 §6.6.2). Where the length is said too, that is the one way to know.
#[inline]
#[must_use]
pub fn announces_trailers(fields: &Fields) -> bool {
    fields.contains(Known::Trailer)
}

/// The fields of a final response, behind its `:status`.
#[inline]
pub fn response(head: &ResponseHead, stamp: &Stamp, said: Said, mut sink: impl FnMut(Line<'_>)) {
    // RFC 9110 §6.6.1: an origin server with a clock MUST send Date in 2xx, 3xx and 4xx.
    if !head.fields.contains(Known::Date) {
        sink(Line::new(Known::Date, stamp.date().as_bytes()));
    }
    if !head.fields.contains(Known::Server) && !stamp.server().is_empty() {
        sink(Line::new(Known::Server, stamp.server().as_bytes()));
    }
    fields(&head.fields, &mut sink);
    length(said, sink);
}

/// A request's header section: pseudo-fields first (RFC 9113 §8.3.1, RFC 9114 §4.3.1).
pub fn request(head: &RequestHead, said: Said, mut sink: impl FnMut(Line<'_>)) {
    let mut pseudo = |name: &'static [u8], value: &str| {
        sink(Line::new(NameRef::Other(name), value.as_bytes()));
    };
    pseudo(b":method", head.method.as_str());
    // RFC 9113 §8.5: a plain CONNECT has no scheme and no path; RFC 8441 §4: with :protocol it has.
    let protocol = head.connect_protocol().filter(|_| head.method == Method::CONNECT);
    if head.method != Method::CONNECT || protocol.is_some() {
        pseudo(b":scheme", head.scheme().unwrap_or("http"));
        pseudo(b":path", &path(head));
    }
    // RFC 9113 §8.3.1: instead of Host.
    if let Some(authority) = head.authority() {
        pseudo(b":authority", authority);
    }
    if let Some(protocol) = protocol {
        pseudo(b":protocol", protocol);
    }
    fields(&head.fields, &mut sink);
    // RFC 9113 §8.2.2: the one thing about connections that may be said.
    if head.fields.list_has(Known::Te, "trailers") {
        sink(Line::new(Known::Te, b"trailers"));
    }
    length(said, sink);
}

/// Field lines, but for those that are not their sender's to say: the length, and what is specific to connections
/// (RFC 9113 §8.2.2, RFC 9114 §4.2).
#[inline]
pub fn fields(fields: &Fields, mut sink: impl FnMut(Line<'_>)) {
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
        sink(Line { name, value, sensitive });
    }
}

#[inline]
fn length(said: Said, mut sink: impl FnMut(Line<'_>)) {
    if let Said::Length(length) = said {
        let mut digits = itoa::Buffer::new();
        sink(Line::new(Known::ContentLength, digits.format(length).as_bytes()));
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
        (_, None) if head.is_for_server() => "*".into(),
        (_, None) => head.path().into(),
    }
}
