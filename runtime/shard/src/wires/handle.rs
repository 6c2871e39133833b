//! A wire's other end, which its user holds: what is wanted, what has come, and who waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use trilane_exchange::Pipe;

use crate::slots::Key;
use crate::sys::SocketName;

/// Handles that want something of the loop, each once.
#[derive(Default)]
pub(crate) struct Calls {
    waiting: RefCell<VecDeque<Rc<Shared>>>,
    is_over: Cell<bool>,
}

/// What both ends share.
pub(super) struct Shared {
    /// Its slot, once the loop has seen it.
    pub(super) key: Cell<Option<Key>>,
    /// It waits for the loop to look.
    has_called: Cell<bool>,
    is_gone: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    fresh: Option<(OwnedFd, SocketName)>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Ours is to end, or has.
    ends: bool,
    has_ended: bool,
    /// What failed; it fails again and again.
    failed: Option<Failure>,
    is_connected: bool,
    /// Who waits for bytes, or to be connected.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Memory to be used again, each way.
    spare_in: Vec<u8>,
    spare_out: Vec<u8>,
}

#[derive(Clone)]
struct Failure(io::ErrorKind, Option<i32>);

enum Incoming {
    No,
    /// A piece is to be received, or is being received.
    Wanted,
    UnderWay,
    Here(Vec<u8>),
    Ended,
}

enum Outgoing {
    No,
    Wanted(Vec<u8>),
    UnderWay,
}

/// What our half is to do.
pub(super) enum Half {
    Bytes(Vec<u8>),
    End,
    Nothing,
}

impl Calls {
    pub(super) fn next(&self) -> Option<Rc<Shared>> {
        let shared = self.waiting.borrow_mut().pop_front()?;
        shared.has_called.set(false);
        Some(shared)
    }

    /// Nothing more is done for anybody.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        let waiting = self.waiting.take();
        drop(waiting);
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

impl Shared {
    /// What a connection is to be made of; once, and not if nobody wants it any more.
    pub(super) fn take_fresh(&self) -> Option<(OwnedFd, SocketName)> {
        let fresh = self.state.borrow_mut().fresh.take();
        fresh.filter(|_| !self.is_gone())
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    pub(super) fn connected(&self, result: io::Result<()>) {
        let mut state = self.state.borrow_mut();
        state.is_connected = result.is_ok();
        if let Err(error) = result {
            state.fail(&error);
        }
        state.wake_all();
    }

    /// Memory for a piece, if one is wanted.
    pub(super) fn wants_piece(&self, len: usize) -> Option<Vec<u8>> {
        let mut state = self.state.borrow_mut();
        if !matches!(state.incoming, Incoming::Wanted) {
            return None;
        }
        state.incoming = Incoming::UnderWay;
        let mut buffer = std::mem::take(&mut state.spare_in);
        buffer.clear();
        buffer.reserve(len);
        Some(buffer)
    }

    pub(super) fn received(&self, result: io::Result<Vec<u8>>) {
        let mut state = self.state.borrow_mut();
        state.incoming = match result {
            Ok(bytes) if bytes.is_empty() => Incoming::Ended,
            Ok(bytes) => Incoming::Here(bytes),
            Err(error) => {
                state.fail(&error);
                Incoming::No
            }
        };
        state.wake_all();
    }

    pub(super) fn outgoing(&self) -> Half {
        let mut state = self.state.borrow_mut();
        match std::mem::replace(&mut state.outgoing, Outgoing::UnderWay) {
            Outgoing::Wanted(bytes) => Half::Bytes(bytes),
            Outgoing::UnderWay => Half::Nothing,
            Outgoing::No => {
                state.outgoing = Outgoing::No;
                let is_new = state.ends && !state.has_ended;
                state.has_ended |= is_new;
                if is_new { Half::End } else { Half::Nothing }
            }
        }
    }

    pub(super) fn sent(&self, result: io::Result<Vec<u8>>) {
        let mut state = self.state.borrow_mut();
        state.outgoing = Outgoing::No;
        match result {
            Ok(mut bytes) => {
                bytes.clear();
                state.spare_out = bytes;
            }
            Err(error) => state.fail(&error),
        }
        state.wake_all();
    }
}

impl State {
    fn fail(&mut self, error: &io::Error) {
        self.failed.get_or_insert(Failure(error.kind(), error.raw_os_error()));
    }

    fn check(&self) -> io::Result<()> {
        self.failed.as_ref().map_or(Ok(()), |Failure(kind, number)| {
            Err(number.map_or_else(|| (*kind).into(), io::Error::from_raw_os_error))
        })
    }

    /// Wakes those who wait. Wakers only put a name on a list: nobody comes back into the state.
    fn wake_all(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

/// The handle.
pub(super) struct Handle {
    calls: Rc<Calls>,
    shared: Rc<Shared>,
}

impl Handle {
    pub(super) fn new(calls: Rc<Calls>, descriptor: OwnedFd, name: SocketName) -> Self {
        let state = State {
            fresh: Some((descriptor, name)),
            incoming: Incoming::No,
            outgoing: Outgoing::No,
            ends: false,
            has_ended: false,
            failed: None,
            is_connected: false,
            reader: None,
            writer: None,
            spare_in: Vec::new(),
            spare_out: Vec::new(),
        };
        let shared = Rc::new(Shared {
            key: Cell::new(None),
            has_called: Cell::new(false),
            is_gone: Cell::new(false),
            state: RefCell::new(state),
        });
        let handle = Self { calls, shared };
        handle.call();
        handle
    }

    /// Has the loop look at it, in this turn or the next.
    fn call(&self) {
        if !self.calls.is_over() && !self.shared.has_called.replace(true) {
            self.calls.waiting.borrow_mut().push_back(Rc::clone(&self.shared));
        }
    }

    fn check(&self, state: &State) -> io::Result<()> {
        if self.calls.is_over() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the shard has ended"));
        }
        state.check()
    }
}

impl Pipe for Handle {
    fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state.borrow_mut();
        self.check(&state)?;
        if state.is_connected {
            return Poll::Ready(Ok(()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_read(&self, into: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.shared.state.borrow_mut();
        match std::mem::replace(&mut state.incoming, Incoming::No) {
            Incoming::Here(bytes) => {
                // What came before a failure is told before it.
                state.spare_in = std::mem::replace(into, bytes);
                return Poll::Ready(Ok(into.len()));
            }
            Incoming::Ended => {
                state.incoming = Incoming::Ended;
                into.clear();
                return Poll::Ready(Ok(0));
            }
            Incoming::No => {
                self.check(&state)?;
                state.incoming = Incoming::Wanted;
                self.call();
            }
            waiting @ (Incoming::Wanted | Incoming::UnderWay) => {
                state.incoming = waiting;
                self.check(&state)?;
            }
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&self, from: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state.borrow_mut();
        self.check(&state)?;
        if state.ends {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if from.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !matches!(state.outgoing, Outgoing::No) {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let spare = std::mem::take(&mut state.spare_out);
        state.outgoing = Outgoing::Wanted(std::mem::replace(from, spare));
        self.call();
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state.borrow_mut();
        self.check(&state)?;
        if matches!(state.outgoing, Outgoing::No) {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn shutdown(&self) {
        self.shared.state.borrow_mut().ends = true;
        self.call();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.is_gone.set(true);
        // Whoever waits is gone with it; wakers of others are dropped outside the borrow.
        let mut state = self.shared.state.borrow_mut();
        let wakers = (state.reader.take(), state.writer.take());
        drop(state);
        drop(wakers);
        self.call();
    }
}
