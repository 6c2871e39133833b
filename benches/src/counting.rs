//! An allocator that counts: the system's, and a number a thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting. To be made the `#[global_allocator]` of a program.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// Allocations of this thread so far, each growing of one counted as one. 0 for ever where [`Counting`] is not the
/// allocator.
#[must_use]
pub fn allocations() -> usize {
    COUNT.get()
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting in a constant thread-local of
// a plain number neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, new_size) }
    }
}
