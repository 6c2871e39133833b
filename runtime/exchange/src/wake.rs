//! From a waker back to the shard and the exchange it belongs to.
//!
//! A shard has one [`WakeQueue`]. Waking, from whatever thread, puts the target on it, once; the shard drains it
//! every turn. Targets are recycled, so that an exchange that is answered at once allocates nothing.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use trilane_semantics::ExchangeId;

/// Targets kept for reuse, a shard.
const KEEP: usize = 256;

thread_local! {
    /// The queue that this thread drains, by its address; 0 for none.
    static OURS: Cell<usize> = const { Cell::new(0) };
    /// What was woken on this thread for that queue: nobody else looks, so that there is no lock.
    static WOKEN: RefCell<Vec<Arc<Target>>> = const { RefCell::new(Vec::new()) };
}

/// What was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// An exchange of a connection; the number is the shard's name for the connection.
    Exchange(u64, ExchangeId),
    /// A spawned task.
    Task(u64),
}

/// The woken of one shard. Clones share the queue.
#[derive(Clone)]
pub struct WakeQueue {
    inner: Arc<Inner>,
}

struct Inner {
    woken: Mutex<Vec<Arc<Target>>>,
    /// Whether there are any, without the lock. Late news is no harm: whoever parks looks under the lock.
    some: AtomicBool,
    /// The shard sleeps, or is about to.
    parked: AtomicBool,
    unpark: Box<dyn Fn() + Send + Sync>,
}

struct Target {
    inner: Arc<Inner>,
    queued: AtomicBool,
    owner: AtomicU64,
    exchange: AtomicU64,
}

/// Marks a target as a task's: no exchange id is that large (RFC 9000 §16: below 2^62).
const TASK: u64 = u64::MAX;

impl WakeQueue {
    /// An empty queue; `unpark` is called, from any thread, when something is woken while the shard is parked.
    #[must_use]
    pub fn new(unpark: impl Fn() + Send + Sync + 'static) -> Self {
        let inner = Inner {
            woken: Mutex::default(),
            some: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            unpark: Box::new(unpark),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What this thread wakes needs no lock, for as long as the guard lives: it is the one that drains. One queue a thread.
    pub fn settle(&self) -> Settled {
        OURS.set(self.inner.address());
        Settled(self.clone())
    }

    /// Moves the woken to `into`, each once: in the order of their waking, but that those of this thread come first.
    pub fn drain(&self, into: &mut Vec<Wake>) {
        if OURS.get() == self.inner.address() {
            WOKEN.with_borrow_mut(|woken| {
                for target in woken.drain(..) {
                    target.queued.swap(false, Ordering::AcqRel);
                    into.push(target.aimed_at());
                }
            });
        }
        if !self.inner.some.load(Ordering::Relaxed) {
            return;
        }
        let mut woken = self.inner.lock();
        self.inner.some.store(false, Ordering::Relaxed);
        for target in woken.drain(..) {
            // A swap, not a store: a wake that comes now and finds it still set has written what it wakes for before
            // this, and we shall see it.
            target.queued.swap(false, Ordering::AcqRel);
            into.push(target.aimed_at());
        }
    }

    /// Says that the shard is about to sleep. `false`, and it must not, when something was woken meanwhile.
    #[must_use]
    pub fn park(&self) -> bool {
        let has_own = OURS.get() == self.inner.address() && !WOKEN.with_borrow(Vec::is_empty);
        self.inner.parked.store(true, Ordering::SeqCst);
        if !has_own && self.inner.lock().is_empty() {
            return true;
        }
        self.unparked();
        false
    }

    /// Says that the shard is awake.
    pub fn unparked(&self) {
        self.inner.parked.store(false, Ordering::SeqCst);
    }

    /// A waker of something on this shard.
    #[must_use]
    pub fn waker(&self, wake: Wake) -> Waker {
        Waker::from(self.target(wake))
    }

    fn target(&self, wake: Wake) -> Arc<Target> {
        let target = Target {
            inner: Arc::clone(&self.inner),
            queued: AtomicBool::new(false),
            owner: AtomicU64::new(0),
            exchange: AtomicU64::new(0),
        };
        target.aim(wake);
        Arc::new(target)
    }
}

impl Inner {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// A panic while it was held leaves the list whole: pushing and draining are all that is done.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Target>>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn aim(&self, wake: Wake) {
        let (owner, exchange) = match wake {
            Wake::Exchange(connection, id) => (connection, id.0),
            Wake::Task(task) => (task, TASK),
        };
        self.owner.store(owner, Ordering::Relaxed);
        self.exchange.store(exchange, Ordering::Relaxed);
    }

    /// Puts it on the queue. `queued` has just been set by the caller, and by nobody else.
    fn enqueue(self: Arc<Self>) {
        // At thread exit the list may be gone already, and with it who drains.
        let is_ours = OURS.try_with(Cell::get) == Ok(self.inner.address());
        // Who sleeps on this very thread has to be told as by any other.
        if is_ours && !self.inner.parked.load(Ordering::Relaxed) {
            let _ = WOKEN.try_with(|woken| woken.borrow_mut().push(self));
            return;
        }
        let inner = Arc::clone(&self.inner);
        let mut woken = inner.lock();
        woken.push(self);
        inner.some.store(true, Ordering::Relaxed);
        drop(woken);
        if inner.parked.swap(false, Ordering::SeqCst) {
            (inner.unpark)();
        }
    }

    fn aimed_at(&self) -> Wake {
        let owner = self.owner.load(Ordering::Relaxed);
        match self.exchange.load(Ordering::Relaxed) {
            TASK => Wake::Task(owner),
            id => Wake::Exchange(owner, ExchangeId(id)),
        }
    }
}

impl std::task::Wake for Target {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.enqueue();
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A swap, as in `wake`: only an atomic change is ordered with the one in `drain`.
        if !self.queued.swap(true, Ordering::AcqRel) {
            Arc::clone(self).enqueue();
        }
    }
}

