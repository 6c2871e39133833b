//! What is in force: the configuration that the next connection begins with. It can be replaced from any thread; a
//! connection keeps the one that it began with. Nothing here is shared between acceptors.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use crate::certificates::{self, Loaded, warn_if_open};
use crate::challenge::{self, Proofs};
use crate::clients;
use crate::config::{Identity, Tickets, TlsConfig};
use crate::error::TlsError;
use crate::key_log::{self, KeyLogFile};
use crate::material::Material;
use crate::names::{Index, Names, Unknown};
use crate::ticket_keys::Keys;
use crate::tickets::Ticketer;

/// TLS for new connections. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Acceptor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: RwLock<State>,
    /// For tickets while the configuration names no file; a reload does not end sessions.
    random: Arc<Keys>,
}

/// What was wanted, and what was made of it.
#[derive(Clone, Debug)]
struct State {
    wanted: TlsConfig,
    /// What was made of it alone.
    base: Arc<ServerConfig>,
    /// That, with the proofs.
    config: Arc<ServerConfig>,
    /// What an authority looks for at the moment.
    proofs: Proofs,
    material: Arc<Material>,
    warnings: Vec<String>,
}

impl Acceptor {
    /// Reads and checks all that `config` names. It blocks: not for a shard.
    ///
    /// # Errors
    /// Something cannot be read or used; the error names it.
    pub fn new(config: TlsConfig) -> Result<Self, TlsError> {
        let clock = DefaultTimeProvider.current_time().map_or(0, |now| now.as_secs());
        Self::with(config, Keys::random(clock)?)
    }

    /// The same with the random keys of another process ([`Acceptor::random_keys`]), so that its sessions are resumed here. A file of
    /// keys goes before them.
    ///
    /// # Errors
    /// As [`Acceptor::new`], or those keys are none.
    pub fn inheriting(config: TlsConfig, keys: &[u8]) -> Result<Self, TlsError> {
        Self::with(config, Keys::inherited(keys)?)
    }

    fn with(config: TlsConfig, keys: Keys) -> Result<Self, TlsError> {
        let random = Arc::new(keys);
        let state = RwLock::new(State::load(config, &random)?);
        Ok(Self(Arc::new(Inner { state, random })))
    }

    /// The random keys of tickets, which are in use where the configuration names no file: for [`Acceptor::inheriting`] in another
    /// process, and for nobody else's eyes.
    #[must_use]
    pub fn random_keys(&self) -> Vec<u8> {
        self.0.random.to_bytes()
    }

    /// What a new connection begins with.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.state.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// What is in force, for a TLS that is not of this crate.
    #[must_use]
    pub fn material(&self) -> Arc<Material> {
        Arc::clone(&self.0.state.read().unwrap_or_else(PoisonError::into_inner).material)
    }

    /// What is odd about what is in force, though it works: certificates out of date, secrets that everybody may read. A
    /// line each, to be shown to the operator.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).warnings.clone()
    }

    /// Reads all files again. Connections that there are live on as they are. It blocks: not for a shard.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let wanted = self.0.state.read().unwrap_or_else(PoisonError::into_inner).wanted.clone();
        self.replace(wanted)
    }

    /// Puts another configuration in the place of this one. Connections that there are live on as they are. It blocks:
    /// not for a shard.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; then all stays as it was.
    pub fn replace(&self, config: TlsConfig) -> Result<(), TlsError> {
        // Files are read before the lock is taken, so that no shard waits for a disk.
        self.put(State::load(config, &self.0.random)?);
        Ok(())
    }

    /// Reads and checks all that `config` names, for whoever may want it in the place of this one: [`Acceptor::adopt`]. Tickets of the one
    /// are good with the other. It blocks: not for a shard.
    ///
    /// # Errors
    /// As [`Acceptor::new`].
    pub fn prepare(&self, config: TlsConfig) -> Result<Self, TlsError> {
        let random = Arc::clone(&self.0.random);
        let state = RwLock::new(State::load(config, &random)?);
        Ok(Self(Arc::new(Inner { state, random })))
    }

    /// Takes what is in force with another one. Connections that there are live on as they are.
    pub fn adopt(&self, other: &Self) {
        if Arc::ptr_eq(&self.0, &other.0) {
            return;
        }
        let state = other.0.state.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.put(state);
    }

    /// What an authority looks for at the moment stays.
    fn put(&self, mut new: State) {
        // The old one is taken apart when the lock is free again.
        let _old = {
            let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
            new.prove(Arc::clone(&state.proofs));
            std::mem::replace(&mut *state, new)
        };
    }

    /// Shows these certificates, by name, to handshakes that offer `acme-tls/1` alone (RFC 8737): over TCP, until others are set, or
    /// none. It blocks: not for a shard.
    ///
    /// # Errors
    /// One of them cannot be used; or nobody could look at them: without ALPN (RFC 7301), and where each client must show a certificate.
    /// Then all stays as it was.
    pub fn prove(&self, proofs: &[(String, Identity)]) -> Result<(), TlsError> {
        let loaded = challenge::load(proofs)?;
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        let refused = |what: &str| Err(TlsError::Setting(format!("tls-alpn-01 {what}")));
        if !loaded.is_empty() && state.wanted.alpn.is_empty() {
            return refused("needs ALPN, which is off");
        }
        if !loaded.is_empty() && state.material.asks_clients() == Some(true) {
            return refused("cannot be where each client must show a certificate");
        }
        state.prove(loaded);
        Ok(())
    }
}

