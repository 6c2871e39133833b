//! Content security policies (CSP Level 3), with a nonce for each answer if they ask for one.

use std::borrow::Cow;

use trilane_exchange::{Error, Request, Shard};
use trilane_semantics::StatusCode;

use crate::extract::FromRequestParts;

/// Where the nonce stands in a policy.
const PLACE: &str = "{nonce}";

/// What a page may load, and from where. The default lets it load from its own origin alone, be framed by nobody, and have no
/// plugins.
///
/// ```
/// use trilane_service::Csp;
/// let policy = Csp::none().directive("default-src", "'none'").directive("script-src", "'nonce-{nonce}'");
/// assert_eq!(policy.text(), "default-src 'none'; script-src 'nonce-{nonce}'");
/// ```
///
/// `{nonce}` becomes 32 random digits, anew for each answer; handlers are told by the extractor [`Nonce`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csp {
    text: String,
    is_report_only: bool,
}

impl Csp {
    /// A policy that says nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { text: String::new(), is_report_only: false }
    }

    /// With that directive; one that is there is replaced.
    #[must_use]
    pub fn directive(mut self, name: &str, sources: &str) -> Self {
        let is_other = |part: &&str| part.split(' ').next() != Some(name);
        let mut parts: Vec<&str> =
            self.text.split("; ").filter(|part| !part.is_empty()).filter(is_other).collect();
        let new = format!("{name} {sources}");
        parts.push(new.trim_end());
        self.text = parts.join("; ");
        self
    }

    /// Violations are reported, and nothing is blocked.
    #[must_use]
    pub const fn report_only(mut self) -> Self {
        self.is_report_only = true;
        self
    }

    /// The policy as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn is_report_only(&self) -> bool {
        self.is_report_only
    }

    pub(super) fn has_nonce(&self) -> bool {
        self.text.contains(PLACE)
    }

    /// With that nonce; without one, as for an answer that no handler made, its place stays and fits nothing.
    pub(super) fn with(&self, nonce: Option<&Nonce>) -> Cow<'_, str> {
        match nonce {
            Some(Nonce(nonce)) => self.text.replace(PLACE, nonce).into(),
            None => self.text.as_str().into(),
        }
    }
}

impl Default for Csp {
    fn default() -> Self {
        Self::none()
            .directive("default-src", "'self'")
            .directive("base-uri", "'self'")
            .directive("frame-ancestors", "'none'")
            .directive("object-src", "'none'")
    }
}

impl<T: Into<String>> From<T> for Csp {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_report_only: false }
    }
}

/// The nonce of this answer's policy, for the scripts and styles of its page: 32 hexadecimal digits. As an extractor, 500 where no
/// policy has a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(pub String);

impl Nonce {
    pub(super) fn new(shard: &Shard) -> Self {
        Self(format!("{:016x}{:016x}", shard.random(), shard.random()))
    }
}

impl<S> FromRequestParts<S> for Nonce {
    type Rejection = Error;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Error> {
        let nonce = request.exchange().noted::<Self>();
        nonce.map(|nonce| (*nonce).clone()).ok_or_else(|| {
            Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .internal("Nonce without a policy that has one")
        })
    }
}
