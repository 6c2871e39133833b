//! The layer: what is sampled leaves a span when it is over.

use std::sync::Arc;

use trilane_exchange::{Exchange, Summary};
use trilane_service::{Hook, Phases};

use crate::queue::Queue;
use crate::span::Span;

/// Has a span of each request exported whose trace is sampled. The place in the trace is given by [`Trace`](trilane_service::Trace),
/// which must be there too. Clones are the same.
#[derive(Clone, Debug)]
pub struct Otlp(pub(crate) Arc<Queue>);

impl Hook for Otlp {
    fn phases(&self) -> Phases {
        Phases::DONE
    }

    fn done(&self, exchange: &Exchange, summary: &Summary) {
        if let Some(trace) = exchange.trace().filter(|trace| trace.is_sampled()) {
            self.0.put(Span::new(trace, exchange, summary));
        }
    }
}
