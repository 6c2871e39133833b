//! CPU profiles of this process. One test, since there is one profile at a time.

use std::hint::black_box;

use super::*;

#[inline(never)]
fn turns_and_turns(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, round| black_box(sum ^ round.wrapping_mul(31)))
}

#[test]
fn a_busy_thread_is_found_by_name() {
    assert!(matches!(CpuSampler::start(0), Err(CpuError::Hz(0))));
    assert!(matches!(CpuSampler::start(MOST_HZ + 1), Err(CpuError::Hz(_))));
    let mut sampler = CpuSampler::start(500).unwrap();
    assert!(matches!(CpuSampler::start(99), Err(CpuError::Busy)));
    // Begun after the profile: it is found later.
    let busy = std::thread::Builder::new().name("busy".to_owned());
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let busy = busy.spawn(move || {
        while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            turns_and_turns(10_000);
        }
    });
    let is_found = |sampler: &CpuSampler| {
        sampler.stacks.keys().any(|stack| {
            let expected = "trilane_profile::cpu::tests::turns_and_turns";
            &*stack.thread == "busy"
                && crate::resolve(stack.frames.iter().copied())
                    .values()
                    .any(|symbols| symbols.iter().any(|symbol| symbol.name == expected))
        })
    };
    let by = std::time::Instant::now() + Duration::from_secs(30);
    while !is_found(&sampler) {
        assert!(std::time::Instant::now() < by, "never seen: {:?}", sampler.stacks);
        sampler.collect();
        std::thread::yield_now();
    }
    drop(end);
    busy.unwrap().join().unwrap();
    let profile = sampler.finish();
    assert_eq!((profile.hz, profile.lost), (500, 0));
    assert!(profile.stacks.values().all(|count| *count > 0));
    // Now the next one may.
    drop(CpuSampler::start(99).unwrap());
}
