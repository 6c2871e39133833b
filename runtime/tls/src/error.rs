//! Why a TLS configuration cannot be used. Each reason names the file that it is about, if there is one.

use std::fmt;
use std::io;

/// Why a TLS configuration cannot be used. Sources are as [`Pem`](crate::Pem) shows them: the path of a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Read(String, io::Error),
    /// It is not PEM, or the PEM in it cannot be decoded.
    Pem(String, String),
    /// It has no certificate.
    NoCertificate(String),
    /// It has no private key.
    NoKey(String),
    /// Its first certificate cannot be read.
    Certificate(String, String),
    /// Its private key is of no kind that can be used: RSA, ECDSA (P-256, P-384, P-521) and Ed25519 are.
    Key(String, String),
    /// The key, named first, is not that of the certificate, named last.
    Mismatch(String, String),
    /// There is no certificate at all.
    NoIdentity,
    /// Anything else that rustls refuses.
    Refused(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(source, error) => write!(f, "cannot read {source}: {error}"),
            Self::Pem(source, error) => write!(f, "{source}: not PEM: {error}"),
            Self::NoCertificate(source) => write!(f, "{source}: no certificate in it"),
            Self::NoKey(source) => write!(f, "{source}: no private key in it"),
            Self::Certificate(source, error) => write!(f, "{source}: bad certificate: {error}"),
            Self::Key(source, error) => write!(f, "{source}: cannot use this key: {error}"),
            Self::Mismatch(key, certificate) => {
                write!(f, "{key}: not the key of the certificate in {certificate}")
            }
            Self::NoIdentity => f.write_str("TLS needs a certificate"),
            Self::Refused(error) => write!(f, "TLS configuration: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}
