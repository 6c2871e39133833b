//! Tasks beside the one that starts them: left to themselves, or cancelled with whoever holds the
//! guard.

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::current::{current, enter};
use crate::exchange::Exchange;
use crate::shard::Shard;

impl Shard {
    /// Runs `future` beside this one, on this shard, to its end: dropping the handle leaves it
    /// running. [`JoinHandle::abort_on_drop`] makes it end with its request instead.
    ///
    /// ```
    /// # async fn handler(shard: trilane_exchange::Shard) {
    /// let nap = shard.sleep(std::time::Duration::from_secs(1));
    /// let guard = shard.spawn(nap).abort_on_drop();
    /// // A client that leaves drops this future, and the guard with it.
    /// guard.await
    /// # }
    /// ```
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let stage = RefCell::new(Stage::Waits(Box::pin(future)));
        let (joiner, own, exchange) = Default::default();
        let task = Rc::new(Task { stage, joiner, own, exchange });
        let shared = Rc::clone(&task);
        let shard = self.clone();
        self.spawn_task(type_name::<F>(), Box::pin(poll_fn(move |cx| shared.poll(&shard, cx))));
        JoinHandle { task }
    }
}

/// A spawned future, shared by its shard and its handle.
struct Task<T> {
    stage: RefCell<Stage<T>>,
    /// Whoever waits for the result.
    joiner: RefCell<Option<Waker>>,
    /// The task itself, so that its place is freed when it is cancelled.
    own: RefCell<Option<Waker>>,
    /// Whose it is, if it ends with its request.
    exchange: RefCell<Option<Rc<Exchange>>>,
}

enum Stage<T> {
    /// To be polled.
    Waits(Pin<Box<dyn Future<Output = T>>>),
    /// Being polled.
    Polled,
    /// Ready or panicked, not asked for yet.
    Done(std::thread::Result<T>),
    /// Cancelled, or the result was taken.
    Over,
}

impl<T> Task<T> {
    fn poll(&self, shard: &Shard, cx: &mut Context<'_>) -> Poll<()> {
        let before = self.stage.replace(Stage::Polled);
        let Stage::Waits(mut future) = before else {
            drop(self.stage.replace(before));
            return Poll::Ready(());
        };
        let _entered = enter(self.exchange.borrow().clone());
        // Nothing is borrowed meanwhile: the future may drop its own guard.
        let polled = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => {
                shard.stats().panics.add(1);
                Poll::Ready(Err(panic))
            }
        };
        if matches!(*self.stage.borrow(), Stage::Over) {
            return Poll::Ready(());
        }
        let Poll::Ready(value) = polled else {
            *self.own.borrow_mut() = Some(cx.waker().clone());
            *self.stage.borrow_mut() = Stage::Waits(future);
            return Poll::Pending;
        };
        *self.stage.borrow_mut() = Stage::Done(value);
        self.exchange.take();
        wake(&self.joiner);
        Poll::Ready(())
    }

    fn poll_result(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut stage = self.stage.borrow_mut();
        if matches!(*stage, Stage::Done(_))
            && let Stage::Done(result) = std::mem::replace(&mut *stage, Stage::Over)
        {
            drop(stage);
            return Poll::Ready(result.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        *self.joiner.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn abort(&self) {
        // Dropping the future may run any code, so nothing is borrowed then.
        drop(self.stage.replace(Stage::Over));
        self.exchange.take();
        wake(&self.own);
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Waits for a spawned task. A panic in the task goes on in whoever waits.
pub struct JoinHandle<T> {
    task: Rc<Task<T>>,
}

impl<T> JoinHandle<T> {
    /// The same, but dropping it cancels the task. It is a part of the request in whose handler this is called: what it logs has
    /// that one's id ([`current`]).
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        *self.task.exchange.borrow_mut() = current();
        AbortOnDrop(self)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.task.poll_result(cx)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}

/// Waits for a spawned task, and cancels it when dropped: held in a handler, the task ends with the
/// request at the latest.
#[derive(Debug)]
#[must_use = "dropping it cancels the task"]
pub struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}
