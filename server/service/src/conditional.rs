//! Conditional requests (RFC 9110 §13), in the order of §13.2.2: for files, cached answers, and handlers that know the
//! state of what they answer for.
//!
//! Conditions count only where the answer without them would be a success (§13.2.1, MUST): who asks here has already found
//! that it would be.

use std::time::{Duration, SystemTime};

use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known, Method};

/// What asks for a verdict.
pub(crate) const CONDITIONS: &[Known] =
    &[Known::IfMatch, Known::IfUnmodifiedSince, Known::IfNoneMatch, Known::IfModifiedSince];

/// What identifies a representation (RFC 9110 §8.8).
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// Its entity tag as it stands in ETag: with its quotes, and `W/` if it is weak.
    pub etag: Option<&'a [u8]>,
    /// When it was changed, in whole seconds, as in Last-Modified.
    pub modified: Option<SystemTime>,
}

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The method is to be performed. [`is_in_range`] says whether Range may be looked at.
    Proceed,
    /// 304 (RFC 9110 §15.4.5): of GET and HEAD alone.
    NotModified,
    /// 412 (RFC 9110 §15.5.13).
    PreconditionFailed,
}

/// The verdict on the conditions in a request's `fields`. `current` is `None` if there is no representation, such as before
/// a PUT that makes it.
///
/// ```
/// use trilane_service::conditional::{Validators, Verdict, evaluate};
/// use trilane_service::{Fields, Method};
/// let mut fields = Fields::new();
/// fields.append("if-none-match", "\"v1\", \"v2\"")?;
/// let current = Validators { etag: Some(b"\"v2\""), modified: None };
/// assert_eq!(evaluate(&Method::GET, &fields, Some(current)), Verdict::NotModified);
/// assert_eq!(evaluate(&Method::PUT, &fields, Some(current)), Verdict::PreconditionFailed);
/// assert_eq!(evaluate(&Method::PUT, &fields, None), Verdict::Proceed);
/// # Ok::<(), trilane_semantics::InvalidField>(())
/// ```
#[must_use]
pub fn evaluate(method: &Method, fields: &Fields, current: Option<Validators<'_>>) -> Verdict {
    // RFC 9110 §13.2.1: MUST be ignored with methods that select no representation.
    let selects = !matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE);
    if !fields.has_any(CONDITIONS) || !selects {
        return Verdict::Proceed;
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let names = |name, comparison| {
        current.is_some_and(|current| names(fields, name, current.etag, comparison))
    };
    let modified = current.and_then(|current| current.modified);
    // RFC 9110 §13.2.2, steps 1 and 2: If-Unmodified-Since only without If-Match (§13.1.4, MUST).
    if fields.contains(Known::IfMatch) {
        if !names(Known::IfMatch, Comparison::Strong) {
            return Verdict::PreconditionFailed;
        }
    } else if is_unchanged_since(fields, Known::IfUnmodifiedSince, modified) == Some(false) {
        return Verdict::PreconditionFailed;
    }
    // Steps 3 and 4: If-Modified-Since only without If-None-Match, and of GET and HEAD alone (§13.1.3, MUST).
    let is_same = if fields.contains(Known::IfNoneMatch) {
        names(Known::IfNoneMatch, Comparison::Weak)
    } else {
        is_read && is_unchanged_since(fields, Known::IfModifiedSince, modified) == Some(true)
    };
    match (is_same, is_read) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::PreconditionFailed,
    }
}

/// Step 5: whether the Range field may be looked at. Only with GET (RFC 9110 §14.2, MUST), and only if If-Range, where it is
/// there, names this representation (§13.1.5): the same strong tag, or exactly the same date, which must be a strong validator
/// itself: a second older (§8.8.2.2) than `date`, when the representation was sent or is to be. Few requests ask for that.
#[must_use]
pub fn is_in_range(
    method: &Method,
    fields: &Fields,
    current: Validators<'_>,
    date: impl FnOnce() -> SystemTime,
) -> bool {
    if *method != Method::GET || !fields.contains(Known::Range) {
        return false;
    }
    let Some(value) = fields.get(Known::IfRange) else { return true };
    if fields.is_repeated(Known::IfRange) {
        return false;
    }
    if value.starts_with(b"\"") {
        return current.etag == Some(value);
    }
    let is_old = |modified: &SystemTime| {
        date().duration_since(*modified).is_ok_and(|age| age >= Duration::from_secs(1))
    };
    current.modified.filter(is_old).is_some_and(|modified| parse_date(value) == Some(modified))
}

