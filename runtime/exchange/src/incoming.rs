//! The content of a message that comes in: a bounded queue between its connection and its reader.
//!
//! Taking a frame is consuming it: only then does the peer get credit for more.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use trilane_semantics::{Fields, Payload, Reason};

use crate::queue::{IncomingWriter, Queue, Reader, recycle};

/// The most that is reserved on the word of a head alone, in bytes.
const RESERVE: u64 = 1 << 20;

/// A part of a message after its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Content.
    Data(Payload),
    /// Trailer fields; the last frame.
    Trailers(Fields),
}

/// Why content ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than its route allows (413).
    TooLarge,
    /// It is not coded as its Content-Encoding says (400).
    Coding,
    /// The peer broke the protocol in mid-content.
    Fault(Reason),
    /// The peer gave up or left.
    Gone,
}

impl BodyError {
    /// The reason, for its status and its text.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::TooLarge => Reason::ContentTooLarge,
            Self::Coding => Reason::ContentCoding,
            Self::Fault(reason) => reason,
            Self::Gone => Reason::Incomplete,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().text())
    }
}

impl std::error::Error for BodyError {}

/// The content of a message, read frame by frame or whole. Dropping it says that nobody wants the rest.
#[derive(Default)]
pub struct Incoming {
    queue: Option<Rc<Queue>>,
    made: Option<Made>,
    limit: u64,
    taken: u64,
}

/// What a layer makes of other content.
type Made = Pin<Box<dyn Stream<Item = Result<Frame, BodyError>>>>;

impl Incoming {
    /// No content.
    #[must_use]
    pub const fn empty() -> Self {
        Self { queue: None, made: None, limit: u64::MAX, taken: 0 }
    }

    /// A queue and its writer. `promised` is the length that the head gave; reading more than `limit` bytes
    /// fails.
    #[must_use]
    pub fn channel(promised: Option<u64>, limit: u64) -> (IncomingWriter, Self) {
        let queue = Queue::new(promised);
        let writer = IncomingWriter { queue: Rc::clone(&queue) };
        (writer, Self { queue: Some(queue), made: None, limit, taken: 0 })
    }

    /// Content that is made while it is read, for layers that make it of other content. It is asked for no more than its reader
    /// is: whoever makes it of another `Incoming` holds that one back too.
    #[must_use]
    pub fn frames(stream: impl Stream<Item = Result<Frame, BodyError>> + 'static) -> Self {
        Self { queue: None, made: Some(Box::pin(stream)), limit: u64::MAX, taken: 0 }
    }

    /// The incoming half of a tunnel that may come about: no content, until [`IncomingWriter::open`].
    #[must_use]
    pub fn tunnel() -> (IncomingWriter, Self) {
        let (writer, incoming) = Self::channel(None, u64::MAX);
        writer.queue.held.set(true);
        (writer, incoming)
    }

