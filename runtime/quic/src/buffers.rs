//! What waits in a connection's streams: framing, copied once, or content, moved.

use std::rc::Rc;

use quiche::{BufFactory, BufSplit};
use trilane_semantics::Payload;

/// Makes what quiche queues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers;

/// A piece of a stream. A clone counts up, and copies no bytes.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Framing, and all that was copied.
    Framing(Rc<[u8]>),
    /// Content.
    Content(Payload),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Framing(bytes) => bytes,
            Self::Content(payload) => payload.as_ref(),
        }
    }
}

impl BufSplit for Piece {
    fn split_at(&mut self, at: usize) -> Self {
        let mut whole = match std::mem::replace(self, Self::Content(Payload::new())) {
            Self::Content(payload) => payload,
            // Framing is never handed over to be split; if it were, it would be copied.
            Self::Framing(bytes) => Payload::from(bytes.to_vec()),
        };
        *self = Self::Content(whole.split_to(at));
        Self::Content(whole)
    }
}

impl BufFactory for Buffers {
    type Buf = Piece;
    type DgramBuf = Vec<u8>;

    fn buf_from_slice(bytes: &[u8]) -> Piece {
        Piece::Framing(bytes.into())
    }

    fn dgram_buf_from_slice(bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }
}
