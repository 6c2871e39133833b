//! Prometheus (FEATURES W8): requests by route, shards by their counters, why connections closed, and what users add.
//!
//! Each shard counts for itself, with plain stores; who scrapes adds up. `recorder` is all that requests pass, `series` what it
//! writes to, `collect` and `server` read it, `text` gives it the form that was asked for.

mod collect;
mod latency;
mod recorder;
mod series;
mod server;
mod settings;
mod text;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::registry::{Metric, Registry};
use trilane_exchange::{Request, Response, Stats};
use trilane_semantics::{Known, StatusCode};

use crate::chain::Chain;
use crate::layer::Layer;
pub use latency::Latency;
use recorder::Recorder;
use series::{Table, locked};
use settings::Settings;
use text::Form;

/// The metrics of a server: made once, before its shards. A clone of it is the layer that records; put it on the router of each
/// shard, and its [`handler`](Self::handler) at a path.
///
/// | metric | labels |
/// | --- | --- |
/// | `http_requests_total` | `method`, `path`, `status` |
/// | `http_request_duration_seconds`, a histogram | `method`, `path` |
/// | `http_request_size_bytes`, `http_response_size_bytes`, histograms of content as it was seen | |
/// | `http_requests_in_flight` | |
/// | `trilane_*`, the counters of [`Stats`] | `shard` |
/// | `trilane_connections_closed_total` | `cause` |
/// | `trilane_cache_requests_total`, of all [`Cache`](crate::Cache)s | `result`, as in Cache-Status: `hit`, `collapsed`, `uri-miss`, .. |
/// | `process_*`: memory, descriptors, CPU time, start | |
///
/// `path` is the route's template, such as `/users/{id}`; `unmatched` where no route was, `other` beyond
/// [`series`](Self::series). `method` is `other` if RFC 9110 and RFC 5789 do not know it. `status` is what was sent, `none` if nothing was.
///
/// ```
/// use trilane_service::{Metrics, Router, get};
/// use prometheus_client::metrics::counter::Counter;
///
/// let metrics = Metrics::new().exclude("/metrics");
/// let orders: Counter = Counter::default();
/// metrics.register("orders", "Orders that were taken.", orders.clone());
/// // On each shard:
/// let router = Router::new()
///     .route("/orders", get(move || { orders.inc(); async { "thank you" } }))
///     .route("/metrics", get(metrics.handler()))
///     .layer(metrics.clone());
/// # router.build().map(drop).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Metrics {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
}

/// What all clones share.
#[derive(Default)]
struct Shared {
    /// One a shard.
    tables: Mutex<Vec<Arc<Table>>>,
    users: Mutex<Registry>,
}

impl Metrics {
    /// Metrics with default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Durations in buckets up to these bounds, in seconds. Default: 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5. Bounds that do not
    /// rise are an error of [`Router::build`](crate::Router::build).
    #[must_use]
    pub fn buckets(mut self, seconds: impl Into<Vec<f64>>) -> Self {
        Arc::make_mut(&mut self.settings).durations = seconds.into();
        self
    }

    /// Sizes in buckets up to these bounds, in bytes. Default: 100, 1,000, 10,000, 100,000, 1,000,000.
    #[must_use]
    pub fn size_buckets(mut self, bytes: impl Into<Vec<u64>>) -> Self {
        Arc::make_mut(&mut self.settings).sizes = bytes.into();
        self
    }

