//! Heads: what stands before the content of a message (RFC 9110 §6.2, §6.3).

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

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

/// Heads kept for reuse, a thread.
const POOL: usize = 64;
/// A head whose target was longer is not kept, in bytes.
const KEEP: usize = 16 << 10;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes themselves are recycled")]
    static FREE: RefCell<Vec<Box<Parts>>> = const { RefCell::new(Vec::new()) };
}

/// The head of a request: one pointer to its [`Parts`], which are recycled, with their memory, as those of [`Fields`].
///
/// ```
/// use trilane_semantics::{Method, RequestHead};
/// let head = RequestHead::new(Method::GET, "/search?q=1").unwrap();
/// assert_eq!((&head.method, head.path(), head.query()), (&Method::GET, "/search", Some("q=1")));
/// ```
pub struct RequestHead {
    // Taken by its drop only.
    parts: Option<Box<Parts>>,
}

/// What a request's head is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// The method, case-sensitive (RFC 9110 §9.1).
    pub method: Method,
    /// The protocol it came over.
    pub protocol: Protocol,
    /// The field lines.
    pub fields: Fields,
    target: Target,
    text: String,
    /// What a CONNECT asks for besides a tunnel; empty for nothing.
    connect_protocol: String,
}

static NOTHING: Parts = Parts::nothing();

impl Parts {
    const fn nothing() -> Self {
        Self {
            method: Method::GET,
            protocol: Protocol::Http11,
            fields: Fields::new(),
            target: Target::root(),
            text: String::new(),
            connect_protocol: String::new(),
        }
    }

    /// Sets the target: its text, and what was read of it.
    #[inline]
    pub fn set_target(&mut self, target: Target, text: &str) {
        self.target = target;
        self.text.clear();
        self.text.push_str(text);
    }

    /// Takes over the target of another head.
    #[inline]
    pub fn set_target_of(&mut self, other: &Self) {
        self.set_target(other.target.clone(), &other.text);
    }

    /// Sets the protocol that an extended CONNECT asks for (RFC 8441 §4), empty for none.
    pub fn set_connect_protocol(&mut self, protocol: &str) {
        self.connect_protocol.clear();
        self.connect_protocol.push_str(protocol);
    }

    /// The protocol that an extended CONNECT asks for, its `:protocol` (RFC 8441 §4).
    #[must_use]
    pub fn connect_protocol(&self) -> Option<&str> {
        Some(&*self.connect_protocol).filter(|protocol| !protocol.is_empty())
    }

    /// What it takes, in bytes, as [`Fields::weight`] counts.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.fields.weight() + self.text.len() + self.connect_protocol.len()
    }

    /// Whether it takes so much memory that it is not kept for reuse.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.text.capacity() + self.connect_protocol.capacity() > KEEP || self.fields.is_large()
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.text
    }

    /// The form of the target.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.target.form()
    }

    /// The path, still percent-encoded; `*` in the asterisk form, empty in the authority form.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path(&self.text)
    }

    /// The query without its `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.query(&self.text)
    }

    /// The scheme of an absolute target.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        Some(self.target.scheme(&self.text)).filter(|scheme| !scheme.is_empty())
    }

    /// Whether it is about the server as a whole: `*`, or an OPTIONS whose absolute target has neither path nor query
    /// (RFC 9112 §3.2.4).
    #[must_use]
    pub fn is_for_server(&self) -> bool {
        match self.form() {
            Form::Asterisk => true,
            Form::Absolute => self.method == Method::OPTIONS && self.target.ends_with_authority(),
            Form::Origin | Form::Authority => false,
        }
    }

    /// Whom the request is for: the target's authority, else the Host field (RFC 9112 §3.2.2).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = self.target.authority(&self.text);
        if authority.is_empty() { self.fields.get_str(Known::Host) } else { Some(authority) }
    }
}

impl RequestHead {
    /// A head without a target and without fields: to be filled in.
    #[must_use]
    #[inline]
    pub fn blank(method: Method, protocol: Protocol) -> Self {
        let spare = FREE.with(|free| free.borrow_mut().pop());
        let mut parts = spare.unwrap_or_else(|| Box::new(Parts::nothing()));
        (parts.method, parts.protocol) = (method, protocol);
        Self { parts: Some(parts) }
    }

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
        let mut head = Self::blank(method, protocol);
        head.fields = fields;
        head.set_target(parsed, target);
        Some(head)
    }
}

impl Deref for RequestHead {
    type Target = Parts;

    #[inline]
    fn deref(&self) -> &Parts {
        self.parts.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for RequestHead {
    #[inline]
    fn deref_mut(&mut self) -> &mut Parts {
        self.parts.get_or_insert_with(|| Box::new(Parts::nothing()))
    }
}

impl Clone for RequestHead {
    /// In the memory of another one that is no longer used, if there is one.
    #[inline]
    fn clone(&self) -> Self {
        let mut copy = Self::blank(self.method.clone(), self.protocol);
        copy.fields.clone_from(&self.fields);
        copy.set_target(self.target.clone(), &self.text);
        if !self.connect_protocol.is_empty() {
            copy.set_connect_protocol(&self.connect_protocol);
        }
        copy
    }
}

impl Drop for RequestHead {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        if parts.is_large() {
            return;
        }
        parts.fields.clear();
        parts.text.clear();
        parts.connect_protocol.clear();
        parts.target = Target::root();
        // At thread exit the list may be gone already: then it is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < POOL {
                free.push(parts);
            }
        });
    }
}

impl PartialEq for RequestHead {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RequestHead {}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Debug for Parts {
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
    fn a_recycled_head_is_blank() {
        let mut head = RequestHead::new(Method::PUT, "/somewhere?else").unwrap();
        head.fields.append(Known::Host, "b").unwrap();
        head.set_connect_protocol("websocket");
        let copy = head.clone();
        assert_eq!((&copy, copy.connect_protocol()), (&head, Some("websocket")));
        drop((head, copy));
        let head = RequestHead::blank(Method::GET, Protocol::Http2);
        assert_eq!(format!("{head:?}"), "GET  HTTP/2 {}");
        assert_eq!((head.path(), head.query(), head.authority()), ("", None, None));
        assert_eq!(head.connect_protocol(), None);
        let other = RequestHead::new(Method::GET, "/").unwrap();
        assert_eq!((other.target(), other.authority()), ("/", None));
        // As many as there may be are kept, and one more is no harm.
        for count in [POOL - 1, POOL, POOL + 1] {
            drop((0..count).map(|_| RequestHead::new(Method::GET, "/")).collect::<Vec<_>>());
            assert_eq!(FREE.with(|free| free.borrow().len()), count.min(POOL));
        }
        drop(RequestHead::new(Method::GET, &format!("/{}", "x".repeat(KEEP))));
        assert!(FREE.with(|free| free.borrow().iter().all(|parts| parts.text.capacity() <= KEEP)));
    }

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
