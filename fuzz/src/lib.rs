//! The fuzz targets as plain functions: each takes any bytes, and panics when a property does not hold.
//!
//! `fuzz_targets` gives them to libFuzzer, `tests/replay.rs` the corpus and every input that once failed. The
//! reading order: `script` (operations as text), `drive` (a machine and its bytes), then a file a target.
#![forbid(unsafe_code)]

mod cache;
mod chunked;
mod client;
mod connection;
mod drive;
mod fields;
mod h2_client;
mod h2_connection;
mod h2_frames;
mod h3_client;
mod h3_operations;
mod h3_side;
mod head;
mod hpack_decode;
mod hpack_encode;
mod qpack_decode;
mod qpack_pair;
mod quic_route;
mod recording;
mod router;
mod script;
mod targets;
mod tls_session;
mod transport;
mod websocket;

pub use cache::cache;
pub use chunked::chunked;
pub use client::client;
pub use connection::connection;
pub use fields::fields;
pub use h2_client::h2_client;
pub use h2_connection::h2_connection;
pub use h2_frames::h2_frames;
pub use h3_client::h3_client;
pub use h3_operations::h3_operations;
pub use head::head;
pub use hpack_decode::hpack_decode;
pub use hpack_encode::hpack_encode;
pub use qpack_decode::qpack_decode;
pub use qpack_pair::qpack_pair;
pub use quic_route::quic_route;
pub use recording::recording;
pub use router::router;
pub use targets::targets;
pub use tls_session::tls_session;
pub use websocket::websocket;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folders under `corpus` and `regressions`.
pub const ALL: &[(&str, Target)] = &[
    ("cache", cache),
    ("chunked", chunked),
    ("client", client),
    ("connection", connection),
    ("fields", fields),
    ("h2_client", h2_client),
    ("h2_connection", h2_connection),
    ("h2_frames", h2_frames),
    ("h3_client", h3_client),
    ("h3_operations", h3_operations),
    ("head", head),
    ("hpack_decode", hpack_decode),
    ("hpack_encode", hpack_encode),
    ("qpack_decode", qpack_decode),
    ("qpack_pair", qpack_pair),
    ("quic_route", quic_route),
    ("recording", recording),
    ("router", router),
    ("targets", targets),
    ("tls_session", tls_session),
    ("websocket", websocket),
];
