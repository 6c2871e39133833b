//! What the handlers have in common: whom they ask, what they answer with, and what they say of shards that do not answer.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use trilane_semantics::Known;
use trilane_service::{IntoResponse, Json, Request, Response};
use trilane_shard::{Inspector, Silent};

/// A handler that asks the shards.
pub(crate) fn of<F, R>(
    inspector: &Inspector,
    handler: impl Fn(Inspector, Request) -> F + Copy + 'static,
) -> impl Fn(Request) -> Pin<Box<dyn Future<Output = Response>>> + Clone + 'static
where
    F: Future<Output = R> + 'static,
    R: IntoResponse,
{
    let inspector = inspector.clone();
    move |request| {
        let answer = handler(inspector.clone(), request);
        Box::pin(async move {
            // What was true a moment ago is nobody's to keep.
            answer.await.into_response().field(Known::CacheControl, "no-store")
        })
    }
}

/// A shard that has not answered.
#[derive(Debug, Serialize)]
pub(crate) struct Missing {
    shard: usize,
    /// `stalled`, or `gone`.
    why: &'static str,
    /// Since its last turn began.
    last_turn_seconds: Option<f64>,
}

impl Missing {
    pub(crate) fn new(inspector: &Inspector, shard: usize, silent: Silent) -> Self {
        let why = if silent == Silent::Gone { "gone" } else { "stalled" };
        Self { shard, why, last_turn_seconds: inspector.last_turn(shard).map(seconds) }
    }
}

/// What is told, and of whom nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Told<T> {
    #[serde(flatten)]
    pub(crate) told: T,
    /// Shards that have not answered.
    pub(crate) silent: Vec<Missing>,
}

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// In seconds, to the millisecond.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1e3
}
