//! The accounts of all clients, one table for all shards of a process, of a size that never changes.
//!
//! A key is known by 64 bits of a hash that nobody outside can compute: two keys share an account with a chance that is
//! practically none. Its set has [`WAYS`] places under one lock, which is held for a few instructions. An account that is as
//! if never used is free for anybody: that is how accounts expire. Where all places of a set are in use, the account that
//! will be unused first gives way.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trilane_semantics::Instant;

use super::quota::Account;

/// Places of a set.
const WAYS: usize = 8;

/// All accounts.
pub(crate) struct Table {
    hasher: RandomState,
    sets: Box<[Mutex<Set>]>,
}

type Set = [(u64, Account); WAYS];

impl Table {
    /// Room for `entries` accounts or a few more.
    pub(crate) fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).max(1).next_power_of_two();
        Self { hasher: RandomState::new(), sets: (0..sets).map(|_| Mutex::default()).collect() }
    }

    /// What stands for a key.
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Does something with the account of a key, a new one if there is none. Whether another one in use gave way to it.
    pub(crate) fn with<T>(
        &self,
        hash: u64,
        now: Instant,
        work: impl FnOnce(&mut Account) -> T,
    ) -> (T, bool) {
        let mut set = self.set(hash);
        let known = set.iter().position(|(key, _)| *key == hash);
        let mut gives_way = false;
        let at = known.unwrap_or_else(|| {
            let oldest = set.iter().enumerate().min_by_key(|(_, (_, account))| account.until);
            let at = oldest.map_or(0, |(at, _)| at);
            gives_way = set[at].1.until > now.as_nanos();
            set[at] = (hash, Account::default());
            at
        });
        (work(&mut set[at].1), gives_way)
    }

    /// What `look` finds in the account of a key, if there is one.
    pub(crate) fn peek<T>(&self, hash: u64, look: impl FnOnce(&Account) -> Option<T>) -> Option<T> {
        let set = self.set(hash);
        set.iter().find(|(key, _)| *key == hash).and_then(|(_, account)| look(account))
    }

    fn set(&self, hash: u64) -> MutexGuard<'_, Set> {
        // There is a power of two of them.
        let at = hash as usize & (self.sets.len() - 1);
        self.sets[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many accounts are in use.
    #[cfg(test)]
    pub(crate) fn len(&self, now: Instant) -> usize {
        let in_use = |set: &Mutex<Set>| {
            let set = set.lock().unwrap_or_else(PoisonError::into_inner);
            set.iter().filter(|(_, account)| account.until > now.as_nanos()).count()
        };
        self.sets.iter().map(in_use).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::quota::Quota;

    #[test]
    fn it_never_grows_and_accounts_expire() {
        let (table, quota) = (Table::new(64), Quota::per_second(1));
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let mut evicted = 0;
        for key in 0..1000_u32 {
            let hash = table.hash(&key.to_ne_bytes());
            let (decision, gave_way) = table.with(hash, at(1), |it| quota.take(it, at(1), 1));
            assert!(decision.is_allowed);
            evicted += usize::from(gave_way);
        }
        assert_eq!(table.len(at(1)), 64);
        assert_eq!(evicted, 1000 - 64);
        assert_eq!(table.len(at(2)), 0, "all are as if never used");
        let fresh = table.hash(b"fresh");
        assert!(!table.with(fresh, at(2), |it| quota.take(it, at(2), 1)).1);
    }

    #[test]
    fn the_stalest_gives_way_and_nobody_else() {
        let (table, quota) = (Table::new(WAYS), Quota::per_minute(1));
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        let ask = |key: u64, now| table.with(key, at(now), |it| quota.take(it, at(now), 1));
        for key in 0..8 {
            assert!(ask(key, 1 + key).0.is_allowed);
        }
        assert!(ask(8, 20).1, "key 0 gives way");
        for key in 1..8 {
            assert!(!ask(key, 20).0.is_allowed, "{key}");
        }
        assert!(ask(0, 20).0.is_allowed, "it is forgotten");
    }
}
