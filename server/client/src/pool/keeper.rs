//! A pool's task: it ends connections that nobody needs, and hears what other shards want.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use trilane_exchange::{Caller, Sleep};
use trilane_semantics::{Cause, Instant};

use super::Inner;

/// A connection that was of use so recently is not given to another shard, while this one has no more than its part: else two shards
/// that have something to do now and then would take it from each other at every request.
const FRESH: Duration = Duration::from_secs(1);

impl Inner {
    /// Has the task run, for as long as the pool is there.
    pub(super) fn keep(self: &Rc<Self>) {
        let mut keeper = self.keeper.borrow_mut();
        if keeper.is_none() {
            let (pool, mut nap) = (Rc::downgrade(self), None);
            *keeper = Some(self.shard.spawn(poll_fn(move |cx| poll(&pool, &mut nap, cx))));
        }
    }

    /// Ends a connection with room, if there are too many without use, or others need it more.
    pub(super) fn give_up_if_wanted(&self, place: usize) {
        let has_too_much = || self.lasting() > self.share.part();
        if self.share.is_starved() && has_too_much() {
            // Whoever waits here goes on with those that are left.
            self.end(place, |_| true);
        } else if self.free.borrow().len() >= self.config.most_idle
            || self.share.is_wanted() && has_too_much()
            || self.share.is_whole_wanted()
        {
            self.end_if_idle(place);
        }
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// How many connections there are and will be, those left out that are to end.
    fn lasting(&self) -> usize {
        let entries = self.entries.borrow();
        self.making.get() + entries.iter().flatten().filter(|it| it.caller.is_open()).count()
    }

    fn end(&self, place: usize, may: impl Fn(&Caller) -> bool) -> bool {
        let entries = self.entries.borrow();
        let Some(Some(entry)) = entries.get(place) else { return false };
        let caller = entry.caller.clone();
        drop(entries);
        let ends = caller.is_open() && may(&caller);
        if ends {
            caller.close(Cause::IdleTimeout);
        }
        ends
    }

    /// Ends a connection that nobody needs, but for those who wait here.
    fn end_if_idle(&self, place: usize) -> bool {
        self.waiting.borrow().is_empty() && self.end(place, |caller| caller.under_way() == 0)
    }

    /// Ends those that nobody has needed for too long, or that others need. When to look again.
    fn sweep(&self) -> Option<Instant> {
        let (now, timeout) = (self.shard.now(), self.config.idle_timeout);
        let idle: Vec<(usize, Instant)> = {
            let entries = self.entries.borrow();
            let of =
                |place: &usize| entries.get(*place)?.as_ref().map(|it| (*place, it.idle_since));
            self.free.borrow().iter().filter_map(of).collect()
        };
        let (is_wanted, is_whole_wanted) = (self.share.is_wanted(), self.share.is_whole_wanted());
        let mut next: Option<Instant> = None;
        for (place, since) in idle {
            let most = if is_wanted { FRESH.min(timeout) } else { timeout };
            let has_too_much = || self.lasting() > self.share.part();
            let is_due = since + most <= now;
            let is_over = is_due || is_whole_wanted || is_wanted && has_too_much();
            if !is_over || !self.end_if_idle(place) {
                let at = if is_due { now + most } else { since + most };
                next = Instant::earliest(next, Some(at));
            }
        }
        next
    }
}

fn poll(pool: &Weak<Inner>, nap: &mut Option<Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(pool) = pool.upgrade() else { return Poll::Ready(()) };
    // First of all, so that nothing that happens from now on is missed.
    pool.share.register(cx.waker());
    *pool.keeper_waker.borrow_mut() = Some(cx.waker().clone());
    pool.call_next();
    loop {
        let (next, now) = (pool.sweep(), pool.shard.now());
        // Who waits may have more than its part then.
        let settles = pool.share.settles().filter(|at| *at > now && pool.has_waiting());
        let next = Instant::earliest(next, settles);
        let pause = next.map_or(pool.config.idle_timeout, |at| at.since(now));
        let nap = nap.insert(pool.shard.sleep(pause.max(Duration::from_millis(1))));
        if Pin::new(nap).poll(cx).is_pending() {
            return Poll::Pending;
        }
        pool.call_next();
    }
}
