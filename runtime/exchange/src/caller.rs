//! A connection to a server, as whoever asks there has it, and the connection's end of that.
//!
//! Between them stands a desk: requests wait there until the connection takes them, and it says there how many more it has room for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;
use trilane_semantics::{Cause, Protocol};

use crate::asking::{Ask, AskError, AskFailure, Asked, Asking, asking};
use crate::connection::ConnectionInfo;
use crate::dial::DialError;

/// Requests that wait for a connection that is being made, at most.
const WAITING: usize = 1024;

/// Told when a connection has room again, or has closed. Called by the connection, amid its work: to make a note, and wake others.
pub trait Watch {
    /// The connection that was given this name has changed.
    fn changed(&self, name: u64);
}

/// What both ends share.
struct Shared {
    asks: RefCell<VecDeque<(Ask, Asked)>>,
    room: Cell<usize>,
    under_way: Cell<usize>,
    is_connected: Cell<bool>,
    /// A request was taken.
    is_used: Cell<bool>,
    info: RefCell<Option<(Protocol, Rc<ConnectionInfo>)>>,
    closed: RefCell<Option<DialError>>,
    wanted: Cell<Option<Cause>>,
    callers: Cell<usize>,
    /// Of the connection.
    waker: RefCell<Option<Waker>>,
    /// Who waits for it to be ready.
    waiting: RefCell<SmallVec<[Waker; 1]>>,
    watch: RefCell<Option<(Rc<dyn Watch>, u64)>>,
}

impl Shared {
    fn knock(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn changed(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
        let watch = self.watch.borrow().clone();
        if let Some((watch, name)) = watch {
            watch.changed(name);
        }
    }

    /// What was not asked because there is no connection, or no longer: one that was of use says nothing of its server by that.
    fn refuse(&self, (ask, asked): (Ask, Asked), error: DialError) {
        let is_reused = self.is_used.get();
        let error = AskError::unsent(AskFailure::Connection(error), ask);
        asked.end(Err(AskError { is_reused, ..error }));
    }
}

/// A connection to a server. When the last clone is dropped the connection ends, after what is under way.
///
/// ```
/// use trilane_exchange::{Ask, Dial, Remote, Shard};
/// use trilane_semantics::{Known, Method, RequestHead};
/// # async fn f(shard: Shard) -> Result<(), Box<dyn std::error::Error>> {
/// let caller = shard.dial(Dial::new(Remote::Ip(([127, 0, 0, 1], 8080).into())))?;
/// let mut head = RequestHead::new(Method::GET, "/").ok_or("no target")?;
/// head.fields.append(Known::Host, "localhost:8080")?;
/// let answer = caller.ask(Ask::new(head)).await?;
/// # let _ = answer.head.status;
/// # Ok(()) }
/// ```
pub struct Caller(Rc<Shared>);

impl Caller {
    /// Asks. Waits for the connection to be made, if need be.
    pub fn ask(&self, ask: Ask) -> Asking {
        let (asking, asked) = asking();
        let closed = self.0.closed.borrow().clone();
        if let Some(error) = closed {
            self.0.refuse((ask, asked), error);
            return asking;
        }
        if self.0.asks.borrow().len() >= WAITING {
            asked.end(Err(AskError::unsent(AskFailure::NotNow, ask)));
            return asking;
        }
        self.0.room.set(self.0.room.get().saturating_sub(1));
        self.0.asks.borrow_mut().push_back((ask, asked));
        self.0.knock();
        asking
    }

    /// Waits until the connection is made, and its protocol known.
    ///
    /// # Errors
    /// It cannot be made, or has closed.
    pub async fn ready(&self) -> Result<Protocol, DialError> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// As [`Caller::ready`].
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<Protocol, DialError>> {
        if let Some(error) = &*self.0.closed.borrow() {
            return Poll::Ready(Err(error.clone()));
        }
        match self.protocol().filter(|_| self.0.is_connected.get()) {
            Some(protocol) => Poll::Ready(Ok(protocol)),
            None => {
                let mut waiting = self.0.waiting.borrow_mut();
                if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// The protocol, once it is known.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.0.info.borrow().as_ref().map(|(protocol, _)| *protocol)
    }

    /// What is known of the connection, once its protocol is.
    #[must_use]
    pub fn info(&self) -> Option<Rc<ConnectionInfo>> {
        self.0.info.borrow().as_ref().map(|(_, info)| Rc::clone(info))
    }

    /// How many more requests it takes now; 0 while its protocol is not known.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.room.get()
    }

    /// How many requests are under way, or wait to be.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.0.under_way.get() + self.0.asks.borrow().len()
    }

    /// Whether it is made, or being made.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.closed.borrow().is_none() && self.0.wanted.get().is_none()
    }

