//! The requests of all shards, added up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::series::{Histogram, Table, Total};
use super::settings::Settings;

/// Nothing is shown as an example of a value.
pub(super) const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

#[derive(Debug)]
pub(super) struct Requests {
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) settings: Arc<Settings>,
}

/// By path and method.
type Merged = BTreeMap<(Box<str>, &'static str), (BTreeMap<u16, u64>, Total)>;

impl Requests {
    fn merged(&self) -> Merged {
        let mut merged = Merged::new();
        for series in self.tables.iter().flat_map(|table| table.all()) {
            let key = (series.path.clone(), series.method);
            let (statuses, durations) = merged.entry(key).or_default();
            for (status, count) in series.statuses() {
                *statuses.entry(status).or_default() += count;
            }
            series.durations.add_to(durations);
        }
        merged
    }

    fn sizes(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        of: impl Fn(&Table) -> &Histogram,
    ) -> fmt::Result {
        let mut total = Total::default();
        self.tables.iter().for_each(|table| of(table).add_to(&mut total));
        let bounds = self.settings.sizes.iter().map(|bytes| *bytes as f64);
        let (buckets, count) = total.buckets(bounds);
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(total.sum as f64, count, &buckets, None)
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let merged = self.merged();
        let help = "Requests that are over, by the status that was sent.";
        let mut metric =
            encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for ((path, method), (statuses, _)) in &merged {
            for (status, count) in statuses {
                let status = if *status == 0 { "none".to_owned() } else { status.to_string() };
                let labels = [("method", *method), ("path", path), ("status", &status)];
                metric.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        let help = "From a request's head to the end of its answer.";
        let name = "http_request_duration_seconds";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for ((path, method), (_, durations)) in &merged {
            let labels = [("method", *method), ("path", path)];
            let (buckets, count) = durations.buckets(self.settings.durations.iter().copied());
            let sum = durations.sum as f64 / 1e9;
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        let described = ("http_request_size_bytes", "Content of requests, as much as came.");
        self.sizes(&mut encoder, described, |table| &table.request_sizes)?;
        let described = ("http_response_size_bytes", "Content of responses, as much as was sent.");
        self.sizes(&mut encoder, described, |table| &table.response_sizes)
    }
}

impl Total {
    /// The count of each bucket with its bound, and of all.
    fn buckets(&self, bounds: impl Iterator<Item = f64>) -> (Vec<(f64, u64)>, u64) {
        let counts = self.buckets.iter().copied().chain(std::iter::repeat(0));
        let buckets = bounds.chain([f64::INFINITY]).zip(counts).collect();
        (buckets, self.buckets.iter().sum())
    }
}
