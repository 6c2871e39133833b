//! What operators see of the demo: metrics, and whether it is well.

use std::convert::Infallible;
use std::time::Duration;

use trilane::{Health, Metrics, Router, get};

/// How often the threads for blocking work are asked whether they still work.
const INTERVAL: Duration = Duration::from_secs(10);

/// Made once for all shards.
#[derive(Clone)]
pub(super) struct Observed {
    metrics: Metrics,
    health: Health,
}

impl Observed {
    pub(super) fn new(metrics: Metrics) -> Self {
        let health = Health::new().check("blocking", INTERVAL, |shard| async move {
            shard.blocking(|| ()).await;
            Ok::<(), Infallible>(())
        });
        Self { metrics, health }
    }

    /// Around all routes of a shard.
    pub(super) fn put_on(&self, router: Router) -> Router {
        router
            .route("/metrics", get(self.metrics.handler()))
            .merge(self.health.routes())
            .layer(self.metrics.clone())
    }
}
