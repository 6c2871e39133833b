//! How much may be under way to a group: what is too much is refused at once, and does not pile up.
//!
//! Counts of the process, an atomic each: a relaxed addition a request. What ejects a single server is in `health`.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::group::Group;

/// Limits of a group, of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way to all servers. Default 10,000.
    pub under_way: u32,
    /// Requests under way to a server. Default 1024.
    pub a_server: u32,
    /// Requests that wait for a connection. Default 1024.
    pub waiting: u32,
    /// Repeated requests under way. Default 10,000: when a server dies, all that was under way to it is repeated.
    pub retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { under_way: 10_000, a_server: 1024, waiting: 1024, retries: 10_000 }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A request under way to that server.
    UnderWay(usize),
    /// A request that waits for a connection.
    Waiting,
    /// A request that is made again.
    Retry,
}

/// What is under way to a group, and how much may be.
#[derive(Debug)]
pub struct Breaker {
    limits: Limits,
    under_way: AtomicU32,
    waiting: AtomicU32,
    retries: AtomicU32,
    /// Requests under way to each server, close together: whoever chooses may read them all.
    loads: Box<[AtomicU32]>,
}

impl Breaker {
    pub(crate) fn new(servers: usize, limits: Limits) -> Self {
        let [under_way, waiting, retries] = Default::default();
        let loads = (0..servers).map(|_| AtomicU32::new(0)).collect();
        Self { limits, under_way, waiting, retries, loads }
    }

    /// How much may be.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Requests under way to a server.
    #[must_use]
    #[inline]
    pub fn load(&self, server: usize) -> u32 {
        self.loads.get(server).map_or(0, |load| load.load(Relaxed))
    }

    /// Whether a server has as many as it may.
    #[must_use]
    #[inline]
    pub fn is_full(&self, server: usize) -> bool {
        self.load(server) >= self.limits.a_server
    }

    /// Requests under way, those that wait, and those that are made again: for metrics.
    #[must_use]
    pub fn counts(&self) -> [u32; 3] {
        [&self.under_way, &self.waiting, &self.retries].map(|count| count.load(Relaxed))
    }

    /// Whether there may be one more; if so, it is counted.
    #[inline]
    fn begin(&self, kind: Counted) -> bool {
        match kind {
            Counted::Waiting => take(&self.waiting, self.limits.waiting),
            Counted::Retry => take(&self.retries, self.limits.retries),
            Counted::UnderWay(server) => {
                let Some(load) = self.loads.get(server) else { return false };
                if !take(&self.under_way, self.limits.under_way) {
                    return false;
                }
                let is_taken = take(load, self.limits.a_server);
                if !is_taken {
                    give(&self.under_way);
                }
                is_taken
            }
        }
    }

    #[inline]
    fn end(&self, kind: Counted) {
        match kind {
            Counted::Waiting => give(&self.waiting),
            Counted::Retry => give(&self.retries),
            Counted::UnderWay(server) => {
                give(&self.under_way);
                self.loads.get(server).into_iter().for_each(give);
            }
        }
    }
}

/// Adds first and looks then, so that two at once are both seen; the one too many is taken back.
#[inline]
fn take(count: &AtomicU32, most: u32) -> bool {
    let is_room = count.fetch_add(1, Relaxed) < most;
    if !is_room {
        give(count);
    }
    is_room
}

#[inline]
fn give(count: &AtomicU32) {
    count.fetch_sub(1, Relaxed);
}

/// One of those that are counted, until it is dropped. It keeps its group by `G`: an `Arc`, a reference, or whatever a shard has.
#[derive(Debug)]
pub struct Permit<G: Deref<Target = Group>> {
    group: G,
    kind: Counted,
}

impl<G: Deref<Target = Group>> Permit<G> {
    /// Counts one more; `None` where there are enough: 503.
    #[must_use]
    #[inline]
    pub fn new(group: G, kind: Counted) -> Option<Self> {
        if group.breaker().begin(kind) { Some(Self { group, kind }) } else { None }
    }
}

impl<G: Deref<Target = Group>> Drop for Permit<G> {
    #[inline]
    fn drop(&mut self) {
        self.group.breaker().end(self.kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HealthPolicy, Member};

    #[test]
    fn what_is_too_much_is_refused_until_something_ends() {
        let limits = Limits { under_way: 3, a_server: 2, waiting: 1, retries: 0 };
        let servers = vec![Member::new("a"), Member::new("b")];
        let group = Group::new("g", servers, HealthPolicy::default(), limits).unwrap();
        let (a, b) = (Counted::UnderWay(0), Counted::UnderWay(1));
        let first = Permit::new(&group, a);
        let second = Permit::new(&group, a);
        assert!(first.is_some() && second.is_some());
        assert!(Permit::new(&group, a).is_none(), "the server has enough");
        assert!(group.breaker().is_full(0) && !group.breaker().is_full(1));
        let third = Permit::new(&group, b);
        assert!(third.is_some() && Permit::new(&group, b).is_none(), "the group has enough");
        assert_eq!((group.breaker().counts(), group.breaker().load(1)), ([3, 0, 0], 1));
        drop(first);
        assert!(Permit::new(&group, b).is_some());
        assert!(Permit::new(&group, Counted::Waiting).is_some(), "each is counted by itself");
        assert!(Permit::new(&group, Counted::Retry).is_none());
        assert!(Permit::new(&group, Counted::UnderWay(2)).is_none());
        drop((second, third));
        assert_eq!((group.breaker().counts(), group.breaker().load(0)), ([0, 0, 0], 0));
    }
}
