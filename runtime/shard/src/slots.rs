//! Values under small numbers that go stale: what a completion's `user_data` points at.
//!
//! Never hands out a (index, generation) pair while the same pair is live. A stale key finds nothing, until
//! its slot has been used 65,536 times more: a slot must be freed after its last completion, not before.

use crate::chunks::Chunks;

/// Names a value in [`Slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Which slot.
    pub(crate) index: u32,
    /// Which of its tenants.
    pub(crate) generation: u16,
}

impl Key {
    /// As one number, for wakers.
    pub(crate) const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// From that number.
    pub(crate) const fn unpack(packed: u64) -> Self {
        Self { index: packed as u32, generation: (packed >> 32) as u16 }
    }
}

/// A slab. Insert, look up and remove are O(1); memory is kept for reuse.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Chunks<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u16,
    value: Option<T>,
}

impl<T> Slots<T> {
    /// No slots. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { entries: Chunks::new(), free: Vec::new() }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a value in.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Takes a value in that knows its key; the slot freed last is used first, its memory is warm.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.entries[index as usize];
            let key = Key { index, generation: slot.generation };
            slot.value = Some(make(key));
            return key;
        }
        // Invariant: a slot is at least 8 bytes, and callers are bounded by descriptors and limits far
        // below 2^32.
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 slots");
        let key = Key { index, generation: 0 };
        self.entries.push(Slot { generation: 0, value: Some(make(key)) });
        key
    }

    /// The value, unless the key is stale.
    #[cfg(test)]
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.entries.get(key.index as usize)?;
        slot.value.as_ref().filter(|_| slot.generation == key.generation)
    }

    /// The value, unless the key is stale.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.entries.get_mut(key.index as usize)?;
        slot.value.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// Takes the value out; the key is stale from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.entries.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// How many slots there are, used or free.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// All slots from that index on, with what is in them.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = (Key, Option<&T>)> {
        (index..self.entries.len()).filter_map(|at| {
            let slot = self.entries.get(at)?;
            let key = Key { index: u32::try_from(at).ok()?, generation: slot.generation };
            Some((key, slot.value.as_ref()))
        })
    }

    /// All values, in order of index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.entries.iter().zip(0..).filter_map(|(slot, index)| {
            let key = Key { index, generation: slot.generation };
            slot.value.as_ref().map(|value| (key, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slots = Slots::new();
        let a = slots.insert('a');
        let b = slots.insert('b');
        assert_eq!(slots.remove(a), Some('a'));
        let c = slots.insert('c');
        assert_eq!(c.index, a.index);
        assert_ne!(c.generation, a.generation);
        assert_eq!(slots.get(a), None);
        assert_eq!(slots.get_mut(a), None);
        assert_eq!(slots.remove(a), None);
        assert_eq!((slots.get(b), slots.get(c)), (Some(&'b'), Some(&'c')));
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(c, &'c'), (b, &'b')]);
        assert_eq!(slots.len(), 2);
        assert!(!slots.is_empty());
        assert_eq!(slots.get(Key { index: 2, generation: 0 }), None);
    }

    #[test]
    fn generations_wrap_and_live_pairs_stay_unique() {
        let mut slots = Slots::new();
        let first = slots.insert(0);
        assert_eq!(slots.remove(first), Some(0));
        for turn in 1..=u32::from(u16::MAX) {
            let key = slots.insert(turn);
            assert_ne!(key, first, "a pair came back early, in turn {turn}");
            assert_eq!(slots.remove(key), Some(turn));
        }
        let again = slots.insert(7);
        assert_eq!(again, first, "after 65,536 tenants the pair may come back");
        let other = slots.insert(8);
        assert_ne!(again, other);
        assert_eq!(slots.len(), 2);
    }
}
