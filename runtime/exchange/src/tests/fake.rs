//! A shard that does what a test says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use trilane_semantics::Instant;

use crate::mail::Mailboxes;
use crate::shard::LocalTask;
use crate::{Capabilities, Shard, Stats, Tasks, Wake, WakeQueue};

/// A shard whose time passes when a test says so.
pub(crate) struct Fake {
    id: usize,
    mail: Option<Arc<Mailboxes>>,
    now: Cell<u64>,
    pub(crate) timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    count: Cell<u64>,
    queue: WakeQueue,
    tasks: RefCell<Tasks>,
    stats: Stats,
}

impl Fake {
    pub(crate) fn new() -> (Rc<Self>, Shard) {
        Self::numbered(0, None)
    }

    pub(crate) fn numbered(id: usize, mail: Option<&Arc<Mailboxes>>) -> (Rc<Self>, Shard) {
        let queue = WakeQueue::new(|| ());
        let fake = Rc::new(Self {
            id,
            mail: mail.cloned(),
            now: Cell::new(0),
            timers: RefCell::default(),
            count: Cell::new(0),
            tasks: RefCell::new(Tasks::new(queue.clone())),
            queue,
            stats: Stats::default(),
        });
        let shard = Shard::new(Rc::clone(&fake) as Rc<dyn Capabilities>);
        (fake, shard)
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.now.set(self.now.get() + millis * 1_000_000);
        loop {
            let first = self
                .timers
                .borrow_mut()
                .first_entry()
                .and_then(|entry| (entry.key().0 <= self.now.get()).then(|| entry.remove()));
            let Some(waker) = first else { break };
            waker.wake();
        }
        self.run();
    }

    /// Polls what was woken, until nothing is.
    pub(crate) fn run(&self) {
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        while !woken.is_empty() {
            for wake in woken.drain(..) {
                let Wake::Task(key) = wake else { panic!("{wake:?}") };
                let taken = self.tasks.borrow_mut().take(key);
                let Some(mut polling) = taken else { continue };
                polling.poll();
                self.tasks.borrow_mut().put_back(polling);
            }
            self.queue.drain(&mut woken);
        }
    }

    pub(crate) fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Drops all tasks, as a shard does that ends.
    pub(crate) fn end(&self) {
        let tasks = self.tasks.borrow_mut().take_all();
        drop(tasks);
    }
}

impl Capabilities for Fake {
    fn id(&self) -> usize {
        self.id
    }
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH
    }
    fn random(&self) -> u64 {
        0
    }
    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        self.count.set(self.count.get() + 1);
        self.timers.borrow_mut().insert((at.as_nanos(), self.count.get()), waker);
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
