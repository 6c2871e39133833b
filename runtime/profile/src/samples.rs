//! Where a signal's handler leaves what it has seen: places that were made before, taken with one atomic word and never waited for.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

/// Frames of a stack, at most; of a deeper one, the innermost are kept.
pub(crate) const DEPTH: usize = 128;
/// Samples that wait to be taken out, at most: those of 50 busy threads in a tenth of a second, at 99 a second.
const PLACES: usize = 512;

const FREE: u8 = 0;
const TAKEN: u8 = 1;
const FULL: u8 = 2;

/// Memory that no page stands behind before the first sample.
pub(crate) struct Samples {
    is_on: AtomicBool,
    next: AtomicUsize,
    lost: AtomicU64,
    places: [Place; PLACES],
}

struct Place {
    state: AtomicU8,
    depth: AtomicU32,
    thread: AtomicI32,
    weight: AtomicU32,
    frames: [AtomicUsize; DEPTH],
}

impl Place {
    const fn new() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            depth: AtomicU32::new(0),
            thread: AtomicI32::new(0),
            weight: AtomicU32::new(0),
            frames: [const { AtomicUsize::new(0) }; DEPTH],
        }
    }
}

impl Samples {
    pub(crate) const fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            places: [const { Place::new() }; PLACES],
        }
    }

    /// Whether samples are wanted.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Says whether samples are wanted. What is left of an earlier time is forgotten.
    pub(crate) fn switch(&self, is_on: bool) {
        if is_on {
            self.take(|_, _, _| {});
            self.lost.store(0, Ordering::Relaxed);
        }
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// How many found no place.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes a sample of that thread, which stands for `weight` of them: `walk` gives each frame, innermost first, to what it is called with, as long as that is true.
    /// It allocates nothing, waits for nobody, and may interrupt another one.
    pub(crate) fn write(
        &self,
        thread: i32,
        weight: u32,
        walk: impl FnOnce(&mut dyn FnMut(usize) -> bool),
    ) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % PLACES;
        let Some(place) = self.places.get(at) else { return };
        let taken = place.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_err() {
            self.lost.fetch_add(weight.into(), Ordering::Relaxed);
            return;
        }
        let mut depth = 0;
        walk(&mut |frame| {
            let Some(slot) = place.frames.get(depth) else { return false };
            slot.store(frame, Ordering::Relaxed);
            depth += 1;
            depth < DEPTH
        });
        place.depth.store(depth as u32, Ordering::Relaxed);
        place.thread.store(thread, Ordering::Relaxed);
        place.weight.store(weight, Ordering::Relaxed);
        place.state.store(FULL, Ordering::Release);
    }

    /// Takes out what is there: thread, weight and frames. One at a time may ask.
    pub(crate) fn take(&self, mut each: impl FnMut(i32, u32, &[usize])) {
        let mut frames = [0; DEPTH];
        for place in &self.places {
            if place.state.load(Ordering::Acquire) != FULL {
                continue;
            }
            let depth = (place.depth.load(Ordering::Relaxed) as usize).min(DEPTH);
            for (to, from) in frames.iter_mut().zip(&place.frames).take(depth) {
                *to = from.load(Ordering::Relaxed);
            }
            let (thread, weight) = (&place.thread, &place.weight);
            each(thread.load(Ordering::Relaxed), weight.load(Ordering::Relaxed), &frames[..depth]);
            place.state.store(FREE, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(samples: &Samples) -> Vec<(i32, Vec<usize>)> {
        let mut all = Vec::new();
        samples.take(|thread, weight, frames| {
            assert_eq!(weight, 1);
            all.push((thread, frames.to_vec()));
        });
        all
    }

    #[test]
    fn what_is_written_is_taken_once() {
        static SAMPLES: Samples = Samples::new();
        SAMPLES.write(7, 1, |each| {
            assert!(each(1) && each(2));
        });
        assert_eq!(all(&SAMPLES), [(7, vec![1, 2])]);
        assert_eq!(all(&SAMPLES), []);
    }

    #[test]
    fn a_deep_stack_is_cut() {
        static SAMPLES: Samples = Samples::new();
        SAMPLES.write(7, 1, |each| {
            let mut frames = 1..;
            while frames.next().is_some_and(&mut *each) {}
            assert!(!each(0));
        });
        let frames: Vec<usize> = (1..=DEPTH).collect();
        assert_eq!(all(&SAMPLES), [(7, frames)]);
    }

    #[test]
    fn those_without_a_place_are_counted() {
        static SAMPLES: Samples = Samples::new();
        let write = || SAMPLES.write(7, 1, |each| assert!(each(1)));
        (0..PLACES + 3).for_each(|_| write());
        assert_eq!((all(&SAMPLES).len(), SAMPLES.lost()), (PLACES, 3));
        write();
        SAMPLES.switch(true);
        assert_eq!((all(&SAMPLES).len(), SAMPLES.lost(), SAMPLES.is_on()), (0, 0, true));
    }

    #[test]
    fn one_that_interrupts_another_takes_another_place() {
        static SAMPLES: Samples = Samples::new();
        SAMPLES.write(7, 1, |outer| {
            outer(1);
            SAMPLES.write(8, 1, |inner| assert!(inner(2)));
        });
        assert_eq!(all(&SAMPLES), [(7, vec![1]), (8, vec![2])]);
    }
}
