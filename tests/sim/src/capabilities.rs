//! What handlers may ask of a simulated shard: all of it from the seed and the virtual clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use trilane_exchange::read::{ReadDone, read_now};
use trilane_exchange::shard::LocalTask;
use trilane_exchange::{Capabilities, Stats, Tasks, WakeQueue};
use trilane_semantics::Instant;

use crate::clock::Clock;
use crate::rng::Rng;

type Work = Box<dyn FnOnce()>;

/// A shard without a thread, a ring or a socket.
pub struct SimShard {
    clock: Rc<Clock>,
    rng: RefCell<Rng>,
    tasks: RefCell<Tasks>,
    work: RefCell<BTreeMap<(Instant, u64), Work>>,
    stats: Arc<Stats>,
}

impl SimShard {
    /// A shard in that time; its tasks wake through `queue`.
    #[must_use]
    pub fn new(clock: Rc<Clock>, rng: Rng, queue: WakeQueue) -> Self {
        Self {
            clock,
            rng: RefCell::new(rng),
            tasks: RefCell::new(Tasks::new(queue)),
            work: RefCell::default(),
            stats: Arc::default(),
        }
    }

    /// Runs the blocking work whose time has come, as another thread would have.
    pub fn run_work(&self) {
        while let Some(at) = self.next_work().filter(|at| *at <= self.now()) {
            let first = self.work.borrow_mut().pop_first();
            debug_assert!(first.as_ref().is_some_and(|(key, _)| key.0 == at), "the first is due");
            if let Some((_, work)) = first {
                work();
            }
        }
    }

    /// When blocking work is done next.
    #[must_use]
    pub fn next_work(&self) -> Option<Instant> {
        self.work.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Does that as a disk or another thread would: some time later.
    fn later(&self, work: Work) {
        let mut rng = self.rng.borrow_mut();
        let at = self.now() + Duration::from_micros(rng.range(1, 5000));
        self.work.borrow_mut().insert((at, rng.bits()), work);
    }

    /// Polls a woken task.
    pub fn poll_task(&self, key: u64) {
        let taken = self.tasks.borrow_mut().take(key);
        if let Some(mut polling) = taken {
            if !polling.poll() {
                self.stats.panics.add(1);
            }
            self.tasks.borrow_mut().put_back(polling);
        }
    }

    /// How many spawned tasks there are.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }
}

impl Capabilities for SimShard {
    fn id(&self) -> usize {
        0
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn random(&self) -> u64 {
        self.rng.borrow_mut().bits()
    }

    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        self.clock.set(at, waker)
    }

    fn cancel_timer(&self, timer: u64) {
        self.clock.cancel(timer);
    }

    fn spawn(&self, task: LocalTask) {
        self.tasks.borrow_mut().spawn(task);
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.later(work);
    }

    fn read(&self, file: Rc<dyn AsFd>, at: u64, most: usize, done: ReadDone) {
        // The files of a world are written before it begins, or while it stands still.
        self.later(Box::new(move || done(read_now(&*file, at, most))));
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn all_stats(&self) -> Vec<Arc<Stats>> {
        vec![Arc::clone(&self.stats)]
    }
}

impl fmt::Debug for SimShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimShard").field("clock", &self.clock).finish_non_exhaustive()
    }
}
