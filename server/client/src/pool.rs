//! Connections of one shard to one place, kept for the next request.
//!
//! Whoever asks gets the connection that was used last, so that those beyond need come of age; or a new one, while the
//! [`Share`] of the process allows it; or waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{Ask, AskError, AskFailure, Asking, Caller, Dial, DialError, Shard, Watch};
use trilane_semantics::{Cause, Effect, Instant, Protocol};

use crate::share::Share;

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
    dial: RefCell<Dial>,
    config: PoolConfig,
    share: Arc<Share>,
    entries: RefCell<Vec<Option<Entry>>>,
    /// Those with room, the one used last at the end.
    free: RefCell<Vec<usize>>,
    /// Places in `entries` that nobody has.
    spare: RefCell<Vec<usize>>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    /// The task that looks after those that nobody needs runs, and this wakes it.
    keeper: RefCell<Option<Waker>>,
    is_kept: Cell<bool>,
}

/// A connection for one request. Who does not ask leaves it to the next.
pub struct Taken {
    inner: Rc<Inner>,
    place: usize,
    caller: Caller,
    is_used: bool,
}

impl Taken {
    /// The protocol that is spoken on it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.caller.protocol().unwrap_or(Protocol::Http11)
    }

    /// Asks.
    pub fn ask(mut self, ask: Ask) -> Asking {
        self.is_used = true;
        self.caller.ask(ask)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.is_used {
            self.inner.changed(self.place);
        }
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Taken").field(&self.caller).finish()
    }
}

struct Entry {
    caller: Caller,
    /// It is among `free`.
    is_listed: bool,
    /// Since when nobody needs it.
    idle_since: Instant,
}

/// Somebody who waits for a connection.
struct Waiting {
    waker: RefCell<Option<Waker>>,
    is_called: Cell<bool>,
}

impl Pool {
    /// Connections as `dial` says, of which `share` says how many there may be.
    #[must_use]
    pub fn new(shard: Shard, dial: Dial, config: PoolConfig, share: Arc<Share>) -> Self {
        Self(Rc::new(Inner {
            shard,
            dial: RefCell::new(dial),
            config,
            share,
            entries: RefCell::default(),
            free: RefCell::default(),
            spare: RefCell::default(),
            waiting: RefCell::default(),
            keeper: RefCell::default(),
            is_kept: Cell::new(false),
        }))
    }

    /// A connection that is there and free now.
    #[must_use]
    pub fn try_take(&self) -> Option<Taken> {
        Some(self.0.taken(self.0.take_free()?))
    }

    /// A connection that is there, a new one, or one that becomes free.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn take(&self) -> Result<Taken, AskFailure> {
        if let Some(taken) = self.try_take() {
            return Ok(taken);
        }
        Ok(self.0.taken(self.0.connection().await?))
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
        self.0.entries.borrow().len() - self.0.spare.borrow().len()
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
    fn taken(self: &Rc<Self>, (place, caller): (usize, Caller)) -> Taken {
        Taken { inner: Rc::clone(self), place, caller, is_used: false }
    }

    /// A connection with room that is there.
    fn take_free(&self) -> Option<(usize, Caller)> {
        let (mut entries, mut free) = (self.entries.borrow_mut(), self.free.borrow_mut());
        while let Some(&last) = free.last() {
            if let Some(Some(entry)) = entries.get_mut(last) {
                if entry.caller.is_open() && entry.caller.room() > 0 {
                    if entry.caller.room() == 1 {
                        entry.is_listed = false;
                        free.pop();
                    }
                    return Some((last, entry.caller.clone()));
                }
                entry.is_listed = false;
            }
            free.pop();
        }
        None
    }

    /// A connection with room, whatever it takes.
    async fn connection(self: &Rc<Self>) -> Result<(usize, Caller), AskFailure> {
        if self.share.lease() {
            return self.connect().await;
        }
        if self.waiting.borrow().len() >= self.config.most_waiting {
            return Err(AskFailure::NotNow);
        }
        let mut queue = Queued { inner: self, place: None, counts: false };
        let turn = self.shard.timeout(self.config.wait_timeout, poll_fn(|cx| queue.poll(cx)));
        match turn.await {
            Some(Some(taken)) => Ok(taken),
            Some(None) => self.connect().await,
            None => Err(AskFailure::NotNow),
        }
    }

    /// A new connection, for which there is a lease.
    async fn connect(self: &Rc<Self>) -> Result<(usize, Caller), AskFailure> {
        let lease = Lease(Some(&self.share));
        let dialed = self.shard.dial(self.dial.borrow().clone());
        let caller = dialed.map_err(|error| AskFailure::Connection(error.into()))?;
        let timeout = self.config.connect_timeout;
        match self.shard.timeout(timeout, caller.ready()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(AskFailure::Connection(error)),
            None => {
                let error = DialError::from(io::Error::from(io::ErrorKind::TimedOut));
                return Err(AskFailure::Connection(error));
            }
        }
        lease.keep();
        Ok((self.enter(&caller), caller))
    }

    /// Keeps a connection that is to be used at once.
    fn enter(self: &Rc<Self>, caller: &Caller) -> usize {
        let now = self.shard.now();
        let entry = Entry { caller: caller.clone(), is_listed: false, idle_since: now };
        let mut entries = self.entries.borrow_mut();
        let place = self.spare.borrow_mut().pop().unwrap_or(entries.len());
        if place == entries.len() {
            entries.push(Some(entry));
        } else {
            entries[place] = Some(entry);
        }
        drop(entries);
        caller.watch(Rc::new(Watcher(Rc::downgrade(self))), place as u64);
        if !caller.is_open() {
            self.changed(place);
        } else if caller.room() > 1 {
            self.list(place);
        }
        if !self.is_kept.replace(true) {
            self.shard.spawn(keep(Rc::downgrade(self), self.shard.clone()));
        }
        place
    }

