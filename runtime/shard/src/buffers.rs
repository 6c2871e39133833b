//! Provided buffers: memory that the kernel fills as bytes arrive, one group a ring.
//!
//! A buffer is with the kernel or is a [`Buffer`], which nobody can copy: dropping it, or the last lease of
//! it, is what gives it back. So no byte is read that the kernel may write. An empty group makes receiving
//! fail with ENOBUFS: the caller lets it grow, up to its budget, and then waits until some are back.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use trilane_semantics::Memory;

use crate::ring::{Completion, Ring};

/// The most buffers of a group, unless said otherwise: with [`SIZE`], the budget of a shard's receives, 32 MiB.
pub(crate) const COUNT: u16 = 1 << 12;
/// Buffers in use at first, and at least, unless said otherwise: a ring of buffers goes through all its memory, so it should
/// not be larger than what is needed.
pub(crate) const FIRST: u16 = 1 << 6;
/// The most buffers that the kernel has at once, so that it cannot fill more in one turn: 2 MiB, which is less than a
/// millisecond of work. What waits for handlers comes on top, up to [`COUNT`].
pub(crate) const AHEAD: u16 = 1 << 8;
/// Bytes of a buffer, unless said otherwise.
pub(crate) const SIZE: u32 = 8 << 10;
/// Bytes of a page.
const PAGE: usize = 4096;
/// The most buffers the kernel takes in one group.
const MOST: u16 = 1 << 15;

/// A group of provided buffers, of one ring.
pub(crate) struct Buffers {
    pool: Rc<Pool>,
}

impl Buffers {
    /// `count` buffers (a power of two, at most 32,768) of `size` bytes, for receives of `ring` that name
    /// `group`. The memory is mapped, and becomes real as it is used.
    ///
    /// # Errors
    /// `InvalidInput` for a count or a size out of bounds, or what the kernel says.
    pub(crate) fn new(ring: &mut Ring, group: u16, count: u16, size: u32) -> io::Result<Self> {
        Self::starting_with(FIRST, ring, group, count, size)
    }

    /// As [`Buffers::new`], with `first` buffers in use at first, and at least.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn starting_with(
        first: u16,
        ring: &mut Ring,
        group: u16,
        count: u16,
        size: u32,
    ) -> io::Result<Self> {
        let region = Rc::new(Region::map(count, size)?);
        ring.register_buffers(group, Rc::clone(&region))?;
        let pool = Pool {
            region,
            places: RefCell::new(vec![Place::Withheld; usize::from(count)].into_boxed_slice()),
            tail: Cell::new(0),
            published: Cell::new(0),
            free: Cell::new(0),
            leased: Cell::new(0),
            count,
            // Those used last are withheld first, and offered first: a pool no larger than the work.
            withheld: RefCell::new((0..count).rev().collect()),
            first,
            wanted: Cell::new(count.min(first)),
            least_free: Cell::new(u16::MAX),
        };
        pool.fill();
        let buffers = Self { pool: Rc::new(pool) };
        buffers.publish();
        Ok(buffers)
    }

    /// The buffer that a receive of this group has filled. `None` if it filled none, or it was taken before.
    pub(crate) fn take(&self, completion: &mut Completion) -> Option<Buffer> {
        let (number, len) = completion.take_buffer()?;
        let mut places = self.pool.places.borrow_mut();
        let place = std::mem::replace(places.get_mut(usize::from(number))?, Place::Us);
        debug_assert!(place == Place::Kernel, "the kernel fills only what it has");
        if place != Place::Kernel {
            return None;
        }
        let free = self.pool.free.get() - 1;
        self.pool.free.set(free);
        self.pool.least_free.set(self.pool.least_free.get().min(free));
        let len = len.min(self.pool.region.size as usize);
        Some(Buffer { pool: Rc::clone(&self.pool), number, len })
    }

    /// Shows the kernel what was given back since the last time: one store. Once a turn, and before sleeping.
    pub(crate) fn publish(&self) {
        self.pool.publish();
    }

    /// Doubles the buffers in use, up to all of them, and while the kernel has fewer than [`AHEAD`]. Whether there are
    /// more now.
    pub(crate) fn grow(&self) -> bool {
        let before = self.in_use();
        let room = AHEAD.saturating_sub(self.free());
        let after = before.saturating_mul(2).min(before.saturating_add(room)).min(self.pool.count);
        self.pool.wanted.set(after);
        self.pool.fill();
        after > before
    }

    /// Halves the buffers in use if three quarters of them were never needed since the last call. Whether there may be
    /// more to do the next time.
    pub(crate) fn shrink(&self) -> bool {
        let least_free = self.pool.least_free.replace(self.free());
        let first = self.pool.first;
        if self.in_use() > first && least_free >= self.in_use().min(AHEAD) / 4 * 3 {
            // Those that the kernel has leave as they come back.
            self.pool.wanted.set((self.in_use() / 2).max(first));
        }
        self.in_use() > first
    }

    /// How many are in use.
    pub(crate) fn in_use(&self) -> u16 {
        self.pool.wanted.get()
    }

    /// How many there can be.
    pub(crate) fn most(&self) -> u16 {
        self.pool.count
    }

    /// Bytes of each.
    pub(crate) fn size(&self) -> usize {
        self.pool.region.size as usize
    }

    /// How many the kernel has, or will have after [`Buffers::publish`].
    pub(crate) fn free(&self) -> u16 {
        self.pool.free.get()
    }

    /// How many are leased.
    pub(crate) fn leased(&self) -> u16 {
        self.pool.leased.get()
    }
}

