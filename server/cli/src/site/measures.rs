//! What became of what servers behind us were asked, for metrics.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trilane::Metrics;
use trilane::prometheus_client::collector::Collector;
use trilane::prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use trilane::prometheus_client::metrics::MetricType;
use trilane::prometheus_client::metrics::exemplar::Exemplar;
use trilane::proxy::{Counts, Upstream};

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

type Count = fn(&Counts) -> &AtomicU64;
type Gauge = fn(&Upstream, usize) -> usize;

/// By upstream and server.
const COUNTERS: [(&str, &str, Count); 4] = [
    ("trilane_upstream_requests", "Requests that the server was asked.", |it| &it.asked),
    ("trilane_upstream_failures", "Those without an answer.", |it| &it.failed),
    ("trilane_upstream_retries", "Those without an answer that were made again.", |it| {
        &it.repeated
    }),
    ("trilane_upstream_ejections", "Times that it was asked no longer.", |it| &it.ejected),
];

/// By upstream and server.
const GAUGES: [(&str, &str, Gauge); 3] = [
    ("trilane_upstream_fit", "1 while it is asked, 0 while it is not.", |upstream, server| {
        usize::from(upstream.group().health().fit().has(server))
    }),
    ("trilane_upstream_connections", "Connections to it now.", |upstream, server| {
        upstream.share(server).map_or(0, |share| share.open())
    }),
    ("trilane_upstream_requests_in_flight", "Requests under way to it.", |upstream, server| {
        upstream.group().breaker().load(server) as usize
    }),
];

/// What is counted, as long as the process runs, whatever is read again. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) metrics: Metrics,
    /// Also if no route shows it.
    pub(crate) always: bool,
    measures: Measures,
}

impl Counted {
    /// Counts in `metrics`: always, or where a route shows them.
    pub(crate) fn new(metrics: Metrics, always: bool) -> Self {
        let measures = Measures::default();
        metrics.collect(measures.clone());
        Self { metrics, always, measures }
    }

    /// These upstreams are measured from now on, and no others.
    pub(crate) fn are_of(&self, upstreams: Vec<Arc<Upstream>>) {
        let _old = std::mem::replace(&mut *self.measures.lock(), upstreams);
    }
}

/// All upstreams of the file that is in force. Clones are the same one.
#[derive(Clone, Debug, Default)]
struct Measures(Arc<Mutex<Vec<Arc<Upstream>>>>);

impl Measures {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Upstream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The labels of each server, and where it is.
fn servers(
    upstreams: &[Arc<Upstream>],
) -> impl Iterator<Item = ([(&str, &str); 2], &Upstream, usize)> {
    upstreams.iter().flat_map(|upstream| {
        let (group, numbered) = (upstream.group(), upstream.group().servers().iter().enumerate());
        numbered.map(|(at, server)| {
            ([("upstream", group.name()), ("server", &*server.name)], &**upstream, at)
        })
    })
}

impl Collector for Measures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let upstreams = self.lock().clone();
        for (name, help, which) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, upstream, at) in servers(&upstreams) {
                let count = upstream.counts(at).map_or(0, |counts| which(counts).load(Relaxed));
                metric.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        for (name, help, value) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, upstream, at) in servers(&upstreams) {
                let value = value(upstream, at) as u64;
                metric.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}
