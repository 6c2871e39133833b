//! Work that one shard gives to another: a mailbox a shard, with a bound, and a task on each shard that empties it.
//!
//! The task is woken as every task is, so that a message costs one lock, and one wake-up when the other shard sleeps.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::reply::reply;
use crate::shard::Shard;

/// Messages that wait for one shard, at most.
pub const MOST: usize = 4096;

type Work = Box<dyn FnOnce(&Shard) + Send>;

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// [`MOST`] messages wait for that shard already.
    Full,
    /// There is no such shard, it has ended, or what it was given to do panicked.
    Gone,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many messages wait for that shard",
            Self::Gone => "that shard is gone",
        })
    }
}

impl std::error::Error for Undelivered {}

/// The mailboxes of all shards of a server.
pub struct Mailboxes(Box<[Mutex<Mailbox>]>);

#[derive(Default)]
struct Mailbox {
    waiting: Vec<Work>,
    /// Of the task that empties it.
    waker: Option<Waker>,
    is_closed: bool,
}

impl Mailboxes {
    /// Of so many shards. What comes for a shard before it has started waits.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Mutex::default()).collect())
    }

    /// How many shards there are.
    #[must_use]
    pub const fn shards(&self) -> usize {
        self.0.len()
    }

    /// Begins to do on `shard` what comes for it, as a task. Its mailbox is closed when that task is dropped: when the shard
    /// ends, however it does.
    pub fn open(self: &Arc<Self>, shard: &Shard) {
        let mut postman = Postman { mail: Arc::clone(self), me: shard.id(), taken: Vec::new() };
        let handle = shard.clone();
        shard.spawn_task("mailbox", Box::pin(poll_fn(move |cx| postman.deliver(&handle, cx))));
    }

    fn send(&self, to: usize, work: Work) -> Result<(), Undelivered> {
        let mut mailbox = self.lock(to).ok_or(Undelivered::Gone)?;
        if mailbox.is_closed {
            return Err(Undelivered::Gone);
        }
        if mailbox.waiting.len() >= MOST {
            return Err(Undelivered::Full);
        }
        mailbox.waiting.push(work);
        // Who finds others there comes before the look of who was woken for them.
        let waker = if mailbox.waiting.len() == 1 { mailbox.waker.clone() } else { None };
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Mailbox>> {
        Some(self.0.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailboxes({} shards)", self.0.len())
    }
}

/// Empties a mailbox.
struct Postman {
    mail: Arc<Mailboxes>,
    me: usize,
    /// Memory for what is taken out.
    taken: Vec<Work>,
}

impl Postman {
    fn deliver(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut mailbox) = self.mail.lock(self.me) else { return Poll::Ready(()) };
        mailbox.waker = Some(cx.waker().clone());
        std::mem::swap(&mut mailbox.waiting, &mut self.taken);
        drop(mailbox);
        for work in self.taken.drain(..) {
            if catch_unwind(AssertUnwindSafe(|| work(shard))).is_err() {
                shard.stats().panics.add(1);
            }
        }
        Poll::Pending
    }
}

impl Drop for Postman {
    fn drop(&mut self) {
        let Some(mut mailbox) = self.mail.lock(self.me) else { return };
        mailbox.is_closed = true;
        let left = (std::mem::take(&mut mailbox.waiting), mailbox.waker.take());
        drop(mailbox);
        // Not under the lock: what is dropped may be anything.
        drop(left);
    }
}

impl Shard {
    /// How many shards the server has. Their numbers begin at 0.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.mail().map_or(1, |mail| mail.shards())
    }

    /// Gives `work` to shard number `shard`, which does it in a later turn, in the order of sending. A panic in it is counted,
    /// and harms nobody. A shard that ends drops what has not been done.
    ///
    /// # Errors
    /// [`Undelivered`]: then nothing is done.
    pub fn send_to(
        &self,
        shard: usize,
        work: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<(), Undelivered> {
        match self.mail() {
            Some(mail) => mail.send(shard, Box::new(work)),
            None if shard == self.id() => {
                let here = self.clone();
                self.spawn_task("message", Box::pin(async move { work(&here) }));
                Ok(())
            }
            None => Err(Undelivered::Gone),
        }
    }

    /// What `work` gives when shard number `shard` does it. Never waits for a shard that has ended.
    ///
    /// ```
    /// use trilane_exchange::mail::Undelivered;
    /// # async fn handler(shard: trilane_exchange::Shard) -> Result<(), Undelivered> {
    /// let next = (shard.id() + 1) % shard.shards();
    /// let requests = shard.ask(next, |there| there.stats().requests.get()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Undelivered`], also when the shard ended, or `work` panicked, before it gave anything.
    pub async fn ask<T: Send + 'static>(
        &self,
        shard: usize,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Undelivered> {
        let (answer, answered) = reply();
        self.send_to(shard, move |there| answer.give(work(there)))?;
        answered.await.ok_or(Undelivered::Gone)
    }
}

#[cfg(test)]
#[path = "tests/mail.rs"]
mod tests;
