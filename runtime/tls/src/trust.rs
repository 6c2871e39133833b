//! Whom we believe to be the server that we have asked for.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::certificates::chain;
use crate::config::Pem;
use crate::error::TlsError;

/// Who vouches for servers. By roots a server is who it says if its certificate has the name that was asked for, is not out of
/// date, and leads to one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The roots of the system. As elsewhere, the environment may name others: `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    System,
    /// These roots alone.
    Roots(Vec<Pem>),
    /// These roots and those of the system.
    SystemAnd(Vec<Pem>),
    /// Nobody: the server must show the first certificate in here, and nothing else about it counts, neither names nor dates.
    Only(Pem),
    /// Nobody, and any certificate is taken. Whoever is between us and the server can read and write everything: for tests,
    /// and for servers on networks that nobody else is on.
    DangerAnyone,
}

/// Why the certificate that a server has shown is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untrusted {
    /// It, or one that vouches for it, is out of date, or not valid yet.
    Date,
    /// It cannot be read, or what is in it does not hold: a signature, a purpose, a constraint.
    Malformed,
    /// It is for other names.
    Name,
    /// It is not the one that alone is taken.
    Other,
    /// It was revoked.
    Revoked,
    /// Nobody whom we trust vouches for it.
    Unknown,
}

impl Untrusted {
    pub(crate) fn of(error: &CertificateError) -> Self {
        use CertificateError as Why;
        match error {
            Why::Expired
            | Why::ExpiredContext { .. }
            | Why::NotValidYet
            | Why::NotValidYetContext { .. } => Self::Date,
            Why::NotValidForName | Why::NotValidForNameContext { .. } => Self::Name,
            Why::ApplicationVerificationFailure => Self::Other,
            Why::Revoked => Self::Revoked,
            Why::UnknownIssuer => Self::Unknown,
            _ => Self::Malformed,
        }
    }
}

/// What is to be said of the certificate.
impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "is out of date, or not valid yet",
            Self::Malformed => "cannot be verified",
            Self::Name => "is for other names",
            Self::Other => "is not the only one that is trusted",
            Self::Revoked => "was revoked",
            Self::Unknown => "is of nobody who is trusted",
        })
    }
}

/// Who verifies servers.
pub(crate) fn load(
    wanted: &Trust,
    provider: &Arc<CryptoProvider>,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let (with_system, given) = match wanted {
        Trust::System => (true, &[][..]),
        Trust::Roots(given) => (false, &given[..]),
        Trust::SystemAnd(given) => (true, &given[..]),
        Trust::Only(source) => {
            let only = chain(source)?.into_iter().next();
            return Ok(Arc::new(Unvouched { only, provider: Arc::clone(provider) }));
        }
        Trust::DangerAnyone => {
            warnings.push("servers may be anyone: no certificate is verified".to_owned());
            return Ok(Arc::new(Unvouched { only: None, provider: Arc::clone(provider) }));
        }
    };
    let mut roots = RootCertStore::empty();
    if with_system {
        let found = rustls_native_certs::load_native_certs();
        warnings.extend(found.errors.iter().map(ToString::to_string));
        // Some of what a system has may be too odd; the others are taken.
        roots.add_parsable_certificates(found.certs);
    }
    for source in given {
        for root in chain(source)? {
            roots
                .add(root)
                .map_err(|error| TlsError::Certificate(source.to_string(), error.to_string()))?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| TlsError::Refused(error.to_string()))
}

/// Who takes one certificate, or any, whoever vouches for it. That the server has its key is verified all the same.
#[derive(Debug)]
struct Unvouched {
    only: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unvouched {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.only {
            Some(only) if only != shown => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
