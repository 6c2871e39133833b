//! The Range field (RFC 9110 §14): which bytes of a representation are asked for.

use std::ops::Range;

use smallvec::SmallVec;
use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

/// A request for more ranges than this is answered with the whole (RFC 9110 §14.2 allows it).
pub(crate) const MOST_RANGES: usize = 32;

/// Ranges that do not overlap, in the order in which they are asked for.
pub(crate) type Ranges = SmallVec<[Range<u64>; 1]>;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// These bytes: one range at least, and each of one byte at least.
    Parts(Ranges),
    /// Bytes that are not there: 416.
    Unsatisfiable,
    /// All of it: no Range, or one that is ignored.
    Whole,
}

/// What the Range field asks of `length` bytes.
pub(crate) fn asked(fields: &Fields, length: u64) -> Asked {
    let Some(value) = fields.get(Known::Range) else { return Asked::Whole };
    // RFC 9110 §14.2: an unknown unit MUST be ignored, and an invalid set of ranges MAY be.
    if fields.is_repeated(Known::Range) {
        return Asked::Whole;
    }
    let Some((unit, set)) = value.split_at_checked(6) else { return Asked::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Asked::Whole;
    }
    parts(set, length).unwrap_or(Asked::Whole)
}

/// A set of ranges (RFC 9110 §14.1.1); `None` when it is invalid, or too large.
fn parts(set: &[u8], length: u64) -> Option<Asked> {
    let mut parts = Ranges::new();
    let members = set.split(|&byte| byte == b',').map(trim_ows).filter(|it| !it.is_empty());
    let mut count = 0;
    for member in members {
        count += 1;
        if count > MOST_RANGES {
            return None;
        }
        match part(member, length)? {
            // The last bytes of nothing: satisfiable, but no Content-Range could say so.
            Some(range) if range.is_empty() => return None,
            Some(range) => add(&mut parts, range),
            None => (),
        }
    }
    match (count, parts.is_empty()) {
        (0, _) => None,
        (_, true) => Some(Asked::Unsatisfiable),
        (_, false) => Some(Asked::Parts(parts)),
    }
}

/// One range (RFC 9110 §14.1.2): `None` when it is invalid, `Some(None)` when it cannot be satisfied.
fn part(member: &[u8], length: u64) -> Option<Option<Range<u64>>> {
    let dash = member.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&member[..dash], &member[dash + 1..]);
    if first.is_empty() {
        let suffix = number(last)?;
        return Some((suffix > 0).then(|| length.saturating_sub(suffix)..length));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    // RFC 9110 §14.1.2: a range whose last position is before its first is invalid.
    if last < first {
        return None;
    }
    Some((first < length).then(|| first..last.saturating_add(1).min(length)))
}

/// Adds a range to those that are there, of which it swallows all that it overlaps (RFC 9110 §15.3.7.2, MAY): so no byte is
/// sent twice, and all together are never more than the whole.
fn add(parts: &mut Ranges, mut range: Range<u64>) {
    let mut place = parts.len();
    let mut at = 0;
    while let Some(other) = parts.get(at) {
        if other.start < range.end && range.start < other.end {
            range = other.start.min(range.start)..other.end.max(range.end);
            parts.remove(at);
            place = place.min(at);
            // What it has become may overlap those that were passed.
            at = 0;
        } else {
            at += 1;
        }
    }
    parts.insert(place.min(parts.len()), range);
}

