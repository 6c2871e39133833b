//! What others want to know of a shard while it serves: asked on any thread, answered by the loop between two of its steps.
//!
//! A turn in which nobody asks loads one flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trilane_semantics::Instant;

use crate::ring::Waker;
use crate::shard::Shard;

/// Questions that wait for one shard, at most.
const MOST: usize = 64;

/// Something to be done by a shard's own thread, which should be quick about it. It is dropped when the shard ends.
pub(crate) type Question = Box<dyn FnOnce(&mut Shard, Instant) + Send>;

/// The questions to all shards of a server.
pub(crate) struct Questions(Box<[Desk]>);

#[derive(Default)]
struct Desk {
    is_asked: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    questions: Vec<Question>,
    /// Of the shard, once it has started.
    waker: Option<Waker>,
    is_closed: bool,
}

impl Questions {
    /// To so many shards.
    pub(crate) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Desk::default()).collect())
    }

    /// How many shards there are.
    pub(crate) const fn shards(&self) -> usize {
        self.0.len()
    }

    /// A shard that can be woken.
    pub(crate) fn enlist(&self, shard: usize, waker: Waker) {
        if let Some(mut waiting) = self.lock(shard) {
            waiting.waker = Some(waker);
        }
    }

    /// Asks. Whether it will be answered: not by a shard that has ended, nor by one that has [`MOST`] to answer. Then, and when the
    /// shard ends before it does, the question is dropped.
    pub(crate) fn ask(&self, shard: usize, question: Question) -> bool {
        let Some(mut waiting) = self.lock(shard) else { return false };
        if waiting.is_closed || waiting.questions.len() >= MOST {
            return false;
        }
        waiting.questions.push(question);
        let waker = waiting.waker.clone();
        drop(waiting);
        if let Some(desk) = self.0.get(shard) {
            desk.is_asked.store(true, Ordering::Release);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// What that shard is asked: nothing, nearly always.
    #[inline]
    pub(crate) fn take(&self, shard: usize) -> Vec<Question> {
        match self.0.get(shard) {
            Some(desk) if desk.is_asked.load(Ordering::Relaxed) => self.take_asked(shard),
            _ => Vec::new(),
        }
    }

    #[cold]
    fn take_asked(&self, shard: usize) -> Vec<Question> {
        if let Some(desk) = self.0.get(shard) {
            desk.is_asked.store(false, Ordering::Relaxed);
        }
        // Who asks after this sets the flag again.
        self.lock(shard)
            .map(|mut waiting| std::mem::take(&mut waiting.questions))
            .unwrap_or_default()
    }

    /// A shard answers nothing more.
    pub(crate) fn close(&self, shard: usize) {
        let Some(mut waiting) = self.lock(shard) else { return };
        waiting.is_closed = true;
        let left = (std::mem::take(&mut waiting.questions), waiting.waker.take());
        drop(waiting);
        // Not under the lock: what is dropped may be anything.
        drop(left);
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Waiting>> {
        Some(self.0.get(shard)?.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_a_bound_and_an_end() {
        let questions = Questions::new(1);
        assert!(questions.take(0).is_empty() && questions.take(9).is_empty());
        let ask = || questions.ask(0, Box::new(|_, _| ()));
        assert!((0..MOST).all(|_| ask()) && !ask());
        assert_eq!(questions.take(0).len(), MOST);
        assert!(questions.take(0).is_empty() && ask());
        questions.close(0);
        assert!(!ask() && questions.take(0).is_empty());
        assert!(!questions.ask(1, Box::new(|_, _| ())));
    }
}
