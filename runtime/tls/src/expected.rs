//! Whom we expect at the other end, for a TLS that is not of this crate: QUIC's. It judges servers as [`Session`](crate::Session) does.

use std::fmt;
use std::sync::Arc;

use rustls::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::certificates::Loaded;
use crate::connector::Connector;
use crate::key_log::KeyLogFile;
use crate::material::Shown;
use crate::session::Broken;
use crate::trust::Untrusted;

/// Whom a connector believes, and who it says we are.
pub(crate) struct Parties {
    pub(crate) verifier: Arc<dyn ServerCertVerifier>,
    pub(crate) identity: Option<Loaded>,
    pub(crate) key_log: Option<Arc<KeyLogFile>>,
}

/// The server that a connection of ours is to lead to.
#[derive(Clone)]
pub struct Expected {
    name: ServerName<'static>,
    parties: Arc<Parties>,
}

impl Connector {
    /// The server of this name, or IP address (without brackets).
    ///
    /// # Errors
    /// [`Broken::Name`].
    pub fn expect(&self, name: &str) -> Result<Expected, Broken> {
        let name = ServerName::try_from(name).map_err(|_| Broken::Name)?.to_owned();
        Ok(Expected { name, parties: Arc::clone(self.parties()) })
    }
}

impl Expected {
    /// The name that is told to the server: addresses are not (RFC 6066 §3).
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref().trim_end_matches('.')),
            _ => None,
        }
    }

    /// Whether it is that server whose certificates these are, each as DER, its own first. Not who holds the key: that is the
    /// handshake's.
    ///
    /// # Errors
    /// It is somebody else: [`Broken::Untrusted`].
    pub fn verify(&self, chain: &[Vec<u8>]) -> Result<(), Broken> {
        let mut chain = chain.iter().map(|certificate| CertificateDer::from(&certificate[..]));
        let first = chain.next().ok_or(Broken::Handshake)?;
        let rest: Vec<_> = chain.collect();
        let verifier = &self.parties.verifier;
        match verifier.verify_server_cert(&first, &rest, &self.name, &[], UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(why)) => Err(Broken::Untrusted(Untrusted::of(&why))),
            Err(_) => Err(Broken::Handshake),
        }
    }

    /// Who we are, for servers that ask.
    #[must_use]
    pub fn identity(&self) -> Option<Shown<'_>> {
        self.parties.identity.as_ref().map(Shown::of)
    }

    /// Appends lines to the key log, if there is one; each has its end.
    pub fn log_key(&self, lines: &str) {
        if let Some(file) = &self.parties.key_log {
            file.append(lines);
        }
    }

    /// Whether there is a key log.
    #[must_use]
    pub fn logs_keys(&self) -> bool {
        self.parties.key_log.is_some()
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("name", &self.name).finish_non_exhaustive()
    }
}
