//! Whose content goes first (RFC 9218 §10), when a window, or room, is not enough for all. Nobody waits for ever: every eighth
//! turn goes to who has waited longest.

use std::collections::VecDeque;

use crate::event::ExchangeId;

/// One turn of so many goes to who has waited longest, whatever its urgency.
const FAIR: u32 = if cfg!(planted = "h2_starves") { u32::MAX } else { 8 };

/// Streams that can go on, and whose turn it was. Lower ranks go first; [`Priority::rank`](crate::Priority::rank) makes them.
#[derive(Debug, Default)]
pub struct Turns {
    waiting: VecDeque<u64>,
    /// How often somebody of them had a turn.
    turns: u32,
    /// How often exchanges were put into order. Counted apart: a turn for each order, and the fair ones would all fall to one
    /// of the two.
    orders: u32,
}

impl Turns {
    /// Whether nobody waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A stream that is not there can go on.
    pub fn add(&mut self, number: u64) {
        self.waiting.push_back(number);
    }

    /// A stream is gone.
    pub fn remove(&mut self, number: u64) {
        self.waiting.retain(|&waiting| waiting != number);
    }

    /// Takes out whose turn it is.
    pub fn take(&mut self, rank: impl Fn(u64) -> (u8, u64)) -> Option<u64> {
        self.turns = self.turns.wrapping_add(1);
        let best = match self.turns % FAIR {
            0 => 0,
            _ => {
                let ranks = self.waiting.iter().map(|&number| rank(number)).enumerate();
                ranks.min_by_key(|&(at, rank)| (rank, at)).map_or(0, |(at, _)| at)
            }
        };
        self.waiting.remove(best)
    }

    /// Puts exchanges whose content waits for room into the order in which they should have it.
    pub fn order(&mut self, waiting: &mut [ExchangeId], rank: impl Fn(u64) -> (u8, u64)) {
        if waiting.len() < 2 {
            return;
        }
        waiting.sort_by_key(|id| rank(id.0));
        self.orders = self.orders.wrapping_add(1);
        if self.orders.is_multiple_of(FAIR) {
            waiting.rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_goes_first_and_nobody_waits_for_ever() {
        let mut turns = Turns::default();
        (0..20).for_each(|number| turns.add(number));
        let taken: Vec<u64> = (0..8).filter_map(|_| turns.take(|it| (0, u64::MAX - it))).collect();
        assert_eq!(taken, [19, 18, 17, 16, 15, 14, 13, 0]);
        turns.remove(12);
        assert_eq!(turns.take(|it| (0, u64::MAX - it)), Some(11));
        let ranked = |n: u64| (n as u8 % 2, n);
        for turn in 1..=8 {
            let mut waiting = [1, 2, 3, 4].map(ExchangeId);
            turns.order(&mut waiting, ranked);
            let expected = if turn == 8 { [3, 2, 4, 1] } else { [2, 4, 1, 3] };
            assert_eq!(waiting.map(|id| id.0), expected);
        }
    }
}
