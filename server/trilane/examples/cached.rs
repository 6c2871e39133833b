//! An API behind a cache: answers that say how long they are good are made once for all who ask, on all shards.
//!
//!     cargo run --example cached
//!     curl -i http://127.0.0.1:8080/slow/report      # look at Cache-Status and Age

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use trilane::{
    Cache, CacheConfig, ETags, IntoResponse, Known, Path, Response, Router, RunError, Server,
    Shard, State, get,
};

/// How often the handler has run.
pub type Runs = Arc<AtomicU64>;

/// The cache is made before the shards, so that they share it.
pub fn app(runs: Runs) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    let cache = Cache::new(CacheConfig::new().bytes(16 << 20));
    move |_| {
        Router::new()
            .route("/slow/{name}", get(slow))
            .layer(ETags::default())
            .layer(cache.clone())
            .with_state(Arc::clone(&runs))
    }
}

/// Takes its time, and is good for a minute: a hundred who ask at once wait for one run of it.
async fn slow(shard: Shard, State(runs): State<Runs>, Path(name): Path<String>) -> Response {
    let run = runs.fetch_add(1, Relaxed) + 1;
    shard.sleep(Duration::from_millis(50)).await;
    let fields = [(Known::CacheControl, "max-age=60, stale-while-revalidate=30")];
    (fields, format!("{name}, made by run {run}\n")).into_response()
}

fn main() -> Result<(), RunError> {
    Server::new(app(Runs::default())).listen("127.0.0.1:8080").run()
}
