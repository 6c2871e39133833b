//! Time as a value: machines are told what time it is, they never ask.

use core::fmt;
use core::num::NonZero;
use core::ops::Add;
use core::time::Duration;

/// A point on a monotonic clock, in nanoseconds since an arbitrary start.
///
/// All arithmetic saturates: a deadline that cannot be represented is "never".
///
/// ```
/// use std::time::Duration;
/// use trilane_semantics::Instant;
/// let t = Instant::from_nanos(5) + Duration::from_nanos(7);
/// assert_eq!(t.since(Instant::from_nanos(5)), Duration::from_nanos(7));
/// assert_eq!(Instant::from_nanos(5).since(t), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// The nanoseconds and one, so that a deadline that may not be set takes 8 bytes and not 16.
pub struct Instant(NonZero<u64>);

impl Instant {
    /// The instant `nanos` nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZero::<u64>::MIN.saturating_add(nanos))
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// How long before `self` was `earlier`; zero when it was not before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The earlier of two optional deadlines.
    #[must_use]
    pub fn earliest(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::from_nanos(0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.as_nanos();
        write!(f, "{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time() {
        assert_eq!(size_of::<Option<Instant>>(), 8);
        let (first, last) = (Instant::default(), Instant::from_nanos(u64::MAX));
        assert_eq!((first.as_nanos(), last.as_nanos()), (0, u64::MAX - 1));
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(first + Duration::from_nanos(1), Instant::from_nanos(1));
        assert_eq!(
            (last.since(first), first.since(last)),
            (Duration::from_nanos(u64::MAX - 1), Duration::ZERO)
        );
    }
}
