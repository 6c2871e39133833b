//! Jars whose values a client cannot change (signed), or not even read (private).

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use cookie::{Cookie, Key};
use trilane_exchange::{Request, Response};

use super::CookieJar;
use crate::extract::{FromRef, FromRequestParts};
use crate::respond::IntoResponse;

/// Bytes of a secret.
const SECRET: usize = 64;

/// The signature in front of a signed value: HMAC-SHA-256 in base64.
const SIGNATURE: usize = 44;

/// The keys of sealed cookies: the first one seals, all open, so that a new one can be put in front, and the old one taken away when
/// its cookies are over. Make them before the server, and clone them: they are shared.
#[derive(Clone)]
pub struct CookieKeys {
    current: Arc<Key>,
    old: Vec<Arc<Key>>,
}

/// A secret of fewer than 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieKeyError;

impl fmt::Display for CookieKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret of cookies must have {SECRET} random bytes")
    }
}

impl std::error::Error for CookieKeyError {}

impl CookieKeys {
    /// Of 64 random bytes, or more, of which the first 64 count.
    ///
    /// # Errors
    /// There are fewer.
    pub fn new(secret: &[u8]) -> Result<Self, CookieKeyError> {
        Ok(Self { current: key(secret)?, old: Vec::new() })
    }

    /// With a key that only opens: the one before.
    ///
    /// # Errors
    /// There are fewer than 64 bytes.
    pub fn with_old(mut self, secret: &[u8]) -> Result<Self, CookieKeyError> {
        self.old.push(key(secret)?);
        Ok(self)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        [&self.current].into_iter().chain(&self.old).map(|key| &**key)
    }
}

fn key(secret: &[u8]) -> Result<Arc<Key>, CookieKeyError> {
    Key::try_from(secret).map(Arc::new).map_err(|_| CookieKeyError)
}

/// Says nothing of the keys themselves.
impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKeys({})", 1 + self.old.len())
    }
}

/// How values are sealed.
pub trait Seal: 'static {
    /// The sealed value of a cookie.
    fn seal(key: &Key, name: &str, value: &str) -> String;

    /// The value, if it was sealed with that key for a cookie of that name.
    fn open(key: &Key, name: &str, sealed: &str) -> Option<String>;
}

/// Values that can be read by all, and made by us alone.
#[derive(Debug)]
pub enum Signed {}

/// Values that only we can read or make.
#[derive(Debug)]
pub enum Private {}

impl Seal for Signed {
    fn seal(key: &Key, name: &str, value: &str) -> String {
        let mut jar = cookie::CookieJar::new();
        // The name is signed too, or a value could be moved to another cookie.
        jar.signed_mut(key).add(Cookie::new("-", format!("{name}={value}")));
        let sealed = jar.get("-").map(Cookie::value).unwrap_or_default();
        let signature = sealed.get(..SIGNATURE).unwrap_or_default();
        format!("{signature}{value}")
    }

    fn open(key: &Key, name: &str, sealed: &str) -> Option<String> {
        let (signature, value) = sealed.split_at_checked(SIGNATURE)?;
        let whole = Cookie::new("-", format!("{signature}{name}={value}"));
        cookie::CookieJar::new().signed(key).verify(whole)?;
        Some(value.to_owned())
    }
}

impl Seal for Private {
    fn seal(key: &Key, name: &str, value: &str) -> String {
        let mut jar = cookie::CookieJar::new();
        jar.private_mut(key).add(Cookie::new(name.to_owned(), value.to_owned()));
        jar.get(name).map(Cookie::value).unwrap_or_default().to_owned()
    }

    fn open(key: &Key, name: &str, sealed: &str) -> Option<String> {
        let whole = Cookie::new(name.to_owned(), sealed.to_owned());
        let opened = cookie::CookieJar::new().private(key).decrypt(whole)?;
        Some(opened.value().to_owned())
    }
}

/// A [`CookieJar`] whose values are sealed, each for its name, with [`CookieKeys`] from the router's state.
///
/// ```
/// use trilane_service::{CookieKeys, Router, SignedCookies, get, post};
///
/// async fn login(cookies: SignedCookies) -> (SignedCookies, &'static str) {
///     (cookies.add(("user", "ann")), "welcome")
/// }
///
/// async fn who(cookies: SignedCookies) -> String {
///     cookies.get("user").unwrap_or_else(|| "nobody".to_owned())
/// }
///
/// let keys = CookieKeys::new(&[7; 64])?; // 64 random bytes, from a file
/// let router = Router::new().route("/login", post(login)).route("/", get(who)).with_state(keys);
/// # let _: trilane_service::Router = router;
/// # Ok::<(), trilane_service::CookieKeyError>(())
/// ```
///
/// How old a value is, nobody can tell: put a time in it where that matters.
pub struct SealedCookies<K> {
    jar: CookieJar,
    keys: CookieKeys,
    kind: PhantomData<fn() -> K>,
}

/// Values that can be read by all, and made by us alone: HMAC-SHA-256.
pub type SignedCookies = SealedCookies<Signed>;

/// Values that only we can read or make: AES-256-GCM.
pub type PrivateCookies = SealedCookies<Private>;

impl<K: Seal> SealedCookies<K> {
    /// The value of a cookie that we have sealed, under any of the keys.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let sealed: Cow<'_, str> = self.jar.get(name)?;
        self.keys.all().find_map(|key| K::open(key, name, &sealed))
    }

    /// Sets a cookie, as [`CookieJar::add`]; its value is sealed with the first key.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the name that jars have elsewhere")]
    pub fn add(mut self, cookie: impl Into<Cookie<'static>>) -> Self {
        let mut cookie = cookie.into();
        cookie.set_value(K::seal(&self.keys.current, cookie.name(), cookie.value()));
        self.jar = self.jar.add(cookie);
        self
    }

    /// Removes a cookie from the client, as [`CookieJar::remove`].
    #[must_use]
    pub fn remove(mut self, cookie: impl Into<Cookie<'static>>) -> Self {
        self.jar = self.jar.remove(cookie);
        self
    }
}

impl<K> fmt::Debug for SealedCookies<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCookies({:?})", self.keys)
    }
}

impl<K, S> FromRequestParts<S> for SealedCookies<K>
where
    CookieKeys: FromRef<S>,
{
    type Rejection = Infallible;

    fn from_request_parts(request: &mut Request, state: &S) -> Result<Self, Infallible> {
        let jar = CookieJar::from_request_parts(request, state)?;
        Ok(Self { jar, keys: CookieKeys::from_ref(state), kind: PhantomData })
    }
}

/// With those cookies.
impl<K, T: IntoResponse> IntoResponse for (SealedCookies<K>, T) {
    fn into_response(self) -> Response {
        self.0.jar.apply(self.1.into_response())
    }
}
