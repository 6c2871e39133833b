//! Unreliable datagrams of an exchange, both ways (RFC 9297): over HTTP/3, from request to response's end. They may be lost or
//! overtake each other; they are not kept for a reader that is slow.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;

/// Datagrams that wait, an exchange and direction. Of those that came the oldest goes first, of those to be sent none.
pub const WAITING: usize = 64;

/// The handler's end of the datagrams of its exchange.
///
/// ```no_run
/// # async fn handler(request: trilane_exchange::Request) {
/// let mut datagrams = request.datagrams();
/// while let Some(datagram) = datagrams.receive().await {
///     if let Err(error) = datagrams.send(datagram) {
///         eprintln!("not sent: {error}");
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Datagrams {
    queue: Rc<DatagramQueue>,
}

/// Why a datagram is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatagramError {
    /// The protocol has none, or one of the two sides does not take any.
    Unavailable,
    /// It is longer than a packet on the way can hold.
    TooLarge {
        /// So many bytes would fit now.
        most: usize,
    },
    /// So many wait already that it would only be late.
    Full,
    /// The exchange is over.
    Gone,
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("the connection carries no datagrams"),
            Self::TooLarge { most } => write!(f, "a datagram has {most} bytes at most"),
            Self::Full => f.write_str("too many datagrams wait to be sent"),
            Self::Gone => f.write_str("the exchange is over"),
        }
    }
}

impl std::error::Error for DatagramError {}

impl Datagrams {
    pub(crate) const fn new(queue: Rc<DatagramQueue>) -> Self {
        Self { queue }
    }

    /// The next datagram that came; `None` when the exchange is over.
    pub async fn receive(&mut self) -> Option<Bytes> {
        poll_fn(|cx| {
            if let Some(datagram) = self.queue.incoming.borrow_mut().pop_front() {
                return Poll::Ready(Some(datagram));
            }
            if self.queue.is_over.get() {
                return Poll::Ready(None);
            }
            *self.queue.reader.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Sends a datagram, now or never.
    ///
    /// # Errors
    /// It was not sent, and why.
    pub fn send(&self, datagram: impl Into<Bytes>) -> Result<(), DatagramError> {
        let (datagram, queue) = (datagram.into(), &self.queue);
        if queue.is_over.get() {
            return Err(DatagramError::Gone);
        }
        let most = queue.most.get().ok_or(DatagramError::Unavailable)?;
        if datagram.len() > most {
            return Err(DatagramError::TooLarge { most });
        }
        let mut outgoing = queue.outgoing.borrow_mut();
        if outgoing.len() >= WAITING {
            return Err(DatagramError::Full);
        }
        outgoing.push_back(datagram);
        drop(outgoing);
        if let Some(waker) = &*queue.sender.borrow() {
            waker.wake_by_ref();
        }
        Ok(())
    }

    /// How long a datagram may be now, in bytes; none if the connection carries none. Changes with the path.
    #[must_use]
    pub fn most(&self) -> Option<usize> {
        self.queue.most.get()
    }
}

/// What lies between the handler and the connection.
#[derive(Debug, Default)]
pub struct DatagramQueue {
    incoming: RefCell<VecDeque<Bytes>>,
    outgoing: RefCell<VecDeque<Bytes>>,
    reader: RefCell<Option<Waker>>,
    sender: RefCell<Option<Waker>>,
    most: Cell<Option<usize>>,
    is_over: Cell<bool>,
}

impl DatagramQueue {
    /// For the handler to say something first: `most` bytes at most.
    pub(crate) fn new(most: Option<usize>) -> Self {
        Self { most: Cell::new(most), ..Self::default() }
    }

    /// A datagram came. If too many wait, the oldest is dropped.
    pub fn push(&self, datagram: &[u8]) {
        let mut incoming = self.incoming.borrow_mut();
        if incoming.len() >= WAITING {
            incoming.pop_front();
        }
        incoming.push_back(Bytes::copy_from_slice(datagram));
        drop(incoming);
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The next datagram to send.
    #[must_use]
    pub fn pop(&self) -> Option<Bytes> {
        self.outgoing.borrow_mut().pop_front()
    }

    /// Who sends is woken by that, and takes `most` bytes at most.
    pub fn attach(&self, waker: &Waker, most: Option<usize>) {
        self.most.set(most);
        let mut sender = self.sender.borrow_mut();
        if sender.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *sender = Some(waker.clone());
        }
    }

    /// The exchange is over.
    pub fn end(&self) {
        self.is_over.set(true);
        *self.sender.borrow_mut() = None;
        self.outgoing.borrow_mut().clear();
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn next(datagrams: &mut Datagrams) -> Poll<Option<Bytes>> {
        pin!(datagrams.receive()).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn both_ways_within_their_bounds() {
        let queue = Rc::new(DatagramQueue::new(Some(3)));
        let mut datagrams = Datagrams::new(Rc::clone(&queue));
        assert_eq!(next(&mut datagrams), Poll::Pending);
        for n in 0..=WAITING as u8 {
            queue.push(&[n]);
        }
        assert_eq!(
            next(&mut datagrams),
            Poll::Ready(Some(Bytes::from_static(&[1]))),
            "0 is dropped"
        );
        assert_eq!(datagrams.send("four"), Err(DatagramError::TooLarge { most: 3 }));
        for _ in 0..WAITING {
            assert_eq!(datagrams.send("one"), Ok(()));
        }
        assert_eq!(datagrams.send("one"), Err(DatagramError::Full));
        assert_eq!(queue.pop(), Some(Bytes::from_static(b"one")));
        queue.attach(Waker::noop(), None);
        assert_eq!(datagrams.send("one"), Err(DatagramError::Unavailable));
        queue.end();
        assert_eq!((datagrams.send("one"), queue.pop()), (Err(DatagramError::Gone), None));
        while let Poll::Ready(Some(_)) = next(&mut datagrams) {}
        assert_eq!(next(&mut datagrams), Poll::Ready(None));
    }
}
