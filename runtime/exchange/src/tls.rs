//! What a TLS handshake has found out, as plain data: nothing here knows how TLS works.

use std::fmt;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// As people write it: `TLS 1.3`.
impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

/// What a handshake has found out. Names are those of IANA's registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// The version that was agreed on.
    pub version: TlsVersion,
    /// The cipher suite, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher_suite: &'static str,
    /// The group of the key exchange, such as `X25519MLKEM768`; a resumed TLS 1.2 session has none.
    pub group: Option<&'static str>,
    /// The protocol that ALPN has chosen (RFC 7301); none if the client did not ask.
    pub alpn: Option<Box<[u8]>>,
    /// The name that the client asked for (SNI, RFC 6066 §3), in small letters. It says nothing about the `Host` of
    /// requests.
    pub server_name: Option<Box<str>>,
    /// Whether a ticket of an earlier session has made the handshake short.
    pub resumed: bool,
    /// Who the client is, if it was asked and has shown a certificate. It has been verified, in this session or in the
    /// one that was resumed.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and what the client sent after it, each as DER; never empty.
    pub chain: Vec<Box<[u8]>>,
    /// SHA-256 of the certificate's DER.
    pub fingerprint: [u8; 32],
    /// Its subject as text (RFC 4514), such as `CN=alice,O=Example`; empty if it has none. A name, not a proof: what
    /// a subject means is up to who signs the certificates.
    pub subject: String,
}
