//! The allocator that is looked at: another one, and a look at what goes by. An allocator has no safe interface; nothing else here is
//! unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};

use super::{allocated, freed};

/// An allocator whose allocations can be sampled. While they are not, each costs one load more.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: trilane_profile::Sampled<std::alloc::System> =
///     trilane_profile::Sampled::new(std::alloc::System);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampled<A>(A);

impl<A> Sampled<A> {
    /// The allocator behind it does all the work.
    #[must_use]
    pub const fn new(allocator: A) -> Self {
        Self(allocator)
    }
}

// SAFETY: all is passed on as it came, and what is given back is what the other allocator gave.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Sampled<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as our caller promises.
        let place = unsafe { self.0.alloc(layout) };
        allocated(place.addr(), layout.size());
        place
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as our caller promises.
        let place = unsafe { self.0.alloc_zeroed(layout) };
        allocated(place.addr(), layout.size());
        place
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // Before, as another thread may have the same place at once.
        freed(place.addr());
        // SAFETY: as our caller promises.
        unsafe { self.0.dealloc(place, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        freed(place.addr());
        // SAFETY: as our caller promises.
        let place = unsafe { self.0.realloc(place, layout, size) };
        allocated(place.addr(), size);
        place
    }
}
