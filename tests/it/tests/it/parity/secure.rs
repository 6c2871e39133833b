//! TLS under a client of the suite: one certificate for all servers of this process, and clients that trust no other.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trilane::tls::{Acceptor, Connector, ConnectorConfig, Identity, Pem, TlsConfig, Trust};

/// Our certificate and its key, in PEM.
fn identity() -> &'static (String, String) {
    static IDENTITY: OnceLock<(String, String)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    })
}

/// What servers of the suite begin with.
pub(crate) fn acceptor() -> Acceptor {
    let (certificate, key) = identity();
    let identity = Identity::new(Pem::Text(certificate.clone()), Pem::Text(key.clone()));
    let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Acceptor::new(TlsConfig { identities: vec![identity], alpn, ..TlsConfig::default() }).unwrap()
}

/// What proxies of the suite ask servers of the suite with.
pub(crate) fn connector() -> Connector {
    let trust = Trust::Roots(vec![Pem::Text(identity().0.clone())]);
    Connector::new(&ConnectorConfig { trust, ..ConnectorConfig::default() }).unwrap()
}

/// The same in files, for servers in processes of their own: certificate and key.
pub(crate) fn files() -> &'static (PathBuf, PathBuf) {
    static FILES: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("trilane-it-{}-tls", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, &identity().0).unwrap();
        std::fs::write(&key, &identity().1).unwrap();
        (certificate, key)
    })
}

/// A client's side of TLS over `socket`, the handshake done, which must agree on `protocol`.
pub(crate) fn connect(socket: &mut TcpStream, protocol: &str) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity().0.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(socket).unwrap();
    }
    assert_eq!(tls.alpn_protocol(), Some(protocol.as_bytes()), "RFC 7301");
    tls
}
