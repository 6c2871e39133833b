//! Connections of one shard to one place, kept for the next request.
//!
//! Whoever asks gets the connection that was used last, so that those beyond need come of age; or a new one, while the
//! [`Share`] of the process allows it; or waits its turn (`queued`). `keeper` ends those that nobody needs, and listens to other shards.

mod keeper;
mod queued;
mod taken;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use trilane_exchange::{
    Ask, AskError, AskFailure, Asking, Caller, Dial, DialError, JoinHandle, Shard, Watch,
};
use trilane_semantics::{Cause, Effect, Instant, Protocol};

use crate::connect::{Connect, Direct};
use crate::share::{Lease, Share};
use queued::{Queued, Turn, Waiting};
pub use taken::Taken;

/// How a pool keeps its connections.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// For a connection to be made, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// A connection that nobody needs for so long is ended. Default 60 s, less than what most servers keep one for.
    pub idle_timeout: Duration,
    /// Connections kept that nobody needs, a shard. Default 256.
    pub most_idle: usize,
    /// Requests that wait for a connection, a shard; more are refused. Default 1,024.
    pub most_waiting: usize,
    /// For a request to wait for a connection. Default 10 s.
    pub wait_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            most_idle: 256,
            most_waiting: 1024,
            wait_timeout: Duration::from_secs(10),
        }
    }
}

/// Connections of one shard to one place.
#[derive(Clone)]
pub struct Pool(Rc<Inner>);

struct Inner {
    shard: Shard,
    place: Box<dyn Connect>,
    config: PoolConfig,
    share: Arc<Share>,
    entries: RefCell<Vec<Option<Entry>>>,
    /// Those with room, the one used last at the end.
    free: RefCell<Vec<usize>>,
    /// Places in `entries` that nobody has.
    spare: RefCell<Vec<usize>>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    /// Connections that are being made.
    making: Cell<usize>,
    /// Whether one takes several requests at once, once that is known.
    is_shared: Cell<Option<bool>>,
    /// The task that looks after those that nobody needs, and what wakes it.
    keeper: RefCell<Option<JoinHandle<()>>>,
    keeper_waker: RefCell<Option<Waker>>,
}

struct Entry {
    caller: Caller,
    /// It is among `free`.
    is_listed: bool,
    /// Since when nobody needs it.
    idle_since: Instant,
}

impl Pool {
    /// Connections as `dial` says, of which `share` says how many there may be.
    #[must_use]
    pub fn new(shard: Shard, dial: Dial, config: PoolConfig, share: Arc<Share>) -> Self {
        let direct = Direct { shard: shard.clone(), dial };
        Self::of(shard, direct, config, share)
    }

    /// Connections that `place` makes, of which `share` says how many there may be.
    #[must_use]
    pub fn of(
        shard: Shard,
        place: impl Connect + 'static,
        config: PoolConfig,
        share: Arc<Share>,
    ) -> Self {
        share.count_pool(true);
        let (entries, free, spare, waiting, making, keeper, keeper_waker) = Default::default();
        let (is_shared, place) = (Cell::new(place.is_shared()), Box::new(place));
        Self(Rc::new(Inner {
            shard,
            place,
            config,
            share,
            entries,
            free,
            spare,
            waiting,
            making,
            is_shared,
            keeper,
            keeper_waker,
        }))
    }

    /// A connection that is there and free now, and that nobody waits for.
    #[must_use]
    pub fn try_take(&self) -> Option<Taken> {
        self.0.take_for_new()
    }

    /// A connection that is there, a new one, or one that becomes free.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn take(&self) -> Result<Taken, AskFailure> {
        match self.try_take() {
            Some(taken) => Ok(taken),
            None => self.0.connection().await,
        }
    }

    /// Asks over a connection that is there, a new one, or one that becomes free.
    ///
    /// # Errors
    /// There is no connection to be had: [`AskError`] has the request.
    pub async fn ask(&self, ask: Ask) -> Result<Asking, AskError> {
        match self.take().await {
            Ok(taken) => Ok(taken.ask(ask)),
            Err(failure) => {
                let request = Some(Box::new((ask.head, ask.body)));
                let (effect, is_reused) = (Effect::None, false);
                Err(AskError { failure, effect, is_reused, request })
            }
        }
    }

    /// How many connections this shard has.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open()
    }

    /// How many requests wait for one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.borrow().len()
    }

    /// Ends all connections that nobody needs now, and the others after what is under way.
    pub fn close(&self) {
        let entries = self.0.entries.borrow();
        entries.iter().flatten().for_each(|entry| entry.caller.close(Cause::Drain));
    }
}

impl Inner {
    fn open(&self) -> usize {
        self.entries.borrow().len() - self.spare.borrow().len()
    }

    /// A connection with room, for somebody who comes after all that wait.
    fn take_for_new(self: &Rc<Self>) -> Option<Taken> {
        if self.waiting.borrow().is_empty() { self.take_free() } else { None }
    }

