//! A hierarchical timer wheel: thousands of deadlines in ticks of a millisecond, O(1) to set and to clear.
//!
//! Eight levels of 64 slots hold every deadline of 64 bits of nanoseconds. A timer's level is the highest
//! group of six bits in which its tick differs from the current tick, its slot is that group. So within a
//! level all timers lie ahead of the current slot, lower levels come before higher ones, and the lowest
//! occupied slot is the next. It never reads a clock and never fires early.

use trilane_semantics::Instant;

use crate::chunks::Chunks;

const NANOS_A_TICK: u64 = 1_000_000;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// 2^64 ns are fewer than 2^45 ticks: 8 levels of 6 bits hold them all.
const LEVELS: usize = 8;
const NONE: u32 = u32::MAX;

/// Names a timer in its [`Wheel`], until it fires or is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

impl TimerKey {
    /// As one number.
    pub(crate) const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// From that number.
    pub(crate) const fn unpack(packed: u64) -> Self {
        Self { index: packed as u32, generation: (packed >> 32) as u32 }
    }
}

/// Timers that carry a `T`.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// The tick up to which everything has fired; what is set for earlier counts as set for it.
    current: u64,
    levels: [Level; LEVELS],
    nodes: Chunks<Node<T>>,
    free: u32,
    len: usize,
}

/// One bit and one list for each slot.
#[derive(Clone, Copy, Debug)]
struct Level {
    occupied: u64,
    lists: [List; SLOTS],
}

/// First and last node, or `NONE`.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    tick: u64,
    generation: u32,
    level: u8,
    slot: u8,
    previous: u32,
    /// The next in the slot, or in the list of free nodes.
    next: u32,
}

impl<T> Wheel<T> {
    /// No timers, at `now`.
    pub(crate) const fn new(now: Instant) -> Self {
        let list = List { first: NONE, last: NONE };
        Self {
            current: now.as_nanos() / NANOS_A_TICK,
            levels: [Level { occupied: 0, lists: [list; SLOTS] }; LEVELS],
            nodes: Chunks::new(),
            free: NONE,
            len: 0,
        }
    }

    /// How many timers are set.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is set.
    #[cfg(test)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer. It fires in the first [`Wheel::expire`] past `deadline` rounded up to a whole
    /// millisecond; a deadline in the past fires in the next one.
    pub(crate) fn insert(&mut self, deadline: Instant, value: T) -> TimerKey {
        let tick = deadline.as_nanos().div_ceil(NANOS_A_TICK).max(self.current);
        let index = self.allocate();
        let node = &mut self.nodes[index as usize];
        node.value = Some(value);
        node.tick = tick;
        let key = TimerKey { index, generation: node.generation };
        self.len += 1;
        self.link(index);
        key
    }

    /// Clears a timer, unless it has fired or was removed before.
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<T> {
        let node = self.nodes.get(key.index as usize)?;
        if node.generation != key.generation || node.value.is_none() {
            return None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// Appends what is due at `now`, in order of ticks, and of setting within a tick. A clock that steps
    /// back fires nothing but what was set for the past.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<T>) {
        let now = (now.as_nanos() / NANOS_A_TICK).max(self.current);
        while let Some((level, slot, start)) = self.first_slot() {
            if start > now {
                break;
            }
            self.current = self.current.max(start);
            self.empty(level, slot, due);
        }
        self.current = now;
    }

    /// When to call [`Wheel::expire`] next: exact to the tick for what is near, a point before the true
    /// time for what is far (then nothing fires, and the next answer is nearer: at most 7 such calls a
    /// timer).
    pub(crate) fn next(&self) -> Option<Instant> {
        let (_, _, start) = self.first_slot()?;
        Some(Instant::from_nanos(start.saturating_mul(NANOS_A_TICK)))
    }

    /// The lowest occupied slot: level, slot, and the first tick it stands for.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros();
        let shift = BITS * level as u32;
        let above = self.current >> (shift + BITS) << (shift + BITS);
        Some((level, slot as usize, above | u64::from(slot) << shift))
    }

    /// Fires a slot of the lowest level, or moves the timers of a higher one down: `current` has come to it.
    fn empty(&mut self, level: usize, slot: usize, due: &mut Vec<T>) {
        let list = std::mem::replace(
            &mut self.levels[level].lists[slot],
            List { first: NONE, last: NONE },
        );
        self.levels[level].occupied &= !(1 << slot);
        let mut index = list.first;
        while index != NONE {
            let next = self.nodes[index as usize].next;
            if level == 0 {
                due.extend(self.release(index));
            } else {
                self.link(index);
            }
            index = next;
        }
    }

    /// Puts a node at the end of the slot that its tick belongs to.
    fn link(&mut self, index: u32) {
        let tick = self.nodes[index as usize].tick;
        debug_assert!(tick >= self.current, "a timer lies ahead");
        let difference = (tick ^ self.current) | 1;
        let level = (difference.ilog2() / BITS) as usize;
        let slot = (tick >> (BITS * level as u32)) as usize % SLOTS;
        let list = &mut self.levels[level].lists[slot];
        let last = std::mem::replace(&mut list.last, index);
        if last == NONE {
            list.first = index;
            self.levels[level].occupied |= 1 << slot;
        } else {
            self.nodes[last as usize].next = index;
        }
        let node = &mut self.nodes[index as usize];
        (node.level, node.slot) = (level as u8, slot as u8);
        (node.previous, node.next) = (last, NONE);
    }

    /// Takes a node out of its slot.
    fn unlink(&mut self, index: u32) {
        let node = &self.nodes[index as usize];
        let (previous, next) = (node.previous, node.next);
        let level = &mut self.levels[usize::from(node.level)];
        let list = &mut level.lists[usize::from(node.slot)];
        if previous == NONE {
            list.first = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next == NONE {
            list.last = previous;
        } else {
            self.nodes[next as usize].previous = previous;
        }
        if list.first == NONE {
            level.occupied &= !(1 << self.nodes[index as usize].slot);
        }
    }

    /// A node without a value, from the free ones if there is one.
    fn allocate(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.nodes[index as usize].next;
            return index;
        }
        // Invariant: a node is over 32 bytes, so that 2^32 of them do not fit the memory that limits allow.
        let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index != NONE);
        let index = index.expect("fewer than 2^32 timers");
        self.nodes.push(Node {
            value: None,
            tick: 0,
            generation: 0,
            level: 0,
            slot: 0,
            previous: NONE,
            next: NONE,
        });
        index
    }

    /// Frees a node that is in no slot.
    fn release(&mut self, index: u32) -> Option<T> {
        let node = &mut self.nodes[index as usize];
        node.generation = node.generation.wrapping_add(1);
        node.next = self.free;
        self.free = index;
        self.len -= 1;
        node.value.take()
    }
}

#[cfg(test)]
#[path = "tests/wheel.rs"]
mod tests;
