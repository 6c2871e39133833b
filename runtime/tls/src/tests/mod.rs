//! Tests with rustls's own client, in memory.

mod clients;
mod development;
mod found;
mod handshakes;
mod names;
mod records;
mod sessions;
mod staples;
mod support;
mod tickets;
