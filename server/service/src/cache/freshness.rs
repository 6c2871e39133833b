//! How old a response is, and how long it is fresh (RFC 9111 §4.2). Times are whole seconds, as in the fields.

use std::time::{Duration, SystemTime};

use trilane_semantics::{Fields, Known, StatusCode};

use super::control::{Allows, Asks, delta_seconds};
use crate::conditional::parse_date;

/// How old a response is when it comes from the handler (RFC 9111 §4.2.3). The handler is the origin: what has neither Age
/// nor Date was made just now, however long that took.
pub(super) fn initial_age(fields: &Fields, asked: SystemTime, now: SystemTime) -> u64 {
    let seconds = |from: SystemTime| now.duration_since(from).unwrap_or_default().as_secs();
    let apparent = fields.get(Known::Date).and_then(parse_date).map_or(0, seconds);
    // RFC 9111 §5.1: the first member of a list; what is no number is ignored.
    let age = fields.list(Known::Age).next().and_then(delta_seconds);
    // Behind the handler there is another cache: it was that old when this one asked.
    let corrected = age.map_or(0, |age| age.saturating_add(seconds(asked)));
    apparent.max(corrected)
}

/// Guesses how long what says nothing about that is fresh (RFC 9111 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heuristic {
    /// Of the time since it was changed.
    pub(super) percent: u8,
    pub(super) most: Duration,
}

/// How long a response is fresh from when it was made (RFC 9111 §4.2.1), and whether it says so itself. A shared cache looks
/// at s-maxage first.
pub(super) fn lifetime(
    status: StatusCode,
    fields: &Fields,
    allows: &Allows,
    now: SystemTime,
    heuristic: Option<Heuristic>,
) -> (u64, Source) {
    if let Some(seconds) = allows.s_maxage.or(allows.max_age) {
        return (seconds, Source::Explicit);
    }
    let date = fields.get(Known::Date).and_then(parse_date).unwrap_or(now);
    if let Some(expires) = fields.get(Known::Expires).filter(|_| allows.targeted.is_none()) {
        // RFC 9111 §5.3: what is no date, above all "0", lies in the past.
        let expires = parse_date(expires).and_then(|at| at.duration_since(date).ok());
        return (expires.unwrap_or_default().as_secs(), Source::Explicit);
    }
    let modified = fields.get(Known::LastModified).and_then(parse_date);
    let guess = heuristic.zip(modified).filter(|_| is_heuristic(status) || allows.public);
    match guess {
        Some((heuristic, modified)) => {
            let since = date.duration_since(modified).unwrap_or_default().as_secs();
            let guess = since.saturating_mul(heuristic.percent.into()) / 100;
            (guess.min(heuristic.most.as_secs()), Source::Guessed)
        }
        None => (0, Source::None),
    }
}

/// Who says how long a response is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Explicit,
    Guessed,
    None,
}

/// Whether responses of that status may be stored, and their lifetimes be guessed, without being asked
/// (RFC 9110 §15.1). Not 206, since parts are not stored here.
pub(super) fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// What is known of a stored response at the moment of a request, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) age: u64,
    pub(super) lifetime: u64,
    /// RFC 9111 §5.2.2.4.
    pub(super) no_cache: bool,
    pub(super) forbids_stale: bool,
    /// Its lifetime is `s-maxage`, which does not let clients have it stale (RFC 9111 §5.2.2.10). What the response itself
    /// says of being stale (RFC 5861) counts all the same: who writes both means both.
    pub(super) is_strict: bool,
    pub(super) stale_while_revalidate: u64,
}

/// What a stored response is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is the answer.
    Hit,
    /// It is the answer, and a new one is fetched beside it (RFC 5861 §3).
    HitAndRefresh,
    /// It is stale: ask the handler first (RFC 9111 §4.3).
    Stale,
    /// It would do, but the client wants a newer one (RFC 9111 §5.2.1).
    Unwanted,
}

impl Standing {
    /// How much longer it is fresh: below 0, how long it has not been (RFC 9211 §2.4).
    pub(super) const fn ttl(&self) -> i64 {
        // Neither is anywhere near the limit of an `i64`.
        self.lifetime as i64 - self.age as i64
    }

