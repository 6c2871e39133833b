//! A response cache in front of handlers (RFC 9111), shared by all who ask: FEATURES R4 and R5.
//!
//! The way of a request: `serve` decides; `key` and `vary` (which stored response), `near` and `store` (where it is),
//! `freshness` with `control` (is it good), `answer` (what is made of it); or `flight` and `fetch` (who asks the
//! handler), `policy` (may the answer be stored) and `keeping` (how). `status` tells the client.

mod answer;
mod control;
mod fetch;
mod flight;
mod freshness;
mod keeping;
mod key;
mod near;
mod policy;
mod serve;
mod status;
mod store;
mod stored;
mod vary;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use trilane_exchange::Exchange;
use trilane_semantics::RequestHead;

use crate::chain::Chain;
use crate::layer::Layer;
use freshness::Heuristic;
use key::KeyMaker;
use policy::Cookies;
use serve::Front;
use store::{Bounds, Store};

/// How long a request waits for another one's answer, unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a [`Cache`] is set up. Everything has a default.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    bounds: Bounds,
    heuristic: Option<Heuristic>,
    cookies: Cookies,
    targeted: Option<&'static str>,
    key: KeyMaker,
    patience: Option<Duration>,
}

impl Default for CacheConfig {
    fn default() -> Self {
        let bounds = Bounds {
            bytes: 64 << 20,
            largest: 4 << 20,
            entries: 1 << 16,
            variants: 16,
            flights: 1 << 12,
            followers: 1 << 10,
        };
        Self {
            bounds,
            heuristic: None,
            cookies: Cookies::Refused,
            targeted: None,
            key: KeyMaker::default(),
            patience: Some(PATIENCE),
        }
    }
}

impl CacheConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps at most so many bytes, with 512 for each response besides its content and fields. Default 64 MiB, for the whole
    /// process. Who was not asked for of late goes first.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// Stores no response that takes more than so many bytes. Default 4 MiB.
    #[must_use]
    pub const fn largest(mut self, bytes: usize) -> Self {
        self.bounds.largest = bytes;
        self
    }

    /// Keeps responses to at most so many targets. Default 65,536.
    #[must_use]
    pub const fn entries(mut self, entries: usize) -> Self {
        self.bounds.entries = entries;
        self
    }

    /// Keeps at most so many responses to one target, which Vary tells apart; the oldest goes first. Default 16.
    #[must_use]
    pub const fn variants(mut self, variants: usize) -> Self {
        self.bounds.variants = variants;
        self
    }

    /// Takes a response that says nothing of its lifetime for fresh during so much of the time since it was last changed
    /// (RFC 9111 §4.2.2), `most` at most. Default: it is asked about each time.
    #[must_use]
    pub const fn heuristic(mut self, percent: u8, most: Duration) -> Self {
        self.heuristic = Some(Heuristic { percent, most });
        self
    }

    /// Stores responses that set cookies, too, as RFC 9111 §7.3 has it. Default: only if they say `public` or `s-maxage`,
    /// or except Set-Cookie by `no-cache="set-cookie"`.
    #[must_use]
    pub const fn store_cookies(mut self) -> Self {
        self.cookies = Cookies::Stored;
        self
    }

    /// Obeys a field of that name, such as `CDN-Cache-Control`, in place of Cache-Control and Expires, where a response has
    /// it (RFC 9213). Default: none.
    #[must_use]
    pub const fn targeted(mut self, name: &'static str) -> Self {
        self.targeted = Some(name);
        self
    }

    /// Tells requests apart by what `write` appends to their scheme and authority. Default: path and query, as they were sent.
    ///
    /// ```
    /// use trilane_service::CacheConfig;
    /// // The query does not matter.
    /// let config = CacheConfig::new().key(|head, key| key.push_str(head.path()));
    /// ```
    #[must_use]
    pub fn key(
        mut self,
        write: impl Fn(&RequestHead, &mut String) + Send + Sync + 'static,
    ) -> Self {
        self.key = KeyMaker::of(write);
        self
    }

    /// How long a request waits for the answer that another one has asked for; then it asks for itself. Default 5 s.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Lets each request that misses ask the handler itself. Default: at most 1,024 wait for one that does.
    #[must_use]
    pub const fn without_coalescing(mut self) -> Self {
        self.patience = None;
        self
    }
}

/// A cache, made before the shards, and then a layer on each of them. Clones share what is stored.
///
/// It is a shared cache (RFC 9111) that stands where handlers are the origin: it stores what they let it, by Cache-Control,
/// Expires, Vary and their validators, and nothing else. Answers say what it did in Cache-Status (RFC 9211), and how old they
/// are in Age.
///
/// - GET is stored, if it came to its end, and answers HEAD as well, conditions (304) and ranges (206). A stale response with a
///   validator is asked about with If-None-Match or If-Modified-Since, which the handler may answer with 304.
/// - After any method that is not safe, and its success, what is stored for the target is gone on every shard before the client
///   hears of it; also what Location and Content-Location name.
/// - Requests with Authorization, or of a [`Principal`](crate::Principal), get, and leave, only what says `public`, `s-maxage` or `must-revalidate`. Cookies of requests
///   do not matter, unless Vary names them. For responses with Set-Cookie see [`CacheConfig::store_cookies`].
/// - Of requests at a time that miss the same response, on whatever shard, one asks the handler, and the others wait for its
///   answer ([`CacheConfig::patience`]). If that fails, by a status from 500 on, a panic, or because its client leaves, the
///   next one asks; who has waited twice asks itself. Nobody gets by waiting what the store would not give: nothing that is
///   not fresh, or for other fields that Vary names. Who has credentials, conditions or a range does not wait.
/// - `stale-while-revalidate` and `stale-if-error` (RFC 5861) are obeyed. What stands in for an error does for all who waited.
///
/// Put it inside of what differs by client, such as compression, limits and logs, and outside of what is worth storing.
///
/// ```
/// use trilane_service::{Cache, CacheConfig, Router, get};
/// let cache = Cache::new(CacheConfig::new().bytes(256 << 20));
/// // Called on each shard.
/// let app = move || -> Router {
///     let slow = || async { ([("cache-control", "max-age=60")], "made with care") };
///     Router::new().route("/", get(slow)).layer(cache.clone())
/// };
/// # app();
/// ```
#[derive(Clone, Debug)]
pub struct Cache(Arc<Settings>);

/// What all shards share.
#[derive(Debug)]
struct Settings {
    store: Arc<Store>,
    config: CacheConfig,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(config: CacheConfig) -> Self {
        Self(Arc::new(Settings { store: Arc::new(Store::new(config.bounds)), config }))
    }

    /// Forgets what is stored for `target`, a reference to the origin of `exchange`'s request, on every shard: for handlers
    /// that know of changes which no request has made, or of more than the one target that it was for. What is not of that
    /// origin is `false`, and nothing is done.
    pub fn forget(&self, exchange: &Exchange, target: &str) -> bool {
        let (head, is_secure) = (exchange.head(), exchange.client().is_secure);
        let key = self.0.config.key.of_reference(head, is_secure, target);
        key.iter().for_each(|key| self.0.store.forget(key));
        key.is_some()
    }

    /// How many bytes and targets are stored.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.0.store.size()
    }
}

impl Layer for Cache {
    fn add_to(self, chain: &mut Chain) {
        chain.add_around(Rc::new(Front::new(self.0)));
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}
