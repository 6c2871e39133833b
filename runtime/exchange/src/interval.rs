//! Ticks at even distances, without drift. Never ticks twice for one moment, however late it is
//! asked.

use std::time::Duration;

use trilane_semantics::Instant;

use crate::shard::Shard;

/// The shortest period: the timers of a shard know nothing shorter.
const SHORTEST: Duration = Duration::from_millis(1);

/// Ticks of [`Shard::interval`].
#[derive(Debug)]
pub struct Interval {
    shard: Shard,
    next: Instant,
    period: Duration,
}

impl Shard {
    /// Ticks every `period`, at least 1 ms, the first time at once.
    ///
    /// ```
    /// # async fn handler(shard: trilane_exchange::Shard) {
    /// let mut every = shard.interval(std::time::Duration::from_secs(1));
    /// for _ in 0..3 {
    ///     every.tick().await;
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn interval(&self, period: Duration) -> Interval {
        Interval { shard: self.clone(), next: self.now(), period: period.max(SHORTEST) }
    }
}

impl Interval {
    /// Waits for the next tick; when it was due. Ticks that nobody waited for are left out, and the
    /// others stay where they were. Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        let due = self.next;
        self.shard.sleep(due.since(self.shard.now())).await;
        let late = self.shard.now().since(due).as_nanos() / self.period.as_nanos();
        let periods = u32::try_from(late + 1).unwrap_or(u32::MAX);
        self.next = due + self.period.saturating_mul(periods);
        due
    }
}