    /// A connection has room again, or has ended.
    fn changed(&self, place: usize) {
        let entries = self.entries.borrow();
        let Some(Some(entry)) = entries.get(place) else { return };
        let (is_open, room) = (entry.caller.is_open(), entry.caller.room());
        drop(entries);
        if !is_open {
            let gone = self.entries.borrow_mut()[place].take();
            drop(gone);
            self.free.borrow_mut().retain(|listed| *listed != place);
            self.spare.borrow_mut().push(place);
            self.share.release();
        } else if room > 0 {
            if self.free.borrow().len() >= self.config.most_idle || self.share.is_wanted() {
                self.end_if_idle(place);
            }
            self.list(place);
        }
        self.call_next();
    }

    fn list(&self, place: usize) {
        let mut entries = self.entries.borrow_mut();
        let Some(Some(entry)) = entries.get_mut(place) else { return };
        entry.idle_since = self.shard.now();
        if entry.caller.is_open() && !std::mem::replace(&mut entry.is_listed, true) {
            self.free.borrow_mut().push(place);
        }
    }

    /// Ends a connection that nobody needs, but for those who wait here.
    fn end_if_idle(&self, place: usize) -> bool {
        let entries = self.entries.borrow();
        let Some(Some(entry)) = entries.get(place) else { return false };
        let is_idle = entry.caller.under_way() == 0 && entry.caller.is_open();
        if is_idle && self.waiting.borrow().is_empty() {
            entry.caller.close(Cause::IdleTimeout);
            return true;
        }
        false
    }

    /// It is the turn of the next who waits.
    fn call_next(&self) {
        let next = self.waiting.borrow().iter().find(|it| !it.is_called.get()).cloned();
        if let Some(next) = next {
            next.is_called.set(true);
            let waker = next.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Ends those that nobody has needed for too long, or that another shard needs. When to look again.
    fn sweep(&self) -> Option<Instant> {
        let (now, timeout) = (self.shard.now(), self.config.idle_timeout);
        let idle: Vec<(usize, Instant)> = {
            let entries = self.entries.borrow();
            let of =
                |place: &usize| entries.get(*place)?.as_ref().map(|it| (*place, it.idle_since));
            self.free.borrow().iter().filter_map(of).collect()
        };
        let mut next: Option<Instant> = None;
        for (place, since) in idle {
            let is_due = since + timeout <= now;
            let is_ended = (is_due || self.share.is_wanted()) && self.end_if_idle(place);
            if !is_ended {
                let at = if is_due { now + timeout } else { since + timeout };
                next = Instant::earliest(next, Some(at));
            }
        }
        next
    }
}

/// Looks after the connections that nobody needs, for as long as the pool is there.
async fn keep(inner: Weak<Inner>, shard: Shard) {
    loop {
        let Some(pool) = inner.upgrade() else { return };
        let next = pool.sweep();
        let nap = next.map_or(pool.config.idle_timeout, |at| at.since(shard.now()));
        let mut nap = shard.sleep(nap.max(Duration::from_millis(1)));
        let (mut is_first, share) = (true, Arc::clone(&pool.share));
        drop(pool);
        poll_fn(|cx| {
            share.register(cx.waker());
            let Some(pool) = inner.upgrade() else { return Poll::Ready(()) };
            *pool.keeper.borrow_mut() = Some(cx.waker().clone());
            if !std::mem::take(&mut is_first) {
                // Woken: by time, or by another shard, whose connection may have ended.
                pool.call_next();
                return Poll::Ready(());
            }
            Pin::new(&mut nap).poll(cx)
        })
        .await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for _ in self.entries.get_mut().drain(..).flatten() {
            self.share.release();
        }
        if let Some(waker) = self.keeper.get_mut().take() {
            waker.wake();
        }
    }
}

/// What connections tell of their changes.
struct Watcher(Weak<Inner>);

impl Watch for Watcher {
    fn changed(&self, name: u64) {
        if let Some(inner) = self.0.upgrade() {
            inner.changed(name as usize);
        }
    }
}

/// A lease of the share, given back unless it is kept.
struct Lease<'a>(Option<&'a Share>);

impl Lease<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(share) = self.0 {
            share.release();
        }
    }
}

/// A place among those who wait.
struct Queued<'a> {
    inner: &'a Inner,
    place: Option<Rc<Waiting>>,
    /// The share was told.
    counts: bool,
}

impl Queued<'_> {
    /// A connection with room; or nothing, and there is a lease for a new one.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<(usize, Caller)>> {
        if let Some(taken) = self.inner.take_free() {
            return Poll::Ready(Some(taken));
        }
        if self.inner.share.lease() {
            return Poll::Ready(None);
        }
        let place = self.place.get_or_insert_with(|| {
            let waiting = Waiting { waker: RefCell::default(), is_called: Cell::new(false) };
            let place = Rc::new(waiting);
            self.inner.waiting.borrow_mut().push_back(Rc::clone(&place));
            place
        });
        *place.waker.borrow_mut() = Some(cx.waker().clone());
        place.is_called.set(false);
        if !std::mem::replace(&mut self.counts, true) {
            self.inner.share.register(cx.waker());
            self.inner.share.want();
        }
        self.inner.share.register(cx.waker());
        Poll::Pending
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.inner.share.wanted();
        }
        let Some(place) = self.place.take() else { return };
        self.inner.waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &place));
        // Who was called and goes calls the next.
        if place.is_called.get() {
            self.inner.call_next();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Pool");
        debug.field("open", &self.open()).field("waiting", &self.waiting()).finish()
    }
}
