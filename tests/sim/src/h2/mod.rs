//! Clients that speak HTTP/2 (RFC 9113), with a codec that shares nothing with `trilane-http2`.
//!
//! The reading order: [`wire`] (frames), [`pack`] (header sections as blocks), [`peer`] (what a client knows of its
//! connection, and every rule that a server must keep), [`ask`] (requests), [`plan`] and [`bad`] (what clients do, good and
//! bad), [`client`] (who does it), [`judge`] (what must have come of it).

pub mod ask;
pub mod bad;
pub mod client;
pub mod judge;
pub mod pack;
pub mod peer;
pub mod plan;
pub mod wire;
