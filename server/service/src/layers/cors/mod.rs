//! Cross-origin requests (Fetch §3.2, FEATURES X1): which pages of other origins may read answers, and send what simple forms cannot.
//!
//! A hook, so preflights need no route. Put it further out than rate limits and authentication: a page can read their refusals
//! only if they have these fields, and preflights carry no credentials.

mod hook;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::field::is_token;
use trilane_semantics::{Method, RequestHead};

use crate::chain::Chain;
use crate::layer::Layer;
use crate::origin::OriginPattern;
use hook::Prepared;

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