    /// What it is good for, for a client that asks that (RFC 9111 §4).
    pub(super) fn judge(&self, asks: &Asks) -> Use {
        // RFC 9111 §4.2: fresh while its lifetime is greater than its age.
        let (fresh_for, stale_for) =
            (self.lifetime.saturating_sub(self.age), self.age.saturating_sub(self.lifetime));
        if self.no_cache || (fresh_for == 0 && self.forbids_stale) {
            return Use::Stale;
        }
        let is_too_old = asks.max_age.is_some_and(|most| self.age > most)
            || asks.min_fresh.is_some_and(|least| fresh_for < least);
        if asks.no_cache || (is_too_old && asks.max_stale.is_none()) {
            return if fresh_for == 0 { Use::Stale } else { Use::Unwanted };
        }
        let is_tolerated = asks.max_stale.is_some_and(|most| stale_for <= most);
        let is_tolerated = is_tolerated && !self.is_strict;
        if fresh_for > 0 || is_tolerated {
            return Use::Hit;
        }
        if stale_for <= self.stale_while_revalidate && self.stale_while_revalidate > 0 {
            return Use::HitAndRefresh;
        }
        Use::Stale
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Thu, 01 Jan 1970 00:16:40 GMT.
    const NOW: Duration = Duration::from_secs(1000);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(*name, value).unwrap();
        }
        fields
    }

    #[test]
    fn ages_on_arrival() {
        let date = |seconds| httpdate::fmt_http_date(at(seconds));
        for (lines, expected) in [
            (vec![], 0),
            (vec![("Date", date(1000))], 0),
            (vec![("Date", date(990))], 10),
            // A clock ahead of ours.
            (vec![("Date", date(1010))], 0),
            (vec![("Age", "30".into())], 33),
            (vec![("Age", "30".into()), ("Date", date(900))], 100),
            (vec![("Age", "7200, 0".into())], 7203),
            (vec![("Age", "0,7200".into())], 3),
            (vec![("Age", "5".into()), ("Age", "6".into())], 8),
            (vec![("Age", "7200.0".into())], 0),
            (vec![("Age", "-7200".into())], 0),
            (vec![("Age", "abc".into())], 0),
            (vec![("Age", "99999999999999999999".into())], (1 << 31) + 3),
        ] {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(initial_age(&fields(&lines), at(997), at(1000)), expected, "{lines:?}");
        }
    }

    #[test]
    fn lifetimes() {
        const FUTURE: &str = "Thu, 01 Jan 1970 00:26:40 GMT";
        const PAST: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
        let guess = Heuristic { percent: 10, most: Duration::from_secs(50) };
        for (status, lines, expected, heuristic) in [
            (200, vec![], (0, Source::None), true),
            (200, vec![("Cache-Control", "max-age=7, s-maxage=9")], (9, Source::Explicit), true),
            (
                200,
                vec![("Cache-Control", "max-age=7"), ("Expires", PAST)],
                (7, Source::Explicit),
                true,
            ),
            (
                200,
                vec![("Cache-Control", "max-age=0"), ("Expires", FUTURE)],
                (0, Source::Explicit),
                true,
            ),
            (200, vec![("Expires", FUTURE)], (600, Source::Explicit), true),
            (200, vec![("Expires", FUTURE), ("Date", PAST)], (1600, Source::Explicit), true),
            (200, vec![("Expires", PAST)], (0, Source::Explicit), true),
            (200, vec![("Expires", "0"), ("Last-Modified", PAST)], (0, Source::Explicit), true),
            // 10 % of 1,000 s, but 50 s at most.
            (200, vec![("Last-Modified", PAST)], (50, Source::Guessed), true),
            (404, vec![("Last-Modified", PAST)], (50, Source::Guessed), true),
            (
                200,
                vec![("Last-Modified", "Thu, 01 Jan 1970 00:15:00 GMT")],
                (10, Source::Guessed),
                true,
            ),
            (200, vec![("Last-Modified", FUTURE)], (0, Source::Guessed), true),
            (200, vec![("Last-Modified", PAST)], (0, Source::None), false),
            (201, vec![("Last-Modified", PAST)], (0, Source::None), true),
            (599, vec![("Last-Modified", PAST)], (0, Source::None), true),
            (
                599,
                vec![("Last-Modified", PAST), ("Cache-Control", "public")],
                (50, Source::Guessed),
                true,
            ),
        ] {
            let fields = fields(&lines);
            let status = StatusCode::from_u16(status).unwrap();
            let allows = Allows::of(&fields, None);
            let guess = heuristic.then_some(guess);
            let found = lifetime(status, &fields, &allows, UNIX_EPOCH + NOW, guess);
            assert_eq!(found, expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn judgements() {
        let standing = |age, lifetime| Standing {
            age,
            lifetime,
            no_cache: false,
            forbids_stale: false,
            is_strict: false,
            stale_while_revalidate: 0,
        };
        let none = Asks::default();
        // RFC 9111 §4.2: fresh while the lifetime is greater.
        for (age, expected) in [(0, Use::Hit), (9, Use::Hit), (10, Use::Stale), (11, Use::Stale)] {
            assert_eq!(standing(age, 10).judge(&none), expected, "{age}");
        }
        let fresh = standing(4, 10);
        for (asks, expected) in [
            (Asks { no_cache: true, ..none }, Use::Unwanted),
            (Asks { max_age: Some(3), ..none }, Use::Unwanted),
            (Asks { max_age: Some(4), ..none }, Use::Hit),
            (Asks { max_age: Some(0), max_stale: Some(5), ..none }, Use::Hit),
            (Asks { min_fresh: Some(6), ..none }, Use::Hit),
            (Asks { min_fresh: Some(7), ..none }, Use::Unwanted),
        ] {
            assert_eq!(fresh.judge(&asks), expected, "{asks:?}");
        }
        let stale = standing(15, 10);
        assert_eq!(stale.judge(&Asks { max_stale: Some(5), ..none }), Use::Hit);
        assert_eq!(stale.judge(&Asks { max_stale: Some(4), ..none }), Use::Stale);
        let strict = Standing { is_strict: true, ..stale };
        assert_eq!(strict.judge(&Asks { max_stale: Some(5), ..none }), Use::Stale);
        let firm = Standing { forbids_stale: true, stale_while_revalidate: 60, ..stale };
        assert_eq!(firm.judge(&Asks { max_stale: Some(5), ..none }), Use::Stale);
        for (least, expected) in [(4, Use::Stale), (5, Use::HitAndRefresh)] {
            let lenient = Standing { stale_while_revalidate: least, ..stale };
            assert_eq!(lenient.judge(&none), expected, "{least}");
            assert_eq!(lenient.judge(&Asks { no_cache: true, ..none }), Use::Stale);
        }
        let checked = Standing { no_cache: true, ..fresh };
        assert_eq!(checked.judge(&none), Use::Stale);
    }
}