/// Whether nothing has changed since the date in that field; `None` when the field does not count:
/// it is missing, repeated or no date, or nobody knows when it was changed (§13.1.3, §13.1.4,
/// MUST).
fn is_unchanged_since(fields: &Fields, name: Known, modified: Option<SystemTime>) -> Option<bool> {
    let value = fields.get(name).filter(|_| !fields.is_repeated(name))?;
    Some(modified? <= parse_date(value)?)
}

/// A date in any of the three forms (RFC 9110 §5.6.7, MUST).
pub(crate) fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

/// How entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

impl Comparison {
    fn holds(self, one: &[u8], other: &[u8]) -> bool {
        let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
        match self {
            Self::Strong => one == other && !one.starts_with(b"W/"),
            Self::Weak => opaque(one) == opaque(other),
        }
    }
}

/// Whether the list of tags in that field has `etag`, or is `*`. A malformed member is no tag.
fn names(fields: &Fields, name: Known, etag: Option<&[u8]>, comparison: Comparison) -> bool {
    fields.all(name).any(|line| {
        let line = trim_ows(line);
        line == b"*" || etag.is_some_and(|etag| Tags(line).any(|tag| comparison.holds(tag, etag)))
    })
}

/// The entity tags of a list.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            // RFC 9110 §5.6.1: empty members count for nothing.
            while let [b',' | b' ' | b'\t', rest @ ..] = self.0 {
                self.0 = rest;
            }
            if self.0.is_empty() {
                return None;
            }
            let quoted = self.0.strip_prefix(b"W/").unwrap_or(self.0);
            // RFC 9110 §8.8.3: a quote cannot stand in a tag, a comma can.
            let length = quoted.strip_prefix(b"\"").and_then(|inner| {
                let end = inner.iter().position(|&byte| byte == b'"')?;
                Some(self.0.len() - inner.len() + end + 1)
            });
            let (tag, rest) = self.0.split_at(length.unwrap_or_default());
            let end = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
            let (after, rest) = rest.split_at(end);
            self.0 = rest;
            if length.is_some() && trim_ows(after).is_empty() {
                return Some(tag);
            }
        }
    }
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
    const CURRENT: &[u8] = b"\"a,b\"";

    fn fields(lines: &[(Known, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(*name, value).unwrap();
        }
        fields
    }

    fn with(method: &Method, etag: &[u8], lines: &[(Known, &str)]) -> Verdict {
        let current = Validators { etag: Some(etag), modified: Some(UNIX_EPOCH + CHANGED) };
        evaluate(method, &fields(lines), Some(current))
    }

    fn of(lines: &[(Known, &str)]) -> Verdict {
        let head = with(&Method::HEAD, CURRENT, lines);
        assert_eq!(with(&Method::GET, CURRENT, lines), head);
        head
    }

    #[test]
    fn each_condition_alone() {
        use Known::{IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince};
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        for (name, value, expected) in [
            (IfMatch, "*", Proceed),
            (IfMatch, " * ", Proceed),
            (IfMatch, "\"a,b\"", Proceed),
            (IfMatch, "\"x\", \"a,b\"", Proceed),
            (IfMatch, ",,\"a,b\"", Proceed),
            (IfMatch, "x, \"a,b\"", Proceed),
            // RFC 9110 §13.1.1: If-Match MUST be compared strongly.
            (IfMatch, "W/\"a,b\"", PreconditionFailed),
            (IfMatch, "\"a\"", PreconditionFailed),
            (IfMatch, "a,b", PreconditionFailed),
            (IfMatch, "\"x\", *", PreconditionFailed),
            (IfMatch, "", PreconditionFailed),
            (IfUnmodifiedSince, BEFORE, PreconditionFailed),
            (IfUnmodifiedSince, THEN, Proceed),
            (IfUnmodifiedSince, AFTER, Proceed),
            (IfUnmodifiedSince, "yesterday", Proceed),
            (IfUnmodifiedSince, "Wednesday, 31-Dec-69 00:00:00 GMT", Proceed),
            (IfNoneMatch, "*", NotModified),
            (IfNoneMatch, "\"a,b\"", NotModified),
            // RFC 9110 §13.1.2: If-None-Match MUST be compared weakly.
            (IfNoneMatch, "\"x\" , W/\"a,b\"", NotModified),
            (IfNoneMatch, "\"x\",\"a,b\",\"y\"", NotModified),
            (IfNoneMatch, "x, \"a,b\"", NotModified),
            (IfNoneMatch, "\"x\"y, \"a,b\"", NotModified),
            (IfNoneMatch, "\"a\", \"b\"", Proceed),
            (IfNoneMatch, "a,b", Proceed),
            (IfNoneMatch, "\"a,b", Proceed),
            (IfNoneMatch, "w/\"a,b\"", Proceed),
            (IfNoneMatch, "W/ \"a,b\"", Proceed),
            (IfNoneMatch, "\"a,b\"x", Proceed),
            (IfNoneMatch, "\"x\" \"a,b\"", Proceed),
            (IfNoneMatch, "\"\"", Proceed),
            (IfModifiedSince, BEFORE, Proceed),
            (IfModifiedSince, THEN, NotModified),
            (IfModifiedSince, AFTER, NotModified),
            (IfModifiedSince, "Thu, 31 Dec 2099 23:59:59 GMT", NotModified),
            (IfModifiedSince, "Thursday, 01-Jan-70 00:16:40 GMT", NotModified),
            (IfModifiedSince, "Thu Jan  1 00:16:40 1970", NotModified),
            (IfModifiedSince, "now", Proceed),
            (IfModifiedSince, "", Proceed),
            (IfModifiedSince, "1000", Proceed),
            (IfModifiedSince, "Thu, 01 Jan 1970 00:16:41", Proceed),
            (IfModifiedSince, "Thu, 01 Jan 1970 25:16:41 GMT", Proceed),
            (IfRange, "\"x\"", Proceed),
        ] {
            assert_eq!(of(&[(name, value)]), expected, "{name:?}: {value}");
        }
        assert_eq!(of(&[]), Proceed);
    }

    #[test]
    fn the_order_of_conditions() {
        use Known::{IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince};
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        // RFC 9110 §13.2.2: tags before dates, and preconditions before caches.
        assert_eq!(of(&[(IfMatch, "*"), (IfUnmodifiedSince, BEFORE)]), Proceed);
        assert_eq!(of(&[(IfNoneMatch, "\"x\""), (IfModifiedSince, AFTER)]), Proceed);
        assert_eq!(of(&[(IfNoneMatch, "*"), (IfModifiedSince, BEFORE)]), NotModified);
        assert_eq!(of(&[(IfMatch, "\"x\""), (IfNoneMatch, "*")]), PreconditionFailed);
        assert_eq!(of(&[(IfMatch, "*"), (IfNoneMatch, "*")]), NotModified);
        assert_eq!(of(&[(IfUnmodifiedSince, AFTER), (IfModifiedSince, AFTER)]), NotModified);
        // Several lines are one list, but of dates there is one (§13.1.3, §13.1.4, MUST).
        assert_eq!(of(&[(IfModifiedSince, AFTER), (IfModifiedSince, AFTER)]), Proceed);
        assert_eq!(of(&[(IfUnmodifiedSince, BEFORE), (IfUnmodifiedSince, BEFORE)]), Proceed);
        assert_eq!(of(&[(IfNoneMatch, "\"x\""), (IfNoneMatch, "\"a,b\"")]), NotModified);
        assert_eq!(of(&[(IfMatch, "\"x\""), (IfMatch, "\"a,b\"")]), Proceed);
    }

    #[test]
    fn a_list_cut_anywhere_has_the_tags_before_the_cut() {
        let whole = "W/\"x\" , \"a,b\",\"y\"";
        let end = whole.find("b\"").unwrap() + 2;
        for cut in 0..=whole.len() {
            let verdict = of(&[(Known::IfNoneMatch, &whole[..cut])]);
            assert_eq!(verdict == Verdict::NotModified, cut >= end, "{cut}");
        }
    }

    #[test]
    fn methods_that_change_something() {
        use Known::{IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince};
        use Verdict::{PreconditionFailed, Proceed};
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            let of = |lines: &[_]| with(&method, CURRENT, lines);
            assert_eq!(of(&[(IfNoneMatch, "W/\"a,b\"")]), PreconditionFailed);
            assert_eq!(of(&[(IfNoneMatch, "\"x\""), (IfModifiedSince, AFTER)]), Proceed);
            // RFC 9110 §13.1.3: MUST be ignored.
            assert_eq!(of(&[(IfModifiedSince, AFTER)]), Proceed);
            assert_eq!(of(&[(IfMatch, "\"a,b\"")]), Proceed);
            assert_eq!(of(&[(IfUnmodifiedSince, BEFORE)]), PreconditionFailed);
            let absent = |name, value| evaluate(&method, &fields(&[(name, value)]), None);
            assert_eq!(absent(IfMatch, "*"), PreconditionFailed);
            assert_eq!(absent(IfNoneMatch, "*"), Proceed);
            assert_eq!(absent(IfUnmodifiedSince, BEFORE), Proceed);
        }
        // RFC 9110 §13.2.1, MUST.
        assert_eq!(with(&Method::OPTIONS, CURRENT, &[(IfMatch, "\"x\"")]), Proceed);
    }

    #[test]
    fn weak_tags() {
        let weak = b"W/\"1\"";
        let get = |lines: &[_]| with(&Method::GET, weak, lines);
        for value in ["W/\"1\"", "\"1\""] {
            assert_eq!(get(&[(Known::IfNoneMatch, value)]), Verdict::NotModified);
            assert_eq!(get(&[(Known::IfMatch, value)]), Verdict::PreconditionFailed);
        }
        let unknown = Validators::default();
        for (name, expected) in
            [(Known::IfNoneMatch, Verdict::Proceed), (Known::IfMatch, Verdict::PreconditionFailed)]
        {
            let of = |value| evaluate(&Method::GET, &fields(&[(name, value)]), Some(unknown));
            assert_eq!(of("\"1\""), expected);
            assert_ne!(of("*"), expected);
        }
    }

    fn in_range(method: &Method, etag: &[u8], lines: &[(Known, &str)], millis: u64) -> bool {
        let current = Validators { etag: Some(etag), modified: Some(UNIX_EPOCH + CHANGED) };
        let date = UNIX_EPOCH + CHANGED + Duration::from_millis(millis);
        is_in_range(method, &fields(lines), current, || date)
    }

    /// RFC 9110 §13.1.5.
    #[test]
    fn ranges_of_what_is_still_the_same() {
        use Known::{IfRange, Range};
        for (value, expected) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", false),
            ("\"a\"", false),
            ("a,b", false),
            ("*", false),
            ("", false),
            // Exactly, not earlier nor later.
            (BEFORE, false),
            (THEN, true),
            ("Thursday, 01-Jan-70 00:16:40 GMT", true),
            (AFTER, false),
        ] {
            let lines = [(Range, "bytes=0-0"), (IfRange, value)];
            assert_eq!(in_range(&Method::GET, CURRENT, &lines, 60_000), expected, "{value}");
            assert!(!in_range(&Method::HEAD, CURRENT, &lines, 60_000), "{value}");
        }
        assert!(in_range(&Method::GET, CURRENT, &[(Range, "bytes=0-0")], 0));
        assert!(!in_range(&Method::GET, CURRENT, &[(IfRange, "\"a,b\"")], 0), "no Range");
        let twice = [(Range, "bytes=0-0"), (IfRange, "\"a,b\""), (IfRange, "\"a,b\"")];
        assert!(!in_range(&Method::GET, CURRENT, &twice, 0));
        // A weak tag names no bytes.
        for value in ["W/\"1\"", "\"1\""] {
            let lines = [(Range, "bytes=0-0"), (IfRange, value)];
            assert!(!in_range(&Method::GET, b"W/\"1\"", &lines, 0), "{value}");
        }
    }

    /// RFC 9110 §8.8.2.2: a date of this second is weak.
    #[test]
    fn a_fresh_date_is_no_strong_validator() {
        let lines = [(Known::Range, "bytes=0-0"), (Known::IfRange, THEN)];
        for (millis, expected) in [(0, false), (999, false), (1000, true), (1001, true)] {
            assert_eq!(in_range(&Method::GET, CURRENT, &lines, millis), expected, "{millis}");
        }
        let unknown = Validators { etag: Some(CURRENT), modified: None };
        let date = || UNIX_EPOCH + CHANGED + Duration::from_secs(9);
        assert!(!is_in_range(&Method::GET, &fields(&lines), unknown, date));
    }
}
