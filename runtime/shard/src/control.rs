//! What a server's shards are told from outside: serve, drain, stop.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::ring::Waker;

/// What the shards should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
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
    grace: Duration,
    deadline: Duration,
    wakers: Mutex<Vec<Waker>>,
}

impl Control {
    /// Serve; a drain keeps idle connections `grace`, and ends by `deadline`.
    pub(crate) fn new(grace: Duration, deadline: Duration) -> Self {
        Self { grace, deadline, ..Self::default() }
    }

    /// The order of now.
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Stop,
        }
    }

    /// Gives an order; a weaker one than given before changes nothing.
    pub(crate) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.wake_all();
    }

    /// Wakes every shard: there is something to look at.
    pub(crate) fn wake_all(&self) {
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            waker.wake();
        }
    }

    /// A shard that wants to be woken by orders.
    pub(crate) fn enlist(&self, waker: Waker) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// How long a drain keeps idle connections.
    pub(crate) const fn grace(&self) -> Duration {
        self.grace
    }

    /// How long a drain may take.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }
}
