//! A jar: the cookies of a request, and what its answer is to set or remove.

use std::borrow::Cow;
use std::convert::Infallible;

use cookie::{Cookie, SameSite};
use trilane_exchange::{Error, Request, Response};
use trilane_semantics::field::is_token;
use trilane_semantics::{Known, StatusCode};

use super::Cookies;
use crate::extract::FromRequestParts;
use crate::respond::IntoResponse;

/// The cookies of a request, to which a handler adds those that its answer sets; return it with the answer, or nothing is set.
///
/// ```
/// use trilane_service::{Cookie, CookieJar, Router, get};
///
/// async fn count(jar: CookieJar) -> (CookieJar, String) {
///     let seen: u32 = jar.get("seen").and_then(|text| text.parse().ok()).unwrap_or_default();
///     (jar.add(("seen", (seen + 1).to_string())), format!("you were here {seen} times"))
/// }
///
/// let router: Router = Router::new().route("/", get(count));
/// ```
///
/// What a cookie does not say for itself is said for it: `HttpOnly`, `SameSite=Lax`, `Path=/`, and `Secure` if the client speaks
/// TLS. Values are percent-encoded. A name that is no token, and attributes that no field may have, make the response a 500.
#[derive(Clone, Debug, Default)]
pub struct CookieJar {
    sent: Cookies,
    set: Vec<Cookie<'static>>,
    is_secure: bool,
}

impl CookieJar {
    /// The value that a cookie has, after what was done to the jar.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.set.iter().rev().find(|cookie| cookie.name() == name) {
            Some(cookie) if is_removal(cookie) => None,
            Some(cookie) => Some(Cow::Borrowed(cookie.value())),
            None => self.sent.get(name),
        }
    }

    /// Sets a cookie: a name and a value, or a [`Cookie`] with attributes. One of that name, path and domain that was to be set is
    /// replaced.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the name that jars have elsewhere")]
    pub fn add(mut self, cookie: impl Into<Cookie<'static>>) -> Self {
        let cookie = cookie.into();
        let place = |cookie: &Cookie<'_>| {
            (cookie.path().map(ToOwned::to_owned), cookie.domain().map(ToOwned::to_owned))
        };
        self.set.retain(|old| old.name() != cookie.name() || place(old) != place(&cookie));
        self.set.push(cookie);
        self
    }

    /// Removes a cookie from the client: a name, or a [`Cookie`] with the path and domain that it was set with.
    #[must_use]
    pub fn remove(self, cookie: impl Into<Cookie<'static>>) -> Self {
        let mut cookie = cookie.into();
        cookie.set_value("");
        // Max-Age wins over Expires (RFC 6265bis §5.7); a date in the past is for those that know no Max-Age.
        cookie.set_max_age(cookie::time::Duration::ZERO);
        cookie.set_expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
        self.add(cookie)
    }

    /// Names and values that the request has brought.
    #[must_use]
    pub const fn sent(&self) -> &Cookies {
        &self.sent
    }

    /// Adds `Set-Cookie` lines to a response.
    pub(super) fn apply(self, response: Response) -> Response {
        let is_secure = self.is_secure;
        self.set.into_iter().fold(response, |response, cookie| match written(cookie, is_secure) {
            Some(text) => response.field(Known::SetCookie, text),
            None => Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .internal("a cookie's name is no token")
                .into(),
        })
    }
}

fn is_removal(cookie: &Cookie<'_>) -> bool {
    cookie.max_age().is_some_and(|age| age.is_zero())
}

/// The value of its `Set-Cookie` line; `None` when its name would come back as another one.
fn written(mut cookie: Cookie<'static>, is_secure: bool) -> Option<String> {
    // RFC 6265bis §4.1.3: browsers refuse these names without.
    let must_be_secure =
        cookie.name().starts_with("__Host-") || cookie.name().starts_with("__Secure-");
    let is_everywhere = cookie.same_site() == Some(SameSite::None);
    if cookie.secure().is_none() {
        cookie.set_secure(is_secure || must_be_secure || is_everywhere);
    }
    if cookie.http_only().is_none() {
        cookie.set_http_only(true);
    }
    if cookie.same_site().is_none() {
        cookie.set_same_site(SameSite::Lax);
    }
    if cookie.path().is_none() {
        cookie.set_path("/");
    }
    let text = cookie.encoded().to_string();
    let is_kept = text.strip_prefix(cookie.name()).is_some_and(|rest| rest.starts_with('='));
    (is_kept && is_token(cookie.name().as_bytes())).then_some(text)
}

impl<S> FromRequestParts<S> for CookieJar {
    type Rejection = Infallible;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Infallible> {
        let sent = Cookies::of(&request.head().fields);
        let is_secure = request.exchange().client().is_secure;
        Ok(Self { sent, set: Vec::new(), is_secure })
    }
}

/// With those cookies.
impl<T: IntoResponse> IntoResponse for (CookieJar, T) {
    fn into_response(self) -> Response {
        self.0.apply(self.1.into_response())
    }
}
