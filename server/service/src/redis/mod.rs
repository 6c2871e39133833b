//! A small client of Redis and its like (Valkey), over the shard's own ring: what shards, processes and machines share.
//!
//! `url` is where it is, `link` one connection on which commands are sent without waiting for each other, `pool` the
//! connections of a shard.

mod link;
mod pool;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(crate) use self::pool::Pool;
pub use self::url::InvalidUrl;
use self::url::Url;

/// What a Redis answers.
pub(crate) type Frame = redis_protocol::resp2::types::OwnedFrame;

/// A Redis, and how it is asked. Clones count together; each shard has connections of its own.
///
/// ```
/// use std::time::Duration;
/// use trilane_service::{Quota, RateLimit, Redis};
/// let redis = Redis::new("redis://:secret@127.0.0.1:6379/1")?.command_timeout(Duration::from_millis(50));
/// let limit = RateLimit::new(Quota::per_minute(100)).shared(redis);
/// # Ok::<(), trilane_service::redis::InvalidUrl>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redis {
    url: Url,
    connections: usize,
    connect_timeout: Duration,
    command_timeout: Duration,
    prefix: Arc<str>,
    failed: Arc<AtomicU64>,
}

/// Why Redis gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisError {
    /// Too many commands wait already.
    Busy,
    /// The connection failed, or is not tried again yet.
    Lost(String),
    /// It answered with an error, or with what makes no sense.
    Refused(String),
    /// It took longer than [`Redis::command_timeout`].
    Slow,
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many commands wait for Redis"),
            Self::Lost(why) => write!(f, "no connection to Redis: {why}"),
            Self::Refused(why) => write!(f, "Redis: {why}"),
            Self::Slow => f.write_str("Redis did not answer in time"),
        }
    }
}

impl std::error::Error for RedisError {}

impl Redis {
    /// The one at `redis://[[user]:password@]host[:port][/database]`, or at the unix socket
    /// `unix://[[user]:password@]/path[?db=database]`.
    ///
    /// # Errors
    /// Text that is neither.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self {
            url: url.parse()?,
            connections: 1,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(250),
            prefix: "trilane:".into(),
            failed: Arc::default(),
        })
    }

    /// At most that many connections, a shard; at least 1. Commands share them, so one is enough for most. Default 1.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// For connecting, with AUTH and SELECT. Default 1 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For an answer, connecting included. A connection on which one is late is given up. Default 250 ms.
    #[must_use]
    pub const fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// What all its keys begin with. Default `trilane:`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many commands got no answer.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(crate) fn prefixed(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn count_failure(&self) {
        self.failed.fetch_add(1, Relaxed);
    }
}
