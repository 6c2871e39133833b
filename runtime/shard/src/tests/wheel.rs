//! The wheel at the edges of its levels, and against a sorted list.

use std::time::Duration;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * NANOS_A_TICK)
}

fn fired(wheel: &mut Wheel<u64>, now: Instant) -> Vec<u64> {
    let mut due = Vec::new();
    wheel.expire(now, &mut due);
    due
}

#[test]
fn nothing_fires_early() {
    // At every level's edge: n - 1, n and n + 1 ticks of a deadline n ticks ahead, and a nanosecond around
    // it.
    for base in [0, 1, 63, 64, 4095, 1_763_000_000_000] {
        for ahead in [1, 2, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145] {
            let mut wheel = Wheel::new(at(base));
            wheel.insert(at(base + ahead), 7);
            assert!(wheel.next().is_some_and(|next| next <= at(base + ahead)));
            assert_eq!(fired(&mut wheel, at(base + ahead - 1)), [0u64; 0]);
            let just_before = Instant::from_nanos(at(base + ahead).as_nanos() - 1);
            assert_eq!(fired(&mut wheel, just_before), [0u64; 0]);
            assert_eq!(wheel.next(), Some(at(base + ahead)));
            assert_eq!(fired(&mut wheel, at(base + ahead)), [7]);
            assert_eq!(fired(&mut wheel, at(base + ahead + 1)), [0u64; 0]);
            assert!(wheel.is_empty());
        }
    }
}

#[test]
fn a_deadline_between_ticks_waits_for_the_next_one() {
    let mut wheel = Wheel::new(at(10));
    wheel.insert(at(20) + Duration::from_nanos(1), 1);
    assert_eq!(fired(&mut wheel, at(20) + Duration::from_nanos(999_999)), [0u64; 0]);
    assert_eq!(fired(&mut wheel, at(21)), [1]);
}

#[test]
fn past_deadlines_fire_next_and_never_is_never() {
    let mut wheel = Wheel::new(at(100));
    wheel.insert(at(3), 1);
    wheel.insert(at(100), 2);
    let never = wheel.insert(Instant::from_nanos(u64::MAX), 3);
    assert_eq!(wheel.next(), Some(at(100)));
    // Also when the clock steps back.
    assert_eq!(fired(&mut wheel, at(50)), [1, 2]);
    assert_eq!(fired(&mut wheel, at(u64::MAX / NANOS_A_TICK)), [0u64; 0]);
    assert_eq!(wheel.len(), 1);
    assert_eq!(wheel.remove(never), Some(3));
    assert_eq!(wheel.next(), None);
}

#[test]
fn a_stale_key_removes_nothing() {
    let mut wheel = Wheel::new(at(0));
    let a = wheel.insert(at(5), 1);
    assert_eq!(wheel.remove(a), Some(1));
    let b = wheel.insert(at(5), 2);
    assert_eq!((wheel.remove(a), wheel.len()), (None, 1));
    assert_eq!(fired(&mut wheel, at(5)), [2]);
    assert_eq!(wheel.remove(b), None);
}

/// xorshift64*: enough for a walk, and the same one every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

/// The naive model: effective tick, order of setting, key.
type Model = Vec<(u64, u64, TimerKey)>;

fn check_expiry(wheel: &mut Wheel<u64>, model: &mut Model, now: Instant, seed: u64) {
    let tick = now.as_nanos() / NANOS_A_TICK;
    model.sort_unstable_by_key(|(due, order, _)| (*due, *order));
    let split = model.partition_point(|(due, ..)| *due <= tick);
    let expected: Vec<u64> = model.drain(..split).map(|(_, order, _)| order).collect();
    assert_eq!(fired(wheel, now), expected, "seed {seed}");
    assert_eq!(wheel.len(), model.len());
    match (wheel.next(), model.first()) {
        (Some(next), Some((due, ..))) => {
            assert!(next <= at(*due), "seed {seed}: slept too long")
        }
        (None, None) => (),
        (next, due) => panic!("seed {seed}: {next:?} but {due:?}"),
    }
}

#[test]
fn a_random_walk_agrees_with_a_sorted_list() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let mut now = Instant::from_nanos(random.below(1 << 50));
        let mut wheel = Wheel::new(now);
        let mut model = Model::new();
        let mut current = now.as_nanos() / NANOS_A_TICK;
        for order in 0..5_000 {
            match random.below(10) {
                0..6 => {
                    let width = 1 << random.below(45);
                    let offset = Duration::from_nanos(random.below(width));
                    let deadline = if random.below(8) == 0 {
                        Instant::from_nanos(now.as_nanos().saturating_sub(offset.as_nanos() as u64))
                    } else {
                        now + offset
                    };
                    let tick = deadline.as_nanos().div_ceil(NANOS_A_TICK).max(current);
                    model.push((tick, order, wheel.insert(deadline, order)));
                }
                6..8 if !model.is_empty() => {
                    let victim = random.below(model.len() as u64) as usize;
                    let (_, value, key) = model.swap_remove(victim);
                    assert_eq!(wheel.remove(key), Some(value), "seed {seed}");
                    assert_eq!(wheel.remove(key), None, "seed {seed}");
                }
                _ => {
                    // Small steps, big steps, or sleep as `next` says.
                    let width = 1 << random.below(42);
                    let step = random.below(width);
                    let sleep = wheel.next().filter(|_| random.below(2) == 0);
                    now = sleep.map_or(now + Duration::from_nanos(step), |next| next.max(now));
                    current = now.as_nanos() / NANOS_A_TICK;
                    check_expiry(&mut wheel, &mut model, now, seed);
                }
            }
        }
        let end = Instant::from_nanos(u64::MAX);
        check_expiry(&mut wheel, &mut model, end, seed);
        assert!(wheel.is_empty());
    }
}

#[test]
fn sleeping_as_told_takes_few_steps() {
    let mut wheel = Wheel::new(at(1));
    wheel.insert(at(75_001), 1);
    let mut wakes = 0;
    while let Some(next) = wheel.next() {
        fired(&mut wheel, next);
        wakes += 1;
    }
    assert!(wakes <= 8, "{wakes} wakes");
}
