//! The content of a message that comes in: a bounded queue between its connection and its reader.
//!
//! Taking a frame is consuming it: only then does the peer get credit for more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use trilane_semantics::{Fields, Payload, Reason};

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
#[derive(Debug, Default)]
pub struct Incoming {
    queue: Option<Rc<Queue>>,
    limit: u64,
    taken: u64,
}

/// The connection's end of an [`Incoming`].
#[derive(Debug)]
pub struct IncomingWriter {
    queue: Rc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: RefCell<VecDeque<Frame>>,
    waker: RefCell<Option<Waker>>,
    /// How much the head promised, if it did.
    promised: Cell<Option<u64>>,
    end: Cell<Option<Result<(), BodyError>>>,
    /// Bytes in `frames`.
    queued: Cell<usize>,
    /// Bytes taken that the connection was not told of yet.
    released: Cell<usize>,
    /// The reader waits for more, or did.
    wanted: Cell<bool>,
    /// Wakes the connection when the queue has room again.
    room: RefCell<Option<Waker>>,
    reader_gone: Cell<bool>,
    /// A tunnel that has not begun: reads as ended.
    held: Cell<bool>,
}

impl Incoming {
    /// No content.
    #[must_use]
    pub const fn empty() -> Self {
        Self { queue: None, limit: u64::MAX, taken: 0 }
    }

    /// A queue and its writer. `promised` is the length that the head gave; reading more than `limit` bytes
    /// fails.
    #[must_use]
    pub fn channel(promised: Option<u64>, limit: u64) -> (IncomingWriter, Self) {
        let queue = Rc::new(Queue { promised: Cell::new(promised), ..Queue::default() });
        (IncomingWriter { queue: Rc::clone(&queue) }, Self { queue: Some(queue), limit, taken: 0 })
    }

    /// The incoming half of a tunnel that may come about: no content, until [`IncomingWriter::open`].
    #[must_use]
    pub fn tunnel() -> (IncomingWriter, Self) {
        let (writer, incoming) = Self::channel(None, u64::MAX);
        writer.queue.held.set(true);
        (writer, incoming)
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
            None => Some(0),
            Some(queue) => queue.promised.get(),
        }
    }

    /// The next frame, or `None` after the last.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        let Some(queue) = &self.queue else { return Poll::Ready(None) };
        // A length that can only end in a refusal is refused at once (RFC 9110 §15.5.14).
        if queue.promised.get().is_some_and(|promised| promised > self.limit) {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        if queue.held.get() {
            return Poll::Ready(None);
        }
        let frame = queue.frames.borrow_mut().pop_front();
        if let Some(frame) = frame {
            if let Frame::Data(data) = &frame {
                queue.take(data.len());
                self.taken += data.len() as u64;
                if self.taken > self.limit {
                    return Poll::Ready(Some(Err(BodyError::TooLarge)));
                }
            }
            return Poll::Ready(Some(Ok(frame)));
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

    /// The next frame, or `None` after the last.
    ///
    /// # Errors
    /// [`BodyError`] when the content ended early or is too large.
    pub async fn frame(&mut self) -> Result<Option<Frame>, BodyError> {
        poll_fn(|cx| self.poll_frame(cx)).await.transpose()
    }

    /// All content as one piece; trailers are dropped. Copies only what came in more than one piece.
    ///
    /// # Errors
    /// [`BodyError`] when the content ended early or is too large.
    pub async fn collect(&mut self) -> Result<Bytes, BodyError> {
        let mut first = None;
        let mut joined = Vec::new();
        while let Some(frame) = self.frame().await? {
            let Frame::Data(data) = frame else { continue };
            match first.take() {
                None if joined.is_empty() => first = Some(data),
                None => joined.extend_from_slice(data.as_ref()),
                Some(before) => {
                    let promised = self.promised().unwrap_or(0).min(self.limit).min(1 << 20);
                    joined.reserve(promised as usize);
                    joined.extend_from_slice(Payload::as_ref(&before));
                    joined.extend_from_slice(data.as_ref());
                }
            }
        }
        Ok(first.map_or_else(|| Bytes::from(joined), Payload::into_bytes))
    }
}

impl futures_core::Stream for Incoming {
    type Item = Result<Frame, BodyError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.poll_frame(cx)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(queue) = &self.queue else { return };
        queue.reader_gone.set(true);
        let left = queue.queued.get();
        queue.frames.borrow_mut().clear();
        queue.take(left);
    }
}

