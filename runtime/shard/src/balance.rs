//! Which shard has too many connections, and who takes the next one instead.
//!
//! SO_REUSEPORT spreads connections by a hash of their addresses, which is uneven when they are few. A shard
//! that accepts while it is well above the least loaded one gives the fresh connection away: into the other's
//! mailbox, with a message from ring to ring to wake it. That costs the connection's first answer some tens of
//! microseconds, so it is for real imbalance only.

use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
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
}

struct Place {
    /// The shard's ring, or -1 before it has one.
    ring: AtomicI32,
    /// Parcels in the mailbox.
    waiting: AtomicUsize,
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
    /// The shards that count in `stats`.
    pub(crate) fn new(stats: Arc<[Arc<Stats>]>) -> Self {
        let place = |_| Place {
            ring: AtomicI32::new(-1),
            waiting: AtomicUsize::new(0),
            mailbox: Mutex::default(),
        };
        Self { places: stats.iter().map(place).collect(), stats }
    }

    /// Shard `me` can be reached at `ring`.
    pub(crate) fn enlist(&self, me: usize, ring: RawFd) {
        self.places[me].ring.store(ring, Ordering::Release);
    }

    /// Who should have a connection that shard `me` has just accepted, and that one's ring; `None` when it should stay.
    pub(crate) fn better_than(&self, me: usize) -> Option<(usize, RawFd)> {
        let others = (0..self.places.len()).filter(|shard| *shard != me);
        let least = others.min_by_key(|shard| self.load(*shard))?;
        let load = self.load(least);
        let ring = self.places[least].ring.load(Ordering::Acquire);
        (ring >= 0 && self.load(me) > load + SLACK + load / 8).then_some((least, ring))
    }

    fn load(&self, shard: usize) -> u64 {
        self.stats[shard].open.get() + self.places[shard].waiting.load(Ordering::Relaxed) as u64
    }

    /// Puts a parcel into a shard's mailbox. The shard has still to be woken.
    ///
    /// # Errors
    /// The parcel itself: the shard takes no more.
    pub(crate) fn send(&self, to: usize, parcel: Parcel) -> Result<(), Parcel> {
        let place = &self.places[to];
        let mut mailbox = place.lock();
        if mailbox.closed {
            return Err(parcel);
        }
        mailbox.parcels.push(parcel);
        place.waiting.store(mailbox.parcels.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes what is in the mailbox of shard `me`. One load when there is nothing.
    pub(crate) fn collect(&self, me: usize) -> Vec<Parcel> {
        let place = &self.places[me];
        if place.waiting.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let mut mailbox = place.lock();
        place.waiting.store(0, Ordering::Relaxed);
        std::mem::take(&mut mailbox.parcels)
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
        let balance = Balance::new(stats.collect());
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
        let unborn = Balance::new(balance(&[90, 0]).stats);
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
        assert!(balance.collect(1).is_empty() && balance.close(1));
        assert_eq!(balance.send(1, parcel()).err().unwrap().listener, 7);
    }
}
