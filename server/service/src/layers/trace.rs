//! Distributed traces (FEATURES W6): W3C Trace Context, taken from the request or begun here.

use trilane_exchange::{Exchange, Refusal, Request, Response, TraceContext};
use trilane_semantics::Fields;

use super::sample::SampleRatio;
use crate::layer::{Hook, Phases};

const RESPONSE: &str = "traceresponse";
const LEGACY: &str = "x-trace-id";

/// Gives each exchange a place in a trace ([`Exchange::trace`]): a span of the trace that its `traceparent` names, or the first of a
/// new one. A `traceparent` that is malformed, repeated, of version ff or of zeros alone counts as none (W3C Trace Context §3.2, §4.3).
/// The access log, and log lines of handlers, have its ids.
///
/// ```
/// use trilane_service::testing::TestClient;
/// use trilane_service::{Router, Trace, get};
/// let router = Router::new().route("/", get(|| async { "hi" })).layer(Trace::new().respond());
/// let client = TestClient::new(router)?;
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let answer = client.get("/").field("traceparent", parent).send();
/// assert!(answer.field("traceresponse").unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
/// # Ok::<(), trilane_service::RouteError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace {
    responds: bool,
    samples: SampleRatio,
    takes_legacy: bool,
}

impl Trace {
    /// Traces are taken and begun; answers say nothing of them.
    #[must_use]
    pub const fn new() -> Self {
        Self { responds: false, samples: SampleRatio::NONE, takes_legacy: false }
    }

    /// Answers say which span they are of, in a `traceresponse` (Trace Context Level 2).
    #[must_use]
    pub const fn respond(mut self) -> Self {
        self.responds = true;
        self
    }

    /// Traces that begin here are marked as sampled. Default: they are not; that of a caller is kept either way.
    #[must_use]
    pub const fn sampled(self) -> Self {
        self.ratio(SampleRatio::ALL)
    }

    /// Such a part of the traces that begin here is marked as sampled. Default: none.
    #[must_use]
    pub const fn ratio(mut self, ratio: SampleRatio) -> Self {
        self.samples = ratio;
        self
    }

    /// An `X-Trace-Id` of 1 to 64 visible characters is echoed; where there is none, answers get the id of the trace. Without a
    /// `traceparent`, one of up to 32 hexadecimal digits is the id of the trace, with zeros before it.
    #[must_use]
    pub const fn x_trace_id(mut self) -> Self {
        self.takes_legacy = true;
        self
    }

    fn place(&self, exchange: &Exchange) -> TraceContext {
        let (fields, shard) = (&exchange.head().fields, exchange.shard());
        if let Some(caller) = TraceContext::of(fields) {
            return caller.child(shard);
        }
        // `from_str_radix` takes a sign too.
        let given = self.legacy(fields).filter(|id| !id.starts_with('+'));
        let given = given.and_then(|id| u128::from_str_radix(id, 16).ok());
        let trace = TraceContext::begin(shard, given, false);
        trace.sampled(self.samples.takes(&trace))
    }

    fn legacy<'a>(&self, fields: &'a Fields) -> Option<&'a str> {
        let id = fields.get_str(LEGACY).filter(|_| self.takes_legacy)?;
        let is_sane = (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        is_sane.then_some(id)
    }
}

impl Hook for Trace {
    fn phases(&self) -> Phases {
        let answers = self.responds || self.takes_legacy;
        if answers { Phases::BEFORE | Phases::AFTER } else { Phases::BEFORE }
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let exchange = request.exchange();
        exchange.set_trace(self.place(exchange));
        None
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let Some(trace) = exchange.trace() else { return };
        let fields = &mut response.head.fields;
        // Visible ASCII all of it.
        if self.responds {
            let _ = fields.set(RESPONSE, trace.to_string());
        }
        if self.takes_legacy {
            let _ = match self.legacy(&exchange.head().fields) {
                Some(given) => fields.set(LEGACY, given),
                None => fields.set(LEGACY, trace.trace_id().to_string()),
            };
        }
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        let Some(exchange) = refusal.exchange else { return };
        if exchange.trace().is_none() {
            exchange.set_trace(self.place(exchange));
        }
        self.after(exchange, response);
    }
}
