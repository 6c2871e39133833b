//! The abuse budget (RFC 9113 §10.5, RFC 9114 §10.5): points for what costs us more than the peer. One a connection, for all such things
//! together. Never says what happens when it is spent.

use crate::limits::Limits;
use crate::time::Instant;

/// An exchange that was given up before its answer, by either side: what it began was for nothing (CVE-2023-44487 and
/// CVE-2025-8671, where it is we who are made to give up).
pub const RESET: u32 = 10;
/// SETTINGS, which must be applied and acknowledged (CVE-2019-9515), and PRIORITY_UPDATE.
pub const SETTINGS: u32 = 10;
/// PING, which must be answered (CVE-2019-9512).
pub const PING: u32 = 5;
/// A frame that carries nothing: DATA or CONTINUATION without a byte (CVE-2019-9518), PRIORITY, an unknown type, or one that
/// comes too late.
pub const EMPTY: u32 = 2;
/// WINDOW_UPDATE without content of ours that it could be about.
pub const WINDOW_UPDATE: u32 = 1;
/// A unidirectional stream of a type that means nothing here: it is sent away (RFC 9114 §6.2).
pub const STREAM: u32 = 10;
/// DATA of fewer than [`TINY_BELOW`] bytes, while content before it waits for its reader: it takes more memory than its window
/// says. Given back when all of it is read. Without a reader it is all frame.
pub const TINY: u32 = 1;
/// An interim response: any number may come before the one that is waited for, which pays for one.
pub const INTERIM: u32 = 10;
/// See [`TINY`], in bytes.
pub const TINY_BELOW: usize = 64;

/// Points, spent and coming back in time.
#[derive(Debug)]
pub struct Budget {
    left: u32,
    at: Instant,
}

/// All was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

impl Budget {
    /// All of `limits.abuse`.
    #[must_use]
    pub const fn new(limits: &Limits, now: Instant) -> Self {
        Self { left: limits.abuse, at: now }
    }

    /// Takes `points`, if there are as many.
    ///
    /// # Errors
    /// There are not.
    pub fn spend(&mut self, points: u32, now: Instant, limits: &Limits) -> Result<(), Spent> {
        if self.left < points {
            self.refill(now, limits);
        }
        self.left = self.left.checked_sub(points).ok_or(Spent)?;
        Ok(())
    }

    /// Gives points back, for what turned out to be of use.
    #[inline]
    pub fn earn(&mut self, points: u32, limits: &Limits) {
        self.left = self.left.saturating_add(points).min(limits.abuse);
    }

    /// Lets come back what has come back since the last time.
    fn refill(&mut self, now: Instant, limits: &Limits) {
        let millis = now.since(self.at).as_millis();
        let points = millis.saturating_mul(limits.abuse_rate.into()) / 1000;
        if points > 0 {
            self.at = now;
            self.earn(u32::try_from(points).unwrap_or(u32::MAX), limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn points_are_spent_and_come_back() {
        let limits = Limits::default();
        let mut now = Instant::default();
        for (n, expected) in [(1999, Ok(())), (2000, Ok(())), (2001, Err(Spent))] {
            assert_eq!(Budget::new(&limits, now).spend(n, now, &limits), expected, "{n}");
        }
        let mut budget = Budget::new(&limits, now);
        assert_eq!(budget.spend(2000, now, &limits), Ok(()));
        assert_eq!(budget.spend(1, now, &limits), Err(Spent));
        now = now + Duration::from_secs(2);
        assert_eq!(budget.spend(100, now, &limits), Ok(()));
        assert_eq!(budget.spend(1, now, &limits), Err(Spent));
        budget.earn(1, &limits);
        assert_eq!(budget.spend(1, now, &limits), Ok(()));
        // Never more than there were.
        budget.earn(u32::MAX, &limits);
        now = now + Duration::MAX;
        assert_eq!(budget.spend(2001, now, &limits), Err(Spent));
        assert_eq!(budget.spend(2000, now, &limits), Ok(()));
    }
}
