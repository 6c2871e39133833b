//! One event loop a core: the only crate that names glommio and io-uring.
//!
//! The file order is the reading order. What happens before a shard starts: [`topology`] (which cores),
//! [`preflight`] and [`memory`] (can we run here, and what to do if not), [`listen`] (the sockets), [`server`] (which starts the
//! shards, ends them by [`signals`] and `control`, and has them serve something else by [`mod@reload`]), [`handover`] (how another process
//! takes over). What a shard does: `shard` (the loop), `accept`,
//! `balance` and `shard::places` (who gets a connection), `socket`, `sending` and `pipes` (what the ring does for one, and what it does not), `quic` and `udp`
//! (datagrams), `wires` (connections that we begin), [`recordings`] (which of them are recorded). What others may know of it: [`inspect`], [`inspector`], `questions` and `shard::answering`. What it is made of:
//! `ring` (the net ring and how it sleeps), `buffers` (memory that the kernel fills), `slots`, `chunks` and
//! `token` (who a completion belongs to), `wheel` (timers), `core` and `blocking` (what handlers may ask for).
//! `unsafe` is in `sys`, `ring`, `buffers`, `sending`, `udp::sends` and `wires`, nowhere else.
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "http3"), allow(dead_code, unused_imports, reason = "UDP is for HTTP/3"))]

mod accept;
mod balance;
mod begin;
mod blocking;
mod buffers;
mod bulk;
mod chunks;
mod config;
mod control;
mod core;
mod dial;
pub mod handover;
pub mod inspect;
pub mod inspector;
pub mod listen;
pub mod memory;
mod pipes;
pub mod preflight;
mod proxies;
pub mod pulse;
mod questions;
#[cfg(feature = "http3")]
mod quic;
#[cfg(not(feature = "http3"))]
#[path = "no_quic.rs"]
mod quic;
pub mod recordings;
pub mod reload;
mod ring;
mod sending;
pub mod server;
mod shard;
pub mod signals;
mod slots;
mod socket;
mod sys;
pub mod tap;
mod token;
pub mod topology;
mod udp;
mod wheel;
mod wires;

pub use control::Stopper;
pub use handover::inherited::Inherited;
pub use handover::upgrade::{UpgradeError, Upgrader};
pub use inspect::{ConnectionEntry, ConnectionId, Filter, Report, TaskEntry};
pub use inspector::{Inspector, Silent};
pub use listen::{
    ConnectionIds, InvalidAddress, ListenAddress, Listener, Listeners, UdpConfig, UdpSocket,
};
pub use memory::refuse_huge_pages;
pub use preflight::StartError;
pub use proxies::{InvalidProxyProtocol, ProxyProtocol};
pub use pulse::{Pulse, Stage};
#[cfg(feature = "http3")]
pub use quic::QuicConfig;
pub use recordings::Recordings;
pub use reload::{ReloadError, Reloader};
pub use server::{AppError, Config, Secure, Server};
pub use signals::{SignalGuard, drain_on_signals, on_signals, on_upgrade_signals};
pub use tap::Tap;
pub use topology::{InvalidCpus, Topology};
pub use trilane_connection::{Close, Event, Stall, State as ConnectionState, Traffic, Waits, Work};
