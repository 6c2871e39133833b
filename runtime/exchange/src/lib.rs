//! Requests, responses and bodies as a handler sees them, the same on HTTP/1.1, 2 and 3.
//!
//! No I/O, no TLS, no protocol: what routers and layers compile against. The reading order is the way of a
//! request: [`exchange`] (what is known of it) with `notes`, [`incoming`] (its content) with `queue`, [`datagrams`], [`service`] (who
//! answers), [`hints`] (what goes before the answer), [`response`] and [`outgoing`] (the answer) with [`mod@rendered`] (memory for it) and
//! [`allowance`] (how fast it may go),
//! [`summary`] (how it ended). [`connection`], [`tls`], [`client`] and [`network`] are what is known of who asks. Beside that way stand
//! [`shard`], the little that a handler may ask of its surroundings, with [`interval`], [`spawn`], [`mod@join`], [`mail`], [`locals`] and [`connect`], and the way out to other servers: [`dial`], [`caller`] and [`asking`];
//! [`wake`], which leads a waker back to its shard; [`mod@current`], which tells whose handler runs, and [`trace`], which trace it is part of.
//! `fake`, by the feature of that name, is a shard for tests.
#![forbid(unsafe_code)]

pub mod allowance;
pub mod asking;
pub mod caller;
pub mod client;
pub mod connect;
pub mod connection;
pub mod current;
pub mod datagrams;
pub mod dial;
pub mod error;
pub mod exchange;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod hints;
pub mod incoming;
pub mod interval;
pub mod join;
pub mod locals;
pub mod mail;
pub mod network;
mod notes;
pub mod outgoing;
mod queue;
pub mod read;
pub mod rendered;
pub mod reply;
pub mod response;
pub mod service;
pub mod shard;
pub mod spawn;
pub mod stats;
pub mod summary;
pub mod tasks;
pub mod tls;
pub mod trace;
pub mod wake;

#[cfg(test)]
mod tests;

pub use allowance::Allowance;
pub use asking::{Answer, Ask, AskError, AskFailure, Asked, Asking};
pub use caller::{Caller, Desk, Watch};
pub use client::Client;
pub use connect::{ByteStream, Pipe, Remote};
pub use connection::{Address, ConnectionInfo};
pub use current::current;
pub use datagrams::{DatagramError, DatagramQueue, Datagrams};
pub use dial::{Connector, Dial, DialError, Speak};
pub use error::{Error, ErrorCode};
pub use exchange::{Exchange, Params, Request, Template};
pub use hints::{HintError, Link};
pub use incoming::{BodyError, Frame, Incoming};
pub use interval::Interval;
pub use join::{join, join_all};
pub use locals::Locals;
pub use mail::{Mailboxes, Undelivered};
pub use network::Network;
pub use outgoing::{Outgoing, Source, Writer};
pub use queue::{IncomingWriter, Reader};
pub use response::Response;
pub use service::{After, Pool, Refusal, Reply, Running, Service};
pub use shard::{Capabilities, Shard, Sleep};
pub use spawn::{AbortOnDrop, JoinHandle};
pub use stats::{BLOCKED, CacheUse, Stats};
pub use summary::{Outcome, Summary};
pub use tasks::Tasks;
pub use tls::{ClientCertificate, TlsInfo, TlsVersion};
pub use trace::TraceContext;
pub use wake::{ExchangeWaker, Settled, Wake, WakeQueue, Wakers};
