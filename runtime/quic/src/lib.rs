//! QUIC (RFC 9000) as a stage without I/O: datagrams in, streams up, datagrams out. The only crate that names quiche and boring.
