//! Streams that are under way, by number: what HTTP/2 and HTTP/3 look up for every frame.
//!
//! Knows nothing of a stream but its number.

/// What has a number of its own among its like.
pub trait Numbered {
    /// Neighbours are that far apart, as a power of two: numbers of one peer follow each other (RFC 9113 §5.1.1,
    /// RFC 9000 §2.1).
    const SHIFT: u32;

    /// Its number.
    fn number(&self) -> u64;
}

/// Streams by number: a slab, and an index of it with open addressing. Numbers follow each other, so that it hardly ever probes
/// twice; memory is used again, so that a stream costs none once there were as many.
///
/// ```
/// use trilane_semantics::table::{Numbered, Table};
/// struct Stream(u64);
/// impl Numbered for Stream {
///     const SHIFT: u32 = 2;
///     fn number(&self) -> u64 {
///         self.0
///     }
/// }
/// let mut table = Table::default();
/// table.insert(Stream(8));
/// assert!(table.get(8).is_some() && table.get(4).is_none());
/// assert_eq!(table.remove(8).map(|stream| stream.0), Some(8));
/// ```
#[derive(Debug)]
pub struct Table<T> {
    slots: Vec<Option<T>>,
    free: Vec<u16>,
    /// A slot's number and one; 0 is nothing. A power of two, never more than half full.
    index: Vec<u16>,
    len: u16,
    /// The slot of the stream that was added last: what is asked for is mostly that.
    newest: u16,
}

/// Memory for so many is kept when the last one goes.
const KEEP: usize = 8;

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: Vec::new(), len: 0, newest: 0 }
    }
}

impl<T: Numbered> Table<T> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The one of that number.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&T> {
        self.slots[self.slot(number)?].as_ref()
    }

    /// The one of that number.
    #[inline]
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let slot = self.slot(number)?;
        self.slots[slot].as_mut()
    }

    /// The slot of a stream.
    #[inline]
    fn slot(&self, number: u64) -> Option<usize> {
        let newest = usize::from(self.newest);
        match self.slots.get(newest) {
            Some(Some(stream)) if stream.number() == number => Some(newest),
            _ => Some(usize::from(self.index[self.find(number)?]) - 1),
        }
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    /// All of them, in no order. Their numbers must stay.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten()
    }

    /// Adds a stream whose number is not there. There must be fewer than 2^15.
    pub fn insert(&mut self, stream: T) {
        if 2 * (self.len() + 1) > self.index.len() {
            self.grow();
        }
        let at = self.probe(stream.number());
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[usize::from(slot)] = Some(stream);
                slot
            }
            None => {
                self.slots.push(Some(stream));
                (self.slots.len() - 1) as u16
            }
        };
        self.index[at] = slot + 1;
        self.len += 1;
        self.newest = slot;
    }

    /// Takes a stream out.
    #[inline]
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let at = self.find(number)?;
        let slot = self.index[at] - 1;
        let stream = self.slots[usize::from(slot)].take();
        self.len -= 1;
        self.close_gap(at);
        if self.len == 0 && self.slots.len() > KEEP {
            *self = Self::default();
        } else {
            self.free.push(slot);
        }
        stream
    }

    /// Where in the index `number` is.
    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let at = self.probe(number);
        (self.index[at] != 0).then_some(at)
    }

    /// Where in the index `number` is, or where there is a place for it: it is never full.
    #[inline]
    fn probe(&self, number: u64) -> usize {
        let mask = self.index.len() - 1;
        let mut at = Self::home(number, mask);
        while self.index[at] != 0 && self.number_at(at) != Some(number) {
            at = (at + 1) & mask;
        }
        at
    }

    fn number_at(&self, at: usize) -> Option<u64> {
        // What the index names is there.
        self.slots[usize::from(self.index[at]) - 1].as_ref().map(T::number)
    }

    /// Empties a place of the index, and moves up those behind it that would no longer be found.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.index.len() - 1;
        let mut at = gap;
        self.index[gap] = 0;
        loop {
            at = (at + 1) & mask;
            if self.index[at] == 0 {
                return;
            }
            let home = Self::home(self.number_at(at).unwrap_or_default(), mask);
            // Its way from its home leads over the gap.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.index[gap] = std::mem::take(&mut self.index[at]);
                gap = at;
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (2 * self.index.len()).max(4);
        self.index.clear();
        self.index.resize(size, 0);
        for slot in 0..self.slots.len() {
            let Some(number) = self.slots[slot].as_ref().map(T::number) else { continue };
            let at = self.probe(number);
            self.index[at] = slot as u16 + 1;
        }
    }

    const fn home(number: u64, mask: usize) -> usize {
        (number >> T::SHIFT) as usize & mask
    }
}

#[cfg(test)]
#[path = "tests/table.rs"]
mod tests;
