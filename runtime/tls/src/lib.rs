//! TLS (RFC 8446, RFC 5246) as a stage between bytes and bytes: no sockets, no clock of its own.
#![forbid(unsafe_code)]
