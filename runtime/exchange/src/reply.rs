//! One value from somewhere else: another thread, or another shard.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Gives the value. Dropping it says that there will be none.
pub struct Reply<T>(Arc<Mutex<Slot<T>>>);

/// Waits for the value; `None` when there will be none.
pub struct Replied<T>(Arc<Mutex<Slot<T>>>);

struct Slot<T> {
    value: Option<T>,
    is_over: bool,
    waker: Option<Waker>,
}

/// Both ends.
#[must_use]
pub fn reply<T>() -> (Reply<T>, Replied<T>) {
    let slot = Slot { value: None, is_over: false, waker: None };
    let slot = Arc::new(Mutex::new(slot));
    (Reply(Arc::clone(&slot)), Replied(slot))
}

/// A panic while it was held leaves the slot as it was.
fn lock<T>(slot: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Reply<T> {
    /// Gives the value, and wakes who waits.
    pub fn give(self, value: T) {
        lock(&self.0).value = Some(value);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.is_over = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Replied<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        match slot.value.take() {
            None if !slot.is_over => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            value => Poll::Ready(value),
        }
    }
}

impl<T> fmt::Debug for Replied<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replied")
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
