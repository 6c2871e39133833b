//! HTTP/3 (RFC 9114) as one pure state machine for both roles, over "streams of bytes with a fin": it knows no QUIC.
#![forbid(unsafe_code)]
