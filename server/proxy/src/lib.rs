//! A reverse proxy: requests of clients are passed on to servers behind us.
//!
//! [`forward`] is the way of a request, with `relay` for its content and `tunnel` for what is none any more; [`upstream`] is what a process
//! knows of a group of servers, [`servers`] what a shard has of it, and [`check`] asks them how they are. What is decided on that way is
//! data: time and chance are arguments. [`group`] (servers that do the same) with [`members`] (sets of them), [`health`] (which are fit), [`breaker`] (how much
//! may be under way), [`balance`] (which is asked) with `maglev` and [`key`], [`retry`] (whether again). [`rewrite`] makes of the head of a
//! client's request one for a server, and the other way round; [`proxy_protocol`] is what comes before it.
#![forbid(unsafe_code)]

pub mod balance;
pub mod breaker;
pub mod check;
pub mod forward;
pub mod group;
pub mod health;
pub mod key;
mod maglev;
pub mod members;
#[cfg(test)]
#[path = "tests/one.rs"]
mod one;
pub mod proxy_protocol;
mod relay;
pub mod retry;
pub mod rewrite;
pub mod servers;
mod tunnel;
pub mod upstream;

pub use balance::{Balance, Balancer, Choice, NoServer, Plan, Wanted};
pub use breaker::{Breaker, Counted, Limits, Permit};
pub use check::CheckPolicy;
pub use forward::Proxy;
pub use group::{BadGroup, Group, Member};
pub use health::{Admin, Cause, Change, Health, HealthPolicy};
pub use key::Key;
pub use members::{MOST_SERVERS, Members};
pub use retry::{ContentState, Failure, NoRetry, RetryBudget, RetryPolicy};
pub use servers::Servers;
pub use upstream::{Counts, Observer, Place, Target, Terms, Upstream};
