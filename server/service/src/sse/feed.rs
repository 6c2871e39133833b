//! Events as content, and what is sent while there are none.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use trilane_exchange::outgoing::{Source, SourceError};
use trilane_exchange::{Frame, Shard, Sleep};
use trilane_semantics::Payload;

use super::Event;

type Next = Option<Result<Frame, SourceError>>;

/// A stream of events as content.
pub(super) struct Events<S>(Pin<Box<S>>);

impl<S> Events<S> {
    pub(super) fn new(events: S) -> Self {
        Self(Box::pin(events))
    }
}

impl<S, E> Source for Events<S>
where
    S: Stream<Item = Result<Event, E>>,
    E: Into<SourceError>,
{
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let frame = |event| Frame::Data(String::from(event).into());
        self.0.as_mut().poll_next(cx).map(|next| next.map(|it| it.map(frame).map_err(Into::into)))
    }
}

/// Content with a comment whenever it was silent for `every`.
pub(super) struct Feed {
    source: Pin<Box<dyn Source>>,
    shard: Shard,
    every: Duration,
    /// Until the next comment; there while the source is silent.
    silence: Option<Sleep>,
}

impl Feed {
    pub(super) fn new(source: Pin<Box<dyn Source>>, shard: Shard, every: Duration) -> Self {
        Self { source, shard, every, silence: None }
    }
}

impl Source for Feed {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let this = &mut *self;
        if let Poll::Ready(next) = this.source.as_mut().poll_frame(cx) {
            this.silence = None;
            return Poll::Ready(next);
        }
        let silence = this.silence.get_or_insert_with(|| this.shard.sleep(this.every));
        if Pin::new(silence).poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.silence = None;
        Poll::Ready(Some(Ok(Frame::Data(Payload::from_static(b":\n\n")))))
    }
}
