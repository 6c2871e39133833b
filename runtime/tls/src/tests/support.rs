//! A client in memory, and certificates made on the spot.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
        Self::of(CertificateParams::new(names).unwrap(), key)
    }

    /// With all of this.
    pub(super) fn of(params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der().clone();
        Self { der, certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(Pem::Text(self.certificate.clone()), Pem::Text(self.key.clone()))
    }
}

/// A folder for files, removed at its end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("trilane-tls-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
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
