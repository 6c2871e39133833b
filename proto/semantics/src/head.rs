//! Heads: what stands before the content of a message (RFC 9110 §6.2, §6.3).

use std::fmt;

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

/// The head of a request. The target lies in the arena of the fields.
///
/// ```
/// use trilane_semantics::{Method, RequestHead};
/// let head = RequestHead::new(Method::GET, "/search?q=1").unwrap();
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
}

impl RequestHead {
    /// A head with no fields yet, HTTP/1.1. `None` when the target has none of the four forms.
    #[must_use]
    pub fn new(method: Method, target: &str) -> Option<Self> {
        Self::with_fields(method, Protocol::Http11, Fields::new(), target)
    }

    /// A head with these fields. `None` when the target has none of the four forms.
    #[must_use]
    pub fn with_fields(
        method: Method,
        protocol: Protocol,
        fields: Fields,
        target: &str,
    ) -> Option<Self> {
        let parsed = Target::parse(target.as_bytes())?;
        Some(Self::with_target(method, protocol, fields, parsed, target))
    }

    /// A head with these fields and a target that was read before, from that text.
    #[must_use]
    #[inline]
    pub fn with_target(
        method: Method,
        protocol: Protocol,
        mut fields: Fields,
        target: Target,
        text: &str,
    ) -> Self {
        fields.set_text(text);
        Self { method, protocol, fields, target }
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.fields.text()
    }

    /// The form of the target.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.target.form()
    }

    /// The path, still percent-encoded; `*` in the asterisk form, empty in the authority form.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path(self.fields.text())
    }

    /// The query without its `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.query(self.fields.text())
    }

    /// The scheme of an absolute target.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        Some(self.target.scheme(self.fields.text())).filter(|scheme| !scheme.is_empty())
    }

    /// Whom the request is for: the target's authority, else the Host field (RFC 9112 §3.2.2).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = self.target.authority(self.fields.text());
        if authority.is_empty() { self.fields.get_str(Known::Host) } else { Some(authority) }
    }
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
        let mut head = RequestHead::new(Method::GET, "http://a/x").unwrap();
        head.fields.append(Known::Host, "b").unwrap();
        assert_eq!(head.authority(), Some("a"));
        assert_eq!(head.scheme(), Some("http"));
        let mut head = RequestHead::new(Method::GET, "/x").unwrap();
        assert_eq!(head.authority(), None);
        head.fields.append(Known::Host, "b").unwrap();
        assert_eq!((head.authority(), head.scheme()), (Some("b"), None));
        assert_eq!(format!("{head:?}"), "GET /x HTTP/1.1 {\"host\": \"b\"}");
    }
}
