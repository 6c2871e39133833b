//! Server-Sent Events (HTML Living Standard §9.2): an answer that goes on as long as there is something to tell.
//!
//! [`Event`] is one of them, [`Sse`] the answer, [`LastEventId`] where a client that comes back wants to go on.

mod event;
mod feed;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_core::Stream;
use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Outgoing, Request, Response, Shard, Writer};
use trilane_semantics::{Known, Payload, StatusCode};

pub use event::Event;

use crate::extract::FromRequestParts;
use crate::respond::IntoResponse;
use feed::{Events, Feed};

/// How long a stream may be silent by default: less than the minute after which proxies give up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The content type of a stream of events.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Events, each sent at once. The content is made while it is sent: a client that does not read holds its maker up, and one
/// that leaves drops it. No timeout ends it, also not that of handlers.
///
/// While there is nothing to tell, a comment is sent every 15 s, so that proxies see the connection at work, and a client that
/// has vanished is noticed.
///
/// ```
/// use std::time::Duration;
/// use trilane_service::{Event, LastEventId, Router, Shard, Sse, get};
///
/// async fn events(shard: Shard, last: LastEventId) -> Sse {
///     let first = last.as_str().and_then(|id| id.parse().ok()).map_or(0, |id: u64| id + 1);
///     Sse::write(&shard.clone(), move |events| async move {
///         for number in first.. {
///             events.send(Event::new().id(number.to_string()).data("tick")).await;
///             shard.sleep(Duration::from_secs(1)).await;
///         }
///         Ok(())
///     })
/// }
/// let router: Router = Router::new().route("/events", get(events));
/// ```
///
/// When the events end so does the answer, and the client comes back after a while; 204 tells it not to. A drain waits for events
/// as for any answer, until its deadline: those that have no end should look at [`Shard::is_draining`].
pub struct Sse {
    shard: Shard,
    source: Outgoing,
    keep_alive: Option<Duration>,
}

impl Sse {
    /// The events of a stream. An error breaks the answer off, and the client comes back.
    pub fn new<S, E>(shard: &Shard, events: S) -> Self
    where
        S: Stream<Item = Result<Event, E>> + 'static,
        E: Into<SourceError>,
    {
        Self::of(shard, Outgoing::source(Events::new(events)))
    }

    /// The events that an async block sends. It waits in [`EventWriter::send`] while the client does not read.
    pub fn write<F>(shard: &Shard, make: impl FnOnce(EventWriter) -> F) -> Self
    where
        F: Future<Output = Result<(), SourceError>> + 'static,
    {
        Self::of(shard, Outgoing::write(|writer| make(EventWriter(writer))))
    }

    fn of(shard: &Shard, source: Outgoing) -> Self {
        Self { shard: shard.clone(), source, keep_alive: Some(KEEP_ALIVE) }
    }

    /// With a comment whenever nothing was sent for so long. Default 15 s; at least 1 ms.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = Some(every.max(Duration::from_millis(1)));
        self
    }

    /// Without such comments.
    #[must_use]
    pub const fn without_keep_alive(mut self) -> Self {
        self.keep_alive = None;
        self
    }

    fn content(self) -> Outgoing {
        match (self.source, self.keep_alive) {
            (Outgoing::Stream { source, .. }, Some(every)) => {
                Outgoing::source(Feed::new(source, self.shard, every))
            }
            (source, _) => source,
        }
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse").field("keep_alive", &self.keep_alive).finish_non_exhaustive()
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let mut response = Response::new(StatusCode::OK);
        let fields = &mut response.head.fields;
        fields.append_static(Known::ContentType, EVENT_STREAM);
        // What was told once is nobody else's answer (RFC 9111 §5.2.2.5).
        fields.append_static(Known::CacheControl, "no-store");
        response.body = self.content();
        // An nginx in front of us would collect events until a buffer is full.
        response.field("x-accel-buffering", "no")
    }
}

/// Sends events from within the block of [`Sse::write`].
#[derive(Debug)]
pub struct EventWriter(Writer);

impl EventWriter {
    /// Sends one; ready when the next may be made.
    pub async fn send(&self, event: Event) {
        self.0.send(Payload::from(String::from(event))).await;
    }
}

/// The id of the last event that a client saw before it lost its connection (`Last-Event-ID`); none the first time, or if
/// it is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastEventId(pub Option<String>);

impl LastEventId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<S> FromRequestParts<S> for LastEventId {
    type Rejection = std::convert::Infallible;

    fn from_request_parts(request: &mut Request, _: &S) -> Result<Self, Self::Rejection> {
        let id = request.head().fields.get_str("last-event-id");
        Ok(Self(id.filter(|id| !id.is_empty()).map(ToOwned::to_owned)))
    }
}
