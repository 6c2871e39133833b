//! The servers behind us: what the process has of them, and what a shard makes of that.

use std::collections::BTreeMap;
use std::fmt;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use trilane::client::{Pool, PoolConfig, Share};
use trilane::proxy::Server;
use trilane::tls::{Connector, ConnectorConfig, Identity, Pem, Trust};
use trilane::{Dial, Protocol, Remote, Shard, Speak};

use crate::upstreams::{Place, Protocol as Speaks, ServerAddress, ServerSection, UpstreamSection};

/// Connections to one server, if the file does not say.
const CONNECTIONS: usize = 256;
/// Seconds until an answer begins, if the file does not say.
const RESPONSE: u64 = 60;

/// All servers that a file names, by the name of their upstream or by their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behind(BTreeMap<String, Arc<One>>);

/// A server that is alone in its upstream.
struct One {
    remote: Remote,
    authority: Box<str>,
    share: Arc<Share>,
    /// Over TLS: how, and the name that the server must have.
    tls: Option<(Connector, Box<str>)>,
    settings: UpstreamSection,
}

/// A server as a shard has it: clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    pool: Pool,
    one: Arc<One>,
}

impl Behind {
    /// Adds an upstream. Names are looked up now, as other servers do; that waits for the network.
    ///
    /// # Errors
    /// It cannot be what is meant, or a name has no address, in words.
    pub(crate) fn add(&mut self, name: &str, settings: &UpstreamSection) -> Result<(), String> {
        settings.check()?;
        if let Some(missing) = settings.missing() {
            return Err(format!("{missing} is not supported by this version"));
        }
        let [ServerSection { address, .. }] = &settings.servers[..] else {
            return Err("more than one server is not supported by this version".to_owned());
        };
        let most = settings.pool.connections.unwrap_or(CONNECTIONS);
        let one = One {
            remote: remote(address)?,
            authority: authority(address),
            share: Share::new(most),
            tls: tls(address, settings)?,
            settings: settings.clone(),
        };
        self.0.insert(name.to_owned(), Arc::new(one));
        Ok(())
    }

    /// Whether there is an upstream of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them for a shard.
    pub(crate) fn on(&self, shard: &Shard) -> BTreeMap<String, Near> {
        let near = |(name, one): (&String, &Arc<One>)| {
            let pool = Pool::new(shard.clone(), one.dial(), one.pool(), Arc::clone(&one.share));
            (name.clone(), Near { pool, one: Arc::clone(one) })
        };
        self.0.iter().map(near).collect()
    }
}

impl One {
    fn dial(&self) -> Dial {
        let mut dial = Dial::new(self.remote.clone());
        if let Some(seconds) = self.settings.timeouts.idle {
            Rc::make_mut(&mut dial.limits).body_timeout = Duration::from_secs(seconds);
        }
        if self.protocol() == Protocol::Http2 {
            dial.speak = Speak::Http2;
        }
        dial.tls = self.tls.clone().map(|(connector, name)| (connector.into(), name));
        dial
    }

    fn pool(&self) -> PoolConfig {
        let (settings, usual) = (&self.settings, PoolConfig::default());
        let or = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
        PoolConfig {
            connect_timeout: or(settings.timeouts.connect, usual.connect_timeout),
            idle_timeout: or(settings.pool.idle_timeout, usual.idle_timeout),
            most_idle: settings.pool.idle.unwrap_or(usual.most_idle),
            ..usual
        }
    }

    fn protocol(&self) -> Protocol {
        match self.settings.protocol {
            Speaks::H2 => Protocol::Http2,
            Speaks::Auto | Speaks::H1 | Speaks::H3 => Protocol::Http11,
        }
    }
}

impl Near {
    /// The server, for a handler.
    pub(crate) fn server(&self) -> Server {
        Server {
            pool: self.pool.clone(),
            authority: self.one.authority.clone(),
            protocol: self.one.protocol(),
            is_secure: self.one.tls.is_some(),
        }
    }

    /// How long an answer may take to begin.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.one.settings.timeouts.response.unwrap_or(RESPONSE))
    }
}

/// Where a server is, in numbers.
fn remote(address: &ServerAddress) -> Result<Remote, String> {
    match &address.place {
        Place::Unix(path) => Ok(Remote::Unix(path.clone())),
        Place::Host(host, port) => {
            let literal = host.trim_start_matches('[').trim_end_matches(']');
            let found = (literal, *port).to_socket_addrs();
            let first = found.map_err(|error| format!("{host}: {error}"))?.next();
            first.map(Remote::Ip).ok_or_else(|| format!("{host} has no address"))
        }
    }
}

/// How a server is secured, and who it must be; none in clear. Reads what the settings name.
fn tls(
    address: &ServerAddress,
    settings: &UpstreamSection,
) -> Result<Option<(Connector, Box<str>)>, String> {
    if !address.is_secure {
        return Ok(None);
    }
    let section = settings.tls.clone().unwrap_or_default();
    let alpn: &[u8] = if settings.protocol == Speaks::H2 { b"h2" } else { b"http/1.1" };
    let trust = match section.roots {
        _ if section.verify == Some(false) => Trust::DangerAnyone,
        Some(roots) => Trust::Roots(vec![Pem::File(roots)]),
        None => Trust::System,
    };
    let identity = section.certificate.map(|certificate| {
        let key = section.key.unwrap_or_else(|| certificate.clone());
        Identity::new(Pem::File(certificate), Pem::File(key))
    });
    let wanted = ConnectorConfig {
        trust,
        identity,
        alpn: vec![alpn.to_vec()],
        ..ConnectorConfig::default()
    };
    let connector = Connector::new(&wanted).map_err(|error| format!("tls: {error}"))?;
    let host = match &address.place {
        Place::Host(host, _) => host.trim_matches(['[', ']']),
        Place::Unix(_) => "localhost",
    };
    Ok(Some((connector, section.name.as_deref().unwrap_or(host).into())))
}

/// What a server is called in Host (RFC 9110 §7.2): its port is left out if it is the usual one.
fn authority(address: &ServerAddress) -> Box<str> {
    let usual = if address.is_secure { 443 } else { 80 };
    match &address.place {
        Place::Unix(_) => "localhost".into(),
        Place::Host(host, port) if *port == usual => host.as_str().into(),
        Place::Host(host, port) => format!("{host}:{port}").into(),
    }
}

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}
