//! How the clients of a process are: made once, before the shards.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trilane_exchange::{Connector, Speak};
use trilane_semantics::{Fields, Known};

use crate::client::Clients;
use crate::error::ClientError;
use crate::pool::PoolConfig;
use crate::resolve::{Lookup, Resolver};
use crate::share::Share;

/// How the clients of a process are: [`Client::builder`](crate::Client::builder).
///
/// ```
/// use std::time::Duration;
/// use trilane_client::Client;
/// let clients = Client::builder()
///     .connect_timeout(Duration::from_secs(2))
///     .timeout(Duration::from_secs(30))
///     .per_origin(32)
///     .user_agent("shop/1.0")
///     .build()?;
/// # Ok::<(), trilane_client::ClientError>(())
/// ```
#[must_use = "`build` makes clients of it"]
pub struct ClientBuilder {
    config: Config,
    per_process: usize,
    fixed: HashMap<Box<str>, Vec<SocketAddr>>,
    lookup: Lookup,
    remember: Duration,
    failed: Option<ClientError>,
}

/// What the clients of a process agree on.
pub(crate) struct Config {
    pub(crate) pool: PoolConfig,
    pub(crate) per_origin: usize,
    pub(crate) origins: usize,
    pub(crate) response_timeout: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) redirects: usize,
    pub(crate) downgrades: bool,
    pub(crate) retries: usize,
    pub(crate) limit: u64,
    pub(crate) propagates: bool,
    pub(crate) decodes: bool,
    pub(crate) fields: Fields,
    pub(crate) tls: Option<Connector>,
    pub(crate) speak: Speak,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) heeds_alt_svc: bool,
}

