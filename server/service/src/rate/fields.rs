//! What a client is told of its quota: the fields that all clients know, and those of the IETF's draft
//! (draft-ietf-httpapi-ratelimit-headers), which are structured fields (RFC 9651).

use smallvec::SmallVec;
use trilane_exchange::Response;
use trilane_semantics::{Fields, Known, NameRef};

use super::Class;
use super::quota::Decision;

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const RESET: &str = "x-ratelimit-reset";
const POLICY: &str = "ratelimit-policy";
const STATE: &str = "ratelimit";

/// In nanoseconds. Times are told in whole ones, rounded up: a client that comes a moment early is refused once more.
const SECOND: u64 = 1_000_000_000;

/// What answers say of a class however much is left: how much there is, and in which time (`"name";q=100;w=60`).
pub(super) fn usual(class: &Class) -> Fields {
    let (name, quota, mut fields) = (&class.name, &class.quota, Fields::new());
    let policy = format!("\"{name}\";q={};w={}", quota.most(), quota.seconds());
    for (field, value) in [(LIMIT, quota.most().to_string()), (POLICY, policy)] {
        // The name was checked: both are valid.
        let _ = fields.append(field, value);
    }
    fields
}

/// Adds them to an answer. Where another limit has been there, the old fields show who has less left, and the lists of the
/// new ones have a member of each.
pub(super) fn add(response: &mut Response, class: &Class, usual: &Fields, decision: &Decision) {
    let fields = &mut response.head.fields;
    let (mut left, mut reset) = (itoa::Buffer::new(), itoa::Buffer::new());
    let left = left.format(decision.left);
    let reset = reset.format(decision.reset.div_ceil(SECOND));
    let other = fields.get_str(REMAINING).map(|left| left.parse::<u64>().unwrap_or(0));
    let is_usual = other.is_none() && decision.most == class.quota.most();
    // All these are valid, or were checked; only 65,535 lines are too many.
    if is_usual {
        let _ = fields.append_missing(usual);
    } else {
        let _ = fields.append(POLICY, usual.get(POLICY).unwrap_or_default());
    }
    if other.is_none_or(|other| decision.left < other) {
        if !is_usual {
            let _ = fields.set(LIMIT, itoa::Buffer::new().format(decision.most));
        }
        for (field, value) in [(REMAINING, left), (RESET, reset)] {
            let _ = match other {
                None => fields.append_checked(NameRef::Other(field.as_bytes()), value.as_bytes()),
                Some(_) => fields.set(field, value),
            };
        }
    }
    let mut state = SmallVec::<[u8; 64]>::new();
    for part in ["\"", &*class.name, "\";r=", left, ";t=", reset] {
        state.extend_from_slice(part.as_bytes());
    }
    let _ = fields.append_checked(NameRef::Other(STATE.as_bytes()), &state);
    if !decision.is_allowed {
        let retry = decision.retry.div_ceil(SECOND).max(1);
        // RFC 6585 §4, RFC 9110 §10.2.3.
        let _ = fields.set(Known::RetryAfter, itoa::Buffer::new().format(retry));
    }
}

/// Whether it can stand in a structured field's string (RFC 9651 §3.3.3) as it is.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\')
}
