//! What a handshake has found out, in the words of `exchange`.

use aws_lc_rs::digest;
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, CommonState, HandshakeKind, ProtocolVersion};
use trilane_exchange::{ClientCertificate, TlsInfo, TlsVersion};

use crate::x509::Facts;

/// The session that a client has resumed is of a client certificate that is no longer valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// What the handshake of `state` has found out, once it is complete; before that much is missing. `server_name` comes
/// from [`seen`](crate::names::seen). `clients` is the clock by which a client's certificate is judged, if the peer is one.
///
/// # Errors
/// A client certificate is verified when it is shown, not when its session is resumed, and clients get a new ticket each
/// time. So its dates are looked at here: if they are over, the connection must end.
pub(crate) fn info(
    clients: Option<&dyn TimeProvider>,
    state: &CommonState,
    server_name: Option<Box<str>>,
) -> Result<TlsInfo, Expired> {
    Ok(TlsInfo {
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            _ => TlsVersion::V1_3,
        },
        cipher_suite: state.negotiated_cipher_suite().map_or("", |suite| name(suite.suite())),
        group: state.negotiated_key_exchange_group().and_then(|group| group.name().as_str()),
        alpn: state.alpn_protocol().map(Into::into),
        server_name,
        resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        client: match (clients, state.peer_certificates()) {
            (Some(clock), Some(chain)) if !chain.is_empty() => {
                Some(client(chain.iter().map(AsRef::as_ref), now(clock))?)
            }
            _ => None,
        },
    })
}

/// Who the client is whose verified certificates, each as DER, begin with its own.
pub(crate) fn client<'a>(
    chain: impl Iterator<Item = &'a [u8]> + Clone,
    now: i64,
) -> Result<ClientCertificate, Expired> {
    let first = chain.clone().next().ok_or(Expired)?;
    // It has been verified, so it can be read.
    let facts = Facts::read(first).ok_or(Expired)?;
    if facts.not_after < now {
        return Err(Expired);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, first).as_ref());
    let chain = chain.map(Into::into).collect();
    Ok(ClientCertificate { chain, fingerprint, subject: facts.subject })
}

/// Seconds since 1970; without a clock nothing is valid any more.
fn now(clock: &dyn TimeProvider) -> i64 {
    clock.current_time().and_then(|now| i64::try_from(now.as_secs()).ok()).unwrap_or(i64::MAX)
}

/// IANA's name; rustls has names of its own for the suites of TLS 1.3.
fn name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        suite => suite.as_str().unwrap_or(""),
    }
}
