//! Whom we believe, how long we wait, and what may come of it.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use trilane_semantics::{Fields, Known, Method, RequestHead, StatusCode};
use trilane_tls::{Broken, Connector};

use crate::talk;
use crate::wire::Wire;

/// A request.
#[derive(Debug)]
pub struct Errand<'a> {
    /// Its method.
    pub method: Method,
    /// `http://HOST[:PORT]/PATH` or `https://..`.
    pub url: &'a str,
    /// Its fields; Host and Content-Length need not be there.
    pub fields: Fields,
    /// Its content.
    pub content: Vec<u8>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: Fields,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failed {
    /// That is no URL that can be asked.
    Url(String),
    /// The name leads nowhere, or nobody is there; or the connection ended early.
    Io(io::Error),
    /// TLS: most often a certificate that is not believed.
    Tls(Broken),
    /// The answer is not HTTP/1.1, or too large.
    Answer(&'static str),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "\"{url}\" is no URL of http or https"),
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("no answer in time")
            }
            Self::Io(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Answer(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Failed {}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Broken> for Failed {
    fn from(error: Broken) -> Self {
        Self::Tls(error)
    }
}

/// Whom we believe, and how long we wait. Clones share their TLS sessions.
///
/// ```
/// use trilane_errand::Errands;
/// use trilane_tls::{Connector, ConnectorConfig, Trust};
/// let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
/// let errands = Errands::new(Connector::new(&config)?);
/// # Ok::<(), trilane_tls::TlsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Errands {
    connector: Connector,
    timeout: Duration,
    most: usize,
}

impl Errands {
    /// The agent that servers are told of (RFC 9110 §10.1.5).
    const AGENT: &str = concat!("trilane/", env!("CARGO_PKG_VERSION"));

    /// Requests to servers that `connector` believes.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        let connector = connector.with_alpn(["http/1.1"]);
        Self { connector, timeout: Duration::from_secs(30), most: 1 << 20 }
    }

    /// How long one request may take in all, once the name is looked up. Default: 30 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Content of an answer, at most, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn content_limit(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Sends it, and waits for the answer. Redirects are answers.
    ///
    /// # Errors
    /// There is no answer, or not all of it.
    pub fn send(&self, errand: Errand<'_>) -> Result<Answer, Failed> {
        let bad = || Failed::Url(errand.url.to_owned());
        let url = RequestHead::new(Method::GET, errand.url).ok_or_else(bad)?;
        let (scheme, authority) = url.scheme().zip(url.authority()).ok_or_else(bad)?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(bad()),
        };
        let path = if url.path().is_empty() { "/" } else { url.path() };
        let target = url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut head = RequestHead::new(errand.method, &target).ok_or_else(bad)?;
        head.fields = errand.fields;
        for (name, value) in [(Known::Host, authority), (Known::UserAgent, Self::AGENT)] {
            if !head.fields.contains(name) {
                head.fields.append(name, value).map_err(|_| bad())?;
            }
        }
        let (host, port) = place(authority, is_secure).ok_or_else(bad)?;
        let connector = is_secure.then_some(&self.connector);
        // A name is looked up by the system, which has times of its own.
        let mut wire = Wire::open(host, port, connector, || Instant::now() + self.timeout)?;
        let answer = talk::exchange(&mut wire, &head, errand.content, self.most)?;
        wire.close();
        Ok(answer)
    }
}

/// Host, without brackets, and port of an authority.
fn place(authority: &str, is_secure: bool) -> Option<(&str, u16)> {
    let usual = if is_secure { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, usual),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Some((bare.unwrap_or(host), port)).filter(|(host, _)| !host.is_empty() && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_url_leads() {
        for (authority, is_secure, expected) in [
            ("a", true, Some(("a", 443))),
            ("a", false, Some(("a", 80))),
            ("a:1", true, Some(("a", 1))),
            ("[::1]", true, Some(("::1", 443))),
            ("[::1]:2", true, Some(("::1", 2))),
            ("a:x", true, None),
            ("u@a", true, None),
            (":1", true, None),
        ] {
            assert_eq!(place(authority, is_secure), expected, "{authority}");
        }
    }
}