impl Queue {
    fn take(&self, n: usize) {
        self.queued.set(self.queued.get() - n);
        self.released.set(self.released.get() + n);
        if let Some(room) = self.room.borrow_mut().take() {
            room.wake();
        }
    }
}

impl IncomingWriter {
    /// Adds a frame and wakes the reader; a frame that nobody will read is dropped and counts as taken.
    pub fn push(&self, frame: Frame) {
        if let Frame::Data(data) = &frame {
            if self.queue.reader_gone.get() {
                self.queue.released.set(self.queue.released.get() + data.len());
                return;
            }
            self.queue.queued.set(self.queue.queued.get() + data.len());
        }
        self.queue.frames.borrow_mut().push_back(frame);
        self.wake();
    }

    /// The tunnel has begun.
    pub fn open(&self) {
        self.queue.held.set(false);
    }

    /// Ends the content: complete, or early.
    pub fn end(&self, how: Result<(), BodyError>) {
        if self.queue.end.get().is_none() {
            self.queue.end.set(Some(how));
            self.wake();
        }
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.queue.end.get().is_some()
    }

    /// Bytes that wait for the reader.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued.get()
    }

    /// Bytes taken since the last call: give the peer credit for them.
    #[must_use]
    pub fn take_released(&self) -> usize {
        self.queue.released.replace(0)
    }

    /// Whether somebody may still read it.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        !self.queue.reader_gone.get()
    }

    /// Whether the reader has asked for more than there was.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.queue.wanted.get()
    }

    /// Wakes `waker` when the reader has taken something.
    pub fn notify_room(&self, waker: &Waker) {
        *self.queue.room.borrow_mut() = Some(waker.clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.queue.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(incoming: &mut Incoming) -> Poll<Option<Result<Frame, BodyError>>> {
        incoming.poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn data(text: &'static str) -> Frame {
        Frame::Data(Payload::from(text))
    }

    #[test]
    fn frames_come_in_order_and_credit_follows_the_reader() {
        let (writer, mut incoming) = Incoming::channel(None, 100);
        assert!(poll(&mut incoming).is_pending() && writer.is_wanted());
        writer.push(data("abc"));
        writer.push(data("de"));
        assert_eq!((writer.queued(), writer.take_released()), (5, 0));
        assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(data("abc")))));
        assert_eq!((writer.queued(), writer.take_released(), writer.take_released()), (2, 3, 0));
        writer.end(Ok(()));
        writer.end(Err(BodyError::Gone));
        assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(data("de")))));
        assert_eq!(poll(&mut incoming), Poll::Ready(None));
    }

    #[test]
    fn the_limit_holds_at_its_edges() {
        for (limit, fits) in [(2, false), (3, true), (4, true)] {
            let (writer, mut incoming) = Incoming::channel(None, limit);
            writer.push(data("abc"));
            let got = poll(&mut incoming);
            assert_eq!(got == Poll::Ready(Some(Ok(data("abc")))), fits, "{limit}");
            let (_writer, mut promised) = Incoming::channel(Some(3), limit);
            let refused = Poll::Ready(Some(Err(BodyError::TooLarge)));
            assert_eq!(poll(&mut promised) != refused, fits, "{limit}");
        }
    }

    #[test]
    fn a_tunnel_has_no_content_before_it_begins() {
        let (writer, mut incoming) = Incoming::tunnel();
        assert_eq!(poll(&mut incoming), Poll::Ready(None));
        writer.open();
        assert_eq!(poll(&mut incoming), Poll::Pending);
        writer.push(data("a"));
        assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(data("a")))));
    }

    #[test]
    fn what_nobody_reads_counts_as_taken() {
        let (writer, incoming) = Incoming::channel(None, 100);
        writer.push(data("abc"));
        drop(incoming);
        writer.push(data("de"));
        assert_eq!((writer.queued(), writer.take_released()), (0, 5));
    }
}
