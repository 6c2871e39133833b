//! Who asks (RFC 9110 §11, FEATURES X7): a layer that asks for credentials, and the user that handlers are told of.
//!
//! [`Verify`] is a scheme: [`basic`], [`bearer`], [`jwt`], [`api_key`], or one of your own. `gate` is what they have in common, and
//! [`scope`] asks for more than a name.

pub mod api_key;
pub mod basic;
pub mod bearer;
mod gate;
pub mod jwt;
pub mod jwt_keys;
pub mod scope;

use std::fmt;

use trilane_exchange::{Error, Exchange, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::chain::Chain;
use crate::extract::FromRequestParts;
use crate::layer::{Hook, Layer, Phases};
pub(crate) use gate::Challenge;
use gate::Gate;

/// A way to know who asks by what a request carries.
///
/// ```
/// use trilane_service::{Auth, Denied, Grant, Request, Router, User, Verify, get};
///
/// struct ByCertificate;
///
/// impl Verify for ByCertificate {
///     type User = String;
///     const SCHEME: &'static str = "Mutual";
///
///     fn verify(&self, request: &Request) -> Result<Grant<String>, Denied> {
///         let tls = request.exchange().connection().tls.as_ref().ok_or(Denied::Missing)?;
///         let client = tls.client.as_ref().ok_or(Denied::Missing)?;
///         Ok(Grant::new(&client.subject, client.subject.to_string()))
///     }
/// }
///
/// let router: Router = Router::new()
///     .route("/", get(|User(name): User<String>| async move { name }))
///     .layer(Auth::new(ByCertificate).public("/health"));
/// # router.build().unwrap();
/// ```
pub trait Verify: 'static {
    /// What handlers are told of who asks, by the extractor [`User`].
    type User: Clone + 'static;
    /// The scheme, as `WWW-Authenticate` names it: a token (RFC 9110 §11.1).
    const SCHEME: &'static str;
    /// More parameters of its challenge, after the realm.
    const PARAMETERS: &'static str = "";
    /// Whether caches cannot see by themselves that an answer is for one client alone, as they do by `Authorization` (RFC 9111 §3.5):
    /// it is `Cache-Control: private` then, unless its handler says something else. `false` is for schemes of that field alone.
    const IS_HIDDEN: bool = true;

    /// Who asks.
    ///
    /// # Errors
    /// [`Denied`]: why nobody is let in.
    fn verify(&self, request: &Request) -> Result<Grant<Self::User>, Denied>;
}

/// Somebody who is let in: the name for limits and logs ([`Principal`](crate::Principal)), what handlers are told, and what is
/// permitted.
#[derive(Clone, Debug)]
pub struct Grant<U> {
    principal: Box<str>,
    user: U,
    scopes: Vec<Box<str>>,
}

impl<U> Grant<U> {
    /// Somebody of that name. Without a name, which is an empty one, there is none for limits and logs.
    pub fn new(principal: &str, user: U) -> Self {
        Self { principal: principal.into(), user, scopes: Vec::new() }
    }

    /// With these permissions, a list with spaces (RFC 6749 §3.3), for [`RequireScope`](scope::RequireScope).
    #[must_use]
    pub fn scopes(mut self, list: &str) -> Self {
        self.scopes.extend(list.split(' ').filter(|scope| !scope.is_empty()).map(Into::into));
        self
    }
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// The request has no credentials of this scheme: 401.
    Missing,
    /// They cannot be read, or there are several: 400 with `invalid_request` for bearer tokens (RFC 6750 §3.1), else 401.
    Malformed,
    /// They are wrong, expired or revoked: 401; with `invalid_token` and this text for bearer tokens. The text is for the client,
    /// printable ASCII without quotes.
    Invalid(&'static str),
    /// Who asks is known, and may not: 403, with `insufficient_scope` and the scope that is missing (RFC 6750 §3.1).
    Scope(Box<str>),
    /// It could not be found out: that error.
    Failed(Error),
}

/// Who asks, as [`Auth`] has found: what the scheme's [`Verify::User`] is. 401 where nobody was asked or let in, as on a public path;
/// `Option<User<_>>` is `None` there. 500 without such a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct User<T>(pub T);

impl<S, T: Clone + 'static> FromRequestParts<S> for User<T> {
    type Rejection = Response;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Response> {
        let user = request.extension::<Self>().cloned();
        user.ok_or_else(|| match request.extension::<Challenge>() {
            Some(challenge) => challenge.refuse(&Denied::Missing),
            None => Error::new(StatusCode::INTERNAL_SERVER_ERROR)
                .internal("User<_> without an Auth layer, or of another type")
                .into(),
        })
    }
}

/// Asks for credentials: 401 without good ones, with `WWW-Authenticate` (RFC 9110 §11.6.1). Who is let in is told to handlers
/// ([`User`]), limits and logs ([`Principal`](crate::Principal)).
///
/// ```
/// use trilane_service::{Auth, Principal, Router, User, get};
/// let router: Router = Router::new()
///     .route("/health", get(|| async { "fine" }))
///     .route("/", get(|User(name): User<Principal>| async move { format!("hello, {name}") }))
///     .layer(Auth::users([("ann", "correct horse")]).realm("staff").public("/health"));
/// # router.build().unwrap();
/// ```
pub struct Auth<V> {
    verify: V,
    gate: Gate,
}

impl<V> Auth<V> {
    fn with(verify: V) -> Self {
        Self { verify, gate: Gate::default() }
    }

    /// What the credentials are for, as a browser shows it. `api` if nothing is said; with bytes that no field may have it is an
    /// error of [`Router::build`](crate::Router::build).
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.gate.realm = realm.into();
        self
    }

    /// Asks nothing for that path, as it is sent; for all that begin with it, if it ends with a slash. `/` is the root alone.
    #[must_use]
    pub fn public(mut self, path: &str) -> Self {
        self.gate.public.add(path);
        self
    }

    /// Lets in who has no credentials too; bad ones are refused all the same.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.gate.is_optional = true;
        self
    }
}

impl<V: Verify> Auth<V> {
    /// By a scheme of your own.
    #[must_use]
    pub fn new(verify: V) -> Self {
        Self::with(verify)
    }
}

impl<V: Verify> Layer for Auth<V> {
    fn add_to(self, chain: &mut Chain) {
        match self.gate.prepared::<V>() {
            Ok(challenge) => chain.add(Door { verify: self.verify, gate: self.gate, challenge }),
            Err(reason) => chain.refuse("Auth", reason),
        }
    }
}

impl<V> fmt::Debug for Auth<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("realm", &self.gate.realm).finish_non_exhaustive()
    }
}

/// The layer at work.
struct Door<V> {
    verify: V,
    gate: Gate,
    challenge: Challenge,
}

/// Marks answers that are for one client alone, where caches cannot see it.
struct IsPrivate;

impl<V: Verify> Hook for Door<V> {
    fn phases(&self) -> Phases {
        if V::IS_HIDDEN { Phases::BEFORE | Phases::AFTER } else { Phases::BEFORE }
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        if self.gate.public.has(request.path()) {
            request.extend(self.challenge.clone());
            return None;
        }
        let verdict = self.verify.verify(request);
        if V::IS_HIDDEN && verdict.is_ok() {
            request.exchange().note(IsPrivate);
        }
        self.gate.admit(&self.challenge, request, verdict)
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let fields = &mut response.head.fields;
        if !fields.contains(Known::CacheControl) && exchange.noted::<IsPrivate>().is_some() {
            fields.append_static(Known::CacheControl, "private");
        }
    }
}
