//! Large files: read piece by piece on the blocking pool, each piece when the connection has room
//! for it.

use std::fs::File;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Frame, Outgoing, Shard, Source};

/// Read at once, in bytes.
const PIECE: u64 = 256 << 10;

/// A part of an open file as content of known length. A file that has become shorter breaks the
/// message off.
pub(super) fn part(shard: &Shard, file: File, part: Range<u64>) -> Outgoing {
    let length = part.end - part.start;
    let source = Pieces { shard: shard.clone(), file: Arc::new(file), left: part, reading: None };
    Outgoing::source(source).with_length(length)
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>>>>;

struct Pieces {
    shard: Shard,
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<Reading>,
}

impl Source for Pieces {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let (file, at) = (Arc::clone(&self.file), self.left.start);
                let most = PIECE.min(self.left.end - at) as usize;
                Box::pin(self.shard.blocking(move || read(&file, at, most)))
            }
        };
        let Poll::Ready(piece) = reading.as_mut().poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        Poll::Ready(Some(piece.map_err(Into::into).map(|piece| {
            self.left.start += piece.len() as u64;
            Frame::Data(piece.into())
        })))
    }
}

/// At least a byte, at most `most`.
fn read(file: &File, at: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; most];
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                piece.truncate(n);
                return Ok(piece);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}