/// A filled buffer. Dropping it gives it back, with the next [`Buffers::publish`].
pub(crate) struct Buffer {
    pool: Rc<Pool>,
    number: u16,
    len: usize,
}

impl Buffer {
    /// Whether what came has filled it: there is probably more.
    pub(crate) fn is_full(&self) -> bool {
        self.len == self.pool.region.size as usize
    }

    /// Makes it counted, so that payloads can hold it: the last one to drop gives it back.
    pub(crate) fn lease(self) -> Rc<dyn Memory> {
        self.pool.leased.set(self.pool.leased.get() + 1);
        Rc::new(Lease(self))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.pool.region.buffer(self.number);
        // SAFETY: the buffer is ours and not the kernel's until `self` is dropped, nobody writes it, `len`
        // is at most its size, and the region is mapped as long as the pool that we hold. Fresh anonymous
        // memory is zeros: initialised.
        unsafe { slice::from_raw_parts(start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let start = self.pool.region.buffer(self.number);
        // SAFETY: as above; and nobody else reads it, for a `Buffer` cannot be copied and is borrowed here.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(self.number);
    }
}

/// A [`Buffer`] that is counted.
struct Lease(Buffer);

impl Memory for Lease {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let leased = &self.0.pool.leased;
        leased.set(leased.get() - 1);
    }
}

/// What the group and its buffers in use share.
struct Pool {
    region: Rc<Region>,
    /// By number.
    places: RefCell<Box<[Place]>>,
    /// Where the next one given back goes; wraps.
    tail: Cell<u16>,
    /// Up to where the kernel was shown them; wraps.
    published: Cell<u16>,
    free: Cell<u16>,
    leased: Cell<u16>,
    /// How many there are.
    count: u16,
    /// How many are in use at least.
    first: u16,
    /// Those that are nowhere.
    withheld: RefCell<Vec<u16>>,
    /// How many should be somewhere; the others are withheld as they come back.
    wanted: Cell<u16>,
    /// The fewest that were free since [`Buffers::shrink`] last looked.
    least_free: Cell<u16>,
}

/// Where a buffer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The kernel has it, or will after the next publishing.
    Kernel,
    /// A [`Buffer`] is it.
    Us,
    /// Nobody needs it now; its memory is given to the system.
    Withheld,
}

impl Pool {
    fn give_back(&self, number: u16) {
        if self.out() <= self.wanted.get() && self.free.get() < AHEAD {
            self.offer(number, Place::Us);
        } else {
            self.places.borrow_mut()[usize::from(number)] = Place::Withheld;
            self.region.discard(number);
            self.withheld.borrow_mut().push(number);
        }
    }

    /// How many are not withheld.
    fn out(&self) -> u16 {
        // Invariant: it holds each number once at most.
        self.count - self.withheld.borrow().len() as u16
    }

