//! How much may go now, at so many bytes a second: in small slices, so that it is even, and no timer fires more often than it must.

use std::time::Duration;

use trilane_semantics::Instant;

/// What may go at once, as the time that it stands for. The next goes when half of it has passed.
const SLICE: Duration = Duration::from_millis(20);
/// What may go at once however slow it is, in bytes.
const LEAST: usize = 1 << 10;

/// What has gone at a rate, of a connection or an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// When what has gone should have gone.
    paid: Option<Instant>,
}

impl Allowance {
    /// How many bytes may go now, at `rate` bytes a second.
    ///
    /// # Errors
    /// None; the moment is when some may.
    pub fn room(&self, rate: u64, now: Instant) -> Result<usize, Instant> {
        let ahead = self.paid.map_or(Duration::ZERO, |paid| paid.since(now));
        if ahead > SLICE / 2 {
            return Err(now + (ahead - SLICE / 2));
        }
        let bytes = (SLICE - ahead).as_nanos() * u128::from(rate) / 1_000_000_000;
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX).max(LEAST))
    }

    /// So many bytes have gone, at `rate` bytes a second.
    pub fn spend(&mut self, rate: u64, now: Instant, bytes: usize) {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4));
        let from = self.paid.map_or(now, |paid| paid.max(now));
        self.paid = Some(from + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn what_goes_is_the_rate_and_the_timers_are_few() {
        for (rate, longest) in [(1_000_000, 101), (100, 1), (40_000_000_000, 101)] {
            let (mut allowance, mut now) = (Allowance::default(), at(5));
            let (mut sent, mut timers) = (0, 0);
            while now < at(1005) {
                match allowance.room(rate, now) {
                    Ok(room) => {
                        allowance.spend(rate, now, room);
                        sent += room as u64;
                    }
                    Err(due) => {
                        assert!(due > now);
                        (now, timers) = (due, timers + 1);
                    }
                }
            }
            let ahead = (rate / 50).max(2 * LEAST as u64);
            assert!((rate..=rate + ahead).contains(&sent), "{sent} at {rate}");
            assert!(timers <= longest, "{timers} timers at {rate}");
        }
    }

    #[test]
    fn who_was_silent_has_saved_nothing() {
        let mut allowance = Allowance::default();
        allowance.spend(1_000_000, at(0), 20_000);
        assert_eq!(allowance.room(1_000_000, at(0)), Err(at(10)));
        assert_eq!(allowance.room(1_000_000, at(10)), Ok(10_000));
        assert_eq!(allowance.room(1_000_000, at(9000)), Ok(20_000));
    }
}
