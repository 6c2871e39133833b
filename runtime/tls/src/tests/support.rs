//! A client in memory, and certificates made on the spot.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::{Identity, Pem, TlsConfig};

/// A certificate that is its own root.
pub(super) struct Made {
    pub(super) der: CertificateDer<'static>,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Made {
    /// For these names, ECDSA P-256.
    pub(super) fn new(names: &[&str]) -> Self {
        Self::with(names, KeyPair::generate().unwrap())
    }

    /// With this key.
    pub(super) fn with(names: &[&str], key: KeyPair) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let der = certificate.der().clone();
        Self { der, certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            certificate: Pem::Text(self.certificate.clone()),
            key: Pem::Text(self.key.clone()),
        }
    }
}

/// A configuration with these certificates.
pub(super) fn config(made: &[&Made]) -> TlsConfig {
    TlsConfig {
        identities: made.iter().map(|made| made.identity()).collect(),
        ..TlsConfig::default()
    }
}

/// A client that trusts these certificates.
pub(super) fn client(trusted: &[&Made]) -> ClientConfig {
    client_of(trusted, rustls::ALL_VERSIONS)
}

/// The same, of these versions only.
pub(super) fn client_of(
    trusted: &[&Made],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for made in trusted {
        roots.add(made.der.clone()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_webpki_verifier(verifier)
        .with_no_client_auth()
}

/// Both ends of a connection.
pub(super) struct Pair {
    pub(super) client: ClientConnection,
    pub(super) server: ServerConnection,
}

impl Pair {
    pub(super) fn new(server: Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            server: ServerConnection::new(server).unwrap(),
        }
    }

    /// Moves bytes until neither has any. The error is of who found it first.
    pub(super) fn run(&mut self) -> Result<(), rustls::Error> {
        while self.client.wants_write() || self.server.wants_write() {
            let mut bytes = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).unwrap();
                self.server.process_new_packets()?;
            }
            bytes.clear();
            while self.server.wants_write() {
                self.server.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).unwrap();
                self.client.process_new_packets()?;
            }
        }
        Ok(())
    }
}

/// A whole handshake.
pub(super) fn handshake(
    server: Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<Pair, rustls::Error> {
    let mut pair = Pair::new(server, client, name);
    pair.run().map(|()| pair)
}
