//! Asks servers how they are, from time to time, over connections of its own.

use std::sync::Weak;
use std::time::Duration;

use trilane_exchange::{Ask, Shard, join_all};
use trilane_semantics::{Cause, Known, Method, RequestHead};

use crate::proxy_protocol::Told;
use crate::upstream::{Target, Upstream};

/// How servers are asked how they are. How many answers it takes is [`HealthPolicy`](crate::HealthPolicy)'s to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPolicy {
    /// What is asked for, by GET: an answer of 2xx or 3xx is a good one. Default `/`.
    pub path: Box<str>,
    /// Host of the request; that of the server if it is empty. Default empty.
    pub host: Box<str>,
    /// Between two checks of a server. Default 5 s.
    pub interval: Duration,
    /// For an answer to begin, the connection included. Default 2 s.
    pub timeout: Duration,
}

impl Default for CheckPolicy {
    fn default() -> Self {
        let (interval, timeout) = (Duration::from_secs(5), Duration::from_secs(2));
        Self { path: "/".into(), host: "".into(), interval, timeout }
    }
}

/// Goes on for as long as the shard does, and somebody has use for the servers.
pub(crate) async fn run(upstream: Weak<Upstream>, shard: Shard) {
    while let Some(upstream) = upstream.upgrade() {
        let Some(policy) = upstream.terms.check.clone() else { return };
        let checks = upstream.targets.iter().map(|it| is_good(&upstream, it, &policy, &shard));
        let results = join_all(checks).await;
        for (server, is_good) in results.into_iter().enumerate() {
            upstream.tell(upstream.group.health().checked(server, is_good, shard.now()));
        }
        drop(upstream);
        shard.sleep(policy.interval).await;
    }
}

/// Whether a server is well.
async fn is_good(
    upstream: &Upstream,
    target: &Target,
    policy: &CheckPolicy,
    shard: &Shard,
) -> bool {
    let Some(mut head) = RequestHead::new(Method::GET, &policy.path) else { return false };
    let host = if policy.host.is_empty() { &target.authority } else { &policy.host };
    // What cannot be said is a host that no server has.
    let is_said = head.fields.append(Known::Host, host.as_bytes()).is_ok();
    let _ = head.fields.append(Known::UserAgent, "trilane-check");
    // For nobody but ourselves.
    let dial = upstream.dial(target, &Told::default());
    let Some(caller) = shard.dial(dial).ok().filter(|_| is_said) else {
        return false;
    };
    let asking = caller.ask(Ask { timeout: policy.timeout, ..Ask::new(head) });
    let answer = shard.timeout(policy.timeout, asking).await;
    caller.close(Cause::LastMessage);
    matches!(answer, Some(Ok(answer)) if answer.head.status.is_success() || answer.head.status.is_redirection())
}

#[cfg(test)]
#[path = "tests/check.rs"]
mod tests;
