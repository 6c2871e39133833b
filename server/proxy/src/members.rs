//! A set of a group's servers, a bit each: what is fit, what was tried.

/// Servers of a group, at most. All sets of them are that large, so that none is allocated.
pub const MOST_SERVERS: usize = 256;

const WORDS: usize = MOST_SERVERS / 64;

/// Servers of a group, by their numbers.
///
/// ```
/// use trilane_proxy::Members;
/// let tried = Members::default().with(3).with(70);
/// assert!(tried.has(70) && !tried.has(4));
/// assert_eq!(tried.iter().collect::<Vec<_>>(), [3, 70]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members([u64; WORDS]);

impl Members {
    /// From words, the first server in the lowest bit of the first.
    pub(crate) fn from_words(word: impl FnMut(usize) -> u64) -> Self {
        Self(std::array::from_fn(word))
    }

    /// The word and the bit of a server.
    pub(crate) const fn place(server: usize) -> (usize, u64) {
        (server / 64 % WORDS, 1 << (server % 64))
    }

    /// With that server; none beyond [`MOST_SERVERS`] can be.
    #[must_use]
    pub fn with(mut self, server: usize) -> Self {
        let (word, bit) = Self::place(server);
        if server < MOST_SERVERS
            && let Some(word) = self.0.get_mut(word)
        {
            *word |= bit;
        }
        self
    }

    /// Whether that server is among them.
    #[must_use]
    #[inline]
    pub fn has(&self, server: usize) -> bool {
        let (word, bit) = Self::place(server);
        server < MOST_SERVERS && self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Those that are in both.
    #[must_use]
    #[inline]
    pub fn and(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.word(at) & other.word(at)))
    }

    /// Those that are not in the other.
    #[must_use]
    #[inline]
    pub fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.word(at) & !other.word(at)))
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Their numbers, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    #[inline]
    fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl FromIterator<usize> for Members {
    fn from_iter<I: IntoIterator<Item = usize>>(servers: I) -> Self {
        servers.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_servers() {
        let some: Members = [0, 63, 64, 255, 256, 1000].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 63, 64, 255]);
        assert_eq!((some.len(), some.is_empty()), (4, false));
        let other: Members = [63, 65].into_iter().collect();
        assert_eq!(some.and(&other).iter().collect::<Vec<_>>(), [63]);
        assert_eq!(some.without(&other).iter().collect::<Vec<_>>(), [0, 64, 255]);
        assert!(other.without(&other).is_empty() && !some.has(256) && !some.has(1));
    }
}
