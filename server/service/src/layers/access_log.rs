//! The access log (FEATURES W7): one line a request, when it is over.
//!
//! What a peer sent is escaped, so that it can neither end a line nor steer a terminal.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::fmt::Write as _;

use trilane_exchange::{Exchange, Summary};
use trilane_semantics::Known;

use crate::layer::{Hook, Phases};
use crate::text::{escaped, number, string, timestamp};

/// A line buffer that grew past this is not kept, in bytes.
const KEEP: usize = 16 << 10;

/// Where lines go. Must not block for long: it is called on the shard.
pub trait LogSink {
    /// Takes a line, without its end.
    fn line(&self, line: &str);
}

impl<F: Fn(&str)> LogSink for F {
    fn line(&self, line: &str) {
        self(line);
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An object: `timestamp`, `method`, `path`, `query`, `status`, `duration_us`, `bytes_in`,
    /// `bytes_out`, `remote`, `user_agent`, `referer`, `protocol`, `request_id`, `outcome`; what is
    /// not known is null.
    #[default]
    Json,
    /// `timestamp remote "method target protocol" status duration_us bytes_in bytes_out "referer"
    /// "user agent" "request id" outcome`; what is not known is `-`.
    Text,
}

/// Writes a line when an exchange is over.
pub struct AccessLog {
    sink: Box<dyn LogSink>,
    format: Format,
    excluded: Vec<String>,
    line: Cell<String>,
}

impl AccessLog {
    /// A log of JSON lines.
    #[must_use]
    pub fn new(sink: impl LogSink + 'static) -> Self {
        let (format, excluded) = (Format::Json, Vec::new());
        Self { sink: Box::new(sink), format, excluded, line: Cell::default() }
    }

    /// In that form instead.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Without the requests for exactly that path, such as health checks.
    #[must_use]
    pub fn exclude(mut self, path: impl Into<String>) -> Self {
        self.excluded.push(path.into());
        self
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessLog({:?})", self.format)
    }
}

impl Hook for AccessLog {
    fn phases(&self) -> Phases {
        Phases::DONE
    }

    fn done(&self, exchange: &Exchange, summary: &Summary) {
        if self.excluded.iter().any(|path| path == exchange.head().path()) {
            return;
        }
        let mut line = self.line.take();
        line.clear();
        match self.format {
            Format::Json => json(&mut line, exchange, summary),
            Format::Text => plain(&mut line, exchange, summary),
        }
        self.sink.line(&line);
        if line.capacity() <= KEEP {
            self.line.set(line);
        }
    }
}

fn json(out: &mut String, exchange: &Exchange, summary: &Summary) {
    let head = exchange.head();
    out.push_str("{\"timestamp\":\"");
    timestamp(out, exchange.shard().wall());
    out.push('"');
    member(out, "method", Some(head.method.as_str()));
    member(out, "path", Some(head.path()));
    member(out, "query", head.query());
    count(out, "status", summary.status.map(|status| u64::from(status.as_u16())));
    count(out, "duration_us", Some(micros(summary)));
    count(out, "bytes_in", Some(summary.bytes_in));
    count(out, "bytes_out", Some(summary.bytes_out));
    out.push_str(",\"remote\":\"");
    // Writing to a string cannot fail; an address has nothing to escape.
    let _ = write!(out, "{}\"", exchange.connection().peer);
    member(out, "user_agent", field(exchange, Known::UserAgent).as_deref());
    member(out, "referer", field(exchange, Known::Referer).as_deref());
    member(out, "protocol", Some(head.protocol.as_str()));
    member(out, "request_id", exchange.request_id());
    member(out, "outcome", Some(summary.outcome.label()));
    out.push('}');
}

fn plain(out: &mut String, exchange: &Exchange, summary: &Summary) {
    let head = exchange.head();
    timestamp(out, exchange.shard().wall());
    // Writing to a string cannot fail; an address has nothing to escape.
    let _ = write!(out, " {} \"", exchange.connection().peer);
    for text in [head.method.as_str(), " ", head.target(), " ", head.protocol.as_str()] {
        escaped(out, text);
    }
    out.push_str("\" ");
    match summary.status {
        Some(status) => number(out, status.as_u16()),
        None => out.push('-'),
    }
    for value in [micros(summary), summary.bytes_in, summary.bytes_out] {
        out.push(' ');
        number(out, value);
    }
    for text in [
        field(exchange, Known::Referer),
        field(exchange, Known::UserAgent),
        exchange.request_id().map(Cow::Borrowed),
    ] {
        out.push(' ');
        match text {
            Some(text) => string(out, &text),
            None => out.push('-'),
        }
    }
    out.push(' ');
    out.push_str(summary.outcome.label());
}

fn micros(summary: &Summary) -> u64 {
    u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX)
}

/// Bytes that are not UTF-8 are replaced.
fn field(exchange: &Exchange, name: Known) -> Option<Cow<'_, str>> {
    exchange.head().fields.get(name).map(String::from_utf8_lossy)
}

fn member(out: &mut String, name: &str, value: Option<&str>) {
    begin(out, name);
    match value {
        Some(value) => string(out, value),
        None => out.push_str("null"),
    }
}

fn count(out: &mut String, name: &str, value: Option<u64>) {
    begin(out, name);
    match value {
        Some(value) => number(out, value),
        None => out.push_str("null"),
    }
}

fn begin(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}
