//! What a test's shard can do: a clock that goes from timer to timer, chance that repeats, tasks that run when asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trilane_exchange::shard::LocalTask;
use trilane_exchange::{Capabilities, Stats, Tasks, Wake, WakeQueue};
use trilane_semantics::{ExchangeId, Instant};

/// 2026-01-01T00:00:00Z, when each test begins, in seconds since 1970.
const START: u64 = 1_767_225_600;

/// Rounds without the clock going on, after which something is taken to wake itself for ever.
const ROUNDS: usize = 1 << 20;

/// The surroundings of handlers in a test.
pub(crate) struct World {
    now: Cell<Instant>,
    chance: Cell<u64>,
    /// By time and number.
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    numbers: Cell<u64>,
    pub(super) is_draining: Cell<bool>,
    tasks: RefCell<Tasks>,
    queue: WakeQueue,
    stats: Arc<Stats>,
}

impl Default for World {
    fn default() -> Self {
        let queue = WakeQueue::new(|| ());
        Self {
            now: Cell::default(),
            chance: Cell::new(0),
            timers: RefCell::default(),
            numbers: Cell::new(0),
            is_draining: Cell::new(false),
            tasks: RefCell::new(Tasks::new(queue.clone())),
            queue,
            stats: Arc::default(),
        }
    }
}

impl World {
    /// Runs all there is until `poll` is ready; the clock goes on whenever nothing else does. `None` when nothing ever
    /// will.
    pub(crate) fn run<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let waker = self.queue.waker(Wake::Exchange(0, ExchangeId(0)));
        let mut rounds = 0;
        loop {
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            rounds += 1;
            if self.turn() && rounds < ROUNDS {
                continue;
            }
            rounds = 0;
            let next = self.next_timer()?;
            self.fire(next);
        }
    }

    /// Lets that time pass.
    pub(crate) fn advance(&self, time: Duration) {
        let end = self.now.get() + time;
        loop {
            let mut rounds = 0;
            while self.turn() && rounds < ROUNDS {
                rounds += 1;
            }
            match self.next_timer().filter(|(at, _)| *at <= end) {
                Some(next) => self.fire(next),
                None => break,
            }
        }
        self.now.set(end.max(self.now.get()));
    }

    /// Forgets all tasks and timers.
    pub(crate) fn end(&self) {
        let tasks = self.tasks.borrow_mut().take_all();
        drop(tasks);
        drop(self.timers.take());
        self.queue.drain(&mut Vec::new());
    }

    /// Polls what was woken. Whether there was any.
    fn turn(&self) -> bool {
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        for wake in &woken {
            let Wake::Task(key) = wake else { continue };
            let task = self.tasks.borrow_mut().take(*key);
            let Some(mut task) = task else { continue };
            if !task.poll() {
                self.stats.panics.add(1);
            }
            self.tasks.borrow_mut().put_back(task);
        }
        !woken.is_empty()
    }

    fn next_timer(&self) -> Option<(Instant, u64)> {
        self.timers.borrow().keys().next().copied()
    }

    /// Moves the clock to a timer, and wakes who waits for it.
    fn fire(&self, timer: (Instant, u64)) {
        self.now.set(timer.0.max(self.now.get()));
        let waker = self.timers.borrow_mut().remove(&timer);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Capabilities for World {
    fn id(&self) -> usize {
        0
    }

    fn now(&self) -> Instant {
        self.now.get()
    }

    fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START) + self.now.get().since(Instant::default())
    }

    fn random(&self) -> u64 {
        // SplitMix64: each number once, and neighbours look nothing alike.
        self.chance.set(self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.chance.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        self.timers.borrow_mut().insert((at, number), waker);
        number
    }

    fn cancel_timer(&self, timer: u64) {
        let key = self.timers.borrow().keys().find(|(_, number)| *number == timer).copied();
        // A waker's drop may run code of others: not while the timers are borrowed.
        let waker = key.and_then(|key| self.timers.borrow_mut().remove(&key));
        drop(waker);
    }

    fn spawn(&self, task: LocalTask) {
        self.tasks.borrow_mut().spawn(task);
    }

    /// Here and now: a test has no use for threads.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn all_stats(&self) -> Vec<Arc<Stats>> {
        vec![Arc::clone(&self.stats)]
    }
}
