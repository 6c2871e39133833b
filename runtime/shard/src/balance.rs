//! Which shard has too many connections, and who takes the next one instead.
//!
//! SO_REUSEPORT spreads connections by a hash of their addresses, which is uneven when they are few. A shard
//! that accepts while it is well above the least loaded one gives the fresh connection away: into the other's
//! mailbox, with a message from ring to ring to wake it. That costs the connection's first answer some tens of
//! microseconds, so it is for real imbalance only.
//!
//! A shard with as many connections as it may have gives all that come to those that have room. When there is none
//! anywhere it accepts nobody, and says so here: who has room again wakes it.

use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trilane_exchange::Stats;

/// A shard gives away when it has this many connections more than the least loaded one, and an eighth of that one's.
const SLACK: u64 = 4;

/// A fresh connection on its way to another shard.
pub(crate) struct Parcel {
    /// The connection.
    pub(crate) descriptor: OwnedFd,
    /// The number of the listener that it came by, the same on every shard.
    pub(crate) listener: usize,
}

/// The shards of a server as each other sees them.
pub(crate) struct Balance {
    stats: Arc<[Arc<Stats>]>,
    places: Box<[Place]>,
    /// Connections of a shard, at most.
    most: u64,
}

struct Place {
    /// The shard's ring, or -1 before it has one.
    ring: AtomicI32,
    /// Parcels sent to the shard that it has not unpacked yet.
    waiting: AtomicUsize,
    /// Connections that it accepted, and has no room for.
    surplus: AtomicUsize,
    /// It waits for any shard to have room.
    holds: AtomicBool,
    mailbox: Mutex<Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    parcels: Vec<Parcel>,
    closed: bool,
}

impl Place {
    /// A panic while it was held leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Balance {
    /// The shards that count in `stats`, with `most` connections each.
    pub(crate) fn new(stats: Arc<[Arc<Stats>]>, most: usize) -> Self {
        let place = |_| Place {
            ring: AtomicI32::new(-1),
            waiting: AtomicUsize::new(0),
            surplus: AtomicUsize::new(0),
            holds: AtomicBool::new(false),
            mailbox: Mutex::default(),
        };
        Self { places: stats.iter().map(place).collect(), stats, most: most as u64 }
    }

    /// Shard `me` can be reached at `ring`.
    pub(crate) fn enlist(&self, me: usize, ring: RawFd) {
        self.places[me].ring.store(ring, Ordering::Release);
    }

    /// Who should have a connection that shard `me` has just accepted, and that one's ring; `None` when it should stay.
    pub(crate) fn better_than(&self, me: usize) -> Option<(usize, RawFd)> {
        let (load, mine) = (|shard: &usize| self.load(*shard), self.load(me));
        let reachable =
            (0..self.places.len()).filter(|shard| *shard != me && self.ring(*shard) >= 0);
        let least = reachable.min_by_key(load)?;
        let theirs = self.load(least);
        let is_better = mine > theirs + SLACK + theirs / 8 || mine >= self.most;
        (is_better && theirs < self.most).then(|| (least, self.ring(least)))
    }

    /// How many connections more shard `me` may have.
    pub(crate) fn room(&self, me: usize) -> usize {
        usize::try_from(self.most.saturating_sub(self.load(me))).unwrap_or(usize::MAX)
    }

    /// How many shards there are.
    pub(crate) const fn count(&self) -> usize {
        self.places.len()
    }

    /// Shard `me` has that many connections without room for them.
    pub(crate) fn has_surplus(&self, me: usize, surplus: usize) {
        self.places[me].surplus.store(surplus, Ordering::Relaxed);
    }

    /// Shard `me` has no room. Whether another has; if not, it is woken when that changes.
    pub(crate) fn hold(&self, me: usize) -> bool {
        self.places[me].holds.store(true, Ordering::Relaxed);
        // Who makes room looks at `holds` after that: one of us sees the other.
        fence(Ordering::SeqCst);
        self.better_than(me).is_some()
    }

    /// Shard `me` may have room again. The rings of those who wait for that.
    pub(crate) fn release(&self, me: usize) -> impl Iterator<Item = RawFd> {
        fence(Ordering::SeqCst);
        let has_room = self.load(me) < self.most;
        let others = self.places.iter().enumerate().filter(move |(at, _)| has_room && *at != me);
        others.filter_map(|(_, place)| {
            let holds =
                place.holds.load(Ordering::Relaxed) && place.holds.swap(false, Ordering::Relaxed);
            let ring = place.ring.load(Ordering::Acquire);
            (holds && ring >= 0).then_some(ring)
        })
    }

    fn ring(&self, shard: usize) -> RawFd {
        self.places[shard].ring.load(Ordering::Acquire)
    }

    fn load(&self, shard: usize) -> u64 {
        let place = &self.places[shard];
        let waiting = place.waiting.load(Ordering::Acquire) + place.surplus.load(Ordering::Relaxed);
        self.stats[shard].open.get() + waiting as u64
    }

