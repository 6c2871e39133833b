//! A request that is over, as a span: what OpenTelemetry's conventions for HTTP servers want to know.

use std::time::{SystemTime, UNIX_EPOCH};

use trilane_exchange::trace::trace_state;
use trilane_exchange::{Address, Exchange, Outcome, Summary, TraceContext};
use trilane_semantics::{Known, Protocol};

/// The longest text that a peer has made up and a span keeps, in bytes.
const LONGEST: usize = 1024;

/// A request that is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace: TraceContext,
    pub(crate) state: Option<String>,
    pub(crate) name: String,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_error: bool,
    pub(crate) attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
}

impl Span {
    /// Of a request in that trace.
    pub(crate) fn new(trace: TraceContext, exchange: &Exchange, summary: &Summary) -> Self {
        let (head, route) = (exchange.head(), exchange.params().template());
        let end = exchange.shard().wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = end.saturating_sub(summary.duration);
        let mut attributes = Attributes(Vec::with_capacity(16));
        // A method that nobody knows is a name that a client has made up.
        let method = known(head.method.as_str());
        attributes.text("http.request.method", method.unwrap_or("_OTHER"));
        if method.is_none() {
            attributes.text("http.request.method_original", head.method.as_str());
        }
        attributes.text("url.path", head.path());
        let is_secure = exchange.client().is_secure;
        attributes.text("url.scheme", if is_secure { "https" } else { "http" });
        if let Some(route) = route {
            attributes.text("http.route", route);
        }
        attributes.text("network.protocol.name", "http");
        attributes.text("network.protocol.version", version(head.protocol));
        if let Some((host, port)) = head.authority().map(place) {
            attributes.text("server.address", host);
            attributes.0.extend(port.map(|port| ("server.port", Value::Number(port))));
        }
        if let Some(ip) = exchange.client().ip() {
            attributes.text("client.address", &ip.to_string());
        }
        if let Address::Ip(peer) = exchange.connection().peer {
            attributes.text("network.peer.address", &peer.ip().to_string());
            attributes.number("network.peer.port", i64::from(peer.port()));
        }
        if let Some(agent) = head.fields.get_str(Known::UserAgent) {
            attributes.text("user_agent.original", agent);
        }
        attributes.number("http.request.body.size", whole(summary.bytes_in));
        attributes.number("http.response.body.size", whole(summary.bytes_out));
        let error = error(summary);
        if let Some(status) = summary.status {
            attributes.number("http.response.status_code", i64::from(status.as_u16()));
        }
        if let Some(error) = &error {
            attributes.text("error.type", error);
        }
        let name = method.unwrap_or("HTTP");
        Self {
            trace,
            state: trace_state(&head.fields),
            name: route.map_or_else(|| name.to_owned(), |route| format!("{name} {route}")),
            start: nanos(start),
            end: nanos(end),
            is_error: error.is_some(),
            attributes: attributes.0,
        }
    }
}

struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    fn text(&mut self, name: &'static str, value: &str) {
        let cut = value.floor_char_boundary(LONGEST);
        self.0.push((name, Value::Text(value[..cut].to_owned())));
    }

    fn number(&mut self, name: &'static str, value: i64) {
        self.0.push((name, Value::Number(value)));
    }
}

/// What went wrong on our side: a status from 500 on, or an answer that did not go out whole.
fn error(summary: &Summary) -> Option<String> {
    match (summary.outcome, summary.status) {
        (Outcome::Complete, Some(status)) if status.as_u16() >= 500 => {
            Some(status.as_str().to_owned())
        }
        (Outcome::Complete, _) => None,
        (outcome, _) => Some(outcome.label().to_owned()),
    }
}

/// The methods of RFC 9110 and RFC 5789.
fn known(method: &str) -> Option<&'static str> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    known.into_iter().find(|known| *known == method)
}

const fn version(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http10 => "1.0",
        Protocol::Http11 => "1.1",
        Protocol::Http2 => "2",
        Protocol::Http3 => "3",
    }
}

/// Host and port of an authority.
fn place(authority: &str) -> (&str, Option<i64>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse::<u16>() {
            Ok(port) => (host, Some(i64::from(port))),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn nanos(since: std::time::Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Now, in nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
