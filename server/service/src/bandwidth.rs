//! How fast an answer's content may go (FEATURES R7). What all answers of a connection may together is the connection's own
//! limit ([`Limits::bandwidth`](trilane_semantics::Limits::bandwidth)).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Allowance, Exchange, Frame, Outgoing, Response, Shard, Sleep, Source};
use trilane_semantics::Payload;

use crate::layer::{Hook, Phases};

/// Lets the content of each answer go at so many bytes a second, in slices of 20 ms. Around a handler, or called by it:
///
/// ```
/// use trilane_service::{Bandwidth, Outgoing, Router, Shard, get};
/// # fn router() -> Router {
/// let whole = || Outgoing::from("y".repeat(1 << 20));
/// Router::new()
///     .route("/layer", get(|| async { "x".repeat(1 << 20) }).layer(Bandwidth::new(100_000)))
///     .route("/call", get(move |shard: Shard| async move {
///         Bandwidth::new(1_000_000).pace(&shard, whole())
///     }))
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth(u64);

impl Bandwidth {
    /// So many bytes a second, at least 1.
    #[must_use]
    pub const fn new(bytes_a_second: u64) -> Self {
        Self(if bytes_a_second == 0 { 1 } else { bytes_a_second })
    }

    /// The same content, at that rate. Its length stays as it was.
    #[must_use]
    pub fn pace(self, shard: &Shard, body: Outgoing) -> Outgoing {
        let (length, rest, source) = match body {
            Outgoing::Empty => return Outgoing::Empty,
            Outgoing::Full(payload) => (Some(payload.len() as u64), payload, None),
            Outgoing::Stream { length, source } => (length, Payload::new(), Some(source)),
        };
        let (shard, allowance) = (shard.clone(), Allowance::default());
        let paced = Paced { shard, rate: self.0, allowance, rest, source, sleep: None };
        Outgoing::Stream { length, source: Box::pin(paced) }
    }
}

impl Hook for Bandwidth {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let body = std::mem::take(&mut response.body);
        response.body = self.pace(exchange.shard(), body);
    }
}

/// Content that waits for its time.
struct Paced {
    shard: Shard,
    rate: u64,
    allowance: Allowance,
    /// What is here already.
    rest: Payload,
    /// Where more comes from.
    source: Option<Pin<Box<dyn Source>>>,
    sleep: Option<Sleep>,
}

impl Source for Paced {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let this = &mut *self;
        while this.rest.is_empty() {
            let Some(source) = &mut this.source else { return Poll::Ready(None) };
            match ready!(source.as_mut().poll_frame(cx)) {
                Some(Ok(Frame::Data(data))) => this.rest = data,
                other => return Poll::Ready(other),
            }
        }
        loop {
            let now = this.shard.now();
            match this.allowance.room(this.rate, now) {
                Ok(room) => {
                    this.sleep = None;
                    let piece = this.rest.split_to(room);
                    this.allowance.spend(this.rate, now, piece.len());
                    return Poll::Ready(Some(Ok(Frame::Data(piece))));
                }
                Err(due) => {
                    let shard = &this.shard;
                    let sleep = this.sleep.get_or_insert_with(|| shard.sleep(due.since(now)));
                    ready!(Pin::new(sleep).poll(cx));
                    this.sleep = None;
                }
            }
        }
    }
}
