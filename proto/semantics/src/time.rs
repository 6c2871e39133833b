//! Time as a value: machines are told what time it is, they never ask.

use core::fmt;
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
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The instant `nanos` nanoseconds after the clock's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long before `self` was `earlier`; zero when it was not before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
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

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
