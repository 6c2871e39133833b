//! Which requests are made again, and how many of them may be.
//!
//! A request is repeated only where that can do no harm, and only while repeated requests are few: servers that are down for
//! overload get no second load from us.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use trilane_semantics::{Effect, Instant, Method, StatusCode};

/// When a request is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is made at most, with the first time. Default 3; 1 is never again.
    pub attempts: u32,
    /// How long one attempt may take until its answer begins; none for no other limit than that of the request. Default none.
    pub per_try: Option<Duration>,
    /// Whether an answer of 502, 503 or 504 to an idempotent request is a failure that another server may do better. Default no.
    pub on_unavailable: bool,
    /// Percentage of requests that may be repeated. Default 20.
    pub budget: u8,
    /// Requests that may be repeated each second in any case. Default 10.
    pub least_a_second: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, per_try: None, on_unavailable: false, budget: 20, least_a_second: 10 }
    }
}

/// How an attempt has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or none that has taken the request.
    Connect,
    /// The connection ended, or the server gave the request up, before an answer began.
    Reset(Effect),
    /// No answer has begun in time.
    Timeout,
    /// An answer that says the server cannot.
    Status(StatusCode),
}

/// What has become of a request's content so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentState {
    /// There is none, or it is kept whole and can be sent again.
    Whole,
    /// Nothing of it has been asked of the client yet.
    Untouched,
    /// A part of it is gone.
    Begun,
}

/// Why a request is not made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRetry {
    /// It was made as often as it may be.
    Attempts,
    /// Its content cannot be sent again.
    Content,
    /// It may have had an effect, and is not idempotent.
    Effect,
    /// The answer is the server's last word.
    Answered,
    /// Too many others are made again.
    Budget,
}

impl RetryPolicy {
    /// Whether a request may be made again that was made `attempts` times, by its method, its content and how the last attempt failed;
    /// the budget is asked after that.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(
        &self,
        method: &Method,
        content: ContentState,
        (attempts, failure): (u32, Failure),
    ) -> Result<(), NoRetry> {
        if attempts >= self.attempts {
            return Err(NoRetry::Attempts);
        }
        if content == ContentState::Begun {
            return Err(NoRetry::Content);
        }
        let had_none = match failure {
            // RFC 9110 §9.2.2: any request, if there is a way to know that it was never applied. RFC 9113 §8.7.
            Failure::Connect | Failure::Reset(Effect::None) => true,
            Failure::Reset(Effect::Unknown) | Failure::Timeout => false,
            Failure::Status(status) => {
                let says_so = matches!(
                    status,
                    StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                );
                // RFC 9110 §15.5.20: a client MAY make a request again over another connection, whatever its method.
                if status != StatusCode::MISDIRECTED_REQUEST && !(says_so && self.on_unavailable) {
                    return Err(NoRetry::Answered);
                }
                status == StatusCode::MISDIRECTED_REQUEST
            }
        };
        // RFC 9110 §9.2.2: a proxy MUST NOT automatically retry requests that are not idempotent.
        if had_none || is_idempotent(method) { Ok(()) } else { Err(NoRetry::Effect) }
    }
}

/// Whether doing it twice is doing it once (RFC 9110 §9.2.2); of what is not registered here, nobody knows.
#[must_use]
pub const fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// A repeated request, in parts: so that each request can bring some percent of it.
const WHOLE: i64 = 100;
/// How much is saved at most, in repeated requests, besides what a second brings: all that is under way to a server that dies is made again at
/// once, but quiet hours buy no endless storm.
const MOST_SAVED: i64 = 10_000;

/// How many requests may be made again: a bucket that each request fills a little, and each second. One a group and process.
#[derive(Debug)]
pub struct RetryBudget {
    each: i64,
    a_second: i64,
    most: i64,
    /// What is in it, in hundredths of a repeated request.
    saved: AtomicI64,
    /// When time has last filled it, in nanoseconds.
    filled: AtomicU64,
}

impl RetryBudget {
    /// A budget of that policy, with what a second brings.
    #[must_use]
    pub fn new(policy: &RetryPolicy) -> Self {
        let a_second = i64::from(policy.least_a_second) * WHOLE;
        Self {
            each: policy.budget.into(),
            a_second,
            most: a_second + MOST_SAVED * WHOLE,
            saved: AtomicI64::new(a_second),
            filled: AtomicU64::new(0),
        }
    }

    /// A request is made for the first time.
    #[inline]
    pub fn deposit(&self) {
        // It may be filled over the brim by as many as do so at once.
        if self.saved.load(Relaxed) < self.most {
            self.saved.fetch_add(self.each, Relaxed);
        }
    }

