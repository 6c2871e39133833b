//! Cross-origin requests (Fetch §3.2, FEATURES X1): which pages of other origins may read answers, and send what simple forms cannot.
//!
//! A hook, so preflights need no route. Put it further out than rate limits and authentication: a page can read their refusals
//! only if they have these fields, and preflights carry no credentials.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Error, Exchange, Refusal, Request, Response};
use trilane_semantics::field::is_token;
use trilane_semantics::{Fields, Known, Method, RequestHead, StatusCode};

use crate::chain::Chain;
use crate::layer::{Hook, Layer, Phases};
use crate::origin::OriginPattern;
use crate::vary;

const ASKED_METHOD: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";
const ASKED_NETWORK: &str = "access-control-request-private-network";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// How long a browser may remember the answer to a preflight, if nothing else is said: a day. Browsers have their own bounds below that.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// Whether an origin is allowed, for that request.
type Predicate = dyn Fn(&str, &RequestHead) -> bool;

/// Lets pages of other origins use the answers. Nothing is allowed but what is said here; GET, HEAD and POST are the methods unless
/// others are named.
///
/// ```
/// use trilane_service::{Cors, Method, Router, get};
/// let cors = Cors::new()
///     .allow_origin("https://app.example.org")
///     .allow_origin("https://*.preview.example.org")
///     .allow_methods([Method::GET, Method::PUT])
///     .allow_headers(["content-type", "x-api-key"])
///     .allow_credentials();
/// let router: Router = Router::new().route("/", get(|| async { "hi" })).layer(cors);
/// # router.build().unwrap();
/// ```
///
/// A preflight is answered with 204, or with 403 when its origin, method or one of its fields is not allowed. Any other request is
/// served, and its answer has no field of these when the origin is not allowed, so that the page cannot read it. `Vary` names what
/// the answer depends on, always. What cannot work is an error of [`Router::build`](crate::Router::build), as
/// [`Cors::check`] tells.
#[derive(Clone)]
pub struct Cors {
    origins: Vec<String>,
    predicate: Option<Rc<Predicate>>,
    methods: Option<Vec<Method>>,
    headers: Headers,
    exposed: Vec<String>,
    has_credentials: bool,
    max_age: Duration,
    has_private_network: bool,
    is_strict: bool,
}

/// Which fields a page may send.
#[derive(Clone, Debug)]
enum Headers {
    Listed(Vec<String>),
    /// Whatever it asks for.
    Mirrored,
}

/// What is wrong with a [`Cors`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorsError {
    /// `*` and credentials: every page of the world would act in the name of whoever opens it. Browsers refuse that too (Fetch §3.2.5).
    AnyWithCredentials,
    /// No browser sends such an origin.
    Origin(String),
    /// Not the name of a field.
    Header(String),
    /// An origin without TLS, which [`Cors::strict`] forbids.
    Insecure(String),
}

impl fmt::Display for CorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyWithCredentials => {
                f.write_str("'*' cannot be allowed together with credentials")
            }
            Self::Origin(text) => write!(f, "'{text}' is no origin, such as https://example.org"),
            Self::Header(text) => write!(f, "'{text}' is no field name"),
            Self::Insecure(text) => {
                write!(f, "'{text}' is without TLS: anybody on the way can pretend to be it")
            }
        }
    }
}

impl std::error::Error for CorsError {}

