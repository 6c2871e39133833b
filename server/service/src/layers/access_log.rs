//! The access log (FEATURES W7): one line a request, when it is over, and one a head that could not be read.
//!
//! What a peer sent is escaped, so that it can neither end a line nor steer a terminal.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::time::SystemTime;

use trilane_exchange::{Address, Exchange, Refusal, Response, Shard, Summary, TraceContext};
use trilane_semantics::{Cause, Known, RequestHead, StatusCode};

use crate::layer::{Hook, Phases};
use crate::principal::Principal;
use crate::text::{address, escaped, number, string, timestamp};

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
    /// `bytes_out`, `remote` (the connection's peer), `client` (whom a trusted proxy names, else the same), `user`, `user_agent`,
    /// `referer`, `protocol`, `request_id`, `trace_id`, `span_id`, `outcome`, `closed` (why the connection has closed); what is not known
    /// is null.
    #[default]
    Json,
    /// `timestamp client "method target protocol" status duration_us bytes_in bytes_out "referer"
    /// "user agent" "user" "request id" "trace id" outcome closed`; what is not known is `-`.
    Text,
}

/// Writes a line when an exchange is over.
pub struct AccessLog {
    sink: Box<dyn LogSink>,
    format: Format,
    excluded: Vec<String>,
    below: Vec<String>,
    line: Cell<String>,
}

impl AccessLog {
    /// A log of JSON lines.
    #[must_use]
    pub fn new(sink: impl LogSink + 'static) -> Self {
        let (excluded, below, line) = Default::default();
        Self { sink: Box::new(sink), format: Format::Json, excluded, below, line }
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

    /// Without the requests for that path and all below it.
    #[must_use]
    pub fn exclude_prefix(mut self, prefix: impl Into<String>) -> Self {
        let mut prefix = prefix.into();
        prefix.truncate(prefix.trim_end_matches('/').len());
        self.below.push(prefix);
        self
    }

    fn is_excluded(&self, path: &str) -> bool {
        let is_below = |prefix: &String| {
            path.strip_prefix(&**prefix)
                .is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
        };
        self.excluded.iter().any(|excluded| excluded == path) || self.below.iter().any(is_below)
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

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        // With an exchange there is an end of it to be written.
        if refusal.exchange.is_none() {
            let id = response.head.fields.get_str(Known::XRequestId);
            self.write(refusal.shard, &Entry::of_refusal(refusal, response.head.status, id));
        }
    }

    fn done(&self, exchange: &Exchange, summary: &Summary) {
        if !self.is_excluded(exchange.head().path()) {
            self.write(exchange.shard(), &Entry::of_exchange(exchange, summary));
        }
    }
}

impl AccessLog {
    fn write(&self, shard: &Shard, entry: &Entry<'_>) {
        let mut line = self.line.take();
        line.clear();
        match self.format {
            Format::Json => json(&mut line, shard.wall(), entry),
            Format::Text => plain(&mut line, shard.wall(), entry),
        }
        self.sink.line(&line);
        if line.capacity() <= KEEP {
            self.line.set(line);
        }
    }
}

/// What a line says.
struct Entry<'a> {
    head: Option<&'a RequestHead>,
    status: Option<StatusCode>,
    micros: Option<u64>,
    bytes: Option<(u64, u64)>,
    remote: Address,
    client: Address,
    user: Option<Rc<Principal>>,
    trace: Option<TraceContext>,
    closed: Option<Cause>,
    request_id: Option<&'a str>,
    outcome: &'static str,
}

impl<'a> Entry<'a> {
    fn of_exchange(exchange: &'a Exchange, summary: &Summary) -> Self {
        Self {
            head: Some(exchange.head()),
            status: summary.status,
            micros: Some(u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX)),
            bytes: Some((summary.bytes_in, summary.bytes_out)),
            remote: exchange.connection().peer,
            client: exchange.client().address,
            user: exchange.noted(),
            trace: exchange.trace(),
            closed: summary.closed,
            request_id: exchange.request_id(),
            outcome: summary.outcome.label(),
        }
    }

    /// A head that could not be read: little is known, and its reason is the outcome.
    fn of_refusal(refusal: &Refusal<'_>, status: StatusCode, request_id: Option<&'a str>) -> Self {
        Self {
            head: None,
            status: Some(status),
            micros: None,
            bytes: None,
            remote: refusal.connection.peer,
            client: refusal.connection.peer,
            user: None,
            trace: None,
            closed: None,
            request_id,
            outcome: refusal.reason.label(),
        }
    }

    fn status(&self) -> Option<u64> {
        self.status.map(|status| status.as_u16().into())
    }

    /// Bytes that are not UTF-8 are replaced.
    fn field(&self, name: Known) -> Option<Cow<'a, str>> {
        self.head.and_then(|head| head.fields.get(name)).map(String::from_utf8_lossy)
    }
}

