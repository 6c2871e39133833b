//! What a client is told of its quota: the fields that all clients know, and those of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers), which are structured fields (RFC 9651).

use smallvec::SmallVec;
use trilane_exchange::Response;
use trilane_semantics::{Known, NameRef};

use super::quota::{Decision, Quota};

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET: &str = "x-ratelimit-reset";
const POLICY: &str = "ratelimit-policy";
const STATE: &str = "ratelimit";

/// The member of `RateLimit-Policy` that says what the quota is: `"name";q=100;w=60`.
pub(super) fn policy(name: &str, quota: &Quota) -> Box<str> {
    format!("\"{name}\";q={};w={}", quota.most(), quota.seconds()).into()
}

/// Adds them to an answer. Where another limit has been there, the old fields show who has less left, and the lists of the
/// new ones have a member of each.
pub(super) fn add(response: &mut Response, name: &str, policy: &str, decision: &Decision) {
    let fields = &mut response.head.fields;
    let reset = whole_seconds(decision.reset);
    let before = fields.get_str(REMAINING).and_then(|left| left.parse::<u64>().ok());
    if before.is_none_or(|left| decision.left < left) {
        for (field, value) in [(LIMIT, decision.most), (REMAINING, decision.left), (RESET, reset)] {
            let digits = &mut itoa::Buffer::new();
            let digits = digits.format(value);
            // All these are valid, or were checked; only 65,535 lines are too many.
            let _ = match before {
                None => fields.append_checked(NameRef::Other(field.as_bytes()), digits.as_bytes()),
                Some(_) => fields.set(field, digits),
            };
        }
    }
    let mut state = SmallVec::<[u8; 64]>::new();
    state.push(b'"');
    state.extend_from_slice(name.as_bytes());
    for (parameter, value) in [("\";r=", decision.left), (";t=", reset)] {
        state.extend_from_slice(parameter.as_bytes());
        state.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
    let _ = fields.append_checked(NameRef::Other(POLICY.as_bytes()), policy.as_bytes());
    let _ = fields.append_checked(NameRef::Other(STATE.as_bytes()), &state);
    if !decision.is_allowed {
        let retry = whole_seconds(decision.retry).max(1);
        // RFC 6585 §4, RFC 9110 §10.2.3.
        let _ = fields.set(Known::RetryAfter, itoa::Buffer::new().format(retry));
    }
}

/// Rounded up: a client that comes a moment early is refused once more.
const fn whole_seconds(time: std::time::Duration) -> u64 {
    time.as_nanos().div_ceil(1_000_000_000) as u64
}

/// Whether it can stand in a structured field's string (RFC 9651 §3.3.3) as it is.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
}
