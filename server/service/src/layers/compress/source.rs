//! Content that is compressed while it is sent.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use trilane_exchange::outgoing::{Source, SourceError};
use trilane_exchange::read::Read;
use trilane_exchange::{Frame, Shard};
use trilane_semantics::{Fields, Payload};

use super::encoder::{Lent, Then};
use trilane_exchange::rendered::rendered;

/// What is compressed in one go, in bytes: about a millisecond with the default levels. Then others have their turn.
pub(super) const PIECE: usize = 32 << 10;

type Next = Option<Result<Frame, SourceError>>;

/// Content from another source, or from a piece that is there, compressed.
pub(super) struct Compressed {
    shard: Shard,
    lent: Option<Lent>,
    /// What is to be compressed next: memory, or a range of a file.
    rest: Payload,
    reading: Option<Read>,
    source: Option<Pin<Box<dyn Source>>>,
    trailers: Option<Fields>,
    /// The encoder has taken something since its last flush.
    has_more: bool,
    /// What was taken since others had their turn, in bytes.
    taken: usize,
}

impl Compressed {
    pub(super) fn new(
        shard: Shard,
        lent: Lent,
        rest: Payload,
        source: Option<Pin<Box<dyn Source>>>,
    ) -> Self {
        Self {
            shard,
            lent: Some(lent.for_stream()),
            rest,
            reading: None,
            source,
            trailers: None,
            has_more: false,
            taken: 0,
        }
    }

    /// The next piece of memory to compress; an empty one when there is none at hand.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, SourceError>> {
        let Some((file, at)) = self.rest.file() else {
            let most = self.rest.len().min(PIECE);
            return Poll::Ready(Ok(self.rest.split_to(most)));
        };
        if self.rest.is_empty() {
            return Poll::Ready(Ok(Payload::new()));
        }
        let most = self.rest.len().min(PIECE);
        let (shard, file) = (&self.shard, Rc::clone(file));
        let reading = self.reading.get_or_insert_with(|| shard.read(file, at as u64, most));
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let bytes = read?;
        if bytes.is_empty() {
            return Poll::Ready(Err("the file has become shorter".into()));
        }
        drop(self.rest.split_to(bytes.len()));
        Poll::Ready(Ok(bytes.into()))
    }

    /// What the encoder makes of that.
    fn run(&mut self, input: &[u8], then: Then) -> io::Result<Payload> {
        let Some(lent) = &mut self.lent else { return Ok(Payload::new()) };
        let made = rendered(|out| lent.encoder.run(input, then, out));
        self.has_more = then == Then::More;
        if then == Then::End {
            self.lent = None;
        }
        made
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, SourceError>> {
        loop {
            let piece = ready!(self.poll_piece(cx))?;
            if !piece.is_empty() {
                self.taken += piece.len();
                let made = self.run(piece.as_ref(), Then::More)?;
                if !made.is_empty() {
                    return Poll::Ready(Ok(Some(Frame::Data(made))));
                }
            } else if let Some(source) = &mut self.source {
                match source.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(frame)) => match frame? {
                        Frame::Data(data) => self.rest = data,
                        Frame::Trailers(fields) => {
                            (self.trailers, self.source) = (Some(fields), None);
                        }
                    },
                    Poll::Ready(None) => self.source = None,
                    // What there is must not wait for what there is not.
                    Poll::Pending if self.has_more => {
                        let made = self.run(&[], Then::Flush)?;
                        return Poll::Ready(Ok(Some(Frame::Data(made))));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            } else if self.lent.is_some() {
                let made = self.run(&[], Then::End)?;
                return Poll::Ready(Ok(Some(Frame::Data(made))));
            } else {
                return Poll::Ready(Ok(self.trailers.take().map(Frame::Trailers)));
            }
            if self.taken >= PIECE {
                return self.pause(cx);
            }
        }
    }

    /// Lets others have their turn.
    fn pause<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.taken = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Source for Compressed {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        if self.taken >= PIECE {
            return self.pause(cx);
        }
        self.poll_next(cx).map(Result::transpose)
    }
}