    /// Does not count requests for exactly that path, but among those in flight.
    #[must_use]
    pub fn exclude(mut self, path: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings).excluded.push(path.into());
        self
    }

    /// At most so many series of method, route and status on each shard; what comes then is counted as `other`. Default 2,000.
    #[must_use]
    pub fn series(mut self, most: usize) -> Self {
        Arc::make_mut(&mut self.settings).series = most;
        self
    }

    /// Adds a metric of the user's own, which is shared by its clones. The name of a counter has no `_total`: that is added.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        // A full stop is added there.
        locked(&self.shared.users).register(name, help.trim_end_matches('.'), metric);
    }

    /// Adds what is asked for its metrics each time that they are shown.
    pub fn collect(&self, collector: impl Collector) {
        locked(&self.shared.users).register_collector(Box::new(collector));
    }

    /// All of it as text, for `Accept: application/openmetrics-text` as OpenMetrics 1.0, else in Prometheus' own format 0.0.4.
    pub fn handler(
        &self,
    ) -> impl Fn(Request) -> Pin<Box<dyn Future<Output = Response>>> + Clone + 'static {
        let metrics = self.clone();
        move |request| {
            let all = request.shard().all_stats();
            metrics.answer(&request, all)
        }
    }

    /// The same, with the counters of another server's shards: for a listener of its own.
    pub fn handler_for(
        &self,
        stats: Arc<[Arc<Stats>]>,
    ) -> impl Fn(Request) -> Pin<Box<dyn Future<Output = Response>>> + Clone + 'static {
        let metrics = self.clone();
        move |request| metrics.answer(&request, stats.to_vec())
    }

    fn answer(
        &self,
        request: &Request,
        all: Vec<Arc<Stats>>,
    ) -> Pin<Box<dyn Future<Output = Response>>> {
        let (metrics, form) = (self.clone(), Form::asked_for(&request.head().fields));
        let shard = request.shard().clone();
        // Adding up takes a while when there are many series, and a look at the system may wait.
        Box::pin(async move {
            let text = shard.blocking(move || metrics.render(&all, form)).await;
            Response::new(StatusCode::OK)
                .field(Known::ContentType, form.content_type())
                .field(Known::CacheControl, "no-store")
                .body(text)
        })
    }

    /// All of it as OpenMetrics 1.0, with the counters of these shards: for who sends it somewhere. It takes a while: not for a shard.
    #[must_use]
    pub fn open_metrics(&self, stats: &[Arc<Stats>]) -> String {
        self.render(stats, Form::OpenMetrics)
    }

    /// How long requests took, on all shards.
    #[must_use]
    pub fn latency(&self) -> Latency {
        let mut total = Latency::default();
        locked(&self.shared.tables).iter().for_each(|table| table.latencies.add_to(&mut total));
        total
    }

    fn render(&self, stats: &[Arc<Stats>], form: Form) -> String {
        let mut own = Registry::default();
        let (tables, settings) = (locked(&self.shared.tables).clone(), Arc::clone(&self.settings));
        own.register_collector(Box::new(collect::Requests { tables, settings }));
        own.register_collector(Box::new(server::Server(stats.to_vec())));
        text::render(&[&own, &locked(&self.shared.users)], form)
    }
}

impl Layer for Metrics {
    fn add_to(self, chain: &mut Chain) {
        if let Some(fault) = self.settings.fault() {
            chain.refuse("metrics", fault);
            return;
        }
        let (bounds, sizes) = (self.settings.nanos().into(), self.settings.sizes.as_slice().into());
        let table = table(&mut locked(&self.shared.tables), &bounds, &sizes);
        chain.add(Recorder::new(self.settings, table));
    }
}

/// A table that nobody writes to any more, as where another application has taken the place of one; or else a new one.
fn table(all: &mut Vec<Arc<Table>>, bounds: &Arc<[u64]>, sizes: &Arc<[u64]>) -> Arc<Table> {
    // Whoever has let go of it has written all that is seen now.
    let is_free = |table: &mut Arc<Table>| {
        Arc::get_mut(table).is_some_and(|table| table.has_bounds(bounds, sizes))
    };
    if let Some(free) = all.iter_mut().position(is_free).and_then(|at| all.get(at)) {
        return Arc::clone(free);
    }
    let table = Arc::new(Table::new(bounds, sizes));
    all.push(Arc::clone(&table));
    table
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({:?})", self.settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_used_again_when_nobody_writes_to_it() {
        let (bounds, others): (Arc<[u64]>, Arc<[u64]>) = ([1].into(), [2].into());
        let mut all = Vec::new();
        let mut take = |bounds: &Arc<[u64]>| table(&mut all, bounds, &others);
        let (first, second) = (take(&bounds), take(&bounds));
        assert!(!Arc::ptr_eq(&first, &second));
        let place = Arc::as_ptr(&first);
        drop(first);
        assert_ne!(Arc::as_ptr(&take(&others)), place, "it sorts otherwise");
        assert_eq!(Arc::as_ptr(&take(&bounds)), place);
        assert_eq!(all.len(), 3);
    }
}
