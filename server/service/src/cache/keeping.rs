//! A response on its way into the store: at once when it is whole, or beside its way out while a handler makes it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use trilane_exchange::outgoing::{Source, SourceError};
use trilane_exchange::{Frame, Outgoing, Response};
use trilane_semantics::ResponseHead;

use super::control::Allows;
use super::flight::{Leader, Outcome};
use super::freshness::Heuristic;
use super::store::{Store, Ticket};
use super::stored::{Stored, Times};
use super::vary::Selection;

/// All that is known of a stored response but its content.
pub(super) struct Keeping {
    pub(super) store: Arc<Store>,
    pub(super) key: Box<str>,
    pub(super) ticket: Ticket,
    pub(super) head: ResponseHead,
    pub(super) selection: Selection,
    pub(super) allows: Allows,
    pub(super) times: Times,
    pub(super) heuristic: Option<Heuristic>,
    pub(super) leader: Option<Leader>,
}

/// What became of a response.
pub(super) enum Kept {
    /// It is stored.
    Now(Arc<Stored>),
    /// It will be, when all of it has gone out.
    Later,
    /// It is not.
    Not,
}

impl Keeping {
    /// Stores `response`, or sees to it that it is stored when it was sent.
    pub(super) fn keep(self, response: &mut Response) -> Kept {
        let largest = self.store.bounds().largest;
        match &response.body {
            Outgoing::Empty => self.finish(Bytes::new()),
            // A copy, for what is kept must not be a part of something larger.
            Outgoing::Full(content) if content.len() <= largest && content.file().is_none() => {
                self.finish(Bytes::copy_from_slice(content.as_ref()))
            }
            Outgoing::Stream { length, .. } if length.unwrap_or(0) <= largest as u64 => {
                let body = std::mem::take(&mut response.body);
                let Outgoing::Stream { length, source } = body else { return Kept::Not };
                let (store, content) = (Arc::clone(&self.store), Vec::new());
                let tee = Tee { source, length, store, content, keeping: Some(self) };
                response.body = Outgoing::Stream { length, source: Box::pin(tee) };
                Kept::Later
            }
            // Files are in memory as far as they should be already.
            Outgoing::Full(_) | Outgoing::Stream { .. } => {
                self.land(Outcome::Alone);
                Kept::Not
            }
        }
    }

    /// All of the content is there.
    fn finish(self, content: Bytes) -> Kept {
        let Self { store, key, ticket, head, selection, allows, times, heuristic, leader } = self;
        let stored = Stored::new(head, content, selection, allows, times, heuristic);
        let stored = Arc::new(stored);
        let is_kept = store.keep(&key, ticket, &stored);
        if let Some(leader) = leader {
            leader.land(Outcome::of(&stored));
        }
        if is_kept { Kept::Now(stored) } else { Kept::Not }
    }

    fn land(self, outcome: Outcome) {
        if let Some(leader) = self.leader {
            leader.land(outcome);
        }
    }
}

/// Content that is remembered as it goes by. What is not sent to its end is not stored (RFC 9111 §3.3).
struct Tee {
    source: Pin<Box<dyn Source>>,
    length: Option<u64>,
    store: Arc<Store>,
    content: Vec<u8>,
    keeping: Option<Keeping>,
}

impl Tee {
    /// All of it has gone by.
    fn finish(&mut self) {
        let content = self.take();
        if let Some(keeping) = self.keeping.take() {
            // Without the room that it has grown by, which nobody counts.
            keeping.finish(content.into_boxed_slice().into());
        }
    }

    /// Takes out what has gone by, which is on its way into the store no longer.
    fn take(&mut self) -> Vec<u8> {
        self.store.release(self.content.len());
        std::mem::take(&mut self.content)
    }

    /// Whoever waits for this response need not any longer: it will not be theirs.
    fn give_up(&mut self) {
        drop(self.take());
        if let Some(keeping) = self.keeping.take() {
            keeping.land(Outcome::Alone);
        }
    }
}

impl Drop for Tee {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl Source for Tee {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let frame = ready!(self.source.as_mut().poll_frame(cx));
        if self.keeping.is_none() {
            return Poll::Ready(frame);
        }
        match &frame {
            Some(Ok(Frame::Data(data))) => {
                let is_too_much = self.content.len() + data.len() > self.store.bounds().largest;
                if data.file().is_some() || is_too_much || !self.store.reserve(data.len()) {
                    self.give_up();
                } else {
                    self.content.extend_from_slice(data.as_ref());
                    // A peer who knows the length need not wait for the end, and may ask again before it.
                    if self.length == Some(self.content.len() as u64) {
                        self.finish();
                    }
                }
            }
            // Trailers are not stored (RFC 9111 §3.1 lets them be left out), and so is not what would lack them.
            Some(Ok(Frame::Trailers(_))) => self.give_up(),
            Some(Err(_)) => self.keeping = None,
            None if self.length.is_none() => self.finish(),
            None => self.keeping = None,
        }
        Poll::Ready(frame)
    }
}
