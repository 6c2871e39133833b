//! An API with limits: a quota for each address, more of it with a key, and not too much work at once. With a Redis, all processes
//! that use it share the quotas.
//!
//!     cargo run --example limits
//!     REDIS_URL=redis://127.0.0.1/ cargo run --example limits
//!     curl -i http://127.0.0.1:8080/search

use std::time::Duration;

use trilane::rate::{Key, SharedLimit};
use trilane::redis::InvalidUrl;
use trilane::{
    ConcurrencyLimit, Quota, RateLimit, Redis, Request, Router, RunError, Server, Shard, get,
};

/// Quotas here, or in a Redis.
#[derive(Clone, Debug)]
pub enum Quotas {
    /// One budget for all shards of this process.
    Here(RateLimit),
    /// One for all processes.
    Shared(SharedLimit),
}

/// 10 a minute for each address, and bursts of 50 with a key.
pub fn quotas(redis: Option<&str>) -> Result<Quotas, InvalidUrl> {
    let keyed = Quota::bucket(5, Duration::from_secs(1), 50);
    let limit = RateLimit::new(Quota::per_minute(10)).class("keyed", keyed).by(who);
    Ok(match redis {
        Some(url) => Quotas::Shared(limit.shared(Redis::new(url)?)),
        None => Quotas::Here(limit),
    })
}

/// Whose quota it is. A real API looks first whether there is such a key.
fn who(request: &Request, key: &mut Key) -> Option<&'static str> {
    match request.head().fields.get("x-api-key") {
        Some(value) => {
            key.part(value);
            Some("keyed")
        }
        None => {
            key.ip(request);
            None
        }
    }
}

/// Limits are made before the shards, and each shard gets clones: so there is one budget.
pub fn app(quotas: Quotas) -> impl Fn(Shard) -> Router + Send + Sync {
    let busy = ConcurrencyLimit::new(4).queue(100, Duration::from_secs(1));
    move |_| {
        let router = Router::new()
            .route("/search", get(|| async { "found" }))
            .route("/report", get(report).layer(busy.clone()));
        match quotas.clone() {
            Quotas::Here(limit) => router.layer(limit),
            Quotas::Shared(limit) => router.layer(limit),
        }
    }
}

/// Takes a while, so that no more than four at once are good for anybody.
async fn report(shard: Shard) -> &'static str {
    shard.sleep(Duration::from_millis(20)).await;
    "reported"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quotas = quotas(std::env::var("REDIS_URL").ok().as_deref())?;
    let served: Result<(), RunError> = Server::new(app(quotas)).listen("127.0.0.1:8080").run();
    Ok(served?)
}