impl Config {
    /// Of how many origins a shard remembers where else they are.
    pub(crate) const fn alternatives(&self) -> usize {
        let is_free = matches!(self.speak, Speak::Http1) && self.unix.is_none();
        if self.heeds_alt_svc && is_free { self.origins } else { 0 }
    }
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        let mut fields = Fields::new();
        fields.append_static(Known::Accept, "*/*");
        let config = Config {
            pool: PoolConfig::default(),
            per_origin: 256,
            origins: 256,
            response_timeout: Duration::from_secs(60),
            timeout: None,
            redirects: 10,
            downgrades: false,
            retries: 2,
            limit: 10 << 20,
            propagates: true,
            decodes: true,
            fields,
            tls: None,
            speak: Speak::Http1,
            unix: None,
            heeds_alt_svc: true,
        };
        Self {
            config,
            per_process: 1024,
            fixed: HashMap::new(),
            lookup: Resolver::system(),
            remember: Duration::from_secs(30),
            failed: None,
        }
    }

    /// For a connection to be made: the name looked up, TCP, TLS. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.pool.connect_timeout = timeout;
        self
    }

    /// For the head of a response to come, from when all of the request was sent. Default 60 s.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.config.response_timeout = timeout;
        self
    }

    /// For all of it: connection, request, redirects, and the content of the response. None by default; a server that sends no content
    /// for 60 s is given up in any case.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = Some(timeout);
        self
    }

    /// Connections of the process to one origin, at most; who needs more waits. Default 256, at least 1.
    ///
    /// While a name's second address is tried beside the first (RFC 8305), there is one more for that moment.
    pub const fn per_origin(mut self, most: usize) -> Self {
        self.config.per_origin = most;
        self
    }

    /// Connections of the process in all, at most. Default 1,024, at least 1.
    pub const fn per_process(mut self, most: usize) -> Self {
        self.per_process = most;
        self
    }

    /// Origins that a shard keeps connections to, at most; of more, the one that was asked the longest ago loses its own, after what is
    /// under way. Default 256, at least 1.
    pub const fn origins(mut self, most: usize) -> Self {
        self.config.origins = if most == 0 { 1 } else { most };
        self
    }

    /// A connection that nobody needs for so long is ended. Default 60 s, less than what most servers keep one for.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.pool.idle_timeout = timeout;
        self
    }

    /// Connections to one origin kept that nobody needs, a shard. Default 256.
    pub fn idle_per_origin(mut self, most: usize) -> Self {
        self.config.pool.most_idle = most;
        self
    }

    /// For a request to wait until a connection is free. Default 10 s. At most 1,024 of a shard wait for one origin.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.config.pool.wait_timeout = timeout;
        self
    }

    /// How often a request is sent on by redirects; once more is an error. 0: the redirect is the response. Default 10.
    pub const fn redirects(mut self, most: usize) -> Self {
        self.config.redirects = most;
        self
    }

    /// Also follows redirects from https to http, where everybody on the way reads along. They are errors by default.
    pub const fn allow_downgrade(mut self) -> Self {
        self.config.downgrades = true;
        self
    }

    /// How often a request is made again whose connection ended before there was a response: a server ends idle ones whenever it likes.
    /// Only what has had no effect, or may be repeated (RFC 9110 §9.2.2), and whose content is still there. Default 2.
    pub const fn retries(mut self, most: usize) -> Self {
        self.config.retries = most;
        self
    }

    /// The most that [`json`](crate::ClientResponse::json), [`text`](crate::ClientResponse::text) and
    /// [`bytes`](crate::ClientResponse::bytes) take, in bytes. Default 10 MiB.
    pub const fn content_limit(mut self, bytes: u64) -> Self {
        self.config.limit = bytes;
        self
    }

    /// Whether requests that a handler makes have its trace and its id: `traceparent`, `tracestate` (W3C Trace Context) and
    /// `X-Request-Id`. They go to whom the handler asks, never where a redirect leads to. Default true.
    pub const fn propagate(mut self, propagates: bool) -> Self {
        self.config.propagates = propagates;
        self
    }

    /// Asks for responses in zstd, brotli, gzip or deflate, and decodes them: they are as if they had not been coded, without
    /// Content-Encoding and Content-Length. Not where a request says itself what it accepts, or asks for a range. Default true.
    pub const fn decompress(mut self, decodes: bool) -> Self {
        self.config.decodes = decodes;
        self
    }

    /// Every request has this field, unless it has one of that name itself. It is an error of [`build`](Self::build) if it is none.
    pub fn default_header(mut self, name: &str, value: &str) -> Self {
        if let Err(error) = self.config.fields.set(name, value) {
            self.failed.get_or_insert_with(|| ClientError::request(error));
        }
        self
    }

    /// Every request says that it comes from this program (RFC 9110 §10.1.5). Nothing is said by default.
    pub fn user_agent(self, agent: &str) -> Self {
        self.default_header(Known::UserAgent.as_str(), agent)
    }

    /// What secures `https`: whom we believe, who we are. Without it there is none.
    pub fn tls(mut self, connector: impl Into<Connector>) -> Self {
        self.config.tls = Some(connector.into());
        self
    }

    /// Speaks HTTP/3 (RFC 9114), and `https` alone: to servers of which that is known.
    pub const fn http3_prior_knowledge(mut self) -> Self {
        self.config.speak = Speak::Http3;
        self
    }

    /// Whether an `https` origin that says so (Alt-Svc, RFC 7838) is asked over HTTP/3 from then on, on the port of the same host that
    /// it names. Where that is not there within a second, TCP is used, and HTTP/3 not tried for 5 minutes. A shard remembers it for
    /// as many origins as it has pools for. Default: yes.
    pub const fn alt_svc(mut self, heeds: bool) -> Self {
        self.config.heeds_alt_svc = heeds;
        self
    }

    /// Speaks HTTP/2 in clear from the first byte (RFC 9113 §3.3). Over TLS, ALPN decides as ever.
    pub const fn http2_prior_knowledge(mut self) -> Self {
        self.config.speak = Speak::Http2;
        self
    }

    /// All connections go to this unix socket, whatever the URLs say.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.unix = Some(path.into());
        self
    }

    /// That name has these addresses: it is not looked up. Port 0 stands for that of the URL.
    pub fn resolve(mut self, name: &str, to: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.fixed.insert(name.to_ascii_lowercase().into(), to.into_iter().collect());
        self
    }

    /// Looks names up with this instead of the system's resolver. It may block: it runs on other threads.
    pub fn lookup(
        mut self,
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.lookup = Arc::new(lookup);
        self
    }

    /// How long the addresses of a name are believed. Default 30 s. If it cannot be looked up again they are believed for a day.
    pub const fn remember_addresses(mut self, time: Duration) -> Self {
        self.remember = time;
        self
    }

    /// What gives each shard its client.
    ///
    /// # Errors
    /// A field that all requests should have is none.
    pub fn build(self) -> Result<Clients, ClientError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let resolver = Resolver::new(self.lookup, self.fixed, self.remember);
        Ok(Clients::new(self.config, Share::new(self.per_process), resolver))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientBuilder");
        debug.field("pool", &self.config.pool).finish_non_exhaustive()
    }
}
