//! TLS-ALPN-01 (RFC 8737): while an authority looks whether we are who we say, a handshake that offers `acme-tls/1` and nothing else is
//! shown the certificate that proves it. All others are as ever.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificates;
use crate::config::Identity;
use crate::error::TlsError;

/// The protocol of such a handshake (RFC 8737 §6.2). The connection ends after it.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Certificates that prove something, by the name that is asked for in small letters.
pub(crate) type Proofs = Arc<[(Box<str>, Arc<CertifiedKey>)]>;

/// Loads them.
pub(crate) fn load(proofs: &[(String, Identity)]) -> Result<Proofs, TlsError> {
    let load = |(name, identity): &(String, Identity)| {
        // Its critical extension is for the authority alone: rustls would not take it for a certificate.
        let (certified, _) = certificates::certified(identity, &default_provider())?;
        Ok((name.to_ascii_lowercase().into(), Arc::new(certified)))
    };
    proofs.iter().map(load).collect()
}

/// `base`, for who looks for one of `proofs` too.
pub(crate) fn with(base: &Arc<ServerConfig>, proofs: &Proofs) -> Arc<ServerConfig> {
    // Where ALPN is off nobody is refused for it.
    if proofs.is_empty() || base.alpn_protocols.is_empty() {
        return Arc::clone(base);
    }
    let mut config = ServerConfig::clone(base);
    // Last: who offers anything else gets that.
    config.alpn_protocols.push(ACME_TLS.to_vec());
    let (others, proofs) = (Arc::clone(&base.cert_resolver), Arc::clone(proofs));
    config.cert_resolver = Arc::new(Proving { others, proofs });
    Arc::new(config)
}

struct Proving {
    others: Arc<dyn ResolvesServerCert>,
    proofs: Proofs,
}

impl fmt::Debug for Proving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proving").field("proofs", &self.proofs.len()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Proving {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if !hello.alpn().is_some_and(|mut offered| offered.all(|name| name == ACME_TLS)) {
            return self.others.resolve(hello);
        }
        // RFC 8737 §3: the name that is to be proved, and no other certificate than its own.
        let asked = hello.server_name()?;
        let mut proofs = self.proofs.iter();
        proofs.find(|(name, _)| **name == *asked).map(|(_, key)| Arc::clone(key))
    }
}
