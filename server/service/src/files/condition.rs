//! Conditional requests (RFC 9110 §13), in the order of §13.2.2, for a representation that exists.

use std::time::{Duration, SystemTime};

use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

/// What identifies a representation (RFC 9110 §8.8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// A strong entity tag, with its quotes.
    pub(super) etag: &'a str,
    /// When it was changed, in whole seconds, if that is known.
    pub(super) modified: Option<SystemTime>,
}

/// What the conditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 412.
    Failed,
    /// 200 or 206: Range may be looked at.
    Go,
    /// 304.
    NotModified,
    /// 200: Range must be ignored.
    Whole,
}

/// The verdict on the conditions in `fields`; `now` is the wall clock, which few of them ask.
pub(super) fn verdict(
    fields: &Fields,
    current: Validators<'_>,
    now: impl FnOnce() -> SystemTime,
) -> Verdict {
    // RFC 9110 §13.2.2, steps 1 and 2: If-Unmodified-Since only without If-Match (§13.1.4, MUST).
    if fields.contains(Known::IfMatch) {
        if !names(fields, Known::IfMatch, current.etag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if is_unchanged_since(fields, Known::IfUnmodifiedSince, current) == Some(false) {
        return Verdict::Failed;
    }
    // Steps 3 and 4: If-Modified-Since only without If-None-Match (§13.1.3, MUST).
    if fields.contains(Known::IfNoneMatch) {
        if names(fields, Known::IfNoneMatch, current.etag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if is_unchanged_since(fields, Known::IfModifiedSince, current) == Some(true) {
        return Verdict::NotModified;
    }
    // Step 5.
    if is_in_range(fields, current, now) { Verdict::Go } else { Verdict::Whole }
}

/// Whether If-Range, if it is there, names this representation (RFC 9110 §13.1.5): the same strong
/// tag, or exactly the same date, which must be a strong validator itself (§8.8.2.2).
fn is_in_range(fields: &Fields, current: Validators<'_>, now: impl FnOnce() -> SystemTime) -> bool {
    let Some(value) = fields.get(Known::IfRange) else { return true };
    if fields.is_repeated(Known::IfRange) {
        return false;
    }
    if value.starts_with(b"\"") {
        return value == current.etag.as_bytes();
    }
    let is_old = |modified: &SystemTime| {
        now().duration_since(*modified).is_ok_and(|age| age >= Duration::from_secs(1))
    };
    current.modified.filter(is_old).is_some_and(|modified| date(value) == Some(modified))
}

/// Whether nothing has changed since the date in that field; `None` when the field does not count:
/// it is missing, repeated or no date, or nobody knows when it was changed (§13.1.3, §13.1.4,
/// MUST).
fn is_unchanged_since(fields: &Fields, name: Known, current: Validators<'_>) -> Option<bool> {
    let value = fields.get(name).filter(|_| !fields.is_repeated(name))?;
    Some(current.modified? <= date(value)?)
}

/// A date in any of the three forms (RFC 9110 §5.6.7, MUST).
fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// How entity tags are compared (RFC 9110 §8.8.3.2). Ours is never weak.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether the list of tags in that field has `etag`, or is `*`. What follows a malformed member is
/// not read.
fn names(fields: &Fields, name: Known, etag: &str, comparison: Comparison) -> bool {
    fields.all(name).any(|line| {
        let mut rest = trim_ows(line);
        if rest == b"*" {
            return true;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = trim_ows(after);
                continue;
            }
            let (is_weak, quoted) = match rest.strip_prefix(b"W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            // RFC 9110 §8.8.3: a quote cannot stand in a tag, a comma can.
            let inner = quoted.strip_prefix(b"\"");
            let Some(end) = inner.and_then(|inner| inner.iter().position(|&b| b == b'"')) else {
                return false;
            };
            let (tag, after) = quoted.split_at(end + 2);
            if tag == etag.as_bytes() && (comparison == Comparison::Weak || !is_weak) {
                return true;
            }
            rest = trim_ows(after);
            if !rest.is_empty() && !rest.starts_with(b",") {
                return false;
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// Thu, 01 Jan 1970 00:16:40 GMT.
    const CHANGED: Duration = Duration::from_secs(1000);
    const BEFORE: &str = "Thu, 01 Jan 1970 00:16:39 GMT";
    const THEN: &str = "Thu, 01 Jan 1970 00:16:40 GMT";
    const AFTER: &str = "Thu, 01 Jan 1970 00:16:41 GMT";

    fn of(lines: &[(Known, &str)]) -> Verdict {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(*name, value).unwrap();
        }
        let current = Validators { etag: "\"a,b\"", modified: Some(UNIX_EPOCH + CHANGED) };
        verdict(&fields, current, || UNIX_EPOCH + CHANGED + Duration::from_secs(60))
    }

    #[test]
    fn each_condition_alone() {
        use Known::{IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince};
        use Verdict::{Failed, Go, NotModified, Whole};
        for (name, value, expected) in [
            (IfMatch, "*", Go),
            (IfMatch, "\"a,b\"", Go),
            (IfMatch, "\"x\", \"a,b\"", Go),
            (IfMatch, ",,\"a,b\"", Go),
            // RFC 9110 §13.1.1: If-Match MUST be compared strongly.
            (IfMatch, "W/\"a,b\"", Failed),
            (IfMatch, "\"a\"", Failed),
            (IfMatch, "a,b", Failed),
            (IfMatch, "", Failed),
            (IfUnmodifiedSince, BEFORE, Failed),
            (IfUnmodifiedSince, THEN, Go),
            (IfUnmodifiedSince, AFTER, Go),
            (IfUnmodifiedSince, "yesterday", Go),
            (IfNoneMatch, "*", NotModified),
            (IfNoneMatch, "\"a,b\"", NotModified),
            // RFC 9110 §13.1.2: If-None-Match MUST be compared weakly.
            (IfNoneMatch, "\"x\" , W/\"a,b\"", NotModified),
            (IfNoneMatch, "\"a\", \"b\"", Go),
            (IfNoneMatch, "\"a,b", Go),
            (IfNoneMatch, "\"x\" \"a,b\"", Go),
            (IfModifiedSince, BEFORE, Go),
            (IfModifiedSince, THEN, NotModified),
            (IfModifiedSince, AFTER, NotModified),
            (IfModifiedSince, "Thursday, 01-Jan-70 00:16:40 GMT", NotModified),
            (IfModifiedSince, "Thu Jan  1 00:16:40 1970", NotModified),
            (IfModifiedSince, "now", Go),
            (IfRange, "\"a,b\"", Go),
            (IfRange, "W/\"a,b\"", Whole),
            (IfRange, "\"a\"", Whole),
            // RFC 9110 §13.1.5: exactly, not earlier nor later.
            (IfRange, BEFORE, Whole),
            (IfRange, THEN, Go),
            (IfRange, AFTER, Whole),
        ] {
            assert_eq!(of(&[(name, value)]), expected, "{name:?}: {value}");
        }
        assert_eq!(of(&[]), Go);
    }

    #[test]
    fn the_order_of_conditions() {
        use Known::{IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince};
        // RFC 9110 §13.2.2: tags before dates, and preconditions before caches.
        assert_eq!(of(&[(IfMatch, "*"), (IfUnmodifiedSince, BEFORE)]), Verdict::Go);
        assert_eq!(of(&[(IfNoneMatch, "\"x\""), (IfModifiedSince, AFTER)]), Verdict::Go);
        assert_eq!(of(&[(IfMatch, "\"x\""), (IfNoneMatch, "*")]), Verdict::Failed);
        assert_eq!(of(&[(IfRange, "\"x\""), (IfNoneMatch, "*")]), Verdict::NotModified);
        let twice = [(IfModifiedSince, AFTER), (IfModifiedSince, AFTER)];
        assert_eq!(of(&twice), Verdict::Go);
        assert_eq!(of(&[(IfNoneMatch, "\"x\""), (IfNoneMatch, "\"a,b\"")]), Verdict::NotModified);
    }

    /// RFC 9110 §8.8.2.2: a date of this second is weak.
    #[test]
    fn a_fresh_date_is_no_strong_validator() {
        let mut fields = Fields::new();
        fields.append(Known::IfRange, THEN).unwrap();
        let current = Validators { etag: "\"a\"", modified: Some(UNIX_EPOCH + CHANGED) };
        for (millis, expected) in [(999, Verdict::Whole), (1000, Verdict::Go), (1001, Verdict::Go)]
        {
            let now = UNIX_EPOCH + CHANGED + Duration::from_millis(millis);
            assert_eq!(verdict(&fields, current, || now), expected, "{millis}");
        }
        let unknown = Validators { etag: "\"a\"", modified: None };
        assert_eq!(
            verdict(&fields, unknown, || UNIX_EPOCH + CHANGED + Duration::from_secs(9)),
            Verdict::Whole
        );
    }
}