/// A queue that is drained by the thread that has this.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Settled(WakeQueue);

impl Drop for Settled {
    fn drop(&mut self) {
        // At thread exit both may be gone already.
        let is_ours = |ours: &Cell<usize>| ours.replace(0) == self.0.inner.address();
        if OURS.try_with(is_ours) == Ok(true) {
            let left = WOKEN.try_with(RefCell::take).unwrap_or_default();
            left.into_iter().for_each(Target::enqueue);
        }
    }
}

/// A waker of an exchange, with the means to use its memory again.
pub struct ExchangeWaker {
    target: Arc<Target>,
    waker: Waker,
}

impl ExchangeWaker {
    /// The waker itself.
    #[must_use]
    pub const fn waker(&self) -> &Waker {
        &self.waker
    }
}

/// The recycled wakers of a shard.
pub struct Wakers {
    queue: WakeQueue,
    free: Vec<ExchangeWaker>,
}

impl Wakers {
    /// None made yet.
    #[must_use]
    pub const fn new(queue: WakeQueue) -> Self {
        Self { queue, free: Vec::new() }
    }

    /// A waker of that exchange; allocates nothing when one was given back.
    #[inline]
    pub fn take(&mut self, connection: u64, id: ExchangeId) -> ExchangeWaker {
        let wake = Wake::Exchange(connection, id);
        if let Some(spare) = self.free.pop() {
            spare.target.aim(wake);
            return spare;
        }
        let target = self.queue.target(wake);
        ExchangeWaker { waker: Waker::from(Arc::clone(&target)), target }
    }

    /// Gives it back. It is used again only if nobody holds a clone, which could wake a stranger.
    #[inline]
    pub fn give(&mut self, spare: ExchangeWaker) {
        if self.free.len() < KEEP && Arc::strong_count(&spare.target) == 2 {
            self.free.push(spare);
        } else {
            drop(spare);
        }
    }
}

impl std::fmt::Debug for WakeQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakeQueue").field("woken", &self.inner.lock().len()).finish()
    }
}

impl std::fmt::Debug for ExchangeWaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ExchangeWaker").field(&self.target.aimed_at()).finish()
    }
}

