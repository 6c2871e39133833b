//! Spans and metrics for a collector of OpenTelemetry: OTLP over HTTP, as JSON, compressed.
//!
//! `settings` is what is wanted, also by the environment. [`Otlp`] is the layer: what is sampled leaves a `span` in a `queue` with a bound.
//! `exporter` is the thread that empties it: `json` writes batches, `metrics` what is on `/metrics`, and `retry` says what becomes of one
//! that was not taken; `counts` is what has become of all. No shard ever waits for a collector, and what nobody samples costs one look.
#![forbid(unsafe_code)]

mod counts;
mod error;
mod exporter;
mod json;
mod layer;
mod metrics;
mod queue;
mod retry;
mod settings;
mod span;

#[cfg(test)]
mod tests;

pub use counts::Counts;
pub use error::OtlpError;
pub use exporter::{Exporter, Report};
pub use layer::Otlp;
pub use settings::Settings;