    /// A connection with room that is there.
    fn take_free(self: &Rc<Self>) -> Option<Taken> {
        let (mut entries, mut free) = (self.entries.borrow_mut(), self.free.borrow_mut());
        while let Some(&last) = free.last() {
            if let Some(Some(entry)) = entries.get_mut(last) {
                if entry.caller.is_open() && entry.caller.room() > 0 {
                    if entry.caller.room() == 1 {
                        entry.is_listed = false;
                        free.pop();
                    }
                    return Some(Taken::new(self, last, entry.caller.clone()));
                }
                entry.is_listed = false;
            }
            free.pop();
        }
        None
    }

    /// A connection with room, whatever it takes.
    async fn connection(self: &Rc<Self>) -> Result<Taken, AskFailure> {
        let turn = {
            let mut queued = Queued::new(self);
            let turn = self.shard.timeout(self.config.wait_timeout, poll_fn(|cx| queued.poll(cx)));
            // Who has a turn waits no longer: the next one is called.
            turn.await
        };
        match turn {
            Some(Turn::Take(taken)) => Ok(taken),
            Some(Turn::Make(lease)) => self.connect(lease).await,
            Some(Turn::Crowded) | None => Err(AskFailure::NotNow),
        }
    }

    /// A new connection, for which there is a lease.
    async fn connect(self: &Rc<Self>, lease: Lease) -> Result<Taken, AskFailure> {
        let making = Making::new(self);
        let timeout = self.config.connect_timeout;
        let caller = match self.shard.timeout(timeout, self.place.connect()).await {
            Some(Ok(caller)) => caller,
            Some(Err(error)) => return Err(AskFailure::Connection(error)),
            None => {
                let error = DialError::from(io::Error::from(io::ErrorKind::TimedOut));
                return Err(AskFailure::Connection(error));
            }
        };
        self.is_shared.set(caller.protocol().map(|protocol| protocol >= Protocol::Http2));
        let place = self.enter(&caller, lease);
        drop(making);
        Ok(Taken::new(self, place, caller))
    }

    /// Keeps a connection that is to be used at once.
    fn enter(self: &Rc<Self>, caller: &Caller, lease: Lease) -> usize {
        let now = self.shard.now();
        let entry = Entry { caller: caller.clone(), is_listed: false, idle_since: now };
        let mut entries = self.entries.borrow_mut();
        let place = self.spare.borrow_mut().pop().unwrap_or(entries.len());
        match entries.get_mut(place) {
            Some(spare) => *spare = Some(entry),
            None => entries.push(Some(entry)),
        }
        drop(entries);
        let watcher = Watcher { pool: Rc::downgrade(self), _lease: lease };
        caller.watch(Rc::new(watcher), place as u64);
        if !caller.is_open() {
            self.changed(place);
        } else if caller.room() > 1 {
            self.list(place);
        }
        self.keep();
        place
    }

    /// A connection has room again, or has ended.
    fn changed(&self, place: usize) {
        let entries = self.entries.borrow();
        let Some(Some(entry)) = entries.get(place) else { return };
        let (is_open, room) = (entry.caller.is_open(), entry.caller.room());
        drop(entries);
        if !is_open {
            self.remove(place);
        } else if room > 0 {
            self.give_up_if_wanted(place);
            self.list(place);
        }
        self.call_next();
    }

    fn remove(&self, place: usize) {
        let mut entries = self.entries.borrow_mut();
        let gone = entries.get_mut(place).and_then(Option::take);
        drop(entries);
        self.free.borrow_mut().retain(|listed| *listed != place);
        self.spare.borrow_mut().push(place);
        drop(gone);
    }

    fn list(&self, place: usize) {
        let mut entries = self.entries.borrow_mut();
        let Some(Some(entry)) = entries.get_mut(place) else { return };
        entry.idle_since = self.shard.now();
        if entry.caller.is_open() && !std::mem::replace(&mut entry.is_listed, true) {
            self.free.borrow_mut().push(place);
        }
    }

    /// It is the turn of the next who waits.
    fn call_next(&self) {
        let next = self.waiting.borrow().iter().find(|it| !it.is_called.get()).cloned();
        if let Some(next) = next {
            next.call();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.share.count_pool(false);
        if let Some(waker) = self.keeper_waker.get_mut().take() {
            self.share.forget(&waker);
            waker.wake();
        }
    }
}

/// What a connection tells of its changes. It goes when the connection does, and with it the lease, also where the pool has gone before.
struct Watcher {
    pool: Weak<Inner>,
    _lease: Lease,
}

impl Watch for Watcher {
    fn changed(&self, name: u64) {
        if let Some(pool) = self.pool.upgrade() {
            pool.changed(name as usize);
        }
    }
}

/// A connection that is being made, for as long as this lives.
struct Making<'a>(&'a Inner);

impl<'a> Making<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.making.set(inner.making.get() + 1);
        Self(inner)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.making.set(self.0.making.get() - 1);
        // There is room, or somebody else is to try.
        self.0.call_next();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Pool");
        debug.field("open", &self.open()).field("waiting", &self.waiting()).finish()
    }
}

#[cfg(test)]
#[path = "../tests/pool.rs"]
mod tests;