impl std::fmt::Debug for Wakers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wakers").field("free", &self.free.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(queue: &WakeQueue) -> Vec<Wake> {
        let mut woken = Vec::new();
        queue.drain(&mut woken);
        woken
    }

    #[test]
    fn each_target_is_queued_once() {
        let queue = WakeQueue::new(|| ());
        let (a, b) = (queue.waker(Wake::Task(1)), queue.waker(Wake::Exchange(2, ExchangeId(3))));
        a.wake_by_ref();
        b.wake_by_ref();
        a.wake_by_ref();
        assert_eq!(drained(&queue), [Wake::Task(1), Wake::Exchange(2, ExchangeId(3))]);
        assert_eq!(drained(&queue), []);
        a.wake();
        assert_eq!(drained(&queue), [Wake::Task(1)]);
    }

    /// The race between a thread that wakes again and a shard that drains: nothing written before a wake may be missed.
    #[test]
    fn no_wake_is_lost() {
        let queue = WakeQueue::new(|| ());
        let waker = queue.waker(Wake::Task(1));
        let said = Arc::new(AtomicU64::new(0));
        let heard = Arc::new(AtomicU64::new(0));
        let (tell, told) = (Arc::clone(&said), Arc::clone(&heard));
        let talker = std::thread::spawn(move || {
            for n in 1..=4_000 {
                tell.store(n, Ordering::Relaxed);
                waker.wake_by_ref();
                // Every other time at once, so that wakes meet drains at every distance.
                while n % 2 == 0 && told.load(Ordering::Acquire) < n {
                    std::thread::yield_now();
                }
            }
        });
        let (mut woken, start) = (Vec::new(), std::time::Instant::now());
        while heard.load(Ordering::Relaxed) < 4_000 {
            queue.drain(&mut woken);
            match woken.pop() {
                Some(_) => heard.store(said.load(Ordering::Relaxed), Ordering::Release),
                None => std::thread::yield_now(),
            }
            assert!(start.elapsed().as_secs() < 20, "a wake was lost");
        }
        talker.join().unwrap();
    }

    #[test]
    fn a_parked_shard_is_unparked_once() {
        let calls = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&calls);
        let queue = WakeQueue::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let (a, b) = (queue.waker(Wake::Task(1)), queue.waker(Wake::Task(2)));
        a.wake_by_ref();
        assert!(!queue.park());
        drained(&queue);
        assert!(queue.park());
        std::thread::spawn(move || (a.wake(), b.wake())).join().unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(drained(&queue).len(), 2);
    }

    /// What a thread wakes for its own queue, and what others do.
    #[test]
    fn who_drains_needs_no_lock() {
        let unparked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&unparked);
        let queue = WakeQueue::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let [a, b, c] = [1, 2, 3].map(|task| queue.waker(Wake::Task(task)));
        let settled = queue.settle();
        a.wake_by_ref();
        a.wake_by_ref();
        assert!(queue.inner.lock().is_empty() && !queue.park(), "it is seen all the same");
        std::thread::spawn(move || b.wake()).join().unwrap();
        assert_eq!(drained(&queue), [Wake::Task(1), Wake::Task(2)]);
        assert!(queue.park());
        a.wake_by_ref();
        assert_eq!(unparked.load(Ordering::Relaxed), 1, "who sleeps is told");
        assert_eq!(drained(&queue), [Wake::Task(1)]);
        a.wake();
        c.wake_by_ref();
        assert_eq!(unparked.load(Ordering::Relaxed), 1, "who wakes is awake");
        drop(settled);
        assert_eq!(queue.inner.lock().len(), 2, "for whoever drains next");
        assert_eq!(drained(&queue), [Wake::Task(1), Wake::Task(3)]);
        c.wake();
        assert_eq!(drained(&queue), [Wake::Task(3)]);
    }

    #[test]
    fn a_waker_that_was_cloned_is_not_used_again() {
        let queue = WakeQueue::new(|| ());
        let mut wakers = Wakers::new(queue.clone());
        let first = wakers.take(1, ExchangeId(1));
        let held = first.waker().clone();
        wakers.give(first);
        let second = wakers.take(2, ExchangeId(2));
        held.wake();
        assert_eq!(drained(&queue), [Wake::Exchange(1, ExchangeId(1))]);
        wakers.give(second);
        assert_eq!(wakers.free.len(), 1);
    }
}
