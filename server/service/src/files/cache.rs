//! Small files in memory, a shard's own: bounded in bytes, the longest unused goes first.
//!
//! An entry is looked at on the disk again when it is asked for a second after it last was.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::Instant;

use super::entry::Entry;

/// How long nobody looks whether a file has changed.
const FRESH: Duration = Duration::from_secs(1);
/// What an entry costs besides its content and its name, in bytes.
const COST: usize = 512;

/// The files that are kept, by their names.
#[derive(Debug)]
pub(super) struct Cache {
    /// Bytes at most.
    most: usize,
    total: usize,
    /// Counts uses.
    uses: u64,
    entries: HashMap<Box<str>, Kept>,
}

#[derive(Debug)]
struct Kept {
    entry: Rc<Entry>,
    checked: Instant,
    used: u64,
}

/// What is known of a name.
#[derive(Debug)]
pub(super) enum Hit {
    /// It was looked at just now.
    Fresh(Rc<Entry>),
    /// Whoever gets this must look; others are served as before meanwhile.
    Stale(Rc<Entry>),
}

impl Cache {
    /// An empty one, for that many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { most, total: 0, uses: 0, entries: HashMap::new() }
    }

    /// What is kept of that name.
    pub(super) fn find(&mut self, name: &str, now: Instant) -> Option<Hit> {
        let kept = self.entries.get_mut(name)?;
        self.uses += 1;
        kept.used = self.uses;
        let entry = Rc::clone(&kept.entry);
        if now.since(kept.checked) < FRESH {
            return Some(Hit::Fresh(entry));
        }
        kept.checked = now;
        Some(Hit::Stale(entry))
    }

    /// Keeps an entry in place of the one before, if there is room for it at all.
    pub(super) fn keep(&mut self, name: &str, entry: Rc<Entry>, now: Instant) {
        self.forget(name);
        let cost = cost(name, &entry);
        if cost > self.most {
            return;
        }
        while self.total + cost > self.most {
            let oldest = self.entries.iter().min_by_key(|(_, kept)| kept.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { break };
            self.forget(&name);
        }
        self.uses += 1;
        self.total += cost;
        self.entries.insert(name.into(), Kept { entry, checked: now, used: self.uses });
    }

    /// Keeps nothing of that name.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(kept) = self.entries.remove(name) {
            self.total -= cost(name, &kept.entry);
        }
    }
}

fn cost(name: &str, entry: &Entry) -> usize {
    name.len() + entry.content.len() + COST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(size: usize) -> Rc<Entry> {
        Rc::new(Entry::embedded("x", vec![0; size].leak()))
    }

    fn after(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn an_entry_is_fresh_for_a_second() {
        let mut cache = Cache::new(10_000);
        cache.keep("a", entry(1), after(0));
        assert!(matches!(cache.find("a", after(999)), Some(Hit::Fresh(_))));
        assert!(matches!(cache.find("a", after(1000)), Some(Hit::Stale(_))));
        // One looks, the others do not wait.
        assert!(matches!(cache.find("a", after(1001)), Some(Hit::Fresh(_))));
        assert!(cache.find("b", after(0)).is_none());
    }

    #[test]
    fn the_bound_holds_at_its_edges() {
        // Two entries of 100 bytes and a name of one.
        let two = 2 * (100 + 1 + COST);
        for (most, left) in [(two - 1, 1), (two, 2), (two + 1, 2)] {
            let mut cache = Cache::new(most);
            cache.keep("a", entry(100), after(0));
            cache.keep("b", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
        for (most, left) in [(100 + COST, 0), (101 + COST, 1)] {
            let mut cache = Cache::new(most);
            cache.keep("a", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut cache = Cache::new(3 * (100 + 1 + COST));
        for name in ["a", "b", "c"] {
            cache.keep(name, entry(100), after(0));
        }
        let _ = cache.find("a", after(1));
        cache.keep("d", entry(100), after(1));
        assert!(cache.find("b", after(1)).is_none() && cache.find("a", after(1)).is_some());
        // In place of itself it costs nothing more.
        cache.keep("a", entry(90), after(1));
        assert_eq!((cache.entries.len(), cache.total), (3, 3 * (101 + COST) - 10));
        cache.forget("a");
        cache.forget("c");
        cache.forget("d");
        assert_eq!((cache.entries.len(), cache.total), (0, 0));
    }
}
