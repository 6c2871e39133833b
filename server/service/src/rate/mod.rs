//! Rate limits (FEATURES X2): how many requests of one client, user or route are let through in which time.
//!
//! `quota` is the arithmetic, `key` whose budget it is, `table` where budgets are kept, `fields` what clients are told, `load`
//! how quotas shrink when shards are busy, `limiter` the layer itself, `shared` the one for a fleet.

mod fields;
mod key;
mod limiter;
mod load;
mod quota;
mod shared;
mod table;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use trilane_exchange::stats::Counter;
use trilane_exchange::{Request, Response};

use self::key::By;
pub use self::key::Key;
pub use self::quota::Quota;
pub use self::shared::SharedLimit;
use self::table::Table;

/// Clients that are remembered, unless said otherwise.
const ENTRIES: usize = 1 << 16;

/// Limits how many requests are let through; those beyond get 429 with Retry-After and the code `RATE_LIMIT_EXCEEDED`. All
/// answers say what is left: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds), `RateLimit` and `RateLimit-Policy`.
///
/// Clones share one budget. So make it before the shards, and give each a clone:
///
/// ```
/// use trilane_service::{Quota, RateLimit, Router, get};
/// let limit = RateLimit::new(Quota::per_minute(100));
/// // Server::new(move |_shard| ...)
/// let app = Router::<()>::new().route("/", get(|| async { "hi" })).layer(limit.clone());
/// ```
///
/// Who asks is told apart by address, unless said otherwise. Keys of several parts are one budget for each combination:
///
/// ```
/// # use trilane_service::{Quota, RateLimit};
/// let limit = RateLimit::new(Quota::per_second(5)).by_route().by_user();
/// let keys = RateLimit::new(Quota::per_hour(60))
///     .class("paid", Quota::per_hour(6000))
///     .by(|request, key| {
///         key.part(request.head().fields.get("x-api-key").unwrap_or_default());
///         request.head().fields.contains("x-paid").then_some("paid")
///     });
/// ```
#[derive(Clone)]
pub struct RateLimit(Arc<Policy>);

type Cost = dyn Fn(&Request) -> u32 + Send + Sync;
type Counts = dyn Fn(&Response) -> bool + Send + Sync;

/// What all clones share.
struct Policy {
    /// The first one is everybody's.
    classes: Vec<Class>,
    by: Vec<By>,
    cost: Option<Arc<Cost>>,
    counts: Option<Arc<Counts>>,
    adapts: Option<Duration>,
    entries: usize,
    table: std::sync::OnceLock<Table>,
    tallies: Mutex<Vec<Arc<Tally>>>,
    evicted: AtomicU64,
}

#[derive(Clone)]
struct Class {
    name: Box<str>,
    quota: Quota,
}

/// What one shard has counted; no other writes to it.
#[derive(Debug, Default)]
struct Tally {
    allowed: Counter,
    limited: Counter,
}

/// What a limit has done so far, all shards together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateStats {
    /// Requests that were let through.
    pub allowed: u64,
    /// Requests that were refused.
    pub limited: u64,
    /// Clients that were forgotten before their time, because the table was full.
    pub evicted: u64,
    /// Requests of which a shared budget could not be asked.
    pub unavailable: u64,
}

impl RateLimit {
    /// Limits each client to that quota.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self(Arc::new(Policy {
            classes: vec![Class::new("default", quota)],
            by: Vec::new(),
            cost: None,
            counts: None,
            adapts: None,
            entries: ENTRIES,
            table: std::sync::OnceLock::new(),
            tallies: Mutex::default(),
            evicted: AtomicU64::new(0),
        }))
    }

    /// Changes what no clone shares yet; else makes another limit of it, with a budget of its own.
    fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Told apart by address: IPv4 ones each, IPv6 ones by their /64. The default.
    #[must_use]
    pub fn by_ip(self) -> Self {
        self.with(|policy| policy.by.push(By::Ip))
    }

    /// Told apart by the value of a request field, such as an API key. Whoever invents values has a budget for each: check
    /// them first. Requests without the field go by address.
    #[must_use]
    pub fn by_header(self, name: impl Into<Box<str>>) -> Self {
        self.with(|policy| policy.by.push(By::Header(name.into())))
    }

    /// Told apart by the [`Principal`](crate::Principal) that a layer of authentication has found, which must be further out.
    /// Requests of nobody go by address.
    #[must_use]
    pub fn by_user(self) -> Self {
        self.with(|policy| policy.by.push(By::User))
    }

    /// Told apart by the route that they take.
    #[must_use]
    pub fn by_route(self) -> Self {
        self.with(|policy| policy.by.push(By::Route))
    }

    /// Told apart by what `make` puts into the key. It may also say of which [`class`](Self::class) the request is; one that
    /// nobody has named is that of everybody.
    #[must_use]
    pub fn by(
        self,
        make: impl Fn(&Request, &mut Key) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        self.with(|policy| policy.by.push(By::Own(Arc::new(make))))
    }

    /// Another quota, for keys of that class.
    #[must_use]
    pub fn class(self, name: &str, quota: Quota) -> Self {
        self.with(|policy| policy.classes.push(Class::new(name, quota)))
    }

    /// The name of the quota of everybody, as clients see it. Default `default`.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with(|policy| {
            if let Some(class) = policy.classes.first_mut() {
                *class = Class::new(name, class.quota);
            }
        })
    }

    /// What a request costs. Default 1; 0 is free, and let through even when nothing is left.
    #[must_use]
    pub fn cost(self, cost: impl Fn(&Request) -> u32 + Send + Sync + 'static) -> Self {
        self.with(|policy| policy.cost = Some(Arc::new(cost)))
    }

    /// Which answers count; for others the cost is given back. Default: all.
    #[must_use]
    pub fn counts(self, counts: impl Fn(&Response) -> bool + Send + Sync + 'static) -> Self {
        self.with(|policy| policy.counts = Some(Arc::new(counts)))
    }

    /// Lets quotas shrink with load: while requests wait for their shard longer than `target`, on average over the last 16 or
    /// so, quotas are that much smaller: half at twice the target, and a tenth at least. Default: they never do.
    #[must_use]
    pub fn adaptive(self, target: Duration) -> Self {
        self.with(|policy| policy.adapts = Some(target))
    }

    /// Remembers that many clients, rounded up; 24 bytes each, taken when the first one comes. Where more come, the ones
    /// whose budget would be whole first are forgotten. Default 65,536.
    #[must_use]
    pub fn entries(self, entries: usize) -> Self {
        self.with(|policy| policy.entries = entries)
    }

    /// What it has done so far, clones included.
    #[must_use]
    pub fn stats(&self) -> RateStats {
        let tallies = self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        RateStats {
            allowed: tallies.iter().map(|tally| tally.allowed.get()).sum(),
            limited: tallies.iter().map(|tally| tally.limited.get()).sum(),
            evicted: self.0.evicted.load(Relaxed),
            unavailable: 0,
        }
    }
}

impl Default for RateLimit {
    /// 100 requests a minute of each address.
    fn default() -> Self {
        Self::new(Quota::default())
    }
}

impl Class {
    fn new(name: &str, quota: Quota) -> Self {
        Self { name: name.into(), quota }
    }
}

impl Clone for Policy {
    /// Another limit with the same settings, which has counted nothing.
    fn clone(&self) -> Self {
        Self {
            classes: self.classes.clone(),
            by: self.by.clone(),
            cost: self.cost.clone(),
            counts: self.counts.clone(),
            adapts: self.adapts,
            entries: self.entries,
            table: std::sync::OnceLock::new(),
            tallies: Mutex::default(),
            evicted: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
