//! TLS on the client's side of a link: rustls's own client, so that what our sessions write is read by somebody else.
//!
//! Keys are random, and what is written with them; lengths are not, for the certificate's key is Ed25519: traces of the same
//! seed are the same.

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use trilane_semantics::Instant;
use trilane_tls::{Acceptor, Identity, Pem, TlsConfig};

use crate::pipe::Arrival;

/// Content that is sealed at a time, in bytes: a record.
const PIECE: usize = 16 << 10;

/// A certificate of this process.
fn made() -> &'static (Acceptor, CertificateDer<'static>) {
    static MADE: OnceLock<(Acceptor, CertificateDer<'static>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key of a known kind");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        // A random one has one length or another.
        params.serial_number = Some(1u64.into());
        let certificate = params.self_signed(&key).expect("its own key");
        let (pem, key) = (Pem::Text(certificate.pem()), Pem::Text(key.serialize_pem()));
        let identities = vec![Identity::new(pem, key)];
        let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = TlsConfig { identities, alpn, ..TlsConfig::default() };
        (Acceptor::new(config).expect("a certificate and its key"), certificate.der().clone())
    })
}

/// What servers begin with.
pub(crate) fn acceptor() -> &'static Acceptor {
    &made().0
}

/// A client's side of TLS.
pub(crate) struct Veil {
    tls: ClientConnection,
    /// Records that did not fit into the pipe yet.
    pub(crate) pending: Vec<u8>,
    /// Nothing is written after those.
    pub(crate) ends: bool,
    /// How the transport ended while there was nobody who read.
    pub(crate) over: Option<(Instant, Arrival)>,
    /// The server has said that nothing follows.
    is_told: bool,
}

impl Veil {
    /// One that has not said anything yet, and speaks `protocol`.
    pub(crate) fn new(protocol: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(made().1.clone()).expect("just made");
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a configuration");
        Self { tls, pending: Vec::new(), ends: false, over: None, is_told: false }
    }

    /// Whether the handshake is under way.
    pub(crate) fn is_shaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Seals the front of `bytes`, if what was sealed before is gone; how much that was.
    pub(crate) fn seal(&mut self, bytes: &[u8]) -> usize {
        self.gather();
        if self.is_shaking() || !self.pending.is_empty() {
            return 0;
        }
        let taken = self.tls.writer().write(&bytes[..bytes.len().min(PIECE)]).unwrap_or(0);
        self.gather();
        taken
    }

    /// Says that nothing follows (RFC 8446 §6.1).
    pub(crate) fn end(&mut self) {
        self.tls.send_close_notify();
        self.gather();
        self.ends = true;
    }

    /// What the network brought, as who speaks through this sees it.
    pub(crate) fn open(&mut self, arrival: Arrival) -> Arrival {
        match arrival {
            Arrival::Bytes(bytes) => self.read(&bytes).map_or(Arrival::Reset, Arrival::Bytes),
            // An end that nobody has told of may be anybody's.
            Arrival::Fin if !self.is_told => Arrival::Reset,
            end => end,
        }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).ok()?;
            self.is_told |= self.tls.process_new_packets().ok()?.peer_has_closed();
            // That there is no more yet is no failure.
            let _ = self.tls.reader().read_to_end(&mut content);
        }
        self.gather();
        Some(content)
    }

    fn gather(&mut self) {
        while self.tls.wants_write() {
            // It is memory.
            let _ = self.tls.write_tls(&mut self.pending);
        }
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Veil").field("is_shaking", &self.is_shaking()).finish_non_exhaustive()
    }
}
