//! How busy a shard is, as far as quotas go by it: how long requests wait in a turn before their layers see them.

use std::cell::Cell;
use std::time::Duration;

use trilane_exchange::Exchange;

/// The least that is left of a quota, in hundredths.
const LEAST: u64 = 10;
/// A new delay counts for one part in so many.
const MEMORY: u64 = 16;

/// The delay of late, of one shard.
#[derive(Debug, Default)]
pub(super) struct Load(Cell<u64>);

impl Load {
    /// Notes the delay of this request. How many hundredths of a quota are left: all of them up to `target`, half of them at
    /// twice as much, and so on, but never less than a tenth.
    pub(super) fn percent(&self, exchange: &Exchange, target: Duration) -> u64 {
        let delay = exchange.shard().clock().since(exchange.started());
        let delay =
            u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / MEMORY).min(u64::MAX / MEMORY);
        let smooth = (self.0.get() * (MEMORY - 1)).saturating_add(delay) / MEMORY;
        self.0.set(smooth.min(u64::MAX / MEMORY));
        let target = u64::try_from(target.as_nanos()).unwrap_or(u64::MAX / 100).min(u64::MAX / 100);
        (target * 100).checked_div(smooth).unwrap_or(100).clamp(LEAST, 100)
    }
}
