//! The samples of a heap: by stack what was allocated, and by address what is still there.

use std::collections::HashMap;

/// Different stacks that are told apart, at most; the rest is counted under one without frames.
const MOST_STACKS: usize = 1 << 14;
/// Samples of memory in use, at most; others are not known to be in use.
const MOST_LIVE: usize = 1 << 16;

/// Memory that a stack has allocated, as far as can be told from samples of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeapStack {
    /// Innermost first: the addresses behind each call, as [`resolve`](crate::resolve) takes them. None for stacks beyond the bound.
    pub frames: Box<[usize]>,
    /// Allocations since sampling began.
    pub allocated: Amount,
    /// Those that were not freed since.
    pub in_use: Amount,
}

/// Memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Allocations.
    pub objects: f64,
    /// Their bytes.
    pub bytes: f64,
}

impl Amount {
    fn add(&mut self, objects: f64, bytes: f64) {
        self.objects += objects;
        self.bytes += bytes;
    }
}

struct Live {
    stack: usize,
    /// How many allocations it stands for, and their bytes.
    objects: f64,
    bytes: f64,
}

#[derive(Default)]
pub(crate) struct Table {
    index: HashMap<Box<[usize]>, usize>,
    stacks: Vec<HeapStack>,
    live: HashMap<usize, Live>,
}

impl Table {
    /// Takes a sample: `size` bytes at `place`. Whether it is to be told when that is freed.
    pub(crate) fn allocated(
        &mut self,
        place: usize,
        size: usize,
        every: usize,
        frames: &[usize],
    ) -> bool {
        let (objects, bytes) = stands_for(size, every);
        let stack = self.stack(frames);
        if let Some(found) = self.stacks.get_mut(stack) {
            found.allocated.add(objects, bytes);
        }
        // One whose end was not seen: its thread was at work for this table.
        let was_there = self.freed(place);
        if self.live.len() >= MOST_LIVE {
            return false;
        }
        if let Some(found) = self.stacks.get_mut(stack) {
            found.in_use.add(objects, bytes);
        }
        self.live.insert(place, Live { stack, objects, bytes });
        !was_there
    }

    /// A place is free. Whether it was one of those.
    pub(crate) fn freed(&mut self, place: usize) -> bool {
        let Some(live) = self.live.remove(&place) else { return false };
        if let Some(stack) = self.stacks.get_mut(live.stack) {
            stack.in_use.add(-live.objects, -live.bytes);
        }
        true
    }

    /// The addresses of samples in use.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.live.keys().copied()
    }

    /// All stacks.
    pub(crate) fn stacks(&self) -> &[HeapStack] {
        &self.stacks
    }

    fn stack(&mut self, frames: &[usize]) -> usize {
        if let Some(index) = self.index.get(frames) {
            return *index;
        }
        let frames = if self.stacks.len() < MOST_STACKS { frames } else { &[] };
        let fresh = self.stacks.len();
        let index = *self.index.entry(frames.into()).or_insert(fresh);
        if index == fresh {
            self.stacks.push(HeapStack { frames: frames.into(), ..HeapStack::default() });
        }
        index
    }
}

/// How many allocations a sample of that size stands for, and their bytes: if one is taken after so many bytes by a Poisson process,
/// an allocation is met with the probability 1 - e^(-size/every).
fn stands_for(size: usize, every: usize) -> (f64, f64) {
    let size = size as f64;
    let objects = match size / every as f64 {
        // One byte in a very long while: about every / size.
        ratio if ratio > 1e-9 => 1.0 / (1.0 - (-ratio).exp()),
        _ => every as f64,
    };
    (objects, objects * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_is_in_use_no_more() {
        let mut table = Table::default();
        assert!(table.allocated(16, 1 << 30, 1024, &[1, 2]));
        assert!(table.allocated(32, 1 << 30, 1024, &[1, 2]));
        assert!(table.allocated(48, 1 << 30, 1024, &[3]));
        assert!(table.freed(16) && !table.freed(16) && !table.freed(17));
        let amount = |objects| Amount { objects, bytes: objects * f64::from(1 << 30) };
        let stacks: Vec<_> =
            table.stacks().iter().map(|it| (&*it.frames, it.allocated, it.in_use)).collect();
        let expected =
            [(&[1, 2][..], amount(2.0), amount(1.0)), (&[3][..], amount(1.0), amount(1.0))];
        assert_eq!(stacks, expected);
    }

    #[test]
    fn small_ones_stand_for_many() {
        let (objects, bytes) = stands_for(512, 512 << 10);
        assert!((objects - 1024.5).abs() < 0.1, "{objects}");
        assert!((bytes / 512.0 - objects).abs() < 1e-6);
        assert_eq!(stands_for(1 << 30, 512 << 10), (1.0, f64::from(1 << 30)));
        assert!(stands_for(0, 512 << 10).0.is_finite());
    }

    #[test]
    fn stacks_and_samples_have_bounds() {
        let mut table = Table::default();
        let kept = (0..MOST_LIVE + 10).filter(|at| table.allocated(at * 16, 1, 1, &[*at])).count();
        assert_eq!(kept, MOST_LIVE);
        assert_eq!(table.stacks().len(), MOST_STACKS + 1);
        assert!(table.stacks()[MOST_STACKS].frames.is_empty());
        assert_eq!(table.index.len(), MOST_STACKS + 1);
    }
}
