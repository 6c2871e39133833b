//! An allocator that knows how many bytes its thread has, and had at most. A test is a thread, so tests do not disturb each
//! other.
//!
//! `unsafe` because an allocator is: everything is passed on to the system's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Forgets what there was at most; what there is now.
pub(crate) fn restart() -> isize {
    PEAK.set(LIVE.get());
    LIVE.get()
}

/// The most that there was since, in bytes.
pub(crate) fn peak() -> isize {
    PEAK.get()
}

fn count(by: isize) {
    LIVE.set(LIVE.get() + by);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting in a constant thread-local of a plain number
// neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}
