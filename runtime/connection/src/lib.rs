//! The middle of trilane: bytes come in, a protocol machine makes events of them, events become exchanges,
//! exchanges call the service, and what it answers goes out. No sockets, no clock: [`Connection`] is told
//! what came and what time it is, by the shard or by the simulator.
//!
//! The reading order is the way of the data: [`connection`] (in), `slot` (the exchange), `answer` (out),
//! `reading` (files for who sends bytes only), `piping` (content that nobody looks at), `ending` (how it ends), `recording` (which of them are recorded), `asking` (the other way round: requests of ours), `proxied` (what a proxy says first), `push` (what nobody asked for), `streams` and `quic` (many streams, and many connections behind one socket), with [`host`] beside it: what all connections of a shard share,
//! [`guests`]: how many of them each client has, [`describe`]: what they do and how they ended, and `throttle`: how fast they may be.
#![forbid(unsafe_code)]

mod answer;
mod asking;
mod carry;
pub mod cleartext;
pub mod connection;
pub mod conversation;
pub mod describe;
mod ending;
mod guarded;
pub mod guests;
pub mod host;
mod key;
mod pending;
mod piping;
mod proxied;
mod push;
#[cfg(feature = "http3")]
pub mod quic;
mod reading;
mod received;
pub mod recent;
mod recording;
pub mod secured;
mod slot;
mod step;
mod streams;
mod throttle;
pub mod watch;

pub use cleartext::cleartext;
pub use connection::{Connection, LEASE_FROM, Received, Sends};
pub use conversation::{Conversation, client, http1, http2};
pub use describe::{Description, State, Waits};
pub use ending::Goal;
pub use guests::{Crowded, Guest, Guests};
pub use host::Host;
pub use key::is_quic_key;
pub use piping::{PIPE_FROM, PIPE_LEAST, Piping};
pub use proxied::{Follow, proxied};
pub use recent::{Close, Traffic};
pub use secured::{client_secured, secured};
pub use watch::{Event, STALL, Stall, Watch, Work};
