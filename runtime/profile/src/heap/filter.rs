//! Which addresses may be those of samples: a counter for each of many groups of addresses, so that nearly all that is freed needs one
//! look.

use std::sync::atomic::{AtomicU8, Ordering};

/// Counters: some for each sample that there may be. No page stands behind them before the first one.
const COUNTERS: usize = 1 << 18;

/// Counts addresses by groups.
pub(crate) struct Filter([AtomicU8; COUNTERS]);

impl Filter {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; COUNTERS])
    }

    /// Whether an address of this group was added.
    #[inline]
    pub(crate) fn may_have(&self, address: usize) -> bool {
        self.counter(address).load(Ordering::Relaxed) != 0
    }

    /// Adds an address. One at a time may add and remove.
    pub(crate) fn add(&self, address: usize) {
        let counter = self.counter(address);
        counter.store(counter.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    /// Removes one that was added. A full counter has lost count, and stays.
    pub(crate) fn remove(&self, address: usize) {
        let counter = self.counter(address);
        let count = counter.load(Ordering::Relaxed);
        if count != u8::MAX {
            counter.store(count.saturating_sub(1), Ordering::Relaxed);
        }
    }

    #[inline]
    fn counter(&self, address: usize) -> &AtomicU8 {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the address.
        let mixed = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.0[mixed >> (usize::BITS - COUNTERS.trailing_zeros())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_until_it_is_removed() {
        static FILTER: Filter = Filter::new();
        let places = (0..1000).map(|number| 0x7f00_0000_0000 + number * 48);
        for place in places.clone() {
            FILTER.add(place);
            assert!(FILTER.may_have(place));
        }
        for place in places.clone() {
            FILTER.remove(place);
        }
        assert!(places.clone().all(|place| !FILTER.may_have(place)));
        // One that was added too often is not forgotten: it must not hide another of its group.
        (0..300).for_each(|_| FILTER.add(16));
        (0..300).for_each(|_| FILTER.remove(16));
        assert!(FILTER.may_have(16));
    }
}
