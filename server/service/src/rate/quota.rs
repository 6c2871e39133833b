//! How much is allowed in which time, and the account of one client. Arithmetic alone: time is an argument.

use std::time::Duration;

use trilane_semantics::Instant;

/// How much is allowed: so much a period (a fixed window), or a bucket that fills evenly.
///
/// A window begins with a client's first request in it. A bucket allows `burst` at once and then as much as flows in: it has
/// no edge at which twice the quota passes.
///
/// ```
/// use std::time::Duration;
/// use trilane_service::Quota;
/// let window = Quota::per_minute(100);
/// let bucket = Quota::bucket(10, Duration::from_secs(1), 50); // 10 a second, 50 at once
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    kind: Kind,
    /// What is allowed at once.
    most: u64,
    /// Nanoseconds: of a window, or until one unit more flows into the bucket.
    time: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bucket,
    Window,
}

/// What a client has used: nothing, at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Nanoseconds: when it is as if it had never been used.
    pub(crate) until: u64,
    /// What was used of the window that ends then.
    used: u64,
}

/// What an account said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) is_allowed: bool,
    /// What is allowed at once.
    pub(crate) most: u64,
    /// What is left of that.
    pub(crate) left: u64,
    /// Nanoseconds until all of it is there again.
    pub(crate) reset: u64,
    /// Nanoseconds until as much would be allowed, if it was not.
    pub(crate) retry: u64,
}

impl Account {
    /// One that has refused so much, until then.
    pub(crate) const fn refusing(until: Instant, cost: u64) -> Self {
        Self { until: until.as_nanos(), used: cost }
    }

    /// For how long as much is refused, if it is: nanoseconds.
    pub(crate) fn refused(&self, now: Instant, cost: u64) -> Option<u64> {
        let rest = self.until.saturating_sub(now.as_nanos());
        (rest > 0 && cost >= self.used).then_some(rest)
    }
}

impl Quota {
    /// `most` in each `period`, which is a millisecond at least.
    #[must_use]
    pub const fn window(most: u32, period: Duration) -> Self {
        Self { kind: Kind::Window, most: most as u64, time: nanos(period) }
    }

    /// `most` a second.
    #[must_use]
    pub const fn per_second(most: u32) -> Self {
        Self::window(most, Duration::from_secs(1))
    }

    /// `most` a minute.
    #[must_use]
    pub const fn per_minute(most: u32) -> Self {
        Self::window(most, Duration::from_secs(60))
    }

    /// `most` an hour.
    #[must_use]
    pub const fn per_hour(most: u32) -> Self {
        Self::window(most, Duration::from_secs(3600))
    }

    /// A bucket that holds `burst`, and into which `rate` flow in each `period`. A rate of 0 counts as 1.
    #[must_use]
    pub const fn bucket(rate: u32, period: Duration, burst: u32) -> Self {
        let rate = if rate == 0 { 1 } else { rate as u64 };
        let time = nanos(period) / rate;
        Self { kind: Kind::Bucket, most: burst as u64, time: if time == 0 { 1 } else { time } }
    }

    /// What is allowed at once.
    pub(crate) const fn most(&self) -> u64 {
        self.most
    }

    /// Whether it is a bucket, what it allows at once, and nanoseconds as they are kept: for those who count elsewhere.
    pub(crate) const fn parts(&self) -> (bool, u64, u64) {
        (matches!(self.kind, Kind::Bucket), self.most, self.time)
    }

    /// Until a quota that was used up is there again: whole seconds, at least one.
    pub(crate) const fn seconds(&self) -> u64 {
        let nanos = match self.kind {
            Kind::Bucket => self.time.saturating_mul(self.most),
            Kind::Window => self.time,
        };
        let seconds = nanos.div_ceil(1_000_000_000);
        if seconds == 0 { 1 } else { seconds }
    }