impl Cors {
    /// No origin is allowed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            origins: Vec::new(),
            predicate: None,
            methods: None,
            headers: Headers::Listed(Vec::new()),
            exposed: Vec::new(),
            has_credentials: false,
            max_age: MAX_AGE,
            has_private_network: false,
            is_strict: false,
        }
    }

    /// That origin too: `https://example.org`, with a port if it has one; `https://*.example.org` for all hosts below that one; `*`
    /// for all origins; `null` for pages that have none.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Those origins too.
    #[must_use]
    pub fn allow_origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        origins.into_iter().fold(self, Self::allow_origin)
    }

    /// Also the origins for which that is true; it is called with the origin, once or twice a request.
    #[must_use]
    pub fn allow_origin_if(
        mut self,
        is_allowed: impl Fn(&str, &RequestHead) -> bool + 'static,
    ) -> Self {
        self.predicate = Some(Rc::new(is_allowed));
        self
    }

    /// Those methods, instead of GET, HEAD and POST.
    #[must_use]
    pub fn allow_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Some(methods.into_iter().collect());
        self
    }

    /// Those fields of requests too, besides those that every page may send.
    #[must_use]
    pub fn allow_headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().map(Into::into);
        match &mut self.headers {
            Headers::Listed(list) => list.extend(names),
            Headers::Mirrored => self.headers = Headers::Listed(names.collect()),
        }
        self
    }

    /// Whatever fields a page asks to send.
    #[must_use]
    pub fn mirror_headers(mut self) -> Self {
        self.headers = Headers::Mirrored;
        self
    }

    /// Pages may read those fields of answers too.
    #[must_use]
    pub fn expose_headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.exposed.extend(names.into_iter().map(Into::into));
        self
    }

    /// Requests may carry cookies and other credentials.
    #[must_use]
    pub const fn allow_credentials(mut self) -> Self {
        self.has_credentials = true;
        self
    }

    /// How long a browser may remember the answer to a preflight, in whole seconds; a day if nothing is said.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Public pages may ask, though this server is in a private network (Private Network Access).
    #[must_use]
    pub const fn allow_private_network(mut self) -> Self {
        self.has_private_network = true;
        self
    }

    /// An origin without TLS is an error. Without this it is a warning at the start, but for those of this machine.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), CorsError> {
        self.prepared().map(drop)
    }

    fn prepared(&self) -> Result<Prepared, CorsError> {
        let mut origins = Vec::with_capacity(self.origins.len());
        for text in &self.origins {
            let pattern =
                OriginPattern::parse(text).ok_or_else(|| CorsError::Origin(text.clone()))?;
            if self.is_strict && pattern.is_insecure() {
                return Err(CorsError::Insecure(text.clone()));
            }
            origins.push(pattern);
        }
        let listed = match &self.headers {
            Headers::Listed(list) => list.as_slice(),
            Headers::Mirrored => &[],
        };
        let names = || listed.iter().chain(&self.exposed);
        if let Some(bad) = names().find(|name| !is_token(name.as_bytes())) {
            return Err(CorsError::Header(bad.clone()));
        }
        let is_any = origins.contains(&OriginPattern::Any);
        // With credentials a `*` stands for itself in the other fields (Fetch §3.2.5): it would not do what it says.
        if self.has_credentials && (is_any || names().any(|name| name == "*")) {
            return Err(CorsError::AnyWithCredentials);
        }
        let methods =
            self.methods.clone().unwrap_or_else(|| vec![Method::GET, Method::HEAD, Method::POST]);
        let method_list: Vec<&str> = methods.iter().map(Method::as_str).collect();
        Ok(Prepared {
            method_list: method_list.join(", "),
            header_list: listed.join(", "),
            exposed: self.exposed.join(", "),
            max_age: self.max_age.as_secs().to_string(),
            is_any: is_any && self.predicate.is_none(),
            origins,
            methods,
            cors: self.clone(),
        })
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl Layer for Cors {
    fn add_to(self, chain: &mut Chain) {
        match self.prepared() {
            Ok(prepared) => {
                for origin in prepared.origins.iter().filter(|origin| origin.is_insecure()) {
                    tracing::warn!(
                        ?origin,
                        "an origin without TLS is allowed: anybody on the way can pretend to be it"
                    );
                }
                chain.add(prepared);
            }
            Err(error) => chain.refuse("Cors", error.to_string()),
        }
    }
}

/// Checked, and written as far as answers need it.
struct Prepared {
    cors: Cors,
    origins: Vec<OriginPattern>,
    methods: Vec<Method>,
    method_list: String,
    header_list: String,
    exposed: String,
    max_age: String,
    /// Every origin gets the same answer.
    is_any: bool,
}

impl Hook for Prepared {
    fn phases(&self) -> Phases {
        Phases::BEFORE | Phases::AFTER
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let head = request.head();
        if !is_preflight(head) {
            return None;
        }
        Some(match self.judge(head) {
            Ok(()) => Response::new(StatusCode::NO_CONTENT),
            Err(what) => Error::new(StatusCode::FORBIDDEN)
                .message("the preflight asks for what is not allowed")
                .detail("not_allowed", vec![what.to_owned()])
                .into(),
        })
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        self.add_to(exchange.head(), response);
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        if let Some(exchange) = refusal.exchange {
            self.add_to(exchange.head(), response);
        }
    }
}

impl Prepared {
    /// What of a preflight is not allowed.
    fn judge(&self, head: &RequestHead) -> Result<(), &'static str> {
        let fields = &head.fields;
        if self.origin(head).is_none() {
            return Err("origin");
        }
        let method = fields.get(ASKED_METHOD).unwrap_or_default();
        if !self.methods.iter().any(|allowed| allowed.as_str().as_bytes() == method) {
            return Err("method");
        }
        let is_listed = |name: &[u8]| match &self.cors.headers {
            Headers::Mirrored => is_token(name),
            Headers::Listed(list) => {
                list.iter().any(|it| it == "*" || it.as_bytes().eq_ignore_ascii_case(name))
            }
        };
        if !fields.list(ASKED_HEADERS).all(is_listed) {
            return Err("headers");
        }
        if fields.contains(ASKED_NETWORK) && !self.cors.has_private_network {
            return Err("private network");
        }
        Ok(())
    }

    /// The request's origin, if it is allowed.
    fn origin<'a>(&self, head: &'a RequestHead) -> Option<&'a str> {
        let origin = head
            .fields
            .get_str(Known::Origin)
            .filter(|_| !head.fields.is_repeated(Known::Origin))?;
        let is_allowed = self.origins.iter().any(|pattern| pattern.has(origin))
            || self.cors.predicate.as_ref().is_some_and(|is_allowed| is_allowed(origin, head));
        is_allowed.then_some(origin)
    }

    fn add_to(&self, head: &RequestHead, response: &mut Response) {
        let fields = &mut response.head.fields;
        let is_preflight = is_preflight(head);
        if is_preflight {
            vary::add(
                fields,
                &["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"],
            );
        } else if !self.is_any {
            // Also without an origin: a cache must not give that answer to a page.
            vary::add(fields, &["Origin"]);
        }
        let Some(origin) = self.origin(head) else { return };
        if is_preflight && self.judge(head).is_err() {
            return;
        }
        set(fields, ALLOW_ORIGIN, if self.is_any { "*" } else { origin });
        if self.cors.has_credentials {
            set(fields, "access-control-allow-credentials", "true");
        }
        if is_preflight {
            self.add_preflight(head, fields);
        } else if !self.exposed.is_empty() {
            set(fields, "access-control-expose-headers", &self.exposed);
        }
    }

    fn add_preflight(&self, head: &RequestHead, fields: &mut Fields) {
        set(fields, "access-control-allow-methods", &self.method_list);
        set(fields, "access-control-max-age", &self.max_age);
        match &self.cors.headers {
            Headers::Listed(list) if list.is_empty() => (),
            Headers::Listed(_) => set(fields, "access-control-allow-headers", &self.header_list),
            Headers::Mirrored => {
                let asked: Vec<_> = head.fields.list(ASKED_HEADERS).collect();
                if !asked.is_empty() {
                    set(fields, "access-control-allow-headers", asked.join(&b", "[..]));
                }
            }
        }
        if head.fields.contains(ASKED_NETWORK) {
            set(fields, "access-control-allow-private-network", "true");
        }
    }
}

/// Whether a browser asks if it may ask (Fetch §3.2.2).
fn is_preflight(head: &RequestHead) -> bool {
    head.method == Method::OPTIONS
        && head.fields.contains(Known::Origin)
        && head.fields.contains(ASKED_METHOD)
}

/// What is set has been checked, or was a field of the request.
fn set(fields: &mut Fields, name: &'static str, value: impl AsRef<[u8]>) {
    let _ = fields.set(name, value);
}
