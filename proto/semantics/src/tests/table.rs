//! Against a plain set, with numbers that collide.

use std::collections::BTreeSet;

use super::*;

struct Stream(u64);

impl Numbered for Stream {
    const SHIFT: u32 = 1;

    fn number(&self) -> u64 {
        self.0
    }
}

#[test]
fn streams_are_found_by_number() {
    let (mut streams, mut plain) = (Table::<Stream>::default(), BTreeSet::new());
    let mut seed = 7u32;
    for step in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let number = ((seed >> 16) % 300) * if step % 2 == 0 { 2 } else { 128 } + 1 + step % 5 / 4;
        let number = u64::from(number);
        if plain.contains(&number) {
            assert_eq!(streams.remove(number).map(|it| it.0), Some(number));
            plain.remove(&number);
        } else if plain.len() < 100 {
            assert!(streams.get(number).is_none() && streams.remove(number).is_none());
            streams.insert(Stream(number));
            plain.insert(number);
        }
        assert_eq!((streams.len(), streams.is_empty()), (plain.len(), plain.is_empty()));
        if step % 64 == 0 {
            assert!(plain.iter().all(|&it| streams.get_mut(it).is_some_and(|found| found.0 == it)));
            assert_eq!(streams.iter().count(), plain.len());
        }
    }
    for number in plain {
        streams.remove(number);
    }
    assert!(streams.slots.capacity() <= KEEP, "an idle connection keeps little");
}
