//! What is wanted of TLS, as plain data. Nothing is read or checked here: that is [`Acceptor`](crate::Acceptor)'s.

use std::fmt;
use std::path::PathBuf;

/// Where PEM text comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// A file, read again by every reload.
    File(PathBuf),
    /// The text itself.
    Text(String),
}

/// How messages name it. Never the text, which may be a key.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text(_) => f.write_str("PEM text"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A certificate of ours and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those that lead from it to a root, which need not be there.
    pub certificate: Pem,
    /// Its private key: PKCS#8, SEC1 or PKCS#1. May be in the same file.
    pub key: Pem,
}

/// The oldest version of TLS that is spoken. Older ones than 1.2 do not exist here (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 and 1.3.
    #[default]
    V1_2,
    /// TLS 1.3 alone.
    V1_3,
}

/// What is wanted of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Who we are. At least one.
    pub identities: Vec<Identity>,
    /// The oldest version.
    pub min: Version,
    /// Protocols for ALPN (RFC 7301), best first; a client that asks for none of them is refused with
    /// no_application_protocol (120). Empty: ALPN is ignored.
    pub alpn: Vec<Vec<u8>>,
}
