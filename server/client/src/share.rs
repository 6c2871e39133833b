//! How many connections a process may have to one place: one number for all its shards, and word between them when it is reached.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use trilane_semantics::Instant;

/// The connections of a process to one place. Clones of the `Arc` go to the pools of its shards.
#[derive(Debug)]
pub struct Share {
    most: usize,
    /// What this is a part of.
    whole: Option<Arc<Self>>,
    open: AtomicUsize,
    made: AtomicUsize,
    /// Pools that it is for.
    pools: AtomicUsize,
    /// Requests that want a connection and have none, nor may make one.
    wanting: AtomicUsize,
    /// Those of them whose pool has less than its part.
    starving: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
    /// When the first connection was leased, in nanoseconds.
    first: AtomicU64,
}

/// No time at all.
const NEVER: u64 = u64::MAX;
/// For how long after the first connection each pool keeps to its part, in nanoseconds: shards that begin at once take what is theirs, and need
/// not ask others for it, who would end a connection for that.
const SETTLED: u64 = 1_000_000_000;

impl Share {
    /// At most `most` at once; 0 counts as 1.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self::of(most, None))
    }

    /// At most `most` at once, and no more than there may be of the whole, such as of all places.
    #[must_use]
    pub fn within(most: usize, whole: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self::of(most, Some(Arc::clone(whole))))
    }

    fn of(most: usize, whole: Option<Arc<Self>>) -> Self {
        let [open, made, pools, wanting, starving] = Default::default();
        let (most, wakers, first) = (most.max(1), Mutex::default(), AtomicU64::new(NEVER));
        Self { most, whole, open, made, pools, wanting, starving, wakers, first }
    }

    /// How many there are now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made.load(Relaxed)
    }

    /// This, and what it is a part of.
    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |it| it.whole.as_deref())
    }

    /// A lease of one more, if there may be one.
    pub(crate) fn lease(self: &Arc<Self>, now: Instant) -> Option<Lease> {
        // A look first: what is taken and put back wakes all who wait.
        if self.levels().any(|level| level.open.load(SeqCst) >= level.most) {
            return None;
        }
        for (taken, level) in self.levels().enumerate() {
            let one_more = |open: usize| (open < level.most).then_some(open + 1);
            // In one order with what `release` and `want` do, so that who is refused is woken later.
            if level.open.fetch_update(SeqCst, SeqCst, one_more).is_err() {
                self.levels().take(taken).for_each(Self::release);
                return None;
            }
        }
        self.levels().for_each(|level| _ = level.made.fetch_add(1, Relaxed));
        // The first one says when; the others change nothing.
        let _ = self.first.compare_exchange(NEVER, now.as_nanos(), Relaxed, Relaxed);
        Some(Lease(Arc::clone(self)))
    }

    /// One has ended: who wants one may try.
    fn release(&self) {
        self.open.fetch_sub(1, SeqCst);
        if self.wanting.load(SeqCst) > 0 {
            self.wake_all();
        }
    }

    /// A request wants one, until what this gives is dropped.
    pub(crate) fn want(self: &Arc<Self>, is_starving: bool) -> Want {
        self.levels().for_each(|level| _ = level.wanting.fetch_add(1, SeqCst));
        self.starving.fetch_add(usize::from(is_starving), SeqCst);
        Want { share: Arc::clone(self), is_starving }
    }

    /// Tells all pools that somebody waits: they may end one that is idle.
    pub(crate) fn call_for_one(&self) {
        self.levels().for_each(Self::wake_all);
    }

    /// Whether somebody wants one here.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanting.load(SeqCst) > 0
    }

    /// Whether somebody wants one who is kept from it by the whole alone.
    pub(crate) fn is_whole_wanted(&self) -> bool {
        let whole = self.whole.as_deref();
        whole.is_some_and(|whole| whole.open.load(SeqCst) >= whole.most && whole.is_wanted())
    }

    /// Whether somebody wants one whose pool has less than its part.
    pub(crate) fn is_starved(&self) -> bool {
        self.starving.load(SeqCst) > 0
    }

    /// Whether those who are to have a part have had the time to take it: what is left then is for whoever wants it.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        self.settles().is_some_and(|at| at <= now)
    }

    /// When that is; not known before the first connection.
    pub(crate) fn settles(&self) -> Option<Instant> {
        let first = self.first.load(Relaxed);
        (first != NEVER).then(|| Instant::from_nanos(first.saturating_add(SETTLED)))
    }

    /// As [`part`](Self::part), while as many pools as there are shards may still come.
    pub(crate) fn part_of(&self, shards: usize) -> usize {
        self.most / self.pools.load(Relaxed).max(shards).max(1)
    }

    /// What each pool may have if all of them want as many as they can get; 0 if there are more pools.
    pub(crate) fn part(&self) -> usize {
        self.most / self.pools.load(Relaxed).max(1)
    }

    /// One more pool, or one less, has a part.
    pub(crate) fn count_pool(&self, is_more: bool) {
        match is_more {
            true => self.pools.fetch_add(1, Relaxed),
            false => self.pools.fetch_sub(1, Relaxed),
        };
    }

    /// Has `waker` woken, once, when something has changed for those who want one, or somebody wants one.
    pub(crate) fn register(&self, waker: &Waker) {
        for level in self.levels() {
            let mut wakers = level.lock();
            if !wakers.iter().any(|known| known.will_wake(waker)) {
                wakers.push(waker.clone());
            }
        }
    }

    /// Forgets a waker that was registered.
    pub(crate) fn forget(&self, waker: &Waker) {
        self.levels().for_each(|level| level.lock().retain(|known| !known.will_wake(waker)));
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.lock());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one connection, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Share>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.levels().for_each(Share::release);
    }
}

/// A request that wants a connection.
#[derive(Debug)]
pub(crate) struct Want {
    share: Arc<Share>,
    is_starving: bool,
}

impl Drop for Want {
    fn drop(&mut self) {
        self.share.levels().for_each(|level| _ = level.wanting.fetch_sub(1, SeqCst));
        if self.is_starving {
            self.share.starving.fetch_sub(1, SeqCst);
            // Who has let it go before may try.
            self.share.wake_all();
        }
    }
}