    /// Ends it, for that reason, after what is under way; it takes nothing more.
    pub fn close(&self, cause: Cause) {
        self.0.room.set(0);
        if self.0.wanted.replace(Some(cause)).is_none() {
            self.0.knock();
        }
    }

    /// Tells `watch` of changes from now on, under that name.
    pub fn watch(&self, watch: Rc<dyn Watch>, name: u64) {
        *self.0.watch.borrow_mut() = Some((watch, name));
    }
}

impl Clone for Caller {
    fn clone(&self) -> Self {
        self.0.callers.set(self.0.callers.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.callers.set(self.0.callers.get() - 1);
        if self.0.callers.get() == 0 {
            self.close(Cause::LastMessage);
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Caller");
        debug.field("protocol", &self.protocol()).field("room", &self.room());
        debug.field("closed", &self.0.closed.borrow()).finish_non_exhaustive()
    }
}

/// The connection's end of a [`Caller`].
pub struct Desk(Rc<Shared>);

/// Both ends of a connection that is to be made.
#[must_use]
pub fn desk() -> (Caller, Desk) {
    let shared = Rc::new(Shared {
        asks: RefCell::default(),
        room: Cell::new(0),
        under_way: Cell::new(0),
        is_connected: Cell::new(false),
        is_used: Cell::new(false),
        info: RefCell::default(),
        closed: RefCell::default(),
        wanted: Cell::new(None),
        callers: Cell::new(1),
        waker: RefCell::default(),
        waiting: RefCell::default(),
        watch: RefCell::default(),
    });
    (Caller(Rc::clone(&shared)), Desk(shared))
}

impl Desk {
    /// Has `waker` woken when somebody asks, or wants an end; at once, if somebody has already.
    pub fn attach(&self, waker: Waker) {
        if !self.0.asks.borrow().is_empty() || self.0.wanted.get().is_some() {
            waker.wake_by_ref();
        }
        *self.0.waker.borrow_mut() = Some(waker);
    }

    /// The transport is there.
    pub fn connected(&self) {
        self.0.is_connected.set(true);
        self.0.changed();
    }

    /// The protocol is known.
    pub fn opened(&self, protocol: Protocol, info: Rc<ConnectionInfo>) {
        *self.0.info.borrow_mut() = Some((protocol, info));
        self.0.changed();
    }

    /// The next request that waits, if it may begin now; those behind it wait too.
    #[must_use]
    pub fn next(&self, may_begin: impl Fn(&Ask) -> bool) -> Option<(Ask, Asked)> {
        let next = self.0.asks.borrow_mut().pop_front_if(|(ask, _)| may_begin(ask));
        if next.is_some() {
            self.0.is_used.set(true);
        }
        next
    }

    /// So many are under way, and there is room for so many more.
    pub fn offer(&self, under_way: usize, room: usize) {
        self.0.under_way.set(under_way);
        let free = match self.0.wanted.get() {
            None => room.saturating_sub(self.0.asks.borrow().len()),
            Some(_) => 0,
        };
        if self.0.room.replace(free) < free {
            self.0.changed();
        }
    }

    /// Whether an end is wanted, and why.
    #[must_use]
    pub fn wanted(&self) -> Option<Cause> {
        self.0.wanted.get().filter(|_| self.0.asks.borrow().is_empty())
    }

    /// There is no connection, or no longer. The first reason stays. What has waited was not sent.
    pub fn end(&self, error: DialError) {
        if self.0.closed.borrow().is_some() {
            return;
        }
        *self.0.closed.borrow_mut() = Some(error.clone());
        self.0.room.set(0);
        for waiting in self.0.asks.take() {
            self.0.refuse(waiting, error.clone());
        }
        self.0.changed();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.end(DialError::Closed(Cause::Aborted));
        let waker = self.0.waker.borrow_mut().take();
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;

    use trilane_semantics::{Method, RequestHead};

    use super::*;

    /// A server ends what is idle, and may do so while a request is on its way to the connection: it has done nothing wrong.
    #[test]
    fn a_connection_that_was_of_use_may_end() {
        let ask = || Ask::new(RequestHead::new(Method::GET, "/").unwrap());
        let is_reused = |asking: Asking| {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Err(error)) = pin!(asking).poll(&mut cx) else { panic!("no end") };
            assert_eq!(error.effect, trilane_semantics::Effect::None);
            error.is_reused
        };
        for is_used in [false, true] {
            let (caller, desk) = desk();
            if is_used {
                drop(caller.ask(ask()));
                assert!(desk.next(|_| true).is_some());
            }
            let waiting = caller.ask(ask());
            desk.end(DialError::Closed(Cause::Peer));
            assert_eq!(is_reused(waiting), is_used);
            assert_eq!(is_reused(caller.ask(ask())), is_used);
        }
    }
}
