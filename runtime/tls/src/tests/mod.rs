//! Tests with rustls's own client, in memory.

mod both;
mod challenge;
mod client;
mod clients;
mod connector;
mod development;
mod found;
mod handshakes;
mod names;
mod openssl;
mod records;
mod sessions;
mod staples;
mod support;
mod tickets;
