//! What is in force: the configuration that the next connection begins with. It can be replaced from any thread; a
//! connection keeps the one that it began with. Nothing here is shared between acceptors.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use crate::certificates;
use crate::config::{TlsConfig, Version};
use crate::error::TlsError;

/// TLS for new connections. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Acceptor(Arc<RwLock<State>>);

/// What was wanted, and what was made of it.
#[derive(Debug)]
struct State {
    wanted: TlsConfig,
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// Reads and checks all that `config` names.
    ///
    /// # Errors
    /// Something cannot be read or used; the error names it.
    pub fn new(config: TlsConfig) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(State::load(config)?))))
    }

    /// What a new connection begins with.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Reads all files again. Connections that there are live on as they are.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let wanted = self.0.read().unwrap_or_else(PoisonError::into_inner).wanted.clone();
        self.replace(wanted)
    }

    /// Puts another configuration in the place of this one. Connections that there are live on as they are.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; then all stays as it was.
    pub fn replace(&self, config: TlsConfig) -> Result<(), TlsError> {
        // Files are read before the lock is taken, so that no shard waits for a disk.
        let state = State::load(config)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }
}

impl State {
    fn load(wanted: TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = Arc::new(server_config(&wanted, provider)?);
        Ok(Self { wanted, config })
    }
}

/// The configuration for rustls. Its suites and groups are rustls's own, X25519MLKEM768 first.
fn server_config(
    wanted: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    let identity = wanted.identities.first().ok_or(TlsError::NoIdentity)?;
    let certified = certificates::load(identity, &provider)?;
    let versions: &[_] = match wanted.min {
        Version::V1_2 => &[&TLS13, &TLS12],
        Version::V1_3 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Refused(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols.clone_from(&wanted.alpn);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
