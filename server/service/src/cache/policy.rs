//! What may be stored (RFC 9111 §3), and by whose requests.

use std::time::SystemTime;

use trilane_semantics::{Known, ResponseHead, StatusCode};

use super::control::{Allows, Asks, withheld};
use super::freshness::{Heuristic, Source, is_heuristic, lifetime};

/// Whether responses that set cookies may be stored without saying `public` or `s-maxage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cookies {
    #[default]
    Refused,
    Stored,
}

impl Cookies {
    /// Whether a Set-Cookie may be stored, with which a response says that.
    pub(super) const fn may_be_stored(self, allows: &Allows) -> bool {
        matches!(self, Self::Stored) || allows.public || allows.s_maxage.is_some()
    }
}

/// Whether a response to GET may be stored by a cache that its users share (RFC 9111 §3). `is_known` who asks, by credentials.
pub(super) fn may_store(
    is_known: bool,
    asks: &Asks,
    response: &ResponseHead,
    allows: &Allows,
    now: SystemTime,
    (heuristic, cookies): (Option<Heuristic>, Cookies),
) -> bool {
    let fields = &response.fields;
    // RFC 9111 §5.2.1.5, §5.2.2.7; and a response that is not whole, or about another, is nothing to keep (§3.3).
    if asks.no_store || allows.private || is_never_stored(response.status) {
        return false;
    }
    // RFC 9111 §5.2.2.3: who understands the status may store it in spite of no-store, who does not must not store it.
    let is_understood = is_heuristic(response.status)
        || matches!(response.status.as_u16(), 302 | 303 | 307 | 400 | 403 | 500 | 502 | 503 | 504);
    let is_forbidden = if allows.must_understand { !is_understood } else { allows.no_store };
    // RFC 9111 §3.5: MUST NOT be used for others, unless the response says so.
    let is_private = is_known && !allows.is_for_all();
    if is_forbidden || is_private || is_personal(response, allows, cookies) {
        return false;
    }
    let (seconds, source) = lifetime(response.status, fields, allows, now, heuristic);
    let is_permitted = source != Source::None || allows.public || is_heuristic(response.status);
    // What is never fresh, and cannot be asked about, would not be used.
    let is_useful = (seconds > 0 && !allows.no_cache)
        || allows.stale_while_revalidate > 0
        || allows.stale_if_error.is_some_and(|seconds| seconds > 0)
        || fields.has_any(&[Known::ETag, Known::LastModified]);
    is_permitted && is_useful
}

fn is_never_stored(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::RANGE_NOT_SATISFIABLE
        )
}

/// Whether a response sets a cookie, which is most often for one user alone, and does not say that it is for all.
fn is_personal(response: &ResponseHead, allows: &Allows, cookies: Cookies) -> bool {
    let is_withheld = || {
        allows.withholds
            && withheld(&response.fields, allows)
                .any(|name| name.eq_ignore_ascii_case(b"set-cookie"))
    };
    response.fields.contains(Known::SetCookie) && !cookies.may_be_stored(allows) && !is_withheld()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn stores(status: u16, is_known: bool, asks: &Asks, lines: &[(&str, &str)]) -> bool {
        let mut response = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        for (name, value) in lines {
            response.fields.append(*name, value).unwrap();
        }
        let allows = Allows::of(&response.fields, None);
        may_store(is_known, asks, &response, &allows, UNIX_EPOCH, (None, Cookies::Refused))
    }

    #[test]
    fn by_what_the_response_says() {
        const TAG: (&str, &str) = ("ETag", "\"a\"");
        let cc = |value| ("Cache-Control", value);
        for (status, lines, expected) in [
            (200, vec![], false),
            (200, vec![TAG], true),
            (200, vec![cc("max-age=5")], true),
            (200, vec![cc("max-age=0")], false),
            (200, vec![cc("max-age=0"), TAG], true),
            (200, vec![cc("max-age=0, stale-while-revalidate=5")], true),
            (200, vec![cc("max-age=5, no-store")], false),
            (200, vec![cc("max-age=5, private")], false),
            (200, vec![cc("max-age=5, private=\"a\"")], true),
            (200, vec![cc("max-age=5, no-cache")], false),
            (200, vec![cc("max-age=5, no-cache"), TAG], true),
            (200, vec![("Expires", "0")], false),
            (200, vec![("Expires", "Thu, 01 Jan 1970 00:00:05 GMT")], true),
            // RFC 9111 §5.2.2.3.
            (200, vec![cc("max-age=5, no-store, must-understand")], true),
            (299, vec![cc("max-age=5, no-store, must-understand")], false),
            (299, vec![cc("max-age=5, must-understand")], false),
            (299, vec![cc("max-age=5")], true),
            (201, vec![TAG], false),
            (404, vec![TAG], true),
            (500, vec![cc("max-age=5")], true),
            (206, vec![cc("max-age=5")], false),
            (304, vec![cc("max-age=5")], false),
            (200, vec![cc("max-age=5"), ("Set-Cookie", "a=b")], false),
            (200, vec![cc("max-age=5, public"), ("Set-Cookie", "a=b")], true),
            (200, vec![cc("s-maxage=5"), ("Set-Cookie", "a=b")], true),
            (200, vec![cc("max-age=5, no-cache=\"Set-Cookie\""), ("Set-Cookie", "a=b")], true),
        ] {
            assert_eq!(
                stores(status, false, &Asks::default(), &lines),
                expected,
                "{status} {lines:?}"
            );
        }
    }

    #[test]
    fn by_what_the_request_says() {
        let asks = Asks::default();
        // RFC 9111 §3.5.
        for (cache_control, expected) in [
            ("max-age=5", false),
            ("max-age=5, public", true),
            ("max-age=5, must-revalidate", true),
            ("s-maxage=5", true),
            ("max-age=5, proxy-revalidate", false),
        ] {
            let lines = [("Cache-Control", cache_control)];
            assert_eq!(stores(200, true, &asks, &lines), expected, "{cache_control}");
        }
        let no_store = Asks { no_store: true, ..asks };
        assert!(!stores(200, false, &no_store, &[("Cache-Control", "max-age=5")]));
    }
}