    /// Puts a parcel into a shard's mailbox. The shard has still to be woken.
    ///
    /// # Errors
    /// The parcel itself: the shard takes no more, or has no room by now.
    pub(crate) fn send(&self, to: usize, parcel: Parcel) -> Result<(), Parcel> {
        let place = &self.places[to];
        let mut mailbox = place.lock();
        // Under the lock, so that several of us do not take the same place.
        if mailbox.closed || self.load(to) >= self.most {
            return Err(parcel);
        }
        mailbox.parcels.push(parcel);
        place.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes what is in the mailbox of shard `me`, which says [`Balance::unpacked`] of each. One load when there is
    /// nothing.
    pub(crate) fn collect(&self, me: usize) -> Vec<Parcel> {
        let place = &self.places[me];
        if place.waiting.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        std::mem::take(&mut place.lock().parcels)
    }

    /// A parcel of shard `me` counts as a connection now.
    pub(crate) fn unpacked(&self, me: usize) {
        // Who sees the one sees the other: it is counted twice rather than not at all.
        self.places[me].waiting.fetch_sub(1, Ordering::Release);
    }

    /// Shard `me` is gone, whatever there was for it.
    pub(crate) fn abandon(&self, me: usize) {
        let place = &self.places[me];
        place.ring.store(-1, Ordering::Release);
        let mut mailbox = place.lock();
        mailbox.closed = true;
        mailbox.parcels.clear();
    }

    /// Shard `me` ends. `false`, and it must not, when there is a parcel for it.
    #[must_use]
    pub(crate) fn close(&self, me: usize) -> bool {
        let mut mailbox = self.places[me].lock();
        mailbox.closed = mailbox.parcels.is_empty();
        mailbox.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(open: &[u64]) -> Balance {
        let stats = open.iter().map(|&open| {
            let stats = Stats::default();
            stats.open.add(open);
            Arc::new(stats)
        });
        let balance = Balance::new(stats.collect(), 1000);
        (0..open.len()).for_each(|shard| balance.enlist(shard, shard as RawFd));
        balance
    }

    fn parcel() -> Parcel {
        let descriptor = std::fs::File::open("/dev/null").unwrap().into();
        Parcel { descriptor, listener: 7 }
    }

    #[test]
    fn only_a_real_imbalance_moves_a_connection() {
        for (mine, other, moves) in [
            (0, 0, false),
            (4, 0, false),
            (5, 0, true),
            (520, 480, false),
            (544, 480, false),
            (545, 480, true),
        ] {
            assert_eq!(balance(&[mine, other]).better_than(0).is_some(), moves, "{mine} {other}");
        }
        assert_eq!(balance(&[90, 50, 10, 20]).better_than(0), Some((2, 2)));
        assert_eq!(balance(&[90]).better_than(0), None);
        let unborn = Balance::new(balance(&[90, 0]).stats, 1000);
        assert_eq!(unborn.better_than(0), None);
    }

    #[test]
    fn parcels_on_their_way_count() {
        let balance = balance(&[10, 0]);
        for _ in 0..5 {
            assert!(balance.better_than(0).is_some());
            assert!(balance.send(1, parcel()).is_ok());
        }
        balance.send(1, parcel()).ok().unwrap();
        assert_eq!(balance.better_than(0), None);
        assert!(!balance.close(1), "six parcels wait");
        assert_eq!(balance.collect(1).len(), 6);
        assert_eq!(balance.better_than(0), None, "they are on their way still");
        (0..6).for_each(|_| balance.unpacked(1));
        assert!(balance.better_than(0).is_some());
        assert!(balance.collect(1).is_empty() && balance.close(1));
        assert_eq!(balance.send(1, parcel()).err().unwrap().listener, 7);
    }
    #[test]
    fn who_is_full_gives_to_whoever_has_room() {
        for (mine, other, moves) in
            [(999, 998, false), (1000, 999, true), (1000, 1000, false), (999, 1000, false)]
        {
            assert_eq!(balance(&[mine, other]).better_than(0).is_some(), moves, "{mine} {other}");
        }
        assert_eq!(balance(&[1000, 1000, 999]).better_than(0), Some((2, 2)));
        let balance = balance(&[1000, 999]);
        assert!(balance.send(1, parcel()).is_ok());
        assert!(balance.send(1, parcel()).is_err(), "the last place is taken");
        balance.collect(1);
        assert!(balance.send(1, parcel()).is_err(), "by who is not counted as open yet");
        balance.unpacked(1);
        balance.has_surplus(1, 1);
        assert_eq!((balance.room(1), balance.better_than(0)), (0, None));
        balance.has_surplus(1, 0);
        assert_eq!((balance.room(0), balance.room(1)), (0, 1));
    }

    #[test]
    fn who_holds_is_woken_when_there_is_room() {
        let balance = balance(&[1000, 1000, 7]);
        assert!(balance.hold(0), "there is room already");
        balance.stats[2].open.add(993);
        assert!(!balance.hold(0) && !balance.hold(1));
        assert_eq!(balance.release(2).count(), 0, "there is no room");
        balance.stats[2].open.sub(1);
        assert_eq!(balance.release(2).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(balance.release(2).count(), 0, "they know");
    }
}
