//! The Range field (RFC 9110 §14.2): one range of bytes. Several are answered with the whole.

use std::ops::Range;

use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// These bytes; at least one.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Unsatisfiable,
    /// All of it: no Range, one that must be ignored, or several ranges.
    Whole,
}

/// What the Range field asks of `length` bytes.
pub(super) fn asked(fields: &Fields, length: u64) -> Asked {
    let Some(value) = fields.get(Known::Range) else { return Asked::Whole };
    // RFC 9110 §14.2: an unknown unit MUST be ignored, and an invalid set of ranges MAY be.
    if fields.is_repeated(Known::Range) {
        return Asked::Whole;
    }
    let Some((unit, set)) = value.split_at_checked(6) else { return Asked::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Asked::Whole;
    }
    let mut members = set.split(|&byte| byte == b',').map(trim_ows).filter(|it| !it.is_empty());
    match (members.next(), members.next()) {
        (Some(member), None) => part(member, length).unwrap_or(Asked::Whole),
        _ => Asked::Whole,
    }
}

/// One range (RFC 9110 §14.1.2); `None` when it is invalid.
fn part(member: &[u8], length: u64) -> Option<Asked> {
    let dash = member.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&member[..dash], &member[dash + 1..]);
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(match (suffix, length) {
            (0, _) => Asked::Unsatisfiable,
            // The last bytes of nothing: satisfiable, but no Content-Range could say so.
            (_, 0) => Asked::Whole,
            _ => Asked::Part(length.saturating_sub(suffix)..length),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    // RFC 9110 §14.1.2: a range whose last position is before its first is invalid.
    if last < first {
        return None;
    }
    Some(match first < length {
        true => Asked::Part(first..last.saturating_add(1).min(length)),
        false => Asked::Unsatisfiable,
    })
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
            ("Bytes=2-3", 2..4),
            ("bytes= 2-3 ,", 2..4),
            ("bytes=2-99999999999999999999999", 2..10),
        ] {
            assert_eq!(of(value, 10), Asked::Part(range), "{value}");
        }
        for value in
            ["bytes=10-", "bytes=10-11", "bytes=11-", "bytes=-0", "bytes=99999999999999999999-"]
        {
            assert_eq!(of(value, 10), Asked::Unsatisfiable, "{value}");
        }
        assert_eq!((of("bytes=0-", 0), of("bytes=-1", 0)), (Asked::Unsatisfiable, Asked::Whole));
    }

    #[test]
    fn what_is_ignored() {
        for value in [
            "bytes=3-2",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=+1-2",
            "items=0-1",
            "byte=0-1",
            "bytes 0-1",
            "bytes=0-1,3-4",
            "bytes=0-1,x",
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
