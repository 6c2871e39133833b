//! Those who wait for a connection, in the order in which they came.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{Inner, Taken};
use crate::share::{Lease, Want};

/// Somebody who waits for a connection.
#[derive(Default)]
pub(super) struct Waiting {
    waker: RefCell<Option<Waker>>,
    pub(super) is_called: Cell<bool>,
}

impl Waiting {
    pub(super) fn call(&self) {
        self.is_called.set(true);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What waiting leads to.
pub(super) enum Turn {
    /// A connection with room.
    Take(Taken),
    /// A connection may be made.
    Make(Lease),
    /// Too many wait.
    Crowded,
}

/// A place among those who wait.
pub(super) struct Queued<'a> {
    pool: &'a Rc<Inner>,
    place: Option<Rc<Waiting>>,
    want: Option<Want>,
}

impl<'a> Queued<'a> {
    pub(super) const fn new(pool: &'a Rc<Inner>) -> Self {
        Self { pool, place: None, want: None }
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Turn> {
        let pool = self.pool;
        // Who has just come goes behind those who wait.
        let is_first = self.place.is_some() || pool.waiting.borrow().is_empty();
        if is_first && let Some(taken) = pool.take_free() {
            return Poll::Ready(Turn::Take(taken));
        }
        if is_first
            && !pool.is_worth_waiting()
            && let Some(lease) = self.lease()
        {
            return Poll::Ready(Turn::Make(lease));
        }
        let place = match &self.place {
            Some(place) => place,
            None if pool.waiting.borrow().len() >= pool.config.most_waiting => {
                return Poll::Ready(Turn::Crowded);
            }
            None => {
                pool.keep();
                let place = Rc::<Waiting>::default();
                pool.waiting.borrow_mut().push_back(Rc::clone(&place));
                self.place.insert(place)
            }
        };
        *place.waker.borrow_mut() = Some(cx.waker().clone());
        place.is_called.set(false);
        Poll::Pending
    }

    /// A lease; or others are told that one is wanted.
    fn lease(&mut self) -> Option<Lease> {
        let (share, has) = (&self.pool.share, self.pool.open() + self.pool.making.get());
        let (now, part) = (self.pool.shard.now(), share.part_of(self.pool.shard.shards()));
        let is_starving = has == 0 || has < part;
        // Who has enough lets those go before who have too little, and at first all that may come.
        let may_lease = is_starving || !share.is_starved() && share.is_settled(now);
        let lease = || may_lease.then(|| share.lease(now)).flatten();
        if let Some(lease) = lease() {
            return Some(lease);
        }
        if self.want.is_some() {
            return None;
        }
        self.want = Some(share.want(is_starving));
        // One may have ended before it was known that somebody waits.
        let lease = lease();
        if lease.is_none() {
            share.call_for_one();
        }
        lease
    }
}

impl Inner {
    /// Whether a connection that is being made may be enough for all who wait: it takes several requests, or may turn out to.
    fn is_worth_waiting(&self) -> bool {
        self.making.get() > 0 && self.is_shared.get() != Some(false)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        self.pool.waiting.borrow_mut().retain(|other| !Rc::ptr_eq(other, &place));
        // There may be room for more than one; and who was called and goes calls the next.
        self.pool.call_next();
    }
}
