//! HTTP/3 from one seed: lanes under a virtual clock, clients of quiche's, and a network that loses, doubles, holds back and moves.
//!
//! The reading order: [`time`] (quiche reads the clock itself), [`net`] (the weather), [`wire`] (HTTP/3 of a client, in a few
//! lines), [`client`], [`server`] (a shard without the shard), [`world`] (all of it together); then what must hold. What TLS
//! makes up is not from the seed: these tests look at what becomes of requests and connections, never at bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod attacks;
mod begins;
mod client;
mod ends;
mod large;
#[path = "../memory/mod.rs"]
mod memory;
mod net;
mod paths;
mod rude;
mod server;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../service/mod.rs"]
mod service;
mod time;
mod transfers;
mod wire;
mod world;