    /// That many hundredths of it, but 1 if it was any: what is left of a quota under load.
    pub(crate) fn scaled(self, percent: u64) -> Self {
        let most = (self.most * percent / 100).max(self.most.min(1));
        let time = match self.kind {
            Kind::Bucket => self.time.saturating_mul(100) / percent.max(1),
            Kind::Window => self.time,
        };
        Self { most, time, ..self }
    }

    /// Takes `cost` from the account, if there is as much. `now` may be a little earlier than it was before: shards look
    /// at their clocks once a turn.
    pub(crate) fn take(&self, account: &mut Account, now: Instant, cost: u64) -> Decision {
        let now = now.as_nanos();
        match self.kind {
            Kind::Bucket => {
                // The time until the bucket is full stands for what is missing in it.
                let (missing, room) = (account.until.saturating_sub(now), self.room());
                let after = missing.saturating_add(cost.saturating_mul(self.time));
                let is_allowed = after <= room || cost == 0;
                let missing = if is_allowed { after } else { missing };
                if is_allowed {
                    account.until = now + missing;
                }
                let left = room.saturating_sub(missing) / self.time;
                self.decision(is_allowed, left, missing, after.saturating_sub(room))
            }
            Kind::Window => {
                if account.until <= now {
                    *account = Account { until: now + self.time, used: 0 };
                }
                let after = account.used.saturating_add(cost);
                let is_allowed = after <= self.most || cost == 0;
                if is_allowed {
                    account.used = after;
                }
                let rest = account.until - now.min(account.until);
                self.decision(is_allowed, self.most.saturating_sub(account.used), rest, rest)
            }
        }
    }

    /// Gives back what was taken, as far as it matters still.
    pub(crate) fn give_back(&self, account: &mut Account, cost: u64) {
        match self.kind {
            Kind::Bucket => {
                account.until = account.until.saturating_sub(cost.saturating_mul(self.time));
            }
            Kind::Window => account.used = account.used.saturating_sub(cost),
        }
    }

    /// What others have counted: what was used of a window, and nanoseconds until all is there again and until as much would be
    /// allowed.
    pub(crate) fn counted(&self, is_allowed: bool, used: u64, rest: u64, wait: u64) -> Decision {
        let left = match self.kind {
            Kind::Bucket => self.room().saturating_sub(rest) / self.time,
            Kind::Window => self.most.saturating_sub(used),
        };
        self.decision(is_allowed, left, rest, wait)
    }

    /// Nothing is left for so many nanoseconds.
    pub(crate) fn refused(&self, wait: u64) -> Decision {
        self.decision(false, 0, wait, wait)
    }

    /// The nanoseconds that a bucket stands for.
    const fn room(&self) -> u64 {
        self.most.saturating_mul(self.time)
    }

    fn decision(&self, is_allowed: bool, left: u64, reset: u64, retry: u64) -> Decision {
        let retry = if is_allowed { 0 } else { retry };
        Decision { is_allowed, most: self.most, left, reset, retry }
    }
}

impl Default for Quota {
    /// 100 a minute.
    fn default() -> Self {
        Self::per_minute(100)
    }
}

