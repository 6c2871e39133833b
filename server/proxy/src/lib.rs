//! A reverse proxy: requests of clients are passed on to servers behind us.
//!
//! [`forward`] is the way of a request, with `tunnel` for what is none any more. What is decided on that way is data: time and chance are
//! arguments. [`group`] (servers that do the same) with [`members`] (sets of them), [`health`] (which are fit), [`breaker`] (how much
//! may be under way), [`balance`] (which is asked) with `maglev` and [`key`], [`retry`] (whether again). [`rewrite`] makes of the head of a
//! client's request one for a server, and the other way round; [`proxy_protocol`] is what comes before it.
#![forbid(unsafe_code)]

pub mod balance;
pub mod breaker;
pub mod forward;
pub mod group;
pub mod health;
pub mod key;
mod maglev;
pub mod members;
pub mod proxy_protocol;
pub mod retry;
pub mod rewrite;
mod tunnel;

pub use balance::{Balance, Balancer, Choice, NoServer, Plan, Wanted};
pub use breaker::{Breaker, Counted, Limits, Permit};
pub use forward::{Proxy, Server};
pub use group::{BadGroup, Group, Member};
pub use health::{Admin, Cause, Change, Health, HealthPolicy};
pub use key::Key;
pub use members::{MOST_SERVERS, Members};
pub use retry::{ContentState, Failure, NoRetry, RetryBudget, RetryPolicy};
