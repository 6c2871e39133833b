//! What is wanted of TLS, as plain data. Nothing is read or checked here: that is [`Acceptor`](crate::Acceptor)'s.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

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
    /// A file with an OCSP response in DER (RFC 6960), as `openssl ocsp -respout` writes it. Clients that ask for it are
    /// given it with the certificate (RFC 6066 §8). Whoever renews it reloads.
    pub ocsp: Option<PathBuf>,
}

impl Identity {
    /// A certificate and its key, without an OCSP response.
    #[must_use]
    pub const fn new(certificate: Pem, key: Pem) -> Self {
        Self { certificate, key, ocsp: None }
    }
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

impl Version {
    /// It, and those that are newer.
    pub(crate) fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::V1_2 => &BOTH,
            Self::V1_3 => &BOTH[..1],
        }
    }
}

/// Whether clients are asked who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not.
    #[default]
    Off,
    /// They are, and may show no certificate; one that cannot be verified ends the handshake.
    Optional(ClientRoots),
    /// They must show a certificate.
    Required(ClientRoots),
}

/// Who vouches for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRoots {
    /// The certificates that a client's chain must lead to one of.
    pub roots: Pem,
    /// Lists of revoked certificates (RFC 5280 §5), as PEM. If given, there must be one for each issuer in a client's
    /// chain, and none may be past its `nextUpdate`: who cannot be looked up is refused.
    pub crl: Option<Pem>,
}

/// Tickets, by which sessions are resumed (RFC 8446 §4.6.1, RFC 5077). There is no other way: no state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tickets {
    /// The file of the keys that seal them; its format is told at [`crate::ticket_keys`]. Without one each acceptor has
    /// random keys, which it changes once in a lifetime, and sessions end with it.
    pub keys: Option<PathBuf>,
    /// For how long a ticket is good. At most 7 days (RFC 8446 §4.6.1). Default: 12 hours.
    pub lifetime: Duration,
    /// How many a TLS 1.3 client is given after a handshake, unless it asks for fewer (RFC 9149). 0: no tickets at all,
    /// TLS 1.2 included. At most 8. Default: 2, as each is for one use.
    pub count: usize,
}

impl Tickets {
    /// The longest that RFC 8446 §4.6.1 lets a ticket live.
    pub const MOST_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
    /// The most tickets after one handshake.
    pub const MOST: usize = 8;
}

impl Default for Tickets {
    fn default() -> Self {
        Self { keys: None, lifetime: Duration::from_secs(12 * 3600), count: 2 }
    }
}

/// What is wanted of TLS.
///
/// What is not here is as it is for good reasons. Suites and groups are rustls's: X25519MLKEM768 first, and between
/// suites the client's wish counts, which knows whether it has AES in hardware. There is no early data (0-RTT), which can
/// be replayed, and nothing is sent before the client's Finished (0.5-RTT): clients ask first, so it would hasten
/// nothing but SETTINGS, and would speak to who has not proved anything yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Who we are; at least one. A client is shown the first one with the name that it asks for, of those the first whose
    /// key can sign as it wants: ECDSA and RSA may share a name.
    pub identities: Vec<Identity>,
    /// Whether clients that ask for no name, or for one that no certificate has, are refused (alert access_denied).
    /// Else they are shown the first certificate.
    pub strict_sni: bool,
    /// The oldest version.
    pub min: Version,
    /// Protocols for ALPN (RFC 7301), best first; a client that asks for none of them is refused with
    /// no_application_protocol (120). Empty: ALPN is ignored.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients are asked who they are.
    pub clients: ClientAuth,
    /// How sessions are resumed.
    pub tickets: Tickets,
    /// Where to append the secrets of all connections, in the format of SSLKEYLOGFILE. For debugging: who reads it reads
    /// everything.
    pub key_log: Option<PathBuf>,
}