/// At least a millisecond, and at most 584 years.
const fn nanos(period: Duration) -> u64 {
    let nanos = period.as_nanos();
    if nanos < 1_000_000 {
        1_000_000
    } else if nanos > u64::MAX as u128 / 4 {
        u64::MAX / 4
    } else {
        nanos as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_window_ends_and_begins_anew() {
        let (quota, mut account) = (Quota::per_second(3), Account::default());
        let mut ask = |millis, cost| {
            let Decision { is_allowed, left, reset, retry, .. } =
                quota.take(&mut account, at(millis), cost);
            (is_allowed, left, reset / 1_000_000, retry / 1_000_000)
        };
        assert_eq!(ask(500, 1), (true, 2, 1000, 0));
        assert_eq!(ask(700, 3), (false, 2, 800, 800));
        assert_eq!(ask(700, 2), (true, 0, 800, 0));
        assert_eq!(ask(1499, 1), (false, 0, 1, 1));
        assert_eq!(ask(1500, 1), (true, 2, 1000, 0), "the next window");
        // The clock of another shard is a little behind.
        assert_eq!(ask(1490, 1), (true, 1, 1010, 0));
    }

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let quota = Quota::bucket(10, Duration::from_secs(1), 5);
        let mut account = Account::default();
        let mut ask = |millis| {
            let Decision { is_allowed, left, reset, retry, .. } =
                quota.take(&mut account, at(millis), 1);
            (is_allowed, left, reset / 1_000_000, retry / 1_000_000)
        };
        for left in (0..5).rev() {
            assert_eq!(ask(1000), (true, left, (5 - left) * 100, 0));
        }
        assert_eq!(ask(1000), (false, 0, 500, 100));
        assert_eq!(ask(1099), (false, 0, 401, 1));
        assert_eq!(ask(1100), (true, 0, 500, 0));
        assert_eq!(ask(1350), (true, 1, 350, 0));
        assert_eq!(ask(9000), (true, 4, 100, 0), "never fuller than full");
    }

    #[test]
    fn in_the_long_run_no_more_passes_than_the_rate() {
        let quota = Quota::bucket(50, Duration::from_secs(1), 7);
        let mut account = Account::default();
        let passed =
            (0..10_000).filter(|&millis| quota.take(&mut account, at(millis), 1).is_allowed);
        assert_eq!(passed.count(), 500 + 7 - 1);
    }

    #[test]
    fn extremes_neither_panic_nor_let_pass() {
        let far = Instant::from_nanos(u64::MAX / 2);
        for quota in [Quota::window(0, Duration::ZERO), Quota::bucket(0, Duration::ZERO, 0)] {
            let mut account = Account::default();
            let decision = quota.take(&mut account, far, 1);
            assert_eq!((decision.is_allowed, decision.left), (false, 0));
            assert!(!quota.take(&mut account, far, u64::MAX).is_allowed);
            assert!(quota.seconds() >= 1);
        }
        let most = Quota::bucket(1, Duration::MAX, u32::MAX);
        assert!(most.take(&mut Account::default(), at(0), 1).is_allowed);
    }

    #[test]
    fn what_was_given_back_is_there_again() {
        for quota in [Quota::per_minute(2), Quota::bucket(2, Duration::from_secs(60), 2)] {
            let mut account = Account::default();
            assert!(quota.take(&mut account, at(0), 2).is_allowed);
            assert!(!quota.take(&mut account, at(0), 1).is_allowed);
            quota.give_back(&mut account, 1);
            assert_eq!(quota.take(&mut account, at(0), 1).left, 0);
        }
    }

    #[test]
    fn what_is_free_passes_also_when_a_quota_has_shrunk() {
        for quota in [Quota::per_minute(10), Quota::bucket(10, Duration::from_secs(60), 10)] {
            let mut account = Account::default();
            assert!(quota.take(&mut account, at(0), 9).is_allowed);
            let decision = quota.scaled(20).take(&mut account, at(0), 0);
            assert_eq!((decision.is_allowed, decision.left), (true, 0));
            assert!(!quota.scaled(20).take(&mut account, at(0), 1).is_allowed);
        }
    }

    #[test]
    fn a_scaled_quota_leaves_one_if_there_was_any() {
        assert_eq!(Quota::per_minute(100).scaled(25).most(), 25);
        assert_eq!(Quota::per_minute(3).scaled(12).most(), 1);
        assert_eq!(Quota::per_minute(0).scaled(12).most(), 0);
        let bucket = Quota::bucket(10, Duration::from_secs(1), 40).scaled(50);
        assert_eq!(bucket, Quota::bucket(5, Duration::from_secs(1), 20));
    }
}