impl State {
    fn load(wanted: TlsConfig, random: &Arc<Keys>) -> Result<Self, TlsError> {
        let mut warnings = Vec::new();
        let (config, material) = server_config(&wanted, random, &mut warnings)?;
        let (base, material) = (Arc::new(config), Arc::new(material));
        let (config, proofs) = (Arc::clone(&base), Proofs::default());
        Ok(Self { wanted, base, config, proofs, material, warnings })
    }

    fn prove(&mut self, proofs: Proofs) {
        (self.config, self.proofs) = (challenge::with(&self.base, &proofs), proofs);
    }
}

fn server_config(
    wanted: &TlsConfig,
    random: &Arc<Keys>,
    warnings: &mut Vec<String>,
) -> Result<(ServerConfig, Material), TlsError> {
    let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
    // Suites and groups of rustls, X25519MLKEM768 first.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (verifier, policy) = clients::load(&wanted.clients, &provider)?;
    let (loaded, index) = identities(wanted, &provider, warnings)?;
    let keys = loaded.iter().map(|identity| Arc::clone(&identity.certified)).collect();
    let names = Names::new(keys, Arc::clone(&index));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(wanted.min.and_newer())
        .map_err(refused)?
        .with_client_cert_verifier(Arc::clone(&verifier))
        .with_cert_resolver(Arc::new(names));
    config.alpn_protocols.clone_from(&wanted.alpn);
    // For `traffic`, which takes over after the handshake.
    config.enable_secret_extraction = true;
    // Sessions are in tickets or nowhere.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let Tickets { keys, count, .. } = &wanted.tickets;
    (config.send_tls13_tickets, config.max_tls13_tickets) = (*count, *count);
    let lifetime = seconds(&wanted.tickets)?;
    let keys = match keys {
        None => Arc::clone(random),
        Some(path) => {
            warn_if_open(path, warnings);
            Arc::new(Keys::read(path)?)
        }
    };
    let material_keys = Arc::clone(&keys);
    if *count > 0 {
        let clock = Arc::clone(&config.time_provider);
        config.ticketer = Arc::new(Ticketer { keys, policy, lifetime, clock });
    }
    let mut key_log = None;
    if let Some(path) = &wanted.key_log {
        let file = key_log::open(path, warnings)?;
        config.key_log = Arc::<KeyLogFile>::clone(&file);
        key_log = Some(file);
    }
    let (keys, count) = (material_keys, *count);
    let material = Material { loaded, index, verifier, policy, keys, count, lifetime, key_log };
    Ok((config, material))
}

/// The certificates, and the index of their names.
fn identities(
    wanted: &TlsConfig,
    provider: &CryptoProvider,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Loaded>, Arc<Index>), TlsError> {
    if wanted.identities.is_empty() {
        return Err(TlsError::NoIdentity);
    }
    let now = certificates::now();
    let load = |identity| certificates::load(identity, provider, now, warnings);
    let loaded = wanted.identities.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let unknown = if wanted.strict_sni { Unknown::Refuse } else { Unknown::First };
    let index = Index::new(loaded.iter().map(|identity| &identity.names[..]), unknown);
    Ok((loaded, Arc::new(index)))
}

/// The lifetime of tickets, checked with their number.
fn seconds(tickets: &Tickets) -> Result<u32, TlsError> {
    if tickets.count > Tickets::MOST {
        let (count, most) = (tickets.count, Tickets::MOST);
        return Err(TlsError::Setting(format!("{count} tickets a handshake: {most} at most")));
    }
    match u32::try_from(tickets.lifetime.as_secs()) {
        Ok(seconds) if seconds > 0 && tickets.lifetime <= Tickets::MOST_LIFETIME => Ok(seconds),
        _ => Err(TlsError::Setting("tickets live from 1 s to 7 days (RFC 8446 §4.6.1)".to_owned())),
    }
}