    /// Whether it is that of a tunnel that has not come about: without it, there is no content.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.held.get())
    }

    /// Content that is there already, for tests and for layers that replace a body.
    #[must_use]
    pub fn full(payload: Payload) -> Self {
        let (writer, incoming) = Self::channel(Some(payload.len() as u64), u64::MAX);
        if !payload.is_empty() {
            writer.push(Frame::Data(payload));
        }
        writer.end(Ok(()));
        incoming
    }

    /// Sets how many bytes may be read; more is [`BodyError::TooLarge`].
    pub const fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The length that the head promised.
    #[must_use]
    pub fn promised(&self) -> Option<u64> {
        match &self.queue {
            None if self.made.is_some() => None,
            None => Some(0),
            Some(queue) => queue.promised.get(),
        }
    }

    /// What is read from now on may lie in pipes ([`Payload::pipe`]): the reader only passes it on, to a connection that has
    /// said that it takes such ([`Source::welcome_pipes`](crate::Source::welcome_pipes)).
    pub fn welcome_pipes(&mut self) {
        if let Some(queue) = &self.queue {
            queue.reader.set(Reader::Pipes);
        }
    }

    /// The next frame, or `None` after the last.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        if let Some(made) = &mut self.made {
            let next = ready!(made.as_mut().poll_next(cx));
            return Poll::Ready(next.map(|frame| self.within(frame?)));
        }
        let Some(queue) = &self.queue else { return Poll::Ready(None) };
        if queue.reader.get() == Reader::Unknown {
            queue.reader.set(Reader::Bytes);
        }
        // A length that can only end in a refusal is refused at once (RFC 9110 §15.5.14).
        if self.is_too_large() {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        if queue.held.get() {
            return Poll::Ready(None);
        }
        if let Some(frame) = queue.pop() {
            if let Frame::Data(data) = &frame {
                queue.take(data.len());
            }
            return Poll::Ready(Some(self.within(frame)));
        }
        match queue.end.get() {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                if !queue.wanted.replace(true)
                    && let Some(room) = queue.room.borrow_mut().take()
                {
                    room.wake();
                }
                let mut waker = queue.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Whether the length that the head gave is more than may be read, so that reading can only end in [`BodyError::TooLarge`].
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.promised().is_some_and(|promised| promised > self.limit)
    }

    /// Counts a frame: more than the limit is an error.
    fn within(&mut self, frame: Frame) -> Result<Frame, BodyError> {
        if let Frame::Data(data) = &frame {
            self.taken += data.len() as u64;
        }
        if self.taken > self.limit { Err(BodyError::TooLarge) } else { Ok(frame) }
    }

    /// All content, if it is here already, complete, in one piece and without trailers: there is nothing to wait for then. What is not
    /// stays as it is.
    pub fn take_whole(&mut self) -> Option<Payload> {
        if self.made.is_some() {
            return None;
        }
        let Some(queue) = &self.queue else { return Some(Payload::new()) };
        if queue.end.get() != Some(Ok(()))
            || queue.held.get()
            || queue.queued.get() as u64 > self.limit
        {
            return None;
        }
        let whole = queue.take_only()?;
        queue.take(whole.len());
        self.taken += whole.len() as u64;
        Some(whole)
    }

    /// The next frame, or `None` after the last.
    ///
    /// # Errors
    /// [`BodyError`] when the content ended early or is too large.
    pub async fn frame(&mut self) -> Result<Option<Frame>, BodyError> {
        poll_fn(|cx| self.poll_frame(cx)).await.transpose()
    }

    /// All content as one piece; trailers are dropped. Copies only what came in more than one piece, or was leased.
    ///
    /// # Errors
    /// [`BodyError`] when the content ended early or is too large.
    pub async fn collect(&mut self) -> Result<Bytes, BodyError> {
        self.collect_payload().await.map(Payload::into_bytes)
    }

    /// As [`Incoming::collect`], to be read in place: what came in one piece is not copied, even if it was leased.
    ///
    /// # Errors
    /// [`BodyError`] when the content ended early or is too large.
    pub async fn collect_payload(&mut self) -> Result<Payload, BodyError> {
        let (mut first, mut joined) = (Payload::new(), Vec::new());
        poll_fn(|cx| {
            while let Some(frame) = ready!(self.poll_frame(cx)).transpose()? {
                let Frame::Data(data) = frame else { continue };
                if !joined.is_empty() {
                    joined.extend_from_slice(data.as_ref());
                } else if first.is_empty() {
                    first = data;
                } else if !data.is_empty() {
                    let promised = self.promised().unwrap_or(0).min(self.limit).min(RESERVE);
                    // No more than `RESERVE`.
                    joined.reserve(promised as usize);
                    joined.extend_from_slice(first.as_ref());
                    joined.extend_from_slice(data.as_ref());
                }
            }
            Poll::Ready(Ok(()))
        })
        .await?;
        Ok(if joined.is_empty() { first } else { joined.into() })
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Incoming");
        debug.field("queue", &self.queue).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Stream for Incoming {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_frame(cx)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        queue.reader_gone.set(true);
        let left = queue.queued.get();
        queue.clear();
        queue.take(left);
        recycle(queue);
    }
}

#[cfg(test)]
#[path = "tests/incoming.rs"]
mod tests;
