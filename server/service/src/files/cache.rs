//! Small files in memory and large ones open, a shard's own: bounded in bytes and in descriptors, the longest unused
//! goes first.
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
    /// Open files at most.
    most_open: usize,
    open: usize,
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
    /// An empty one, for that many bytes and open files.
    pub(super) fn new(most: usize, most_open: usize) -> Self {
        Self { most, total: 0, most_open, open: 0, uses: 0, entries: HashMap::new() }
    }

    /// Keeps at most so many bytes from now on. What is more goes.
    pub(super) fn limit_bytes(&mut self, most: usize) {
        self.most = most;
        self.make_room(0, 0);
    }

    /// Keeps at most so many files open from now on. What is more goes.
    pub(super) fn limit_files(&mut self, most: usize) {
        self.most_open = most;
        self.make_room(0, 0);
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
        let (cost, files) = cost(name, &entry);
        if cost > self.most || files > self.most_open {
            return;
        }
        self.make_room(cost, files);
        self.uses += 1;
        self.total += cost;
        self.open += files;
        self.entries.insert(name.into(), Kept { entry, checked: now, used: self.uses });
    }

    /// Keeps nothing of that name.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(kept) = self.entries.remove(name) {
            let (cost, files) = cost(name, &kept.entry);
            self.total -= cost;
            self.open -= files;
        }
    }

    /// Lets the longest unused go until there is room for so many bytes and open files. A file that is not open makes no
    /// room for one that is.
    fn make_room(&mut self, cost: usize, files: usize) {
        loop {
            let is_short = self.total + cost > self.most;
            let is_open = |kept: &Kept| kept.entry.content.file().is_some();
            if !is_short && self.open + files <= self.most_open {
                return;
            }
            let candidates = self.entries.iter().filter(|(_, kept)| is_short || is_open(kept));
            let oldest = candidates.min_by_key(|(_, kept)| kept.used);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            self.forget(&name);
        }
    }
}

/// Bytes of memory, and open files.
fn cost(name: &str, entry: &Entry) -> (usize, usize) {
    let (content, files) = match entry.content.file() {
        Some(_) => (0, 1),
        None => (entry.content.len(), 0),
    };
    (name.len() + content + COST, files)
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
        let mut cache = Cache::new(10_000, 0);
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
            let mut cache = Cache::new(most, 0);
            cache.keep("a", entry(100), after(0));
            cache.keep("b", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
        for (most, left) in [(100 + COST, 0), (101 + COST, 1)] {
            let mut cache = Cache::new(most, 0);
            cache.keep("a", entry(100), after(0));
            assert_eq!(cache.entries.len(), left, "{most}");
        }
    }

    fn open() -> Rc<Entry> {
        let mut entry = Entry::embedded("x", b"");
        entry.content =
            trilane_semantics::Payload::from_file(Rc::new(std::io::stdin()), 0, 1 << 30);
        Rc::new(entry)
    }

    #[test]
    fn the_bound_of_open_files_holds_at_its_edges() {
        for (most, left) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
            let mut cache = Cache::new(10_000, most);
            cache.keep("small", entry(1), after(0));
            cache.keep("a", open(), after(0));
            cache.keep("b", open(), after(0));
            assert_eq!((cache.entries.len(), cache.open), (left, most.min(2)), "{most}");
            // What is in memory does not make room for what is not.
            assert!(cache.find("small", after(0)).is_some());
            assert_eq!(cache.find("b", after(0)).is_some(), most > 0);
            cache.limit_files(0);
            assert_eq!((cache.entries.len(), cache.open), (1, 0));
            cache.limit_bytes(0);
            assert_eq!((cache.entries.len(), cache.total), (0, 0));
        }
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut cache = Cache::new(3 * (100 + 1 + COST), 0);
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
