//! What handlers log with `tracing`, as lines that carry the ids of their request.
//!
//! A line knows its request by [`current`](trilane_exchange::current()): nothing is passed by hand.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Event, Subscriber};
pub use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use trilane_exchange::{Exchange, current};

use crate::layers::{Format, LogSink};
use crate::text::{string, timestamp};

/// Writes each event of `tracing` as a line: a layer for subscribers of your own.
///
/// As JSON: `timestamp`, `level`, `target`, `message`, then `request_id`, `trace_id`, `span_id` and `route` if a handler has logged
/// it, then the event's own fields under `fields`. As text the same, in that order. Control characters are escaped. What is logged
/// on another thread ([`Shard::blocking`](crate::Shard::blocking)) has no request.
#[derive(Clone, Debug)]
pub struct EventLog<S> {
    sink: S,
    format: Format,
}

impl<S: LogSink> EventLog<S> {
    /// Lines in that form, to there.
    pub const fn new(sink: S, format: Format) -> Self {
        Self { sink, format }
    }
}

/// A subscriber that writes events of that level and above to there.
///
/// ```
/// use trilane_service::Format;
/// use trilane_service::events::{LevelFilter, subscriber};
/// let all = subscriber(|line: &str| assert!(line.contains("stock is low")), Format::Json, LevelFilter::INFO);
/// tracing::subscriber::with_default(all, || tracing::warn!(left = 3, "stock is low"));
/// ```
pub fn subscriber(
    sink: impl LogSink + Send + Sync + 'static,
    format: Format,
    level: LevelFilter,
) -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(level).with(EventLog::new(sink, format))
}

/// Makes such a subscriber that of the process.
///
/// # Errors
/// It has one already.
pub fn install(
    sink: impl LogSink + Send + Sync + 'static,
    format: Format,
    level: LevelFilter,
) -> Result<(), SetGlobalDefaultError> {
    set_global_default(subscriber(sink, format, level))
}

impl<C: Subscriber, S: LogSink + Send + Sync + 'static> Layer<C> for EventLog<S> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, C>) {
        let exchange = current();
        let wall = exchange.as_ref().map_or_else(SystemTime::now, |it| it.shard().wall());
        let mut seen = Seen::default();
        event.record(&mut seen);
        let (level, target) = (event.metadata().level().as_str(), event.metadata().target());
        let mut line = String::with_capacity(256);
        match self.format {
            Format::Json => {
                line.push_str("{\"timestamp\":\"");
                timestamp(&mut line, wall);
                line.push('"');
                for (name, value) in
                    [("level", level), ("target", target), ("message", &seen.message)]
                {
                    member(&mut line, name, value);
                }
                ids(exchange.as_deref(), |name, value| member(&mut line, name, value));
                line.push_str(",\"fields\":{");
                line.push_str(seen.json.trim_start_matches(','));
                line.push_str("}}");
            }
            Format::Text => {
                timestamp(&mut line, wall);
                // Writing to a string cannot fail.
                let _ = write!(line, " {level} {target}: ");
                crate::text::escaped(&mut line, &seen.message);
                ids(exchange.as_deref(), |name, value| pair(&mut line, name, value));
                line.push_str(&seen.text);
            }
        }
        self.sink.line(&line);
    }
}

/// What is known of the request, by name.
fn ids(exchange: Option<&Exchange>, mut tell: impl FnMut(&str, &str)) {
    let Some(exchange) = exchange else { return };
    if let Some(id) = exchange.request_id() {
        tell("request_id", id);
    }
    if let Some(trace) = exchange.trace() {
        tell("trace_id", &trace.trace_id().to_string());
        tell("span_id", &trace.span_id().to_string());
    }
    if let Some(route) = exchange.params().template() {
        tell("route", route);
    }
}

/// `,"name":"value"`.
fn member(out: &mut String, name: &str, value: &str) {
    out.push(',');
    string(out, name);
    out.push(':');
    string(out, value);
}

/// ` name="value"`.
fn pair(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, " {name}=");
    string(out, value);
}

/// The fields of an event, in both forms.
#[derive(Default)]
struct Seen {
    message: String,
    json: String,
    text: String,
}

impl Seen {
    /// A value that needs no quotes.
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.json.push(',');
        string(&mut self.json, field.name());
        let _ = write!(self.json, ":{value}");
        let _ = write!(self.text, " {}={value}", field.name());
    }
}

impl Visit for Seen {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        if value.is_finite() {
            self.bare(field, value)
        } else {
            self.record_str(field, &value.to_string())
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
            return;
        }
        member(&mut self.json, field.name(), value);
        pair(&mut self.text, field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
