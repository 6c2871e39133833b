//! When something is due. Time and chance are arguments.

use std::time::{Duration, SystemTime};

use trilane_tls::CertificateFacts;

/// After the first failure, and at most, until the next order.
const AGAIN: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(12 * 3600));
/// The first tenth of a certificate's lifetime, in which it is never renewed, whatever was set: nobody is to order again and again.
const FRESH: u32 = 10;

/// So long after the last of `count` failures the next order is made: twice as long each time, give or take a tenth.
pub(crate) fn again(count: u32, chance: u64) -> Duration {
    let doubled = AGAIN.0.saturating_mul(1 << count.saturating_sub(1).min(16));
    let wait = doubled.min(AGAIN.1);
    wait - wait / 10 + part(wait / 5, chance)
}

/// When that certificate is to be renewed: `before` its end, a little earlier as chance has it, so that many are not renewed at once.
pub(crate) fn due(facts: &CertificateFacts, before: Option<Duration>, chance: u64) -> SystemTime {
    let life = facts.not_after.duration_since(facts.not_before).unwrap_or_default();
    let before = before.unwrap_or(life / 3).min(life);
    let before = before + part(before / 20, chance);
    let fresh = facts.not_before + life / FRESH;
    facts.not_after.checked_sub(before).map_or(fresh, |due| due.max(fresh))
}

/// A moment of the window that the authority suggests (RFC 9773 §4.2), or the beginning of a window that makes no sense.
pub(crate) fn within((start, end): (SystemTime, SystemTime), chance: u64) -> SystemTime {
    start + part(end.duration_since(start).unwrap_or_default(), chance)
}

/// A part of it, as chance has it.
fn part(whole: Duration, chance: u64) -> Duration {
    whole.mul_f64((chance % 1000) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn facts(days: u32) -> CertificateFacts {
        let (not_before, not_after) = (UNIX_EPOCH, UNIX_EPOCH + DAY * days);
        let (names, addresses, serial, authority_key) = Default::default();
        CertificateFacts { names, addresses, not_before, not_after, serial, authority_key }
    }

    #[test]
    fn a_certificate_is_renewed_in_its_last_third() {
        assert_eq!(due(&facts(90), None, 0), UNIX_EPOCH + DAY * 60);
        assert_eq!(due(&facts(90), Some(DAY * 10), 0), UNIX_EPOCH + DAY * 80);
        // Chance makes it earlier, by a twentieth at most.
        let lucky = due(&facts(90), None, 999);
        assert!(lucky < UNIX_EPOCH + DAY * 60 && lucky > UNIX_EPOCH + DAY * 58);
    }

    #[test]
    fn a_fresh_certificate_is_never_renewed() {
        for before in [DAY * 90, DAY * 10_000, Duration::MAX] {
            assert_eq!(due(&facts(90), Some(before), 999), UNIX_EPOCH + DAY * 9);
        }
        assert_eq!(due(&facts(0), None, 0), UNIX_EPOCH);
    }

    #[test]
    fn failures_make_orders_rarer() {
        let minutes = |count, chance| again(count, chance).as_secs() / 60;
        assert_eq!([1, 2, 3].map(|count| minutes(count, 500)), [5, 10, 20]);
        assert_eq!((minutes(u32::MAX, 500), minutes(9, 500)), (720, 720));
        assert!(minutes(1, 0) == 4 && minutes(2, 999) == 10 && minutes(2, 0) == 9);
    }

    #[test]
    fn the_authority_says_when() {
        let (start, end) = (UNIX_EPOCH + DAY, UNIX_EPOCH + DAY * 3);
        assert_eq!(within((start, end), 500), UNIX_EPOCH + DAY * 2);
        assert_eq!(within((end, start), 500), end);
    }
}
