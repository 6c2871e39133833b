//! What handlers may ask of a real shard: its clock, its timers, its tasks.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::SystemTime;

use trilane_exchange::read::ReadDone;
use trilane_exchange::shard::LocalTask;
use trilane_exchange::{
    Caller, Capabilities, Dial, Locals, Mailboxes, Pipe, Remote, Stats, Tasks, WakeQueue,
};
use trilane_semantics::Instant;

use crate::blocking::Blocking;
use crate::dial::Dials;
use crate::sending::{Reader, Wanted};
use crate::slots::Key;
use crate::sys;
use crate::wheel::{TimerKey, Wheel};
use crate::wires::{self, Calls};

/// What a timer is for.
pub(crate) enum Timer {
    /// A connection wants to know what time it is.
    Connection(Key),
    /// Somebody sleeps.
    Sleeper(Waker),
    /// Accepting may go on.
    Accept,
    /// Buffers may be too many.
    Trim,
    /// The drain must end.
    DrainDeadline,
    /// A connection over QUIC wants to know what time it is.
    Quic,
}

/// The capabilities of one shard.
pub(crate) struct Core {
    id: usize,
    /// When the server started: all shards count from there.
    start: std::time::Instant,
    now: Cell<Instant>,
    /// The wall clock's time, once somebody has asked in this turn.
    wall: Cell<Option<SystemTime>>,
    pub(crate) wheel: RefCell<Wheel<Timer>>,
    pub(crate) tasks: RefCell<Tasks>,
    /// Reads that the loop is to begin, in this turn.
    pub(crate) wanted: RefCell<Vec<Wanted>>,
    /// Who wants something of connections that we have begun.
    pub(crate) calls: Rc<Calls>,
    /// Connections to servers that are to be made.
    pub(crate) dials: Dials,
    blocking: Blocking,
    /// The shard takes nothing new.
    pub(crate) is_draining: Cell<bool>,
    stats: Arc<Stats>,
    all_stats: Arc<[Arc<Stats>]>,
    mail: Arc<Mailboxes>,
    locals: Locals,
    /// Keyed by the system's randomness: a hash of a count is a number nobody can guess.
    chance: RandomState,
    count: Cell<u64>,
}

impl Core {
    pub(crate) fn new(
        id: usize,
        start: std::time::Instant,
        queue: WakeQueue,
        blocking: Blocking,
        all_stats: Arc<[Arc<Stats>]>,
        mail: Arc<Mailboxes>,
    ) -> Self {
        Self {
            id,
            start,
            now: Cell::default(),
            wall: Cell::default(),
            wheel: RefCell::new(Wheel::new(Instant::default())),
            tasks: RefCell::new(Tasks::new(queue)),
            wanted: RefCell::default(),
            calls: Rc::default(),
            dials: Dials::default(),
            blocking,
            is_draining: Cell::new(false),
            stats: Arc::clone(&all_stats[id]),
            all_stats,
            mail,
            locals: Locals::default(),
            chance: RandomState::new(),
            count: Cell::new(0),
        }
    }

    /// The moment that is 0 in our time.
    pub(crate) const fn start(&self) -> std::time::Instant {
        self.start
    }

    /// The shard's number.
    pub(crate) const fn number(&self) -> usize {
        self.id
    }

    /// Drops all tasks, and what is kept beside the application: they may hold the shard that holds them.
    pub(crate) fn drop_tasks(&self) {
        self.locals.clear();
        let tasks = self.tasks.borrow_mut().take_all();
        drop(tasks);
    }

    /// Looks at the clock; once a turn.
    pub(crate) fn tick(&self) -> Instant {
        self.now.set(self.clock());
        self.stats.turned.set(self.now.get().as_nanos());
        self.wall.set(None);
        self.now.get()
    }
}

impl Capabilities for Core {
    fn id(&self) -> usize {
        self.id
    }

    fn now(&self) -> Instant {
        self.now.get()
    }

    fn clock(&self) -> Instant {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(nanos)
    }

    fn coarse_clock(&self) -> Instant {
        sys::coarse_clock()
    }

    fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    fn wall(&self) -> SystemTime {
        let wall = self.wall.get().unwrap_or_else(SystemTime::now);
        self.wall.set(Some(wall));
        wall
    }

    fn random(&self) -> u64 {
        self.count.set(self.count.get() + 1);
        self.chance.hash_one(self.count.get())
    }

    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        self.wheel.borrow_mut().insert(at, Timer::Sleeper(waker)).pack()
    }

    fn cancel_timer(&self, timer: u64) {
        // A waker's drop may run code of others: not while the wheel is borrowed.
        let timer = self.wheel.borrow_mut().remove(TimerKey::unpack(timer));
        drop(timer);
    }

    fn spawn(&self, task: LocalTask) {
        self.spawn_as("task", task);
    }

    fn spawn_as(&self, name: &'static str, task: LocalTask) {
        self.tasks.borrow_mut().spawn_as(name, self.now.get(), task);
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.blocking.run(work);
    }

    fn read(&self, file: Rc<dyn AsFd>, at: u64, most: usize, done: ReadDone) {
        let reader = Reader::Task(done);
        self.wanted.borrow_mut().push(Wanted { file, at, most, reader });
    }

    fn connect(&self, to: &Remote) -> io::Result<Box<dyn Pipe>> {
        wires::connect(&self.calls, to)
    }

    fn dial(&self, dial: Dial) -> io::Result<Caller> {
        self.dials.dial(dial)
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn all_stats(&self) -> Vec<Arc<Stats>> {
        self.all_stats.to_vec()
    }

    fn mail(&self) -> Option<&Mailboxes> {
        Some(&self.mail)
    }

    fn locals(&self) -> Option<&Locals> {
        Some(&self.locals)
    }
}
