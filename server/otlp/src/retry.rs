//! What becomes of a batch that was not taken. Time and chance are arguments.

use std::time::Duration;

use trilane_errand::{Answer, Failed};
use trilane_semantics::Known;

/// How often a batch is sent, at most.
pub(crate) const TRIES: u32 = 5;
/// How long until it is sent again: at first, and at most, whatever the collector says.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What the collector said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// It may take it later: then.
    Again(Duration),
    /// It never will, and why.
    Refused(String),
}

/// What to make of an answer to try number `attempt`, from 0: 429, 502, 503 and 504 may be tried again, as the protocol has it, and
/// what did not arrive.
pub(crate) fn verdict(answer: &Result<Answer, Failed>, attempt: u32, chance: u64) -> Verdict {
    let doubled = WAIT.0.saturating_mul(1 << attempt.min(10)).min(WAIT.1);
    // As many as have failed at once do not come back at once.
    let wait = doubled.mul_f64(0.5 + (chance % 1000) as f64 / 1000.0);
    match answer {
        Ok(answer) if answer.status.is_success() => Verdict::Taken,
        Ok(answer) if matches!(answer.status.as_u16(), 429 | 502 | 503 | 504) => {
            let said =
                answer.fields.get_str(Known::RetryAfter).and_then(|text| text.trim().parse().ok());
            Verdict::Again(said.map_or(wait, Duration::from_secs).min(WAIT.1))
        }
        Ok(answer) => Verdict::Refused(format!("the collector answers {}", answer.status)),
        Err(Failed::Url(_)) => Verdict::Refused("the endpoint is no URL".to_owned()),
        Err(_) => Verdict::Again(wait),
    }
}
