//! What lies between a socket and its connection: both halves, and who is to be woken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{Incoming, Shard};
use trilane_semantics::{Instant, Payload};
use trilane_websocket::{CloseCode, CloseFrame, Message, Receiver, Sender};

use crate::ws::reading::Reading;
use crate::ws::socket::Error;
use crate::ws::writing::Writing;

/// What may be set of a socket besides its limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) write_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // Both ends of QUIC give a silent connection up, by default after 30 s.
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            write_buffer: 64 << 10,
        }
    }
}

/// Both halves of a socket. Held by its driver, and by whoever has a part of the socket.
pub(crate) struct Link {
    pub(crate) shard: Shard,
    pub(crate) options: Options,
    reading: RefCell<Reading>,
    writing: RefCell<Writing>,
    /// The connection's task.
    driver: RefCell<Option<Waker>>,
    /// Who waits for a message.
    reader: RefCell<Option<Waker>>,
    /// The driver runs: it looks at everything before it rests.
    is_driven: Cell<bool>,
    /// When we began to close; then, when something went out last: a close goes behind what waits.
    closing: Cell<Option<Instant>>,
}

impl Link {
    pub(crate) fn new(
        shard: Shard,
        options: Options,
        incoming: Incoming,
        receiver: Receiver,
        sender: Sender,
    ) -> Rc<Self> {
        let reading = RefCell::new(Reading::new(incoming, receiver, shard.now()));
        let writing = RefCell::new(Writing::new(sender));
        let (driver, reader, is_driven, closing) = Default::default();
        Rc::new(Self { shard, options, reading, writing, driver, reader, is_driven, closing })
    }

