//! Heads: what stands before the content of a message (RFC 9110 §6.2, §6.3).

use std::fmt;
use std::ops::Range;

use http::{Method, StatusCode};

use crate::field::Known;
use crate::fields::Fields;
use crate::target::{Form, Target};

/// The protocol that a message came over; handlers see it, and nothing else of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1.0 (RFC 1945).
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
    /// HTTP/2 (RFC 9113).
    Http2,
    /// HTTP/3 (RFC 9114).
    Http3,
}

impl Protocol {
    /// As RFC 9110 §2.5 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The head of a request. The target's bytes lie in the arena of the fields.
///
/// ```
/// use trilane_semantics::{Method, RequestHead};
/// let head = RequestHead::new(Method::GET, b"/search?q=1").unwrap();
/// assert_eq!((head.path(), head.query()), ("/search", Some("q=1")));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, case-sensitive (RFC 9110 §9.1).
    pub method: Method,
    /// The protocol it came over.
    pub protocol: Protocol,
    /// The field lines.
    pub fields: Fields,
    target: Target,
    at: Range<usize>,
}

impl RequestHead {
    /// A head with no fields yet, HTTP/1.1. `None` when the target has none of the four forms.
    #[must_use]
    pub fn new(method: Method, target: &[u8]) -> Option<Self> {
        let mut fields = Fields::new();
        let base = fields.load(target);
        Self::from_loaded(method, Protocol::Http11, fields, base..base + target.len())
    }

    /// A head whose target was loaded into the arena before. `None` when it has none of the four forms.
    #[must_use]
    pub fn from_loaded(
        method: Method,
        protocol: Protocol,
        fields: Fields,
        at: Range<usize>,
    ) -> Option<Self> {
        let target = Target::parse(fields.loaded(at.clone()))?;
        Some(Self { method, protocol, fields, target, at })
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        text(self.bytes())
    }

    /// The form of the target.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.target.form()
    }

    /// The path, still percent-encoded; `*` in the asterisk form, empty in the authority form.
    #[must_use]
    pub fn path(&self) -> &str {
        text(self.target.path(self.bytes()))
    }

    /// The query without its `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.query(self.bytes()).map(text)
    }

    /// The scheme of an absolute target.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        Some(text(self.target.scheme(self.bytes()))).filter(|scheme| !scheme.is_empty())
    }

    /// Whom the request is for: the target's authority, else the Host field (RFC 9112 §3.2.2).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = text(self.target.authority(self.bytes()));
        if authority.is_empty() { self.fields.get_str(Known::Host) } else { Some(authority) }
    }

    fn bytes(&self) -> &[u8] {
        self.fields.loaded(self.at.clone())
    }
}

/// `Target::parse` let only visible ASCII through.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {:?}", self.method, self.target(), self.protocol, self.fields)
    }
}

/// The head of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: StatusCode,
    /// The field lines.
    pub fields: Fields,
}

impl ResponseHead {
    /// A head with no fields yet.
    #[must_use]
    pub const fn new(status: StatusCode) -> Self {
        Self { status, fields: Fields::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_the_target_wins_over_host() {
        let mut head = RequestHead::new(Method::GET, b"http://a/x").unwrap();
        head.fields.append(Known::Host, "b").unwrap();
        assert_eq!(head.authority(), Some("a"));
        assert_eq!(head.scheme(), Some("http"));
        let mut head = RequestHead::new(Method::GET, b"/x").unwrap();
        assert_eq!(head.authority(), None);
        head.fields.append(Known::Host, "b").unwrap();
        assert_eq!((head.authority(), head.scheme()), (Some("b"), None));
        assert_eq!(format!("{head:?}"), "GET /x HTTP/1.1 {\"host\": \"b\"}");
    }
}
