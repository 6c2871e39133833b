//! A shard that does what a test says: its time passes when told so, and its connections end at desks that the test sits at.
//!
//! For tests, here and in the crates that build on this one: the feature `fake`. Applications have `trilane::testing`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use trilane_semantics::Instant;

use crate::caller::{Caller, Desk, desk};
use crate::dial::Dial;
use crate::mail::Mailboxes;
use crate::shard::{Capabilities, LocalTask, Shard};
use crate::stats::Stats;
use crate::tasks::Tasks;
use crate::wake::{Wake, WakeQueue};

/// How often something may wake itself.
const ROUNDS: usize = 10_000;

/// The shard of a test. What is public can be set at its beginning.
pub struct Fake {
    /// Its number.
    pub id: usize,
    /// What it can send to others by.
    pub mail: Option<Arc<Mailboxes>>,
    /// Its time.
    pub now: Cell<Instant>,
    /// What its clock shows, if that is not its time.
    pub clock: Option<Instant>,
    /// What the wall clock shows, always.
    pub wall: SystemTime,
    /// Its only random number.
    pub random: u64,
    /// What was dialed, in order.
    pub dialed: RefCell<Vec<Rc<Dialed>>>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    count: Cell<u64>,
    queue: WakeQueue,
    tasks: RefCell<Tasks>,
    stats: Stats,
}

/// A connection that was begun, as the server has it.
#[derive(Debug)]
pub struct Dialed {
    /// What it was to be like.
    pub dial: Dial,
    /// Where requests come.
    pub desk: Desk,
}

impl Default for Fake {
    fn default() -> Self {
        let queue = WakeQueue::new(|| ());
        Self {
            id: 0,
            mail: None,
            now: Cell::default(),
            clock: None,
            wall: UNIX_EPOCH,
            random: 1,
            dialed: RefCell::default(),
            timers: RefCell::default(),
            count: Cell::default(),
            tasks: RefCell::new(Tasks::new(queue.clone())),
            queue,
            stats: Stats::default(),
        }
    }
}

impl Fake {
    /// One like all others, and a handle on it.
    #[must_use]
    pub fn new() -> (Rc<Self>, Shard) {
        Self::with(|_| ())
    }

    /// The same, after `set` has had its way.
    pub fn with(set: impl FnOnce(&mut Self)) -> (Rc<Self>, Shard) {
        let mut fake = Self::default();
        set(&mut fake);
        let fake = Rc::new(fake);
        let shard = Shard::new(Rc::clone(&fake) as Rc<dyn Capabilities>);
        (fake, shard)
    }

    /// Lets so much time pass; every timer goes off at its own.
    pub fn pass(&self, millis: u64) {
        let end = self.now.get() + std::time::Duration::from_millis(millis);
        loop {
            let first = self.timers.borrow_mut().first_entry().and_then(|first| {
                let (at, _) = *first.key();
                (at <= end).then(|| (at, first.remove()))
            });
            let Some((at, waker)) = first else { break };
            self.now.set(at.max(self.now.get()));
            waker.wake();
            self.run();
        }
        self.now.set(end);
        self.run();
    }

    /// Polls what was woken, until nothing is.
    ///
    /// # Panics
    /// Something wakes itself for ever.
    pub fn run(&self) {
        let mut woken = Vec::new();
        for _ in 0..ROUNDS {
            self.queue.drain(&mut woken);
            if woken.is_empty() {
                return;
            }
            for wake in woken.drain(..) {
                let Wake::Task(key) = wake else { continue };
                let taken = self.tasks.borrow_mut().take(key);
                let Some(mut polling) = taken else { continue };
                if !polling.poll() {
                    self.stats.panics.add(1);
                }
                self.tasks.borrow_mut().put_back(polling);
            }
        }
        panic!("something wakes itself for ever");
    }

    /// How many tasks there are.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// How many timers are set.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.borrow().len()
    }

    /// Drops all tasks, as a shard does that ends.
    pub fn end(&self) {
        let tasks = self.tasks.borrow_mut().take_all();
        drop(tasks);
    }

    /// How many connections were begun.
    #[must_use]
    pub fn dials(&self) -> usize {
        self.dialed.borrow().len()
    }
}

impl Capabilities for Fake {
    fn id(&self) -> usize {
        self.id
    }
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn clock(&self) -> Instant {
        self.clock.unwrap_or_else(|| self.now())
    }
    fn wall(&self) -> SystemTime {
        self.wall
    }
    fn random(&self) -> u64 {
        self.random
    }
    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        self.count.set(self.count.get() + 1);
        self.timers.borrow_mut().insert((at, self.count.get()), waker);
        self.count.get()
    }
    fn cancel_timer(&self, timer: u64) {
        self.timers.borrow_mut().retain(|(_, number), _| *number != timer);
    }
    fn spawn(&self, task: LocalTask) {
        self.tasks.borrow_mut().spawn(task);
    }
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
    fn dial(&self, dial: Dial) -> io::Result<Caller> {
        let (caller, desk) = desk();
        self.dialed.borrow_mut().push(Rc::new(Dialed { dial, desk }));
        Ok(caller)
    }
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
    fn mail(&self) -> Option<&Mailboxes> {
        self.mail.as_deref()
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("now", &self.now).finish_non_exhaustive()
    }
}