    /// Whether a request may be made again now; if so, it is paid for.
    #[must_use]
    pub fn withdraw(&self, now: Instant) -> bool {
        self.fill(now);
        if self.saved.fetch_sub(WHOLE, Relaxed) >= WHOLE {
            return true;
        }
        self.saved.fetch_add(WHOLE, Relaxed);
        false
    }

    /// What has come together since it was last filled by time; never more than a second brings.
    fn fill(&self, now: Instant) {
        const SECOND: u64 = 1_000_000_000;
        let (now, before) = (now.as_nanos(), self.filled.load(Relaxed));
        let passed = now.saturating_sub(before).min(SECOND);
        let brought = self.a_second.unsigned_abs() * passed / SECOND;
        // Too little yet, or another shard was faster.
        if brought == 0 || self.filled.compare_exchange(before, now, Relaxed, Relaxed).is_err() {
            return;
        }
        let left = (self.most - self.saved.load(Relaxed)).max(0);
        // Both are small.
        self.saved.fetch_add(left.min(brought as i64), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: Failure = Failure::Status(StatusCode::SERVICE_UNAVAILABLE);

    /// RFC 9110 §9.2.2.
    #[test]
    fn who_may_be_made_again() {
        let careful = RetryPolicy::default();
        let daring = RetryPolicy { on_unavailable: true, ..careful };
        let (get, post) = (Method::GET, Method::POST);
        let reset = |effect| (1, Failure::Reset(effect));
        for (policy, method, content, last, expected) in [
            (careful, &get, ContentState::Whole, (1, Failure::Connect), Ok(())),
            (careful, &post, ContentState::Whole, (2, Failure::Connect), Ok(())),
            (careful, &get, ContentState::Whole, (3, Failure::Connect), Err(NoRetry::Attempts)),
            (careful, &post, ContentState::Untouched, (1, Failure::Connect), Ok(())),
            (careful, &get, ContentState::Begun, (1, Failure::Connect), Err(NoRetry::Content)),
            (careful, &post, ContentState::Whole, reset(Effect::None), Ok(())),
            (careful, &post, ContentState::Whole, reset(Effect::Unknown), Err(NoRetry::Effect)),
            (
                careful,
                &Method::PATCH,
                ContentState::Whole,
                reset(Effect::Unknown),
                Err(NoRetry::Effect),
            ),
            (careful, &Method::PUT, ContentState::Whole, reset(Effect::Unknown), Ok(())),
            (careful, &Method::DELETE, ContentState::Whole, (1, Failure::Timeout), Ok(())),
            (careful, &post, ContentState::Whole, (1, Failure::Timeout), Err(NoRetry::Effect)),
            (careful, &get, ContentState::Whole, (1, UNAVAILABLE), Err(NoRetry::Answered)),
            (daring, &get, ContentState::Whole, (1, UNAVAILABLE), Ok(())),
            (daring, &post, ContentState::Whole, (1, UNAVAILABLE), Err(NoRetry::Effect)),
            (
                daring,
                &get,
                ContentState::Whole,
                (1, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR)),
                Err(NoRetry::Answered),
            ),
            (
                careful,
                &post,
                ContentState::Whole,
                (1, Failure::Status(StatusCode::MISDIRECTED_REQUEST)),
                Ok(()),
            ),
        ] {
            assert_eq!(
                policy.allows(method, content, last),
                expected,
                "{method} {content:?} {last:?}"
            );
        }
        let own = Method::from_bytes(b"get").unwrap();
        assert!(!is_idempotent(&own) && !is_idempotent(&Method::CONNECT));
    }

    fn millis(count: u64) -> Instant {
        Instant::from_nanos(count * 1_000_000)
    }

    #[test]
    fn the_budget_is_a_part_of_requests_and_a_little_each_second() {
        let policy = RetryPolicy { budget: 20, least_a_second: 2, ..RetryPolicy::default() };
        let budget = RetryBudget::new(&policy);
        let repeated = |now| (0..20_000).filter(|_| budget.withdraw(millis(now))).count();
        assert_eq!(repeated(0), 2, "what a second brings is there at once");
        assert_eq!(repeated(499), 0);
        assert_eq!(repeated(510), 1);
        assert_eq!(repeated(10_000), 2, "no more than a second's is owed for a pause");
        (0..50).for_each(|_| budget.deposit());
        assert_eq!(repeated(10_000), 10);
        (0..100_000).for_each(|_| budget.deposit());
        assert_eq!(repeated(10_000), 10_002, "what is saved has an end");
        let never = RetryBudget::new(&RetryPolicy { budget: 0, least_a_second: 0, ..policy });
        never.deposit();
        assert!(!never.withdraw(millis(10_000)));
    }
}
