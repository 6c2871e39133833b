//! Which of the peer's request streams were seen. They need not come in order: packets overtake one another (RFC 9000 §2.1).

/// The lowest stream above all that were seen, and those below it that were not.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    next: u64,
    /// Ranges from one stream to before another, in order.
    gaps: Vec<(u64, u64)>,
}

/// Whether a stream was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    First,
    Again,
    /// It would leave more gaps than can be remembered.
    TooFar,
}

/// How far apart the streams of a peer are (RFC 9000 §2.1).
const STEP: u64 = 4;

impl Seen {
    /// The lowest stream above all that were seen.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether none was seen.
    pub(crate) const fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Whether that stream was seen.
    pub(crate) fn has(&self, id: u64) -> bool {
        id < self.next && !self.gaps.iter().any(|&(from, to)| (from..to).contains(&id))
    }

    /// Sees a stream. At most `most` gaps are remembered.
    #[inline]
    pub(crate) fn note(&mut self, id: u64, most: usize) -> Sight {
        if id == self.next {
            self.next += STEP;
            return Sight::First;
        }
        self.note_far(id, most)
    }

    #[cold]
    fn note_far(&mut self, id: u64, most: usize) -> Sight {
        if id > self.next {
            if self.gaps.len() >= most {
                return Sight::TooFar;
            }
            self.gaps.push((self.next, id));
            self.next = id + STEP;
            return Sight::First;
        }
        let Some(at) = self.gaps.iter().position(|&(from, to)| (from..to).contains(&id)) else {
            return Sight::Again;
        };
        let (from, to) = self.gaps[at];
        let parts = [(from, id), (id + STEP, to)];
        let left = parts.into_iter().filter(|(from, to)| from < to);
        if left.clone().count() + self.gaps.len() - 1 > most {
            return Sight::TooFar;
        }
        self.gaps.splice(at..=at, left);
        if self.gaps.is_empty() {
            self.gaps = Vec::new();
        }
        Sight::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain set, in an order that is none.
    #[test]
    fn each_is_first_once() {
        let (mut seen, mut plain) = (Seen::default(), std::collections::BTreeSet::new());
        let mut seed = 7u32;
        for _ in 0..4000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = u64::from(seed >> 16) % 400 * 4;
            assert_eq!(seen.has(id), plain.contains(&id));
            let expected = if plain.insert(id) { Sight::First } else { Sight::Again };
            assert_eq!(seen.note(id, usize::MAX), expected, "{id}");
            assert_eq!(seen.next(), plain.last().unwrap() + 4);
        }
        assert_eq!(plain.len(), 400);
        assert!(seen.gaps.is_empty());
    }

    #[test]
    fn gaps_have_a_bound() {
        let mut seen = Seen::default();
        for id in [4, 12] {
            assert_eq!(seen.note(id, 2), Sight::First);
        }
        assert_eq!(seen.note(16, 2), Sight::First);
        assert_eq!(seen.note(24, 2), Sight::TooFar);
        assert_eq!(seen.note(8, 2), Sight::First);
        assert_eq!(seen.note(32, 2), Sight::First);
        assert_eq!(seen.note(24, 2), Sight::TooFar, "it would be two");
        assert_eq!(seen.note(20, 2), Sight::First);
    }
}
