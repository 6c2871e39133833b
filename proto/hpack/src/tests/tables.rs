//! The dynamic table against a plain list, and the memory that it takes.

use std::collections::VecDeque;

use crate::table::{OVERHEAD, Table};
use trilane_semantics::NameRef;

#[test]
fn a_plain_list_says_the_same() {
    let mut state = 7u64;
    let mut next = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as usize
    };
    for mut limit in [0, 31, 32, 33, 64, 100, 333, 1024, 4096] {
        let mut table = Table::new(limit);
        let mut list = VecDeque::new();
        for round in 0..3000 {
            let name = [&b"x-own"[..], b"date", b"", b"a name that is rather long"][next(4)];
            let most = [3, 40, 400][next(3)];
            let value = vec![round as u8; next(most)];
            table.insert(NameRef::new(name), &value, round);
            list.push_front((name, value, round));
            if next(500) == 0 {
                limit = next(limit as u64 + 1);
                table.set_limit(limit);
            }
            let cost =
                |(name, value, _): &(&[u8], Vec<u8>, u16)| name.len() + value.len() + OVERHEAD;
            while list.iter().map(cost).sum::<usize>() > limit {
                list.pop_back();
            }
            assert_eq!((table.len(), table.size()), (list.len(), list.iter().map(cost).sum()));
            for (age, (name, value, note)) in list.iter().enumerate() {
                let (ours, our_value, our_note) = table.line(age).unwrap();
                assert_eq!((ours.as_bytes(), our_value, our_note), (*name, &value[..], *note));
            }
            assert!(table.line(list.len()).is_none());
            for size in [0, table.size().saturating_sub(1), table.size(), next(limit as u64 + 1)] {
                let mut left = list.clone();
                while left.iter().map(cost).sum::<usize>() > size {
                    left.pop_back();
                }
                assert_eq!(table.past(size), list.len() - left.len());
            }
        }
    }
}

/// What arrives cannot take more memory than the limit allows: bytes twice, and an entry for each 32.
#[test]
fn memory_is_bounded() {
    for limit in [0, 32, 100, 4096, 65536] {
        let mut table = Table::new(limit);
        assert_eq!(table.memory(), (0, 0));
        for (count, len) in [(10_000, 0), (10_000, 1), (5000, 37), (3000, 1000), (100, limit)] {
            for _ in 0..count {
                table.insert(NameRef::Other(b""), &vec![0; len], 0);
                let (bytes, _) = table.memory();
                assert!(bytes <= (2 * limit).max(2), "{bytes} for {limit}");
                assert!(table.len() <= limit / OVERHEAD);
            }
        }
        let (_, entries) = table.memory();
        assert!(entries <= (2 * limit / OVERHEAD).max(4), "{entries} for {limit}");
    }
}
