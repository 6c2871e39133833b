//! A consistent hash as a table: whose place a key falls on is asked.
//!
//! Each server fills places in an order of its own, in turns, as many a turn as its weight allows (the Maglev hash, NSDI 2016). Of
//! what there is it has the choice that costs least: one look at the table, where a ring is searched and rendezvous asks
//! all servers; and shares come out even. The table is made of the servers that are configured and never changes: while one is not
//! fit, its keys alone go elsewhere, each by another look, and come back with it. A group of other servers is another table:
//! then a few keys more than those of the server that went or came move.

use crate::group::Member;

/// Sizes of tables: primes, the first with a hundred places for each part of weight.
const SIZES: [u32; 3] = [1021, 8191, 65_537];
const PLACES_A_SERVER: usize = 100;

/// Which server each place is for.
#[derive(Debug)]
pub(crate) struct Table(Box<[u16]>);

impl Table {
    /// The table of these servers; backups have no places.
    pub(crate) fn new(servers: &[Member]) -> Self {
        let wanted = servers.len() * PLACES_A_SERVER;
        let fitting = SIZES.into_iter().find(|size| *size as usize >= wanted);
        let [.., largest] = SIZES;
        let size = fitting.unwrap_or(largest);
        let heaviest = servers.iter().map(|it| u64::from(it.weight)).max().unwrap_or(1);
        let primaries = || servers.iter().enumerate().filter(|(_, it)| !it.is_backup);
        // Each walks the places from a start, by a step: all of them, because their number is a prime.
        let mut walks: Vec<Walk> = primaries()
            .map(|(server, it)| {
                let hash = hash(it.name.as_bytes());
                let (at, step) = (hash % u64::from(size), mixed(hash) % u64::from(size - 1) + 1);
                Walk { server: server as u16, at, step, weight: it.weight.into(), credit: 0 }
            })
            .collect();
        let mut places = vec![u16::MAX; size as usize];
        let mut left = if walks.is_empty() { 0 } else { places.len() };
        while left > 0 {
            for walk in &mut walks {
                walk.credit += walk.weight;
                while walk.credit >= heaviest && left > 0 {
                    walk.credit -= heaviest;
                    walk.take(&mut places);
                    left -= 1;
                }
            }
        }
        Self(places.into())
    }

    /// Whose place a key falls on, at the look of that number: each is at another place.
    #[inline]
    pub(crate) fn find(&self, key: u64, look: u64) -> Option<usize> {
        let place = mixed(key.wrapping_add(look.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        // As even as a remainder, without a division.
        let place = (u128::from(place) * self.0.len() as u128) >> 64;
        self.0.get(place as usize).map(|server| usize::from(*server))
    }
}

struct Walk {
    server: u16,
    at: u64,
    step: u64,
    weight: u64,
    credit: u64,
}

impl Walk {
    /// Takes the next place of its order that is free; there is one.
    fn take(&mut self, places: &mut [u16]) {
        let size = places.len() as u64;
        for _ in 0..size {
            let place = places.get_mut(self.at as usize);
            self.at = (self.at + self.step) % size;
            if let Some(place) = place.filter(|place| **place == u16::MAX) {
                *place = self.server;
                return;
            }
        }
    }
}

/// A hash of bytes that is the same in all processes and versions (FNV-1a, and mixed): a key keeps its server. Whoever chooses keys can
/// have them fall on one server; so can whoever repeats one.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Another number for each number: neighbours look nothing alike.
#[inline]
pub(crate) const fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ (number >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(names: impl IntoIterator<Item = usize>) -> Vec<Member> {
        names.into_iter().map(|n| Member::new(format!("10.0.0.{n}:80"))).collect()
    }

    fn shares(table: &Table, count: usize) -> Vec<usize> {
        let mut shares = vec![0; count];
        table.0.iter().for_each(|server| shares[usize::from(*server)] += 1);
        shares
    }

    #[test]
    fn places_are_shared_by_weight() {
        for count in [1, 2, 3, 10, 36, 81, 256] {
            let table = Table::new(&servers(0..count));
            let shares = shares(&table, count);
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(most - least <= 1, "{count}: {least} to {most}");
        }
        let mut weighted = servers(0..4);
        (weighted[1].weight, weighted[2].weight) = (3, 6);
        weighted[3].is_backup = true;
        let shares = shares(&Table::new(&weighted), 4);
        assert_eq!(shares.iter().sum::<usize>(), 1021);
        assert!(
            (shares[0] as i64 - 102).abs() < 5 && (shares[1] as i64 - 306).abs() < 8,
            "{shares:?}"
        );
        assert_eq!(shares[3], 0);
    }

    /// Of the keys of the others few move when a server goes for good.
    #[test]
    fn few_keys_move_with_another_configuration() {
        let (all, fewer) = (Table::new(&servers(0..10)), Table::new(&servers(0..9)));
        let keys = 100_000u64;
        let moved = (0..keys)
            .map(mixed)
            .filter(|key| all.find(*key, 0) != Some(9) && all.find(*key, 0) != fewer.find(*key, 0));
        let moved = moved.count() as u64;
        assert!(moved < keys / 20, "{moved} of {keys}");
    }

    #[test]
    fn a_key_keeps_its_hash() {
        assert_eq!(hash(b""), mixed(0xcbf2_9ce4_8422_2325));
        // FNV-1a of "a" is 0xaf63dc4c8601ec8c.
        assert_eq!(hash(b"a"), mixed(0xaf63_dc4c_8601_ec8c));
        let table = Table::new(&servers(0..3));
        assert_ne!(
            (0..20).map(|look| table.find(7, look)).collect::<Vec<_>>(),
            vec![table.find(7, 0); 20]
        );
    }
}
