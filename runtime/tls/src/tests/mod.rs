//! Tests with rustls's own client, in memory.

mod handshakes;
mod sessions;
mod support;