    /// Offers as many as are wanted, and as the kernel may have.
    fn fill(&self) {
        while self.out() < self.wanted.get() && self.free.get() < AHEAD {
            let Some(number) = self.withheld.borrow_mut().pop() else { return };
            self.offer(number, Place::Withheld);
        }
    }

    /// Offers the kernel the buffer, if it is at that place.
    fn offer(&self, number: u16, from: Place) {
        let place = &mut self.places.borrow_mut()[usize::from(number)];
        if *place != from {
            return;
        }
        *place = Place::Kernel;
        let tail = self.tail.get();
        self.region.offer(tail, number);
        self.tail.set(tail.wrapping_add(1));
        self.free.set(self.free.get() + 1);
    }

    fn publish(&self) {
        let tail = self.tail.get();
        if self.published.replace(tail) != tail {
            self.region.tail().store(tail, Ordering::Release);
        }
    }
}

/// One mapping: the ring of entries that the kernel reads, then the buffers.
pub(crate) struct Region {
    start: NonNull<u8>,
    bytes: usize,
    buffers: usize,
    count: u16,
    size: u32,
}

impl Region {
    fn map(count: u16, size: u32) -> io::Result<Self> {
        if !count.is_power_of_two() || count > MOST || size == 0 {
            let text = "buffers: a power of two up to 32,768 of them, of at least a byte";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let buffers = (usize::from(count) * size_of::<BufRingEntry>()).next_multiple_of(PAGE);
        let bytes = usize::try_from(u64::from(count) * u64::from(size))
            .ok()
            .and_then(|bytes| bytes.checked_add(buffers))
            .ok_or(io::ErrorKind::InvalidInput)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping where the kernel likes it touches no memory of ours.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes, buffers, count, size })
    }

    /// Address and entries of the ring.
    pub(crate) fn ring(&self) -> (u64, u16) {
        (self.start.as_ptr() as u64, self.count)
    }

    /// The first byte of a buffer.
    fn buffer(&self, number: u16) -> NonNull<u8> {
        assert!(number < self.count, "a buffer of this region");
        let offset = self.buffers + usize::from(number) * self.size as usize;
        // SAFETY: `number` is below `count`, so that the offset is inside the mapping, see `map`.
        unsafe { self.start.add(offset) }
    }

    /// Gives the memory of a buffer that nobody uses to the system, if it is whole pages; it becomes real again when
    /// written.
    fn discard(&self, number: u16) {
        let start = self.buffer(number);
        if (self.size as usize).is_multiple_of(PAGE) {
            // SAFETY: these pages are of our mapping and of one buffer only, which neither the kernel nor a `Buffer` has:
            // it was just given back. If it fails, the memory stays.
            unsafe {
                libc::madvise(start.as_ptr().cast(), self.size as usize, libc::MADV_DONTNEED)
            };
        }
    }

    /// Writes the entry at `tail`: buffer `number`, all of it.
    fn offer(&self, tail: u16, number: u16) {
        let address = self.buffer(number).as_ptr() as u64;
        let entry = self.start.cast::<BufRingEntry>();
        // SAFETY: masked by the power of two `count`, the entry is inside the ring, page-aligned and zero
        // at first. The kernel reads entries before its tail only, and this one is past it. The setters
        // leave `resv` alone, which in entry 0 is the tail.
        unsafe {
            let entry = entry.add(usize::from(tail & (self.count - 1))).as_ptr();
            (*entry).set_addr(address);
            (*entry).set_len(self.size);
            (*entry).set_bid(number);
        }
    }

    /// The tail that the kernel reads.
    fn tail(&self) -> &AtomicU16 {
        // SAFETY: `start` is the first entry of a ring that was zeroed by the mapping.
        let tail = unsafe { BufRingEntry::tail(self.start.cast().as_ptr()) };
        // SAFETY: it is aligned, mapped as long as `self`, and neither side touches it but atomically.
        unsafe { AtomicU16::from_ptr(tail.cast_mut()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: our mapping, whole; the ring that knew it, the group and all buffers held it by `Rc` and
        // are gone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
#[path = "tests/buffers.rs"]
mod tests;
