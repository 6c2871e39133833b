//! What has become of spans, as numbers and as metrics.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use crate::queue::Queue;

/// What has become of spans so far, from any thread; as metrics `trilane_otlp_spans_sent_total` and `trilane_otlp_spans_dropped_total`.
#[derive(Clone, Debug)]
pub struct Counts(pub(crate) Arc<Queue>);

impl Counts {
    /// Spans that the collector has taken.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.sent()
    }

    /// Spans that were lost: too many at once, or nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, count) in [
            ("trilane_otlp_spans_sent", "Spans that the collector has taken", self.sent()),
            ("trilane_otlp_spans_dropped", "Spans that were lost", self.dropped()),
        ] {
            let count = ConstCounter::new(count);
            count.encode(encoder.encode_descriptor(name, help, None, count.metric_type())?)?;
        }
        Ok(())
    }
}
