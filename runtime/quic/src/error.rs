//! Why QUIC cannot be set up, or a connection goes on no more.

use std::fmt;

use boring::error::ErrorStack;

/// Why QUIC cannot be set up, or a connection goes on no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// BoringSSL refuses a certificate, a key or something else of the configuration.
    Tls(String),
    /// A setting that cannot be used.
    Setting(&'static str),
    /// No random numbers.
    Random,
    /// The connection is broken: what it owes its peer is still to be sent.
    Transport(quiche::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(what) => write!(f, "TLS of QUIC: {what}"),
            Self::Setting(what) => write!(f, "QUIC: {what}"),
            Self::Random => f.write_str("QUIC: no random numbers"),
            Self::Transport(error) => write!(f, "QUIC: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ErrorStack> for Error {
    fn from(stack: ErrorStack) -> Self {
        Self::Tls(stack.to_string())
    }
}

impl From<quiche::Error> for Error {
    fn from(error: quiche::Error) -> Self {
        Self::Transport(error)
    }
}
