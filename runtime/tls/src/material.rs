//! What is in force, as plain data, for a TLS that is not of this crate: QUIC's. Checked already; nothing is read here.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use trilane_exchange::ClientCertificate;

use crate::certificates::Loaded;
use crate::info;
pub use crate::info::Expired;
use crate::key_log::KeyLogFile;
use crate::names::Index;
use crate::ticket_keys::{Keys, QuicKey};
use crate::tickets::Policy;

/// Certificates, keys of tickets, and what is asked of clients.
#[derive(Debug)]
pub struct Material {
    pub(crate) loaded: Vec<Loaded>,
    pub(crate) index: Arc<Index>,
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) policy: Policy,
    pub(crate) keys: Arc<Keys>,
    pub(crate) count: usize,
    /// Seconds.
    pub(crate) lifetime: u32,
    pub(crate) key_log: Option<Arc<KeyLogFile>>,
}

/// A certificate as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    certified: &'a Loaded,
}

impl<'a> Shown<'a> {
    pub(crate) const fn of(certified: &'a Loaded) -> Self {
        Self { certified }
    }

    /// The certificate, then those that lead from it to a root, each as DER.
    pub fn chain(self) -> impl Iterator<Item = &'a [u8]> {
        self.certified.certified.cert.iter().map(|certificate| &certificate[..])
    }

    /// Its private key as DER: PKCS#8, SEC1 or PKCS#1.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        self.certified.key.secret_der()
    }

    /// The OCSP response that goes with it, as DER.
    #[must_use]
    pub fn ocsp(self) -> Option<&'a [u8]> {
        self.certified.certified.ocsp.as_deref()
    }
}

impl Material {
    /// All certificates, in the order of the configuration; at least one.
    pub fn identities(&self) -> impl Iterator<Item = Shown<'_>> {
        self.loaded.iter().map(Shown::of)
    }

    /// The names in all certificates, in small letters; `*.example.org` among them. Some may come twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.loaded.iter().flat_map(|loaded| &loaded.names).map(String::as_str)
    }

    /// The places, in [`Material::identities`], of those that a client is shown who asks for this name (in small letters), best
    /// first: they may differ in the kind of their keys. None: its handshake ends.
    #[must_use]
    pub fn places(&self, name: Option<&str>) -> &[usize] {
        self.index.of(name)
    }

    /// Whether clients are asked who they are; and if so, whether they must show a certificate.
    #[must_use]
    pub fn asks_clients(&self) -> Option<bool> {
        self.verifier.offer_client_auth().then(|| self.verifier.client_auth_mandatory())
    }

    /// A digest of what is asked of clients: a session is resumed only where the same is asked.
    #[must_use]
    pub const fn policy(&self) -> &[u8; 32] {
        &self.policy
    }

    /// The names of those who vouch for clients, as DER, for clients to choose a certificate by (RFC 8446 §4.2.4).
    pub fn vouchers(&self) -> impl Iterator<Item = &[u8]> {
        self.verifier.root_hint_subjects().iter().map(AsRef::as_ref)
    }

    /// Whether a client is who its certificates say, each as DER, its own first; as it is asked over TCP. Not who holds the key:
    /// that is the handshake's.
    #[must_use]
    pub fn verifies(&self, chain: &[Vec<u8>]) -> bool {
        let mut chain = chain.iter().map(|certificate| CertificateDer::from(&certificate[..]));
        let Some(first) = chain.next() else { return false };
        let rest: Vec<_> = chain.collect();
        self.verifier.verify_client_cert(&first, &rest, UnixTime::now()).is_ok()
    }

    /// Who a client is that was verified, in this session or in the one that was resumed.
    ///
    /// # Errors
    /// Its certificate is no longer valid, or cannot be read: the connection must end.
    pub fn client(&self, chain: &[&[u8]]) -> Result<ClientCertificate, Expired> {
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        info::client(chain.iter().copied(), now)
    }

    /// How many tickets a client is given after a handshake. 0: sessions are not resumed.
    #[must_use]
    pub const fn tickets(&self) -> usize {
        self.count
    }

    /// For how long a ticket is good, in seconds.
    #[must_use]
    pub const fn lifetime(&self) -> u32 {
        self.lifetime
    }

    /// The key that seals.
    #[must_use]
    pub fn first(&self) -> Option<QuicKey> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.keys.first(now, u64::from(self.lifetime)).map(|key| key.quic)
    }

    /// All keys that open, the one that seals first.
    #[must_use]
    pub fn keys(&self) -> Vec<QuicKey> {
        self.keys.all().iter().map(|key| key.quic).collect()
    }

    /// Appends lines to the key log, if there is one; each has its end.
    pub fn log_key(&self, lines: &str) {
        if let Some(file) = &self.key_log {
            file.append(lines);
        }
    }

    /// Whether there is a key log.
    #[must_use]
    pub const fn logs_keys(&self) -> bool {
        self.key_log.is_some()
    }
}
