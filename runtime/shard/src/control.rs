//! What a server's shards are told from outside: wait, serve, drain, stop.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::listen::ListenAddress;
use crate::reload::Step;
use crate::ring::Waker;

/// What the shards should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Accept nobody yet: other shards are not ready, or another process still serves.
    Wait,
    /// Serve.
    Serve,
    /// Finish what there is, then end.
    Drain,
    /// End now.
    Stop,
}

/// The word to all shards of a server.
#[derive(Default)]
pub(crate) struct Control {
    order: AtomicU8,
    /// Grace and deadline.
    drain: Mutex<(Duration, Duration)>,
    /// How many steps were asked for.
    steps: AtomicU64,
    /// The last one.
    step: Mutex<Step>,
    wakers: Mutex<Vec<Waker>>,
    /// The listening sockets once more, as long as we serve: what another process can have of us.
    estate: Mutex<Vec<OwnedFd>>,
    is_left: AtomicBool,
    /// Addresses that it does not listen on, as text.
    unasked: Mutex<Vec<String>>,
    /// Another process receives by our UDP sockets.
    is_shared: AtomicBool,
    /// Who waits for another order.
    waiting: (Mutex<()>, Condvar),
}

impl Control {
    /// Wait; a drain keeps idle connections `grace`, and ends by `deadline`.
    pub(crate) fn new(grace: Duration, deadline: Duration) -> Self {
        Self { drain: Mutex::new((grace, deadline)), ..Self::default() }
    }

    /// The order of now.
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Wait,
            1 => Order::Serve,
            2 => Order::Drain,
            _ => Order::Stop,
        }
    }

    /// Gives an order; a weaker one than given before changes nothing.
    pub(crate) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        if order >= Order::Drain {
            // A socket is closed only when nobody has it any more.
            drop(std::mem::take(&mut *self.estate()));
        }
        // Who has looked at the order before waits by now.
        drop(self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.waiting.1.notify_all();
        self.wake_all();
    }

    /// Waits that long for another order than that one; the order then.
    pub(crate) fn wait(&self, known: Order, time: Duration) -> Order {
        let guard = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |(): &mut ()| self.order() == known;
        // Poisoned or not: there is nothing in it.
        drop(self.waiting.1.wait_timeout_while(guard, time, is_same));
        self.order()
    }

    /// Drain: another process has the listening sockets, and what waits in their queues; but for addresses that it has not
    /// asked for.
    pub(crate) fn leave(&self, unasked: Vec<String>) {
        *lock(&self.unasked) = unasked;
        self.is_left.store(true, Ordering::Release);
        self.give(Order::Drain);
    }

    /// Whether another process has the listening sockets.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Acquire)
    }

    /// Whether another process has the sockets of that address.
    pub(crate) fn has_left(&self, address: &ListenAddress) -> bool {
        self.is_left() && !lock(&self.unasked).contains(&address.to_string())
    }

    /// Whether datagrams are for us: we serve, and nobody else takes them.
    pub(crate) fn receives(&self) -> bool {
        self.order() != Order::Wait && !self.is_shared.load(Ordering::Acquire)
    }

    /// Whether another process receives by our UDP sockets, as long as it is there.
    pub(crate) fn share(&self, is_shared: bool) {
        self.is_shared.store(is_shared, Ordering::Release);
        self.wake_all();
    }

    /// The listening sockets once more; none when they are to be closed.
    pub(crate) fn estate(&self) -> MutexGuard<'_, Vec<OwnedFd>> {
        lock(&self.estate)
    }

    /// Asks all shards for a step. Whoever does sees to it that all have done the one before, or need not.
    pub(crate) fn ask(&self, step: Step) {
        let mut last = lock(&self.step);
        let _old = std::mem::replace(&mut *last, step);
        self.steps.fetch_add(1, Ordering::Release);
        drop(last);
        self.wake_all();
    }

    /// The last step, if there was one since the shard has looked: one load if not.
    pub(crate) fn step_after(&self, seen: &mut u64) -> Option<Step> {
        if self.steps.load(Ordering::Acquire) == *seen {
            return None;
        }
        let last = lock(&self.step);
        *seen = self.steps.load(Ordering::Acquire);
        Some(last.clone())
    }

    /// Wakes every shard: there is something to look at.
    pub(crate) fn wake_all(&self) {
        for waker in lock(&self.wakers).iter() {
            waker.wake();
        }
    }

    /// A shard that wants to be woken by orders.
    pub(crate) fn enlist(&self, waker: Waker) {
        lock(&self.wakers).push(waker);
    }

    /// How long a drain keeps idle connections.
    pub(crate) fn grace(&self) -> Duration {
        lock(&self.drain).0
    }

    /// How long a drain may take.
    pub(crate) fn deadline(&self) -> Duration {
        lock(&self.drain).1
    }

    /// Another grace and another deadline for a drain that has not begun.
    pub(crate) fn set_drain(&self, drain: (Duration, Duration)) {
        *lock(&self.drain) = drain;
    }
}

/// No code panics while it holds one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops a server from anywhere, such as a signal handler's thread.
#[derive(Clone)]
pub struct Stopper(Arc<Control>);

impl Stopper {
    pub(crate) const fn new(control: Arc<Control>) -> Self {
        Self(control)
    }

    /// Finishes what is under way, then ends (see [`Config`](crate::Config) for how long).
    pub fn drain(&self) {
        self.0.give(Order::Drain);
    }

    /// Ends now.
    pub fn stop(&self) {
        self.0.give(Order::Stop);
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stopper({:?})", self.0.order())
    }
}
