//! Virtual time: a clock that moves when it is told to, and the timers of handlers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use trilane_semantics::Instant;

/// 2026-01-01T00:00:00Z, the world's beginning, in seconds since 1970.
const BEGINNING: u64 = 1_767_225_600;

/// The time of one world.
#[derive(Debug, Default)]
pub struct Clock {
    now: Cell<Instant>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    last: Cell<u64>,
}

impl Clock {
    /// The time now.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now.get()
    }

    /// The wall clock's time now: the world begins with the year 2026.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        let since = Duration::from_nanos(self.now().as_nanos());
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING) + since
    }

    /// Wakes `waker` at `at`; the number cancels it.
    pub fn set(&self, at: Instant, waker: Waker) -> u64 {
        self.last.set(self.last.get() + 1);
        self.timers.borrow_mut().insert((at, self.last.get()), waker);
        self.last.get()
    }

    /// Forgets a timer.
    pub fn cancel(&self, timer: u64) {
        self.timers.borrow_mut().retain(|(_, number), _| *number != timer);
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.timers.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Moves on to `to`, never back, and fires what is due.
    pub fn advance(&self, to: Instant) {
        self.now.set(self.now().max(to));
        while self.next().is_some_and(|at| at <= self.now()) {
            let first = self.timers.borrow_mut().pop_first();
            if let Some((_, waker)) = first {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn timers_fire_on_their_nanosecond_and_not_when_cancelled() {
        let (clock, count) = (Clock::default(), Arc::new(Count::default()));
        let at = Instant::from_nanos(10);
        clock.set(at, Waker::from(Arc::clone(&count)));
        let other = clock.set(at, Waker::from(Arc::clone(&count)));
        clock.cancel(other);
        for (to, fired) in [(9, 0), (10, 1), (11, 1)] {
            clock.advance(Instant::from_nanos(to));
            assert_eq!(count.0.load(Ordering::Relaxed), fired, "{to}");
        }
        assert_eq!(clock.next(), None);
    }
}
