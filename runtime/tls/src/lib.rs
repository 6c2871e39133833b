//! TLS (RFC 8446, RFC 5246) as a stage between bytes and bytes: no sockets, and of clocks only the wall's, which says
//! whether certificates and tickets are still good.
//!
//! Who we are: [`config`] (what is wanted, as plain data) and [`acceptor`] (what of it is in force, from which each new
//! connection begins). It is made with `certificates` (files, checked; `ocsp` beside them), `names` (which of them a
//! client is shown), `clients` (who is asked who they are), `tickets` with [`ticket_keys`] (sessions that come back) and
//! `key_log`. [`material`] is the same for QUIC, whose TLS is not of this crate. [`development`] makes a certificate where there is none, and
//! [`challenge`] shows those that prove who we are; [`facts`] is what one says, [`keep`] how files with secrets are written. `x509` reads certificates, on `der`.
//! Whom we believe: [`connector`] is what connections begin with that are ours, and [`trust`] who vouches for their servers;
//! [`expected`] is the same for QUIC.
//! What a connection does: [`session`], whose handshake is in `whole`, with `info`, which is what it has found out; then come the
//! records of `traffic`, each by `record`. `role` is what differs between server and client there.
#![forbid(unsafe_code)]

pub mod acceptor;
mod alert;
mod certificates;
pub mod challenge;
mod clients;
pub mod config;
pub mod connector;
mod der;
pub mod development;
pub mod error;
pub mod expected;
pub mod facts;
mod info;
pub mod keep;
mod key_log;
pub mod material;
mod names;
mod ocsp;
mod record;
mod role;
pub mod session;
pub mod ticket_keys;
mod tickets;
mod traffic;
pub mod trust;
mod whole;
mod x509;

#[cfg(test)]
mod tests;

pub use acceptor::Acceptor;
pub use challenge::ACME_TLS;
pub use config::{ClientAuth, ClientRoots, Identity, Pem, Tickets, TlsConfig, Version};
pub use connector::{Connector, ConnectorConfig};
pub use development::Development;
pub use error::TlsError;
pub use expected::Expected;
pub use facts::CertificateFacts;
pub use material::Material;
pub use record::RECORD;
pub use trust::{Trust, Untrusted};

pub use session::{Broken, Heard, Session, sealed};
