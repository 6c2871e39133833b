//! What memory is allocated by whom: one allocation in so many bytes is noted with its stack, until it is freed.
//!
//! [`Sampled`] is the allocator, `table` what is known, `filter` tells cheaply what is not in it. Memory that C code allocates by
//! itself is not seen.

mod allocator;
mod filter;
mod table;

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub use allocator::Sampled;
use filter::Filter;
use table::Table;
pub use table::{Amount, HeapStack};

use crate::samples::DEPTH;
use crate::sys;

/// Bytes between two samples where nobody says: a server that allocates 1 GiB a second takes 2000.
pub const EVERY: usize = 512 << 10;

/// Bytes between two samples, at least and at most.
pub const RANGE: RangeInclusive<usize> = 1 << 10..=1 << 30;

/// Bytes between two samples; 0 while none are taken.
static RATE: AtomicUsize = AtomicUsize::new(0);
/// Samples whose memory is in use: without any, nobody looks into the filter.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static FILTER: Filter = Filter::new();
static TABLE: Mutex<Option<Table>> = Mutex::new(None);

thread_local! {
    static LOCAL: Local = const {
        Local { left: Cell::new(0), chance: Cell::new(0), is_busy: Cell::new(false) }
    };
}

/// What a thread has of it. Nothing here is dropped, so that it can be asked until the thread is gone.
struct Local {
    /// Bytes until the next sample.
    left: Cell<usize>,
    /// The state of a xorshift generator; 0 before the first one.
    chance: Cell<u64>,
    /// The thread is at work for this table: what it allocates is no sample.
    is_busy: Cell<bool>,
}

/// Takes a sample once in `every` bytes of allocations on average, or none any more if that is 0. What was known is forgotten if that
/// changes anything. [`RANGE`] has what makes sense. Only of a process whose allocator is [`Sampled`].
pub fn sample_every(every: usize) {
    if every == RATE.load(Ordering::Relaxed) {
        return;
    }
    with_table(|table| {
        RATE.store(every, Ordering::Relaxed);
        if let Some(old) = table.take() {
            old.places().for_each(|place| FILTER.remove(place));
        }
        LIVE.store(0, Ordering::Relaxed);
        *table = (every > 0).then(Table::default);
    });
}

/// Bytes between two samples; 0 if none are taken.
#[must_use]
pub fn sampled_every() -> usize {
    RATE.load(Ordering::Relaxed)
}

/// Who has allocated what since sampling began. Rounded by chance: one sample stands for many allocations.
#[must_use]
pub fn stacks() -> Vec<HeapStack> {
    with_table(|table| table.as_ref().map(|table| table.stacks().to_vec())).unwrap_or_default()
}

#[inline]
fn allocated(place: usize, size: usize) {
    let every = RATE.load(Ordering::Relaxed);
    if every != 0 {
        LOCAL.with(|local| match local.left.get().checked_sub(size) {
            Some(left) if left > 0 => local.left.set(left),
            _ => sample(local, place, size, every),
        });
    }
}

#[inline]
fn freed(place: usize) {
    if LIVE.load(Ordering::Relaxed) != 0 && FILTER.may_have(place) {
        forget(place);
    }
}

#[cold]
#[inline(never)]
fn sample(local: &Local, place: usize, size: usize, every: usize) {
    if place == 0 || local.is_busy.get() {
        return;
    }
    let is_first = local.chance.get() == 0;
    let left = local.next(every);
    if is_first && size < left {
        // A thread's first allocation is none the less one of many.
        return local.left.set(left - size);
    }
    local.left.set(left);
    let mut frames = [0; DEPTH];
    let mut depth = 0;
    sys::walk(None, &mut |frame| {
        let Some(slot) = frames.get_mut(depth) else { return false };
        *slot = frame;
        depth += 1;
        true
    });
    with_table(|table| {
        // It may have been switched off meanwhile.
        let Some(table) = table else { return };
        if table.allocated(place, size, every, &frames[..depth]) {
            FILTER.add(place);
            LIVE.fetch_add(1, Ordering::Relaxed);
        }
    });
}

#[cold]
#[inline(never)]
fn forget(place: usize) {
    if LOCAL.with(|local| local.is_busy.get()) {
        return;
    }
    with_table(|table| {
        if table.as_mut().is_some_and(|table| table.freed(place)) {
            FILTER.remove(place);
            LIVE.fetch_sub(1, Ordering::Relaxed);
        }
    });
}

/// Does `work` alone, while this thread's own allocations are not looked at: that would never end.
fn with_table<T>(work: impl FnOnce(&mut Option<Table>) -> T) -> T {
    let before = LOCAL.with(|local| local.is_busy.replace(true));
    let result = work(&mut TABLE.lock().unwrap_or_else(PoisonError::into_inner));
    LOCAL.with(|local| local.is_busy.set(before));
    result
}

impl Local {
    /// Bytes until the next sample: the times between events of a Poisson process.
    fn next(&self, every: usize) -> usize {
        let mut chance = self.chance.get();
        if chance == 0 {
            // Where the thread has its memory is as good as any other start, and differs between threads.
            let place = std::ptr::from_ref(self).addr() as u64;
            chance = (place | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        self.chance.set(chance);
        // 53 bits, never 0.
        let uniform = ((chance >> 11) + 1) as f64 / (1u64 << 53) as f64;
        // Casting saturates.
        (-uniform.ln() * every as f64) as usize + 1
    }
}

#[cfg(test)]
#[path = "tests/heap.rs"]
mod tests;
