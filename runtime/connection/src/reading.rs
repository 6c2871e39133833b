//! Ranges of open files as bytes, for transports that send nothing else: each piece is read when there is room for it,
//! by the shard's own means. It opens nothing, and waits for no disk.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::read::Read;
use trilane_exchange::{Frame, Shard, Source};
use trilane_semantics::Payload;

/// Read at once at most, in bytes: as much as may wait to be sent by default.
const PIECE: usize = 256 << 10;
/// Read at once by whoever may send anything, in bytes: smaller pieces are not worth a read.
const LEAST: usize = 16 << 10;

/// What a connection and a source that reads for it tell each other: how much is to be read, and how much may be.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    left: Cell<usize>,
    most: Cell<usize>,
    under_way: Cell<usize>,
}

impl Ahead {
    /// Whether more of a file is to be read, or being read.
    pub(crate) fn has_more(&self) -> bool {
        self.left.get() > 0
    }

    /// What is being read, in bytes, or was and waits to be taken.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// The peer lets `open` bytes through, one at least; all exchanges of the connection together have `held` bytes that were
    /// read and cannot go yet. As long as that is less than a large piece, large pieces may be read.
    pub(crate) fn allow(&self, open: usize, held: usize) {
        let most = if held < PIECE { PIECE } else { LEAST };
        self.most.set(open.clamp(LEAST, most));
    }
}

/// A source that reads `left`, and then all ranges of files among the frames of `then`, which it passes on.
pub(crate) struct Reading {
    shard: Shard,
    left: Payload,
    reading: Option<Read>,
    ahead: Rc<Ahead>,
    then: Option<Pin<Box<dyn Source>>>,
}

impl Reading {
    pub(crate) fn new(
        shard: Shard,
        left: Payload,
        then: Option<Pin<Box<dyn Source>>>,
    ) -> (Self, Rc<Ahead>) {
        let ahead = Rc::new(Ahead::default());
        ahead.left.set(left.len());
        (Self { shard, left, reading: None, ahead: Rc::clone(&ahead), then }, ahead)
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
                    this.ahead.left.set(data.len());
                    this.left = data;
                    if !this.left.is_empty() {
                        // How much may be read is to be asked first.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                other => return other,
            }
        }
        let Some((file, at)) = this.left.file() else { return Poll::Ready(None) };
        let read = match this.reading.take() {
            Some(read) => read,
            None => {
                let most = this.left.len().min(this.ahead.most.get());
                this.ahead.under_way.set(most);
                this.shard.read(Rc::clone(file), at as u64, most)
            }
        };
        let read = this.reading.insert(read);
        let Poll::Ready(piece) = Pin::new(read).poll(cx) else { return Poll::Pending };
        this.reading = None;
        this.ahead.under_way.set(0);
        Poll::Ready(Some(match piece {
            // The file has become shorter: the message cannot be completed.
            Ok(piece) if piece.is_empty() => {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
            Ok(piece) => {
                let _ = this.left.split_to(piece.len());
                this.ahead.left.set(this.left.len());
                Ok(Frame::Data(piece.into()))
            }
            Err(error) => Err(error.into()),
        }))
    }
}
