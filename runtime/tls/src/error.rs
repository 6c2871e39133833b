//! Why a TLS configuration cannot be used. Each reason names the file that it is about, if there is one.

use std::fmt;
use std::io;

/// Why a TLS configuration cannot be used. Sources are as [`Pem`](crate::Pem) shows them: the path of a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// Its first certificate, or a root for servers, cannot be read.
    Certificate(String, String),
    /// The roots or the lists of revoked certificates, for clients.
    Clients(String, String),
    /// Its private key is of no kind that can be used: RSA, ECDSA (P-256, P-384, P-521) and Ed25519 are.
    Key(String, String),
    /// The key, named first, is not that of the certificate, named last.
    Mismatch(String, String),
    /// It has no certificate.
    NoCertificate(String),
    /// There is no certificate at all.
    NoIdentity,
    /// It has no private key.
    NoKey(String),
    /// Nobody is there who could vouch for servers.
    NoRoots,
    /// It is not an OCSP response that says anything about a certificate.
    Ocsp(String),
    /// It is not PEM, or the PEM in it cannot be decoded.
    Pem(String, String),
    /// A file cannot be read.
    Read(String, io::Error),
    /// Anything else that rustls refuses.
    Refused(String),
    /// A value that is not one of its choices.
    Setting(String),
    /// A file of ticket keys, and in which line what is wrong.
    TicketKeys(String, usize, &'static str),
    /// A file cannot be written.
    Write(String, io::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(source, error) => write!(f, "{source}: bad certificate: {error}"),
            Self::Clients(source, error) => write!(f, "{source}: {error}"),
            Self::Key(source, error) => write!(f, "{source}: cannot use this key: {error}"),
            Self::Mismatch(key, certificate) => {
                write!(f, "{key}: not the key of the certificate in {certificate}")
            }
            Self::NoCertificate(source) => write!(f, "{source}: no certificate in it"),
            Self::NoIdentity => f.write_str("TLS needs a certificate"),
            Self::NoKey(source) => write!(f, "{source}: no private key in it"),
            Self::NoRoots => f.write_str("no root certificates, by which servers are verified"),
            Self::Ocsp(source) => write!(f, "{source}: not an OCSP response that can be used"),
            Self::Pem(source, error) => write!(f, "{source}: not PEM: {error}"),
            Self::Read(source, error) => write!(f, "cannot read {source}: {error}"),
            Self::Refused(error) => write!(f, "TLS configuration: {error}"),
            Self::Setting(text) => f.write_str(text),
            Self::TicketKeys(source, line, what) => write!(f, "{source}, line {line}: {what}"),
            Self::Write(source, error) => write!(f, "cannot write {source}: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}
