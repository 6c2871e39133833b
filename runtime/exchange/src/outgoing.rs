//! The content of a message that goes out: nothing, one piece, or a source that is polled when there is room.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;
use trilane_semantics::{Fields, Payload};

use crate::incoming::Frame;

/// Why a source gave up; the message cannot be completed. The text is for the log.
pub type SourceError = Box<dyn std::error::Error>;

/// Content that is made while it is sent. Polled only when its connection has room: that is the
/// back-pressure. Dropped when the peer leaves.
pub trait Source {
    /// The next frame, or `None` after the last.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>>;

    /// Said once, before the first frame, by a connection that takes content as it lies in pipes: for who passes on what
    /// comes ([`Incoming::welcome_pipes`](crate::Incoming::welcome_pipes)), and does not look at it.
    fn welcome_pipes(self: Pin<&mut Self>) {}
}

/// The content of a message that goes out.
#[derive(Default)]
pub enum Outgoing {
    /// None.
    #[default]
    Empty,
    /// All of it is here.
    Full(Payload),
    /// It is made while it is sent.
    Stream {
        /// How long it will be, if that is known.
        length: Option<u64>,
        /// Who makes it.
        source: Pin<Box<dyn Source>>,
    },
}

impl Outgoing {
    /// Content from a source of unknown length.
    #[must_use]
    pub fn source(source: impl Source + 'static) -> Self {
        Self::Stream { length: None, source: Box::pin(source) }
    }

    /// Content from a stream of pieces.
    ///
    /// ```
    /// use trilane_exchange::{Incoming, Outgoing};
    /// # fn echo(incoming: Incoming) -> Outgoing {
    /// Outgoing::frames(incoming) // sends back what comes, trailers too
    /// # }
    /// ```
    #[must_use]
    pub fn frames<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Frame, E>> + 'static,
        E: Into<SourceError>,
    {
        Self::source(Frames { stream: Box::pin(stream) })
    }

    /// Content that an async block writes.
    ///
    /// ```
    /// use trilane_exchange::Outgoing;
    /// let body = Outgoing::write(|writer| async move {
    ///     writer.send("one ").await;
    ///     writer.send("two").await;
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn write<F>(make: impl FnOnce(Writer) -> F) -> Self
    where
        F: Future<Output = Result<(), SourceError>> + 'static,
    {
        let slot = Rc::new(RefCell::new(None));
        let future = Box::pin(make(Writer { slot: Rc::clone(&slot) }));
        Self::source(Written { slot, future: Some(future) })
    }

    /// With a promise of how long a stream will be: more is an error, less breaks the message off.
    #[must_use]
    pub fn with_length(mut self, promised: u64) -> Self {
        if let Self::Stream { length, .. } = &mut self {
            *length = Some(promised);
        }
        self
    }

    /// How long it is, if that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Full(payload) => Some(payload.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(payload) => write!(f, "Full({} bytes)", payload.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
        }
    }
}

impl<T: Into<Payload>> From<T> for Outgoing {
    fn from(payload: T) -> Self {
        Self::Full(payload.into())
    }
}

struct Frames<S> {
    stream: Pin<Box<S>>,
}

impl<S, E> Source for Frames<S>
where
    S: Stream<Item = Result<Frame, E>>,
    E: Into<SourceError>,
{
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        self.stream.as_mut().poll_next(cx).map(|next| next.map(|frame| frame.map_err(Into::into)))
    }
}

/// Sends content from within the block of [`Outgoing::write`]; waits while the connection has no room.
#[derive(Debug)]
pub struct Writer {
    slot: Rc<RefCell<Option<Frame>>>,
}

impl Writer {
    /// Sends a piece; ready when the next may be made.
    pub async fn send(&self, piece: impl Into<Payload>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.put(Frame::Data(piece)).await;
        }
    }

    /// Sends trailer fields; nothing may follow. Where the length was promised they are lost over HTTP/1.1, and over HTTP/2
    /// if the response has no `Trailer` field (RFC 9110 §6.6.2).
    pub async fn trailers(self, fields: Fields) {
        self.put(Frame::Trailers(fields)).await;
    }

    async fn put(&self, frame: Frame) {
        *self.slot.borrow_mut() = Some(frame);
        // The body that polls us takes the frame at once, and polls us again when there is room.
        poll_fn(|_| if self.slot.borrow().is_none() { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
}

struct Written<F> {
    slot: Rc<RefCell<Option<Frame>>>,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = Result<(), SourceError>>> Source for Written<F> {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        let frame = self.slot.borrow_mut().take();
        match (frame, polled) {
            (_, Poll::Ready(Err(error))) => Poll::Ready(Some(Err(error))),
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
            (None, Poll::Pending) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn drain(body: Outgoing) -> Vec<String> {
        let Outgoing::Stream { mut source, .. } = body else { panic!("not a stream") };
        let mut cx = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        for _ in 0..10 {
            match source.as_mut().poll_frame(&mut cx) {
                Poll::Ready(None) => return seen,
                Poll::Ready(Some(frame)) => seen.push(format!("{frame:?}")),
                Poll::Pending => seen.push("pending".into()),
            }
        }
        panic!("never ends: {seen:?}")
    }

    #[test]
    fn a_writer_gives_its_pieces_one_by_one() {
        let body = Outgoing::write(|writer| async move {
            writer.send("a").await;
            writer.send("").await;
            writer.send("b").await;
            Ok(())
        });
        let text = drain(body);
        assert_eq!(text, ["Ok(Data(Payload(\"a\")))", "Ok(Data(Payload(\"b\")))"]);
    }

    #[test]
    fn a_writer_that_fails_says_so() {
        let body = Outgoing::write(|writer| async move {
            writer.send("a").await;
            Err("broken".into())
        });
        assert_eq!(drain(body), ["Ok(Data(Payload(\"a\")))", "Err(\"broken\")"]);
    }
}
