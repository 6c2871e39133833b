//! Small files in memory and large ones open, a shard's own: bounded in number, in bytes and in descriptors, the longest
//! unused goes first.
//!
//! An entry is looked at on the disk again when it is asked for some time after it last was.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::Instant;

use super::entry::Entry;
use super::options::Options;

/// What each coding of an entry costs besides its content and its name, in bytes.
const COST: usize = 1024;

/// The files that are kept, by their names.
#[derive(Debug)]
pub(super) struct Cache {
    /// At most, and now.
    most: Cost,
    total: Cost,
    /// How long nobody looks whether a file has changed.
    fresh: Duration,
    /// Counts uses.
    uses: u64,
    entries: HashMap<Box<str>, Kept>,
}

/// What entries take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    entries: usize,
    bytes: usize,
    files: usize,
}

#[derive(Debug)]
struct Kept {
    entry: Rc<Entry>,
    cost: Cost,
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
    /// An empty one.
    pub(super) fn new(options: &Options) -> Self {
        let most = Cost {
            entries: options.cache_entries,
            bytes: options.cache_bytes,
            files: options.open_files,
        };
        let (total, entries) = Default::default();
        Self { most, total, fresh: options.revalidate, uses: 0, entries }
    }

    /// Bytes of memory, as they are counted.
    pub(super) const fn bytes(&self) -> usize {
        self.total.bytes
    }

    /// What is kept of that name.
    pub(super) fn find(&mut self, name: &str, now: Instant) -> Option<Hit> {
        let kept = self.entries.get_mut(name)?;
        self.uses += 1;
        kept.used = self.uses;
        let entry = Rc::clone(&kept.entry);
        if now.since(kept.checked) < self.fresh {
            return Some(Hit::Fresh(entry));
        }
        kept.checked = now;
        Some(Hit::Stale(entry))
    }

    /// Keeps an entry in place of the one before, if there is room for it at all.
    pub(super) fn keep(&mut self, name: &str, entry: Rc<Entry>, now: Instant) {
        self.forget(name);
        let cost = Cost::of(name, &entry);
        if !cost.fits(self.most) {
            return;
        }
        while let Some(oldest) = self.in_the_way_of(cost) {
            self.forget(&oldest);
        }
        self.uses += 1;
        self.total = self.total.and(cost);
        self.entries.insert(name.into(), Kept { entry, cost, checked: now, used: self.uses });
    }

    /// Keeps nothing of that name.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(Kept { cost, .. }) = self.entries.remove(name) {
            self.total.entries -= cost.entries;
            self.total.bytes -= cost.bytes;
            self.total.files -= cost.files;
        }
    }

    /// The longest unused of those that have to go before there is room, if there is none yet. Where only open files are too
    /// many, one that is not open makes no room.
    fn in_the_way_of(&self, cost: Cost) -> Option<Box<str>> {
        let needed = self.total.and(cost);
        if needed.fits(self.most) {
            return None;
        }
        let any = needed.entries > self.most.entries || needed.bytes > self.most.bytes;
        let candidates = self.entries.iter().filter(|(_, kept)| any || kept.cost.files > 0);
        candidates.min_by_key(|(_, kept)| kept.used).map(|(name, _)| name.clone())
    }
}

impl Cost {
    fn of(name: &str, entry: &Entry) -> Self {
        let mut cost = Self { entries: 1, bytes: name.len(), files: 0 };
        for variant in &entry.variants {
            cost.bytes += COST;
            match variant.content.file() {
                Some(_) => cost.files += 1,
                None => cost.bytes += variant.content.len(),
            }
        }
        cost
    }

    const fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            bytes: self.bytes + other.bytes,
            files: self.files + other.files,
        }
    }

    const fn fits(self, most: Self) -> bool {
        self.entries <= most.entries && self.bytes <= most.bytes && self.files <= most.files
    }
}

#[cfg(test)]
mod tests {
    use trilane_semantics::Payload;

    use super::*;
    use crate::coding::Coding;

    fn entry(size: usize) -> Rc<Entry> {
        let content = vec![0; size].leak();
        let contents = [(Coding::Identity, &*content, "\"x\"")];
        Rc::new(Entry::of_program("x", &contents, &Options::default()))
    }

    fn open() -> Rc<Entry> {
        let contents = [(Coding::Identity, &b""[..], "\"x\"")];
        let mut entry = Entry::of_program("x", &contents, &Options::default());
        entry.variants[0].content = Payload::from_file(Rc::new(std::io::stdin()), 0, 1 << 30);
        Rc::new(entry)
    }

    fn after(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn cache(entries: usize, bytes: usize, files: usize) -> Cache {
        let mut options = Options::default();
        (options.cache_entries, options.cache_bytes, options.open_files) = (entries, bytes, files);
        Cache::new(&options)
    }

    #[test]
    fn an_entry_is_fresh_for_a_second() {
        let mut cache = cache(9, 10_000, 0);
        cache.keep("a", entry(1), after(0));
        assert!(matches!(cache.find("a", after(999)), Some(Hit::Fresh(_))));
        assert!(matches!(cache.find("a", after(1000)), Some(Hit::Stale(_))));
        // One looks, the others do not wait.
        assert!(matches!(cache.find("a", after(1001)), Some(Hit::Fresh(_))));
        assert!(cache.find("b", after(0)).is_none());
    }

    #[test]
    fn the_bound_of_bytes_holds_at_its_edges() {
        // Two entries of 100 bytes and a name of one.
        let two = 2 * (100 + 1 + COST);
        for (most, left) in [(two - 1, 1), (two, 2), (two + 1, 2)] {
            let mut cache = cache(9, most, 0);
            cache.keep("a", entry(100), after(0));
            cache.keep("b", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
        for (most, left) in [(100 + COST, 0), (101 + COST, 1)] {
            let mut cache = cache(9, most, 0);
            cache.keep("a", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
    }

    #[test]
    fn the_bound_of_entries_holds_at_its_edges() {
        for most in 0..4 {
            let mut cache = cache(most, 10_000, 0);
            for name in ["a", "b", "c", "c"] {
                cache.keep(name, entry(1), after(0));
            }
            assert_eq!(cache.entries.len(), most.min(3));
            assert_eq!(cache.find("c", after(0)).is_some(), most > 0);
        }
    }

    #[test]
    fn the_bound_of_open_files_holds_at_its_edges() {
        for (most, left) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
            let mut cache = cache(9, 10_000, most);
            cache.keep("small", entry(1), after(0));
            cache.keep("a", open(), after(0));
            cache.keep("b", open(), after(0));
            assert_eq!((cache.entries.len(), cache.total.files), (left, most.min(2)), "{most}");
            // What is in memory does not make room for what is not.
            assert!(cache.find("small", after(0)).is_some());
            assert_eq!(cache.find("b", after(0)).is_some(), most > 0);
        }
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut cache = cache(9, 3 * (100 + 1 + COST), 0);
        for name in ["a", "b", "c"] {
            cache.keep(name, entry(100), after(0));
        }
        let _ = cache.find("a", after(1));
        cache.keep("d", entry(100), after(1));
        assert!(cache.find("b", after(1)).is_none() && cache.find("a", after(1)).is_some());
        // In place of itself it costs nothing more.
        cache.keep("a", entry(90), after(1));
        assert_eq!((cache.entries.len(), cache.total.bytes), (3, 3 * (101 + COST) - 10));
        cache.forget("a");
        cache.forget("c");
        cache.forget("d");
        assert_eq!((cache.entries.len(), cache.total), (0, Cost::default()));
    }
}
