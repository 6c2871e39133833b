//! Ranges of open files as bytes, for transports that send nothing else: each piece is read when there is room for it,
//! by the shard's own means. It opens nothing, and waits for no disk.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::read::Read;
use trilane_exchange::{Frame, Shard, Source};
use trilane_semantics::Payload;

/// Read at once, in bytes: as much as may wait to be sent by default.
const PIECE: usize = 256 << 10;

/// A source that reads `left`, and then all ranges of files among the frames of `then`, which it passes on.
pub(crate) struct Reading {
    shard: Shard,
    left: Payload,
    reading: Option<Read>,
    then: Option<Pin<Box<dyn Source>>>,
}

impl Reading {
    pub(crate) const fn new(
        shard: Shard,
        left: Payload,
        then: Option<Pin<Box<dyn Source>>>,
    ) -> Self {
        Self { shard, left, reading: None, then }
    }
}

impl Source for Reading {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let this = &mut *self;
        while this.left.is_empty() {
            let Some(then) = &mut this.then else { return Poll::Ready(None) };
            match then.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(Frame::Data(data)))) if data.file().is_some() => {
                    this.left = data;
                }
                other => return other,
            }
        }
        let Some((file, at)) = this.left.file() else { return Poll::Ready(None) };
        let read = match this.reading.take() {
            Some(read) => read,
            None => this.shard.read(Rc::clone(file), at as u64, this.left.len().min(PIECE)),
        };
        let read = this.reading.insert(read);
        let Poll::Ready(piece) = Pin::new(read).poll(cx) else { return Poll::Pending };
        this.reading = None;
        Poll::Ready(Some(match piece {
            // The file has become shorter: the message cannot be completed.
            Ok(piece) if piece.is_empty() => {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
            Ok(piece) => {
                let _ = this.left.split_to(piece.len());
                Ok(Frame::Data(piece.into()))
            }
            Err(error) => Err(error.into()),
        }))
    }
}