/// A number; what is too large for us is larger than every file.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add((digit - b'0').into());
    Some(digits.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str, length: u64) -> Asked {
        let mut fields = Fields::new();
        fields.append(Known::Range, value).unwrap();
        asked(&fields, length)
    }

    fn parts_of(ranges: impl IntoIterator<Item = Range<u64>>) -> Asked {
        Asked::Parts(ranges.into_iter().collect())
    }

    #[test]
    fn one_range_at_every_edge() {
        for (value, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-8", 0..9),
            ("bytes=0-9", 0..10),
            ("bytes=0-10", 0..10),
            ("bytes=9-", 9..10),
            ("bytes=9-9", 9..10),
            ("bytes=-1", 9..10),
            ("bytes=-9", 1..10),
            ("bytes=-10", 0..10),
            ("bytes=-11", 0..10),
            ("bytes=-99999999999999999999", 0..10),
            ("bytes=007-008", 7..9),
            ("Bytes=2-3", 2..4),
            ("bytes= 2-3 ,", 2..4),
            ("bytes=2-99999999999999999999999", 2..10),
        ] {
            assert_eq!(of(value, 10), parts_of([range]), "{value}");
        }
        for value in [
            "bytes=10-",
            "bytes=10-11",
            "bytes=11-",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=10-,-0,12-13",
        ] {
            assert_eq!(of(value, 10), Asked::Unsatisfiable, "{value}");
        }
        assert_eq!((of("bytes=0-", 0), of("bytes=-1", 0)), (Asked::Unsatisfiable, Asked::Whole));
    }

    #[test]
    fn several_ranges() {
        for (value, ranges) in [
            ("bytes=0-0,5-6", &[(0, 1), (5, 7)][..]),
            ("bytes=5-6, 0-0", &[(5, 7), (0, 1)]),
            ("bytes=0-0,-1", &[(0, 1), (9, 10)]),
            ("bytes=,0-0,,9-,", &[(0, 1), (9, 10)]),
            // What cannot be satisfied is left out.
            ("bytes=0-1,10-12", &[(0, 2)]),
            ("bytes=-0,3-3", &[(3, 4)]),
            // Next to each other is not over each other.
            ("bytes=0-1,2-3", &[(0, 2), (2, 4)]),
            ("bytes=0-3,2-5", &[(0, 6)]),
            ("bytes=2-5,0-3", &[(0, 6)]),
            ("bytes=0-,0-,0-", &[(0, 10)]),
            ("bytes=7-7,0-1,4-5,1-4", &[(7, 8), (0, 6)]),
            ("bytes=0-1,4-5,7-8,1-7", &[(0, 9)]),
        ] {
            assert_eq!(
                of(value, 10),
                parts_of(ranges.iter().map(|&(start, end)| start..end)),
                "{value}"
            );
        }
        let many = |count| {
            let ranges: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
            of(&format!("bytes={}", ranges.join(",")), 1000)
        };
        assert!(matches!(many(MOST_RANGES), Asked::Parts(parts) if parts.len() == MOST_RANGES));
        assert_eq!(many(MOST_RANGES + 1), Asked::Whole);
    }

    /// Whatever is asked for, each byte of it is answered once, and no other.
    #[test]
    fn parts_are_what_was_asked_for() {
        let mut state = 1u64;
        let mut chance = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let length = 1 + chance(12);
            let mut wanted = vec![0; length as usize];
            let mut members = Vec::new();
            for _ in 0..1 + chance(6) {
                let first = chance(length);
                let last = first + chance(4);
                wanted[first as usize..=(last.min(length - 1)) as usize].fill(1);
                members.push(format!("{first}-{last}"));
            }
            let value = format!("bytes={}", members.join(","));
            let Asked::Parts(parts) = of(&value, length) else { panic!("{value}") };
            let mut got = vec![0; length as usize];
            for part in parts {
                got[part.start as usize..part.end as usize].iter_mut().for_each(|it| *it += 1);
            }
            assert_eq!(got, wanted, "{value}");
        }
    }

    #[test]
    fn cut_anywhere_it_asks_for_what_is_there() {
        let whole = "bytes=10-19, 5-,-7 ,0-0,99999999999999999999-";
        for cut in 0..=whole.len() {
            if let Asked::Parts(parts) = of(&whole[..cut], 20) {
                assert!(parts.iter().all(|part| part.start < part.end && part.end <= 20), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_ignored() {
        for value in [
            "bytes=3-2",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=0 - 1",
            "bytes =0-1",
            "items=0-1",
            "byte=0-1",
            "bytes 0-1",
            "bytes=0-1,x",
            "bytes=0-1,3-2",
            "bytes=10-,3-2",
            "",
        ] {
            assert_eq!(of(value, 10), Asked::Whole, "{value}");
        }
        let mut twice = Fields::new();
        twice.append(Known::Range, "bytes=0-1").unwrap();
        twice.append(Known::Range, "bytes=0-1").unwrap();
        assert_eq!((asked(&twice, 10), asked(&Fields::new(), 10)), (Asked::Whole, Asked::Whole));
    }
}
