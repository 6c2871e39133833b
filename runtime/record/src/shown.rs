//! What a machine was shown, put together again: what was taken of a stream, poll by poll, is all that was shown of it, and what was not
//! taken stands there too.

use std::collections::HashMap;

use crate::recording::Entry;
use crate::step::Step;

/// The most that one poll is shown, in bytes: no transport gives as much.
const MOST: usize = 64 << 20;

/// The streams of a recording.
#[derive(Debug, Default)]
pub(crate) struct Streams<'a>(HashMap<u64, Taken<'a>>);

/// One stream: its pieces, and how far they were taken.
#[derive(Debug, Default)]
struct Taken<'a> {
    pieces: Vec<Piece<'a>>,
    /// The piece that is next, and how much of it was taken.
    at: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
enum Piece<'a> {
    Bytes(&'a [u8]),
    /// Content of which the length is known.
    Content(usize),
}

impl Piece<'_> {
    const fn len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Content(length) => length,
        }
    }
}

impl<'a> Streams<'a> {
    /// Those of the steps. `None` if one has more content than there can be.
    pub(crate) fn of(steps: &'a [Entry<'_>]) -> Option<Self> {
        let mut streams = HashMap::<u64, Taken<'a>>::new();
        for entry in steps {
            match &entry.step {
                Step::Poll(poll) => {
                    let content =
                        usize::try_from(poll.content).ok().filter(|&length| length <= MOST)?;
                    let pieces = &mut streams.entry(poll.stream).or_default().pieces;
                    let all = [
                        Piece::Bytes(&poll.before),
                        Piece::Content(content),
                        Piece::Bytes(&poll.after),
                    ];
                    pieces.extend(all.into_iter().filter(|piece| piece.len() > 0));
                }
                Step::Rest { stream, bytes } => {
                    streams.entry(*stream).or_default().pieces.push(Piece::Bytes(bytes));
                }
                _ => {}
            }
        }
        Some(Self(streams))
    }

    /// The next `length` bytes of a stream. `None` if there are not as many.
    pub(crate) fn show(&self, stream: u64, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|&length| length <= MOST)?;
        let mut bytes = Vec::new();
        let Some(taken) = self.0.get(&stream) else { return (length == 0).then_some(bytes) };
        let (mut at, mut from) = taken.at;
        while bytes.len() < length {
            let missing = length - bytes.len();
            match *taken.pieces.get(at)? {
                Piece::Bytes(piece) => bytes.extend(piece.iter().skip(from).take(missing)),
                Piece::Content(piece) => {
                    bytes.resize(bytes.len() + missing.min(piece - from), b'.')
                }
            }
            (at, from) = (at + 1, 0);
        }
        Some(bytes)
    }

    /// So many bytes of a stream are not shown again.
    pub(crate) fn take(&mut self, stream: u64, mut length: usize) {
        let Some(taken) = self.0.get_mut(&stream) else { return };
        while let Some(piece) = taken.pieces.get(taken.at.0) {
            let left = piece.len() - taken.at.1;
            if length < left {
                taken.at.1 += length;
                return;
            }
            length -= left;
            taken.at = (taken.at.0 + 1, 0);
        }
    }
}