    /// The driver is polled with that waker from now on.
    pub(crate) fn begin(&self, waker: &Waker) {
        self.is_driven.set(true);
        let mut driver = self.driver.borrow_mut();
        if driver.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    /// The driver rests.
    pub(crate) fn rest(&self) {
        self.is_driven.set(false);
    }

    /// Reads on until a message waits for who reads; answers what can be answered without anybody.
    pub(crate) fn read(&self) {
        let (mut reading, driver) = (self.reading.borrow_mut(), self.driver.borrow());
        let mut cx = Context::from_waker(driver.as_ref().unwrap_or(Waker::noop()));
        while reading.ready.is_none() && reading.end.is_none() && !self.is_full() {
            match reading.poll(&mut cx, self.shard.now()) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(Message::Ping(bytes)))) => self.say(Message::Pong(bytes)),
                // That something came was noted.
                Poll::Ready(Some(Ok(Message::Pong(_)))) => {}
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    // RFC 6455 §5.5.1: a close is answered with a close, and the code it came with.
                    self.say(Message::Close(frame.clone()));
                    reading.ready = Some(Message::Close(frame));
                    reading.finish(Ok(()));
                }
                Poll::Ready(Some(Ok(data))) if !reading.is_unread => reading.ready = Some(data),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => {
                    // RFC 6455 §7.1.5: that was not agreed on, but who has ended its half in order still hears what waits.
                    self.writing.borrow_mut().end();
                    reading.finish(Err(Error::Gone));
                }
                Poll::Ready(Some(Err(Error::Gone))) => {
                    self.writing.borrow_mut().abandon();
                    reading.lose();
                }
                Poll::Ready(Some(Err(error))) => {
                    // RFC 6455 §7.1.7: the peer is told why.
                    if let Error::Protocol(error) = error {
                        self.say(Message::Close(Some(CloseFrame::new(error.code(), error.text()))));
                    }
                    reading.finish(Err(error));
                }
            }
        }
    }

    /// Says something of our own accord, if anything may be said still.
    fn say(&self, message: Message) {
        let _ = self.writing.borrow_mut().push(message);
    }

    /// The next message for who reads.
    pub(crate) fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.read();
        let mut reading = self.reading.borrow_mut();
        if let Some(message) = reading.ready.take() {
            // Until now it was us who held the peer back.
            reading.heard = self.shard.now();
            // The next is read by whoever comes first.
            self.wake();
            return Poll::Ready(Some(Ok(message)));
        }
        if let Some(end) = &mut reading.end {
            return Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err));
        }
        let mut reader = self.reader.borrow_mut();
        if reader.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
            *reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Puts a message behind what waits to be sent.
    pub(crate) fn send(&self, message: Message) -> Result<(), Error> {
        let is_close = matches!(message, Message::Close(_));
        self.writing.borrow_mut().push(message).map_err(|_| Error::Closed)?;
        if is_close {
            self.closing.set(Some(self.shard.now()));
        }
        self.wake();
        Ok(())
    }

    /// Ready when less waits than may.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_full() || self.is_closed() {
            return Poll::Ready(());
        }
        self.writing.borrow_mut().wait(cx.waker());
        Poll::Pending
    }

    /// Whether as much waits to be sent as may.
    pub(crate) fn is_full(&self) -> bool {
        self.writing.borrow().waiting() >= self.options.write_buffer
    }

    /// Whether nothing more can be sent.
    pub(crate) fn is_closed(&self) -> bool {
        self.writing.borrow().is_closed()
    }

    /// Nobody reads any more: what comes is dropped.
    pub(crate) fn forget(&self) {
        let mut reading = self.reading.borrow_mut();
        reading.is_unread = true;
        reading.ready = None;
    }

    /// Has the driver look at what has changed.
    pub(crate) fn wake(&self) {
        if !self.is_driven.get()
            && let Some(driver) = &*self.driver.borrow()
        {
            driver.wake_by_ref();
        }
    }

    /// The next piece to send. Wakes who waits for room, or for a message.
    pub(crate) fn take(&self) -> Option<Payload> {
        let was_full = self.is_full();
        let piece = self.writing.borrow_mut().take();
        if piece.is_some() && was_full {
            // Before who writes has its turn: one that fills whatever room there is would leave none for pongs, nor for a close.
            self.read();
        }
        if piece.is_some() && self.closing.get().is_some() {
            self.closing.set(Some(self.shard.now()));
        }
        let waiters = {
            let mut writing = self.writing.borrow_mut();
            let has_room = writing.waiting() < self.options.write_buffer || writing.is_closed();
            if has_room { writing.take_waiters() } else { Vec::new() }
        };
        let is_news = self.reading.borrow().ready.is_some() || self.is_over();
        let reader = if is_news { self.reader.take() } else { None };
        waiters.into_iter().chain(reader).for_each(Waker::wake);
        piece
    }

    /// Whether nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        self.reading.borrow().end.is_some()
    }

    /// Whether the peer has left without a close, or was given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.reading.borrow().is_lost
    }

    /// When something came last; `None` while who reads holds the peer back.
    pub(crate) fn heard(&self) -> Option<Instant> {
        let reading = self.reading.borrow();
        Some(reading.heard).filter(|_| reading.ready.is_none())
    }

    /// When the peer must have answered our close.
    pub(crate) fn close_due(&self) -> Option<Instant> {
        let said = self.closing.get().filter(|_| !self.is_over())?;
        // What waits goes first: a client that reads slowly has not heard it yet.
        let at = if self.writing.borrow().waiting() > 0 { self.shard.now() } else { said };
        Some(at + self.options.close_timeout)
    }

    /// The peer has not said anything for too long.
    pub(crate) fn time_out(&self) {
        self.say(Message::Close(Some(CloseFrame::new(CloseCode::INTERNAL, "no pong came"))));
        self.reading.borrow_mut().finish(Err(Error::Timeout));
    }

    /// The connection is gone, or done with.
    pub(crate) fn leave(&self) {
        *self.driver.borrow_mut() = None;
        self.writing.borrow_mut().abandon();
        self.reading.borrow_mut().lose();
        self.take();
    }
}
