//! The dynamic table (RFC 7541 §2.3.2, §4, RFC 9204 §3.2): lines in the order in which they came, in a ring of entries and a ring of bytes.
//!
//! No string is ever split: what does not fit before the end of the ring begins at its start. With twice the bytes that the
//! table may have there is always a place, so bytes never move, except that a small ring grows when a line finds none.
//! Nothing is ever looked for here.

use std::collections::VecDeque;

use trilane_semantics::{Known, NameRef};

/// What a line costs beside its name and value, in bytes (RFC 7541 §4.1). So a table has at most a 32nd of its limit as
/// entries, whatever they hold.
pub const OVERHEAD: usize = 32;

/// The largest limit that a table can have, in bytes.
pub const LARGEST: usize = 1 << 30;

/// The least that a ring of bytes has, and one of entries: what most connections need, if the table may have it.
const SMALLEST_RING: usize = 512;
const FEWEST_ENTRIES: usize = 16;

/// What a line costs (RFC 7541 §4.1).
pub const fn size_of_line(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + OVERHEAD
}

/// Whether two names are one; both were recognised where they are well known.
#[inline]
pub fn is_same(a: NameRef<'_>, b: NameRef<'_>) -> bool {
    match (a, b) {
        (NameRef::Known(a), NameRef::Known(b)) => a == b,
        (NameRef::Other(a), NameRef::Other(b)) => a == b,
        _ => false,
    }
}

/// Lines, the newest of which is number 0.
#[derive(Debug)]
pub struct Table {
    entries: VecDeque<Entry>,
    /// The ring.
    bytes: Vec<u8>,
    /// Where the next line begins, if it fits there.
    end: usize,
    /// What all lines cost.
    size: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its bytes are in the ring: its name, if it is not well known, and its value.
    start: u32,
    name_len: u32,
    value_len: u32,
    known: Option<Known>,
    /// What the owner of the table wanted to remember.
    note: u16,
}

impl Entry {
    fn stored(&self) -> usize {
        self.value_len as usize + if self.known.is_some() { 0 } else { self.name_len as usize }
    }

    fn size(&self) -> usize {
        self.name_len as usize + self.value_len as usize + OVERHEAD
    }
}

impl Table {
    /// An empty table of at most `limit` bytes, which is cut to [`LARGEST`]. Allocates nothing.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(LARGEST);
        Self { entries: VecDeque::new(), bytes: Vec::new(), end: 0, size: 0, limit }
    }

    /// What all lines may cost, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Another limit; lines past it go (RFC 7541 §4.3).
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(LARGEST);
        self.evict(self.limit);
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many of the oldest would have to go for the others to cost at most `size`.
    #[must_use]
    pub fn past(&self, size: usize) -> usize {
        let mut left = self.size;
        self.entries
            .iter()
            .take_while(|entry| {
                let is_past = left > size;
                left = left.saturating_sub(entry.size());
                is_past
            })
            .count()
    }

    /// What they cost, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The bytes and the entries that it has room for.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.bytes.capacity(), self.entries.capacity())
    }

    /// The value of the line of that age, if its name is `name`.
    #[inline]
    pub fn value(&self, age: usize, name: Known) -> Option<&[u8]> {
        let entry = self.entry(age).filter(|entry| entry.known == Some(name))?;
        Some(self.stored(entry))
    }

    #[inline]
    fn entry(&self, age: usize) -> Option<&Entry> {
        #[cfg(planted = "h2_table")] // A mistake on purpose: `make planted`.
        let age = age + usize::from(self.entries.front().is_some_and(|oldest| oldest.start > 0));
        self.entries.get(self.entries.len().checked_sub(age + 1)?)
    }

    #[inline]
    fn stored(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start as usize..][..entry.stored()]
    }

    /// A line and its note, by its age.
    #[inline]
    pub fn line(&self, age: usize) -> Option<(NameRef<'_>, &[u8], u16)> {
        let entry = self.entry(age)?;
        let stored = self.stored(entry);
        Some(match entry.known {
            Some(known) => (NameRef::Known(known), stored, entry.note),
            None => {
                let (name, value) = stored.split_at(entry.name_len as usize);
                (NameRef::Other(name), value, entry.note)
            }
        })
    }

    /// Changes the note of a line that is there.
    pub fn set_note(&mut self, age: usize, note: u16) {
        let at = self.entries.len().checked_sub(age + 1);
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.note = note;
        }
    }

    /// Adds a line; the oldest make room for it. One that is larger than the table leaves it empty (RFC 7541 §4.4).
    pub fn insert(&mut self, name: NameRef<'_>, value: &[u8], note: u16) {
        let size = size_of_line(name.as_bytes(), value);
        if size > self.limit {
            self.evict(0);
            return;
        }
        self.evict(self.limit - size);
        let (known, stored_name) = match name {
            NameRef::Known(known) => (Some(known), &b""[..]),
            NameRef::Other(name) => (None, name),
        };
        let stored = stored_name.len() + value.len();
        let start = self.place(stored);
        let (at_name, at_value) = self.bytes[start..start + stored].split_at_mut(stored_name.len());
        at_name.copy_from_slice(stored_name);
        at_value.copy_from_slice(value);
        self.end = start + stored;
        self.size += size;
        // All of it is within `LARGEST`, and twice that fits into a u32.
        self.entries.push_back(Entry {
            start: start as u32,
            name_len: name.as_bytes().len() as u32,
            value_len: value.len() as u32,
            known,
            note,
        });
    }

    /// Drops the oldest until all cost at most `size`.
    fn evict(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_front()
        {
            self.size -= oldest.size();
        }
    }

    /// Where `len` bytes in one piece are free, in a larger ring if need be.
    fn place(&mut self, len: usize) -> usize {
        if let Some(start) = self.free(len) {
            return start;
        }
        self.grow(len);
        self.end
    }

    fn free(&self, len: usize) -> Option<usize> {
        let fits = self.end + len <= self.bytes.len();
        let Some(oldest) = self.entries.front().map(|entry| entry.start as usize) else {
            return (len <= self.bytes.len()).then_some(0);
        };
        // The end never catches up with the oldest, so that equal means that no line has bytes.
        if self.end < oldest {
            return (self.end + len < oldest).then_some(self.end);
        }
        if fits { Some(self.end) } else { (len < oldest).then_some(0) }
    }

    /// Lays all lines out anew, in a ring with room for `len` more.
    #[cold]
    fn grow(&mut self, len: usize) {
        let live = self.entries.iter().map(Entry::stored).sum::<usize>() + len;
        let most = (2 * self.limit).max(2 * live);
        let least = (2 * self.bytes.len()).max(2 * live).max(SMALLEST_RING);
        let mut bytes = Vec::with_capacity(least.min(most));
        if self.entries.is_empty() {
            self.entries.reserve(FEWEST_ENTRIES.min(self.limit / OVERHEAD));
        }
        for entry in &mut self.entries {
            let start = bytes.len();
            bytes.extend_from_slice(&self.bytes[entry.start as usize..][..entry.stored()]);
            entry.start = start as u32;
        }
        self.end = bytes.len();
        bytes.resize(bytes.capacity(), 0);
        self.bytes = bytes;
    }
}