fn json(out: &mut String, wall: SystemTime, entry: &Entry<'_>) {
    out.push_str("{\"timestamp\":\"");
    timestamp(out, wall);
    member(out, "\",\"method\":", entry.head.map(|head| head.method.as_str()));
    member(out, ",\"path\":", entry.head.map(|head| head.path()));
    member(out, ",\"query\":", entry.head.and_then(|head| head.query()));
    count(out, ",\"status\":", entry.status());
    count(out, ",\"duration_us\":", entry.micros);
    count(out, ",\"bytes_in\":", entry.bytes.map(|(bytes_in, _)| bytes_in));
    count(out, ",\"bytes_out\":", entry.bytes.map(|(_, bytes_out)| bytes_out));
    out.push_str(",\"remote\":\"");
    let from = out.len();
    address(out, &entry.remote);
    let to = out.len();
    out.push_str("\",\"client\":\"");
    if entry.client == entry.remote {
        out.extend_from_within(from..to);
    } else {
        address(out, &entry.client);
    }
    member(out, "\",\"user\":", entry.user.as_deref().map(Principal::name));
    member(out, ",\"user_agent\":", entry.field(Known::UserAgent).as_deref());
    member(out, ",\"referer\":", entry.field(Known::Referer).as_deref());
    member(out, ",\"protocol\":", entry.head.map(|head| head.protocol.as_str()));
    member(out, ",\"request_id\":", entry.request_id);
    out.push_str(",\"trace_id\":");
    id(out, entry.trace.map(|trace| trace.trace_id()), "null");
    out.push_str(",\"span_id\":");
    id(out, entry.trace.map(|trace| trace.span_id()), "null");
    member(out, ",\"outcome\":", Some(entry.outcome));
    member(out, ",\"closed\":", entry.closed.map(Cause::label));
    out.push('}');
}

fn plain(out: &mut String, wall: SystemTime, entry: &Entry<'_>) {
    timestamp(out, wall);
    out.push(' ');
    address(out, &entry.client);
    out.push_str(" \"");
    match entry.head {
        Some(head) => {
            for text in [head.method.as_str(), " ", head.target(), " ", head.protocol.as_str()] {
                escaped(out, text);
            }
        }
        None => out.push('-'),
    }
    out.push('"');
    let (bytes_in, bytes_out) = entry.bytes.unzip();
    for value in [entry.status(), entry.micros, bytes_in, bytes_out] {
        out.push(' ');
        match value {
            Some(value) => number(out, value),
            None => out.push('-'),
        }
    }
    for text in [
        entry.field(Known::Referer),
        entry.field(Known::UserAgent),
        entry.user.as_deref().map(|user| Cow::Borrowed(user.name())),
        entry.request_id.map(Cow::Borrowed),
    ] {
        out.push(' ');
        match text {
            Some(text) => string(out, &text),
            None => out.push('-'),
        }
    }
    out.push(' ');
    id(out, entry.trace.map(|trace| trace.trace_id()), "-");
    for word in [entry.outcome, entry.closed.map_or("-", Cause::label)] {
        out.push(' ');
        out.push_str(word);
    }
}

/// An id of digits, in quotes.
fn id(out: &mut String, id: Option<impl fmt::Display>, none: &str) {
    // Writing to a string does not fail.
    let _ = match id {
        Some(id) => write!(out, "\"{id}\""),
        None => write!(out, "{none}"),
    };
}

fn member(out: &mut String, name: &str, value: Option<&str>) {
    out.push_str(name);
    match value {
        Some(value) => string(out, value),
        None => out.push_str("null"),
    }
}

fn count(out: &mut String, name: &str, value: Option<u64>) {
    out.push_str(name);
    match value {
        Some(value) => number(out, value),
        None => out.push_str("null"),
    }
}
