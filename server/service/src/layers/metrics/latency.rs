//! How long requests take, finely: for quantiles over a short time, where the buckets of a histogram for Prometheus are too wide.

use std::time::Duration;

use trilane_exchange::stats::Counter;

/// Steps within a doubling: a value is known to a quarter of itself.
const STEPS: usize = 4;
/// What is shorter is in the first bucket, in nanoseconds as a power of two: a microsecond.
const LEAST: u32 = 10;
/// What is longer is in the last bucket, as such a power: a good minute.
const MOST: u32 = 36;
/// Buckets.
const COUNT: usize = (MOST - LEAST) as usize * STEPS + 2;

/// What one shard has counted.
#[derive(Debug)]
pub(super) struct Latencies(Box<[Counter]>);

impl Default for Latencies {
    fn default() -> Self {
        Self((0..COUNT).map(|_| Counter::default()).collect())
    }
}

impl Latencies {
    pub(super) fn observe(&self, nanos: u64) {
        if let Some(counter) = self.0.get(place(nanos)) {
            counter.add(1);
        }
    }

    pub(super) fn add_to(&self, total: &mut Latency) {
        for (sum, counter) in total.0.iter_mut().zip(&self.0) {
            *sum += counter.get();
        }
    }
}

/// In which bucket a value is.
const fn place(nanos: u64) -> usize {
    let Some(power) = nanos.checked_ilog2() else { return 0 };
    if power < LEAST {
        return 0;
    }
    if power >= MOST {
        return COUNT - 1;
    }
    // The two bits after the first one.
    let step = (nanos >> (power - 2)) as usize & (STEPS - 1);
    (power - LEAST) as usize * STEPS + step + 1
}

/// The largest value of a bucket, in nanoseconds.
const fn end(place: usize) -> u64 {
    let Some(place) = place.checked_sub(1) else { return 1 << LEAST };
    let (power, step) = (place / STEPS, place % STEPS);
    ((STEPS + step + 1) as u64) << (power + LEAST as usize - 2)
}

/// How long requests took since the server began, on all shards: [`Metrics::latency`](crate::Metrics::latency). Of two of them the
/// [difference](Self::since) is what happened in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency([u64; COUNT]);

impl Default for Latency {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Latency {
    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that are in `earlier` are left out.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].saturating_sub(earlier.0[at])))
    }

    /// What so large a share of them did not exceed, up to a quarter too high: 0.5 is the median, 1 the longest. Nothing without
    /// requests.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        let place = self.0.iter().position(|count| {
            sum += count;
            sum >= rank
        })?;
        Some(Duration::from_nanos(end(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bucket_that_is_a_quarter_too_high_at_most() {
        let (mut nanos, mut last) = (0_u64, 0);
        while nanos < 1 << MOST {
            let place = place(nanos);
            assert!(place >= last && place < COUNT - 1, "{nanos}");
            assert!(nanos < end(place).max(1) || nanos == 0, "{nanos} {}", end(place));
            let most = (nanos + nanos / 4 + 1).max(1 << LEAST);
            assert!(end(place) <= most, "{nanos} {}", end(place));
            (nanos, last) = (nanos + nanos / 9 + 1, place);
        }
        assert_eq!((place(u64::MAX), place(1 << MOST)), (COUNT - 1, COUNT - 1));
    }

    #[test]
    fn quantiles_are_of_what_happened_in_between() {
        let (latencies, mut before, mut after) =
            (Latencies::default(), Latency::default(), Latency::default());
        assert_eq!(before.quantile(0.5), None);
        latencies.observe(1_000_000_000);
        latencies.add_to(&mut before);
        (0..99).for_each(|_| latencies.observe(10_000));
        latencies.observe(2_000_000);
        latencies.add_to(&mut after);
        let between = after.since(&before);
        assert_eq!((before.count(), after.count(), between.count()), (1, 101, 100));
        let micros = |share| between.quantile(share).unwrap().as_micros();
        assert!((10..13).contains(&micros(0.5)) && (10..13).contains(&micros(0.99)));
        assert!((2000..2500).contains(&micros(1.0)), "{}", micros(1.0));
    }
}
