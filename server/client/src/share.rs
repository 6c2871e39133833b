//! How many connections a process may have to one place: one number for all its shards, and word between them when it is reached.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The connections of a process to one place. Clones of the `Arc` go to the pools of its shards.
#[derive(Debug)]
pub struct Share {
    most: usize,
    open: AtomicUsize,
    made: AtomicUsize,
    /// Pools that want one and have none, nor may make one.
    wanting: AtomicUsize,
    pools: Mutex<Vec<Waker>>,
}

impl Share {
    /// At most `most` at once; 0 counts as 1.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            open: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            wanting: AtomicUsize::new(0),
            pools: Mutex::default(),
        })
    }

    /// How many there are now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made.load(Relaxed)
    }

    /// Whether there may be one more, which is counted.
    pub(crate) fn lease(&self) -> bool {
        let lease = |open: usize| (open < self.most).then_some(open + 1);
        let is_leased = self.open.fetch_update(SeqCst, Relaxed, lease).is_ok();
        self.made.fetch_add(usize::from(is_leased), Relaxed);
        is_leased
    }

    /// One has ended: who wants one may try.
    pub(crate) fn release(&self) {
        self.open.fetch_sub(1, SeqCst);
        if self.wanting.load(SeqCst) > 0 {
            self.wake_all();
        }
    }

    /// A pool wants one: the others are told, and may end one that is idle.
    pub(crate) fn want(&self) {
        self.wanting.fetch_add(1, SeqCst);
        self.wake_all();
    }

    /// It has one, or wants none any more.
    pub(crate) fn wanted(&self) {
        self.wanting.fetch_sub(1, SeqCst);
    }

    /// Whether a pool wants one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanting.load(SeqCst) > 0
    }

    /// Has `waker` woken when something has changed for those who want one.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut pools = self.lock();
        if !pools.iter().any(|known| known.will_wake(waker)) {
            pools.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        let pools = std::mem::take(&mut *self.lock());
        pools.into_iter().for_each(Waker::wake);
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
