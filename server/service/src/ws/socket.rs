//! A WebSocket as handlers have it: whole, or its two halves apart.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;

use trilane_websocket::{CloseCode, CloseFrame, Message};

use crate::ws::link::Link;

/// Why a socket has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The client has broken the protocol, and was told so.
    Protocol(trilane_websocket::Error),
    /// The client has left without a word.
    Gone,
    /// The client has not answered for too long.
    Timeout,
    /// A close was sent: nothing can follow it.
    Closed,
    /// As much waits to be sent as may.
    Full,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Gone => f.write_str("the client has left"),
            Self::Timeout => f.write_str("the client does not answer"),
            Self::Closed => f.write_str("the socket is closed"),
            Self::Full => f.write_str("too much waits to be sent"),
        }
    }
}

impl std::error::Error for Error {}

/// A WebSocket. Pings are answered and asked for by it; dropping it closes it.
#[derive(Debug)]
pub struct WebSocket {
    sender: Sender,
    receiver: Receiver,
}

impl WebSocket {
    pub(crate) fn new(link: &Rc<Link>) -> Self {
        let part = || Part(Rc::clone(link));
        Self { sender: Sender(part()), receiver: Receiver(part()) }
    }

    /// The next text, bytes or close. `None` after a close; an error once, and then `None`, when the socket has ended in another
    /// way.
    ///
    /// Only while somebody reads is more received than one message, so that a peer is held back by a reader that is slow.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.receiver.recv().await
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// [`Error::Closed`] when nothing can be sent any more.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Closes it: says why, and waits until the client has answered, has left, or has taken too long. What comes meanwhile is
    /// dropped. The reason is 123 bytes at most.
    pub async fn close(mut self, code: CloseCode, reason: &str) {
        // If a close was sent before, its answer is waited for.
        let _ = self.send(Message::Close(Some(CloseFrame::new(code, reason)))).await;
        while self.recv().await.is_some() {}
    }

    /// A sender, to write from elsewhere. Clones of it write to the same socket.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Both halves apart.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// The outgoing half of a [`WebSocket`]. Clones share it, and each message goes whole.
#[derive(Clone, Debug)]
pub struct Sender(Part);

impl Sender {
    /// Sends a message, once there is room for it: as long as the client takes nothing and the buffer is full, this waits.
    ///
    /// # Errors
    /// [`Error::Closed`] when nothing can be sent any more.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let link = &self.0.0;
        poll_fn(|cx| link.poll_room(cx)).await;
        link.send(message.into())
    }

    /// Sends a message now, or not at all: for those who will not wait for a client that is slow.
    ///
    /// # Errors
    /// [`Error::Full`] when too much waits already, [`Error::Closed`] when nothing can be sent any more.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let link = &self.0.0;
        if link.is_full() && !link.is_closed() {
            Err(Error::Full)
        } else {
            link.send(message.into())
        }
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.0.is_closed()
    }
}

/// The incoming half of a [`WebSocket`]. Without it, what comes is dropped.
#[derive(Debug)]
pub struct Receiver(Part);

impl Receiver {
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| self.0.0.poll_recv(cx)).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.0.0.forget();
    }
}

/// A part of a socket: the driver learns when the last one goes.
#[derive(Clone)]
struct Part(Rc<Link>);

impl Drop for Part {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket")
    }
}
