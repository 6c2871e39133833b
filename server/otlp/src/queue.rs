//! Spans on their way from shards to the thread that sends them. It has a bound, and nobody waits to put something there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::span::Span;

/// Spans that wait, at most; more are dropped, and counted.
pub(crate) const MOST: usize = 8192;
/// Spans of one request to the collector, at most.
pub(crate) const BATCH: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Vec<Span>>,
    /// There is a batch, or this is the end.
    ready: Condvar,
    is_over: AtomicBool,
    dropped: AtomicU64,
    sent: AtomicU64,
}

impl Queue {
    /// Puts a span there, if there is room.
    pub(crate) fn put(&self, span: Span) {
        let mut waiting = self.lock();
        if waiting.len() >= MOST || self.is_over() {
            drop(waiting);
            return self.count_dropped(1);
        }
        waiting.push(span);
        // Waking a thread costs more than a span does: it wakes by itself before long.
        let is_batch = waiting.len() == BATCH;
        drop(waiting);
        if is_batch {
            self.ready.notify_one();
        }
    }

    /// A batch, as soon as there is one; after `patience`, or at the end, what there is.
    pub(crate) fn take(&self, patience: Duration) -> Vec<Span> {
        let until = Instant::now().checked_add(patience);
        let mut waiting = self.lock();
        while waiting.len() < BATCH && !self.is_over() {
            let left =
                until.map_or(patience, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let woken = self.ready.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = waiting.len().min(BATCH);
        waiting.drain(..count).collect()
    }

    /// Waits for so long, or until the end.
    pub(crate) fn pause(&self, time: Duration) {
        let waiting = self.lock();
        let still = |_: &mut Vec<Span>| !self.is_over();
        drop(self.ready.wait_timeout_while(waiting, time, still));
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        let waiting = self.lock();
        self.is_over.store(true, Relaxed);
        drop(waiting);
        self.ready.notify_all();
    }

    /// Counts what is there as lost.
    pub(crate) fn drop_all(&self) {
        let lost = std::mem::take(&mut *self.lock());
        self.count_dropped(lost.len() as u64);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    pub(crate) fn count_dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
    }

    pub(crate) fn count_sent(&self, count: u64) {
        self.sent.fetch_add(count, Relaxed);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
