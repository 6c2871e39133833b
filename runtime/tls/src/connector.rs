//! What connections begin with that are ours: whom we believe, who we are, and the sessions that can be resumed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::certificates;
use crate::config::{Identity, Version};
use crate::error::TlsError;
use crate::expected::Parties;
use crate::key_log;
use crate::trust::{self, Trust};

/// Tickets that rustls keeps for each server, at most; it counts servers by them.
const TICKETS: usize = 8;

/// What is wanted of TLS with servers, as plain data. Nothing is read or checked here: that is [`Connector`]'s.
///
/// Suites and groups are rustls's: X25519MLKEM768 first. There is no early data (0-RTT), which can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// Who vouches for servers.
    pub trust: Trust,
    /// Who we are, for servers that ask.
    pub identity: Option<Identity>,
    /// The oldest version.
    pub min: Version,
    /// Protocols for ALPN (RFC 7301), best first. Empty: none is offered. Default: `h2`, `http/1.1`.
    pub alpn: Vec<Vec<u8>>,
    /// Of how many servers, by name, sessions are kept to be resumed: 8 tickets of each at most. If there are more, the one
    /// that was met first is forgotten. 0: every handshake is a whole one. Default: 256.
    pub servers: usize,
    /// Where to append the secrets of all connections, in the format of SSLKEYLOGFILE. For debugging: who reads it reads
    /// everything.
    pub key_log: Option<PathBuf>,
}

impl Default for ConnectorConfig {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            identity: None,
            min: Version::default(),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            servers: 256,
            key_log: None,
        }
    }
}

/// TLS for new connections to servers, from any thread. Clones are the same one, and share their sessions.
///
/// A resumed session is believed to be with who it was with: the certificate is not shown again (RFC 8446 §2.2).
///
/// ```
/// use trilane_tls::{Connector, ConnectorConfig, Session, Trust};
///
/// let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
/// let connector = Connector::new(&config)?;
/// let mut session = Session::client(&connector, "example.org")?;
/// let mut flight = Vec::new();
/// session.take_owed(&mut flight);
/// assert!(flight.len() > 1000, "a ClientHello with a share of X25519MLKEM768");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    parties: Arc<Parties>,
    warnings: Arc<[String]>,
}

impl Connector {
    /// Reads and checks all that `wanted` names. It blocks: not for a shard.
    ///
    /// # Errors
    /// Something cannot be read or used; the error names it.
    pub fn new(wanted: &ConnectorConfig) -> Result<Self, TlsError> {
        Self::speaking(wanted, wanted.min.and_newer())
    }

    /// One of these versions.
    pub(crate) fn speaking(
        wanted: &ConnectorConfig,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, TlsError> {
        let mut warnings = Vec::new();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = trust::load(&wanted.trust, &provider, &mut warnings)?;
        let identity = match &wanted.identity {
            Some(identity) => {
                Some(certificates::load(identity, &provider, certificates::now(), &mut warnings)?)
            }
            None => None,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::Refused(error.to_string()))?
            // It may be rustls's own verifier of roots.
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier));
        let mut config = match &identity {
            Some(loaded) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
                Arc::clone(&loaded.certified),
            ))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&wanted.alpn);
        // For `traffic`, which takes over after the handshake.
        config.enable_secret_extraction = true;
        config.resumption = Resumption::in_memory_sessions(wanted.servers.saturating_mul(TICKETS));
        let mut key_log = None;
        if let Some(path) = &wanted.key_log {
            let file = key_log::open(path, &mut warnings)?;
            config.key_log = Arc::clone(&file) as _;
            key_log = Some(file);
        }
        let parties = Arc::new(Parties { verifier, identity, key_log });
        Ok(Self { config: Arc::new(config), parties, warnings: warnings.into() })
    }

    /// The same but for what it offers by ALPN: trust and sessions are shared.
    #[must_use]
    pub fn with_alpn<P: Into<Vec<u8>>>(&self, alpn: impl IntoIterator<Item = P>) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = alpn.into_iter().map(Into::into).collect();
        let (parties, warnings) = (Arc::clone(&self.parties), Arc::clone(&self.warnings));
        Self { config: Arc::new(config), parties, warnings }
    }

    /// What is odd about it, though it works. A line each, to be shown to the operator.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(crate) const fn parties(&self) -> &Arc<Parties> {
        &self.parties
    }
}

/// As [`Dial`](trilane_exchange::Dial) has it; it is asked for by this type.
///
/// ```
/// use trilane_exchange::{Dial, Remote};
/// use trilane_tls::{Connector, ConnectorConfig, Trust};
///
/// let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
/// let mut dial = Dial::new(Remote::Ip(([127, 0, 0, 1], 8443).into()));
/// dial.tls = Some((Connector::new(&config)?.into(), "example.org".into()));
/// # Ok::<(), trilane_tls::TlsError>(())
/// ```
impl From<Connector> for trilane_exchange::Connector {
    fn from(connector: Connector) -> Self {
        Self::new(Arc::new(connector))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("Connector")
            .field("alpn", &self.config.alpn_protocols)
            .finish_non_exhaustive()
    }
}
