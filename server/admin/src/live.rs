//! `/live`: an event a second with the numbers that charts are drawn of.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use trilane_exchange::Stats;
use trilane_exchange::stats::Counter;
use trilane_semantics::Protocol;
use trilane_service::{
    Error, Event, IntoResponse, Latency, Metrics, Response, Shard, Sse, StatusCode,
};
use trilane_shard::Inspector;

use crate::asked::{Missing, seconds};
use crate::closes;
use crate::shards::{self, ShardLine};

/// Pages that are told at once.
const LISTENERS: usize = 16;
/// Between two events.
const EVERY: Duration = Duration::from_secs(1);

/// What is told. Counters count from the start of the server.
#[derive(Debug, Serialize)]
struct Now {
    uptime_seconds: f64,
    is_draining: bool,
    shards: Vec<ShardLine>,
    silent: Vec<Missing>,
    /// Requests by protocol.
    protocols: BTreeMap<&'static str, u64>,
    connections: u64,
    received_bytes: u64,
    sent_bytes: u64,
    closes: BTreeMap<&'static str, u64>,
    /// Of the requests that ended since the event before.
    latency: Quantiles,
}

/// In seconds.
#[derive(Debug, Default, Serialize)]
struct Quantiles {
    count: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    longest: Option<f64>,
}

impl Quantiles {
    fn new(latency: &Latency) -> Self {
        let of = |share| latency.quantile(share).map(|it| it.as_secs_f64());
        Self { count: latency.count(), p50: of(0.5), p90: of(0.9), p99: of(0.99), longest: of(1.0) }
    }
}

/// The place of a page that listens.
struct Listening(Rc<Cell<usize>>);

impl Listening {
    fn new(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Self(Rc::clone(all))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Tells pages what happens.
#[derive(Clone)]
pub(crate) struct Live {
    inspector: Inspector,
    metrics: Metrics,
    /// Pages that listen.
    listeners: Rc<Cell<usize>>,
}

impl Live {
    pub(crate) fn new(inspector: Inspector, metrics: Metrics) -> Self {
        Self { inspector, metrics, listeners: Rc::default() }
    }

    pub(crate) async fn events(self, shard: Shard) -> Result<Response, Error> {
        if self.listeners.get() >= LISTENERS {
            let error = Error::new(StatusCode::SERVICE_UNAVAILABLE);
            return Err(error.message(format!("{LISTENERS} pages are told already")));
        }
        let (telling, place) = (shard.clone(), Listening::new(&self.listeners));
        let events = Sse::write(&shard, move |events| async move {
            let (_place, mut before) = (place, self.metrics.latency());
            while !telling.is_draining() {
                let latency = self.metrics.latency();
                let now = self.now(&telling, &latency.since(&before)).await;
                before = latency;
                events.send(Event::new().json(&now)?).await;
                telling.sleep(EVERY).await;
            }
            Ok(())
        });
        Ok(events.into_response())
    }

    async fn now(&self, shard: &Shard, latency: &Latency) -> Now {
        let inspector = &self.inspector;
        let (shards, silent) = shards::lines(inspector, shard).await;
        let sum =
            |of: fn(&Stats) -> &Counter| inspector.stats().iter().map(|it| of(it).get()).sum();
        let protocols = [
            (Protocol::Http11, sum(|stats| &stats.spoken.http1)),
            (Protocol::Http2, sum(|stats| &stats.spoken.http2)),
            (Protocol::Http3, sum(|stats| &stats.spoken.http3)),
        ];
        Now {
            uptime_seconds: seconds(inspector.age()),
            is_draining: inspector.is_draining(),
            shards,
            silent,
            protocols: protocols.map(|(protocol, count)| (protocol.as_str(), count)).into(),
            connections: sum(|stats| &stats.open),
            received_bytes: sum(|stats| &stats.received),
            sent_bytes: sum(|stats| &stats.sent),
            closes: closes::counts(inspector),
            latency: Quantiles::new(latency),
        }
    }
}
