//! What comes in: pieces of the tunnel become messages, one ahead of who reads.

use std::task::{Context, Poll};

use trilane_exchange::{Frame, Incoming};
use trilane_semantics::{Instant, Payload};
use trilane_websocket::{Message, Receiver};

use crate::ws::socket::Error;

/// The incoming half of a socket.
pub(crate) struct Reading {
    incoming: Incoming,
    receiver: Receiver,
    /// What came last, and how much of it was looked at.
    piece: Payload,
    at: usize,
    /// When something came last.
    pub(crate) heard: Instant,
    /// A message that waits for who reads.
    pub(crate) ready: Option<Message>,
    /// Nothing more comes, and why if that was not agreed on.
    pub(crate) end: Option<Result<(), Error>>,
    /// The peer has vanished, or was given up.
    pub(crate) is_lost: bool,
    /// Nobody reads: messages are dropped.
    pub(crate) is_unread: bool,
}

impl Reading {
    pub(crate) fn new(incoming: Incoming, receiver: Receiver, heard: Instant) -> Self {
        let (piece, at, ready, end) = (Payload::new(), 0, None, None);
        let (is_lost, is_unread) = (false, false);
        Self { incoming, receiver, piece, at, heard, ready, end, is_lost, is_unread }
    }

    /// The next message; `Err` once, when the socket has failed, and `None` when the peer has ended the tunnel.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Option<Result<Message, Error>>> {
        loop {
            let mut rest = self.piece.as_ref().get(self.at..).unwrap_or_default();
            if !rest.is_empty() {
                let polled = self.receiver.poll(&mut rest);
                self.at = self.piece.len() - rest.len();
                match polled {
                    Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Some(Err(Error::Protocol(error)))),
                }
            }
            // What was looked at is given back before more is waited for.
            (self.piece, self.at) = (Payload::new(), 0);
            match self.incoming.poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                    (self.piece, self.heard) = (data, now);
                }
                // Trailers have no meaning in a tunnel.
                Poll::Ready(Some(Ok(Frame::Trailers(_)))) => {}
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(Error::Gone))),
                Poll::Ready(None) => return Poll::Ready(None),
            }
        }
    }

    /// Nothing more is read.
    pub(crate) fn finish(&mut self, end: Result<(), Error>) {
        if self.end.is_none() {
            self.end = Some(end);
            (self.incoming, self.piece) = (Incoming::empty(), Payload::new());
        }
    }

    /// Nobody is there any more.
    pub(crate) fn lose(&mut self) {
        self.is_lost |= self.end.is_none();
        self.finish(Err(Error::Gone));
    }
}
