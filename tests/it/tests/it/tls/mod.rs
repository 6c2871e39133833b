//! Who we are over TLS, seen by clients that we did not write: `openssl s_client`, and rustls for what Debian's openssl
//! cannot (X25519MLKEM768). The server is the binary, in a process of its own.

mod browser;
mod clients;
mod openssl;
mod place;
mod quic;
mod reload;
mod sessions;
mod versions;
