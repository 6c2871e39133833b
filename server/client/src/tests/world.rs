//! A shard whose time passes when a test says so, and whose connections end at desks that the test sits at.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use trilane_exchange::caller::desk;
use trilane_exchange::shard::LocalTask;
use trilane_exchange::{
    Address, Answer, Ask, Asked, Caller, Capabilities, ConnectionInfo, Desk, Dial, JoinHandle,
    Shard, Stats, Tasks, Wake, WakeQueue,
};
use trilane_semantics::{Instant, Protocol, ResponseHead, StatusCode};

/// A shard of a test.
pub(crate) struct World {
    now: Cell<u64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    count: Cell<u64>,
    queue: WakeQueue,
    tasks: RefCell<Tasks>,
    stats: Stats,
    /// What was dialed, in order.
    pub(crate) dialed: RefCell<Vec<Rc<Line>>>,
}

/// A connection, as the server has it.
pub(crate) struct Line {
    pub(crate) dial: Dial,
    pub(crate) desk: Desk,
}

impl World {
    pub(crate) fn new() -> (Rc<Self>, Shard) {
        let queue = WakeQueue::new(|| ());
        let world = Rc::new(Self {
            now: Cell::new(0),
            timers: RefCell::default(),
            count: Cell::new(0),
            tasks: RefCell::new(Tasks::new(queue.clone())),
            queue,
            stats: Stats::default(),
            dialed: RefCell::default(),
        });
        let shard = Shard::new(Rc::clone(&world) as Rc<dyn Capabilities>);
        (world, shard)
    }

    pub(crate) fn pass(&self, millis: u64) {
        let end = self.now.get() + millis * 1_000_000;
        loop {
            let first = self.timers.borrow().keys().next().copied().filter(|key| key.0 <= end);
            let Some(key) = first else { break };
            self.now.set(key.0.max(self.now.get()));
            let waker = self.timers.borrow_mut().remove(&key).unwrap();
            waker.wake();
            self.run();
        }
        self.now.set(end);
        self.run();
    }

    /// Polls what was woken, until nothing is.
    pub(crate) fn run(&self) {
        let mut woken = Vec::new();
        for _ in 0..10_000 {
            self.queue.drain(&mut woken);
            if woken.is_empty() {
                return;
            }
            for wake in woken.drain(..) {
                let Wake::Task(key) = wake else { continue };
                let taken = self.tasks.borrow_mut().take(key);
                let Some(mut polling) = taken else { continue };
                assert!(polling.poll(), "a task panicked");
                self.tasks.borrow_mut().put_back(polling);
            }
        }
        panic!("something wakes itself for ever");
    }

    /// Begins something, and sees how far it comes.
    pub(crate) fn begin<T: 'static>(
        &self,
        shard: &Shard,
        future: impl Future<Output = T> + 'static,
    ) -> JoinHandle<T> {
        let handle = shard.spawn(future);
        self.run();
        handle
    }

    /// How many connections were begun.
    pub(crate) fn dials(&self) -> usize {
        self.dialed.borrow().len()
    }

    pub(crate) fn line(&self, number: usize) -> Rc<Line> {
        Rc::clone(&self.dialed.borrow()[number])
    }
}

/// What came of it, if it is over.
pub(crate) fn over<T>(handle: &mut JoinHandle<T>) -> Option<T> {
    let polled = std::pin::pin!(handle).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Line {
    /// It is made, speaks that, and has so much room.
    pub(crate) fn open(&self, protocol: Protocol, room: usize) {
        let info = ConnectionInfo::new(Address::Unix, Address::Unix);
        self.desk.opened(protocol, Rc::new(info));
        self.desk.connected();
        self.desk.offer(0, room);
    }

    /// What is asked next.
    #[track_caller]
    pub(crate) fn asked(&self) -> (Ask, Asked) {
        self.desk.next(|_| true).expect("nobody asks")
    }
}

/// A response to be given.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], content: &[u8]) -> Answer {
    let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
    fields.iter().for_each(|(name, value)| head.fields.append(*name, value).unwrap());
    let content = content.to_vec();
    Answer { head, body: trilane_exchange::Incoming::full(content.into()) }
}

impl Capabilities for World {
    fn id(&self) -> usize {
        0
    }
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH
    }
    fn random(&self) -> u64 {
        7
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
    fn dial(&self, dial: Dial) -> io::Result<Caller> {
        let (caller, desk) = desk();
        self.dialed.borrow_mut().push(Rc::new(Line { dial, desk }));
        Ok(caller)
    }
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
}
