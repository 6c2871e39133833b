//! Cookies (RFC 6265bis): those that a request brings, and a jar for those that its answer sets.
//!
//! [`Cookies`] only reads. [`CookieJar`] also sets, with secure defaults; [`SignedCookies`] and [`PrivateCookies`] are jars whose
//! values clients cannot change, or not even read.

mod jar;
mod sealed;

use std::borrow::Cow;
use std::convert::Infallible;

use trilane_exchange::Request;
use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

use crate::extract::FromRequestParts;
use crate::path::decode;

pub use cookie::{Cookie, SameSite, time};
pub use jar::CookieJar;
pub use sealed::{CookieKeyError, CookieKeys, PrivateCookies, Seal, SealedCookies, SignedCookies};

/// The cookies of a request. Values are percent-decoded, as [`CookieJar`] encodes them; names never are, so that none can pass for one
/// with the prefix `__Host-` (RFC 6265bis §5.4).
///
/// ```
/// use trilane_service::{Cookies, Router, get};
/// let handler = |cookies: Cookies| async move { cookies.get("theme").unwrap_or_default().into_owned() };
/// let router: Router = Router::new().route("/", get(handler));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies(String);

impl Cookies {
    /// Those of all lines: HTTP/2 and HTTP/3 may send one each (RFC 9113 §8.2.3).
    pub(crate) fn of(fields: &Fields) -> Self {
        let mut text = String::new();
        for line in fields.all(Known::Cookie) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push(';');
        }
        Self(text)
    }

    /// The value of the first cookie of that name, which is the one for the longest path (RFC 6265bis §5.8.3).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values, in order. What has no name is left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.0.split(';').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (trimmed(name), trimmed(value));
            // What cannot be decoded was set by somebody else, and is what it is.
            (!name.is_empty()).then(|| (name, decode(value).unwrap_or(Cow::Borrowed(value))))
        })
    }
}

fn trimmed(text: &str) -> &str {
    // Only ASCII is cut off.
    std::str::from_utf8(trim_ows(text.as_bytes())).unwrap_or(text)
}

impl<S> FromRequestParts<S> for Cookies {
    type Rejection = Infallible;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&request.head().fields))
    }
}
