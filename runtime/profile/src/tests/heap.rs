//! Samples of this process's own memory. One test, since there is one heap.

use std::alloc::System;
use std::hint::black_box;

use super::*;

#[global_allocator]
static ALLOCATOR: Sampled<System> = Sampled::new(System);

#[inline(never)]
fn makes_boxes(count: usize) -> Vec<Box<[u8; 4096]>> {
    (0..count).map(|_| black_box(Box::new([1; 4096]))).collect()
}

/// What was allocated, and is in use, by stacks that lead through `makes_boxes`.
fn of_boxes() -> (Amount, Amount) {
    let (mut allocated, mut in_use) = (Amount::default(), Amount::default());
    let stacks = stacks();
    let names = crate::resolve(stacks.iter().flat_map(|stack| stack.frames.iter().copied()));
    for stack in stacks {
        let is_ours = |frame| names[frame].iter().any(|it| it.name.ends_with("::makes_boxes"));
        if stack.frames.iter().any(is_ours) {
            allocated.objects += stack.allocated.objects;
            allocated.bytes += stack.allocated.bytes;
            in_use.objects += stack.in_use.objects;
            in_use.bytes += stack.in_use.bytes;
        }
    }
    (allocated, in_use)
}

#[test]
fn memory_is_known_until_it_is_freed() {
    drop(makes_boxes(100));
    assert_eq!((sampled_every(), stacks().len()), (0, 0));
    sample_every(16 << 10);
    // 8 MB: some five hundred samples.
    let boxes = makes_boxes(2000);
    let (allocated, in_use) = of_boxes();
    let total = 2000.0 * 4096.0;
    assert!((0.7..1.3).contains(&(allocated.bytes / total)), "{allocated:?}");
    // The boxes, and the list of them.
    assert!((0.7..1.3).contains(&(in_use.bytes / total)), "{in_use:?}");
    assert!((0.7..1.3).contains(&(in_use.objects / 2000.0)), "{in_use:?}");
    let (kept, freed) = (boxes.len() / 2, boxes);
    let kept = freed.into_iter().take(kept).collect::<Vec<_>>();
    let half = of_boxes().1.bytes / total;
    assert!((0.3..0.7).contains(&half), "{half}");
    // Freed by another thread.
    std::thread::spawn(move || drop(kept)).join().unwrap();
    let (after, left) = of_boxes();
    assert!(left.bytes / total < 0.01, "{left:?}");
    assert!((after.bytes - allocated.bytes).abs() < 1.0);
    sample_every(0);
    assert_eq!((stacks().len(), LIVE.load(Ordering::Relaxed)), (0, 0));
    drop(makes_boxes(100));
    assert_eq!(stacks().len(), 0);
}
