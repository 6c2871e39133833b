//! From HTTP to HTTPS: a redirect of what came in clear, to hosts that are ours (RFC 9110 §4.2.2, §15.4).

use std::fmt;

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Form, Known, RequestHead, StatusCode};

use crate::host::{Hosts, of_authority};
use crate::layer::{Hook, Phases};

/// The port of `https` that need not be said (RFC 9110 §4.2.2).
const USUAL: u16 = 443;

/// Redirects what a client has sent in clear to the same path and query over TLS; what it has sent over TLS, also to a proxy
/// that is trusted, goes on. A request for a host that is not in the list, or for none, is 421 (RFC 9110 §15.5.20): nothing that
/// a client has made up becomes a Location.
///
/// ```
/// use trilane_service::{HttpsRedirect, Router, get};
/// let redirect = HttpsRedirect::new(["example.org", "*.example.org"])?
///     .except("/.well-known/acme-challenge/");
/// let router: Router = Router::new().route("/", get(|| async { "safe" })).layer(redirect);
/// # Ok::<(), trilane_service::InvalidHost>(())
/// ```
#[derive(Clone)]
pub struct HttpsRedirect {
    hosts: Hosts<()>,
    to: Option<String>,
    port: Option<u16>,
    status: StatusCode,
    except: Vec<String>,
}

/// Text that is no host: a name or an IP address, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHost(pub(crate) String);

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no host: it is a name or an IP address, without a port", self.0)
    }
}

impl std::error::Error for InvalidHost {}

impl HttpsRedirect {
    /// For these hosts: names, `*.example.org` for any one label before that, and IP addresses (`[::1]` in brackets).
    ///
    /// # Errors
    /// One of them is no host.
    pub fn new<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Result<Self, InvalidHost> {
        let mut known = Hosts::default();
        for host in hosts {
            let host = host.as_ref();
            if !known.add(host, ()) && !known.has(host) {
                return Err(InvalidHost(host.to_owned()));
            }
        }
        let status = StatusCode::PERMANENT_REDIRECT;
        Ok(Self { hosts: known, to: None, port: None, status, except: Vec::new() })
    }

    /// All to that host, instead of each to its own.
    ///
    /// # Errors
    /// It is no host.
    pub fn to(mut self, host: impl Into<String>) -> Result<Self, InvalidHost> {
        let host = host.into();
        if host.starts_with('*') || !Hosts::default().add(&host, ()) {
            return Err(InvalidHost(host));
        }
        self.to = Some(host);
        Ok(self)
    }

    /// To that port. Default: 443; for a listener of the server that only redirects, its first one over TLS.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// With 301 instead of 308: for clients that know no 308; a POST becomes a GET (RFC 9110 §15.4.2).
    #[must_use]
    pub const fn moved_permanently(mut self) -> Self {
        self.status = StatusCode::MOVED_PERMANENTLY;
        self
    }

    /// But not paths that begin so, such as `/.well-known/acme-challenge/` (RFC 8555 §8.3): they are answered in clear.
    #[must_use]
    pub fn except(mut self, prefix: impl Into<String>) -> Self {
        self.except.push(prefix.into());
        self
    }

    /// The port that was said.
    #[must_use]
    pub const fn to_port(&self) -> Option<u16> {
        self.port
    }

    /// The redirect for a request, whatever it came over: to `port`, unless another was said; none for what is excepted.
    #[must_use]
    pub fn answer(&self, head: &RequestHead, port: u16) -> Option<Response> {
        if self.except.iter().any(|prefix| head.path().starts_with(&**prefix)) {
            return None;
        }
        let Some(host) = head.authority().and_then(|authority| self.host(authority)) else {
            return Some(misdirected());
        };
        let mut location = format!("https://{}", self.to.as_deref().unwrap_or(&host));
        let port = self.port.unwrap_or(port);
        if port != USUAL {
            location.push_str(&format!(":{port}"));
        }
        match head.form() {
            // RFC 9110 §9.3.6: a tunnel to somewhere else.
            Form::Authority => return Some(misdirected()),
            Form::Asterisk => location.push('/'),
            Form::Origin | Form::Absolute => {
                let path = head.path();
                location.push_str(if path.is_empty() { "/" } else { path });
            }
        }
        if let Some(query) = head.query() {
            location.push('?');
            location.push_str(query);
        }
        Some(Response::new(self.status).field(Known::Location, location))
    }

    /// The host of an authority in small letters, if it is one of ours.
    fn host(&self, authority: &str) -> Option<String> {
        let host = of_authority(authority);
        self.hosts.find_host(host).map(|()| host.to_ascii_lowercase())
    }
}

fn misdirected() -> Response {
    let error = Error::new(StatusCode::MISDIRECTED_REQUEST).with_code("MISDIRECTED_REQUEST");
    error.message("this host is not served here").into()
}

impl Hook for HttpsRedirect {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        if request.exchange().client().is_secure {
            return None;
        }
        self.answer(request.head(), USUAL)
    }
}

impl fmt::Debug for HttpsRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("HttpsRedirect");
        debug.field("to", &self.to).field("port", &self.port).finish_non_exhaustive()
    }
}
