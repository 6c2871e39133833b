//! `[upstreams.NAME]`: servers behind us, how one of them is chosen, and when it is not.

use std::net::ToSocketAddrs;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use trilane::Remote;
use trilane::client::PoolConfig;
use trilane::proxy::Terms;

use crate::line::Line;
use crate::words::{Words, or_table};

/// `[upstreams.NAME]`: servers that answer alike. Times are in seconds. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamSection {
    /// The line of the file where it begins.
    #[serde(skip)]
    pub line: Line,
    /// The servers: `10.0.0.1:8080`, `https://api.internal`, `unix:/run/app.sock`, or tables with more.
    pub servers: Vec<ServerSection>,
    /// What is spoken to them.
    pub protocol: Protocol,
    /// Who is chosen.
    pub policy: Policy,
    /// What the choice is made by, for `policy = "hash"`: `ip`, `path`, `header:NAME` or `cookie:NAME`. Default: `ip`.
    pub key: Option<String>,
    /// How TLS is done, to servers of `https://` alone.
    pub tls: Option<UpstreamTls>,
    /// The version of the PROXY protocol that begins each connection: 1 or 2. Default: none.
    pub proxy_protocol: Option<u8>,
    /// A server that has failed so often within `fail_timeout` gets nothing for as long; 0 is never. Default 3.
    pub max_fails: Option<u32>,
    /// Default 10.
    pub fail_timeout: Option<u64>,
    /// The time in which a server that is back comes to its whole weight. Default 0.
    pub slow_start: Option<u64>,
    /// Whether one is tried all the same where none is fit. Default: that is 503.
    pub try_unfit: bool,
    /// Whether servers are asked how they are.
    pub health: Option<HealthSection>,
    /// What is asked again of another server.
    pub retries: RetriesSection,
    /// How long anything may take.
    pub timeouts: TimeoutsSection,
    /// Connections.
    pub pool: PoolSection,
    /// How much may be under way.
    pub limits: UpstreamLimits,
}

/// One of `servers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSection {
    /// Where it is.
    pub address: ServerAddress,
    /// Its share, beside those of others. Default 1.
    pub weight: NonZero<u16>,
    /// Whether it is asked only while no other can be.
    pub backup: bool,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an IP address, and a port; or the path of a unix socket.
    pub place: Place,
    /// Over TLS.
    pub is_secure: bool,
}

/// A name or an IP address, and a port; or the path of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `HOST:PORT`.
    Host(String, u16),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// What is spoken to servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/2 or HTTP/1.1, by ALPN; in clear HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    H1,
    /// HTTP/2; in clear by prior knowledge.
    H2,
    /// HTTP/3: only where it is known that servers have it.
    H3,
}

/// Who is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// The one with the least under way, by weight.
    LeastConnections,
    /// The less busy of two.
    Random,
    /// The same one for the same key, as long as it is there.
    Hash,
}

/// `tls` of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// What their chains must lead to, in PEM. Default: the roots of the system.
    pub roots: Option<PathBuf>,
    /// The name that they must have, and are asked for. Default: the host of their address.
    pub name: Option<String>,
    /// Whether it matters who they are. Default: it does.
    pub verify: Option<bool>,
    /// Our certificate, for servers that ask for one, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM. Default: in the same file.
    pub key: Option<PathBuf>,
}

/// `health` of an upstream: requests of our own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSection {
    /// What is asked for: a server that does not answer with 2xx or 3xx has failed.
    pub path: String,
    /// What is asked for in Host. Default: the server's own.
    pub host: Option<String>,
    /// How often. Default 5.
    pub interval: Option<u64>,
    /// How long the answer may take. Default 2.
    pub timeout: Option<u64>,
    /// So many failures in a row take a server out. Default 3.
    pub fall: Option<u32>,
    /// So many good answers in a row bring it back. Default 2.
    pub rise: Option<u32>,
}

/// `retries` of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetriesSection {
    /// How often a request is made at most, with the first time; 1 is never again. Default 3.
    pub attempts: Option<u8>,
    /// Seconds that one attempt may take until its answer begins. Default: as long as all of them.
    pub timeout: Option<u64>,
    /// Whether answers of 502, 503 and 504 are a failure too.
    pub on_unavailable: bool,
    /// How many of all requests may be made again, in percent. Default 20.
    pub budget: Option<u8>,
}

/// `limits` of an upstream, of the process; what is beyond them is 503.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamLimits {
    /// Requests under way. Default 10,000.
    pub requests: Option<u32>,
    /// Those of one server. Default 1,024.
    pub server: Option<u32>,
    /// Requests that wait for a connection. Default 1,024.
    pub waiting: Option<u32>,
    /// Repeated requests under way. Default 10,000.
    pub retries: Option<u32>,
}

/// `timeouts` of an upstream, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsSection {
    /// Until there is a connection, TLS included. Default 5.
    pub connect: Option<u64>,
    /// Until an answer begins. Default 60.
    pub response: Option<u64>,
    /// Between two pieces of an answer. Default 60.
    pub idle: Option<u64>,
}

/// `pool` of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSection {
    /// Connections to one server at once, of the process. Default 1,024.
    pub connections: Option<usize>,
    /// Idle ones that are kept, a shard. Default 256.
    pub idle: Option<usize>,
    /// For how long, in seconds. Default 60.
    pub idle_timeout: Option<u64>,
}

impl UpstreamSection {
    /// How long one of its servers may take to be connected to, and to answer.
    pub(crate) fn longest_answer(&self) -> Duration {
        let (usual, pool) = (Terms::default(), PoolConfig::default());
        let or = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
        or(self.timeouts.connect, pool.connect_timeout) + or(self.timeouts.response, usual.timeout)
    }

    /// An upstream of one server, as it is by default.
    pub(crate) fn single(server: &str) -> Result<Self, String> {
        Ok(Self { servers: vec![ServerSection::at(server)?], ..Self::default() })
    }

    /// Whether it is asked over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.servers.iter().any(|server| server.address.is_secure)
    }

    /// Whether it can be what is meant.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let refuse = |error: &str| Err(error.to_owned());
        if self.servers.iter().all(|server| server.backup) {
            return refuse("servers: there must be one that is no backup");
        }
        let secure = self.servers.iter().filter(|server| server.address.is_secure).count();
        if secure != 0 && secure != self.servers.len() {
            return refuse("servers: all of them are https://, or none");
        }
        if self.tls.is_some() && secure == 0 {
            return refuse("tls is for servers of https://");
        }
        if let Some(tls) = &self.tls {
            if tls.key.is_some() && tls.certificate.is_none() {
                return refuse("tls: key needs a certificate");
            }
            if tls.verify == Some(false) && tls.roots.is_some() {
                return refuse("tls: roots are for nothing with verify = false");
            }
        }
        if self.protocol == Protocol::H3 {
            if secure == 0 {
                return refuse("protocol: h3 is for servers of https://");
            }
            if self.proxy_protocol.is_some() {
                return refuse("proxy_protocol is not for h3");
            }
        }
        if !matches!(self.proxy_protocol, None | Some(1 | 2)) {
            return refuse("proxy_protocol is 1 or 2");
        }
        if self.health.as_ref().is_some_and(|health| !health.path.starts_with('/')) {
            return refuse("health: path begins with a slash");
        }
        match (&self.key, self.policy) {
            (None, _) => Ok(()),
            (Some(_), policy) if policy != Policy::Hash => refuse("key is for policy = \"hash\""),
            (Some(key), _) => match key.split_once(':') {
                None if matches!(&**key, "ip" | "path") => Ok(()),
                Some(("header" | "cookie", name)) if !name.is_empty() => Ok(()),
                _ => Err(format!("key: '{key}' is none of ip, path, header:NAME, cookie:NAME")),
            },
        }
    }
}

impl ServerAddress {
    /// Reads `HOST:PORT`, `http://HOST`, `https://HOST:PORT`, `unix:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad =
            || format!("'{text}' is no server: HOST:PORT, http://HOST, https://HOST, unix:PATH");
        if let Some(path) = text.strip_prefix("unix:") {
            let place = Place::Unix(path.into());
            return if path.is_empty() { Err(bad()) } else { Ok(Self { place, is_secure: false }) };
        }
        let (usual, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(80), rest),
            Some(("https", rest)) => (Some(443), rest),
            Some(_) => return Err(bad()),
        };
        let rest = if usual.is_some() { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (rest, usual),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_literal = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(literal) => is_literal(literal),
            None => !host.is_empty() && host.bytes().all(is_name),
        };
        let port = port.filter(|&port: &u16| port != 0 && is_host).ok_or_else(bad)?;
        Ok(Self { place: Place::Host(host.to_owned(), port), is_secure: usual == Some(443) })
    }
}

impl ServerAddress {
    /// Its name, or its address without brackets: what a certificate must have.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Host(host, _) => host.trim_matches(['[', ']']),
            Place::Unix(_) => "localhost",
        }
    }

    /// What it is called in Host (RFC 9110 §7.2): the usual port is left out (§4.2.3).
    pub(crate) fn authority(&self) -> String {
        let usual = if self.is_secure { 443 } else { 80 };
        match &self.place {
            Place::Host(host, port) if *port == usual => host.clone(),
            Place::Host(host, port) => format!("{host}:{port}"),
            Place::Unix(_) => self.host().to_owned(),
        }
    }

    /// Where it is, by its first address. It may wait for the network.
    ///
    /// # Errors
    /// Its name has no address, in words.
    pub(crate) fn lookup(&self) -> Result<Remote, String> {
        let port = match &self.place {
            Place::Unix(path) => return Ok(Remote::Unix(path.clone())),
            Place::Host(_, port) => *port,
        };
        let found = (self.host(), port).to_socket_addrs();
        let first = found.map_err(|error| format!("{}: {error}", self.host()))?.next();
        first.map(Remote::Ip).ok_or_else(|| format!("{} has no address", self.host()))
    }
}

impl ServerSection {
    /// What it is called in the log, and where keys are hashed.
    pub(crate) fn name(&self) -> String {
        match &self.address.place {
            Place::Host(host, port) => format!("{host}:{port}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// That server, as it is by default.
    pub(crate) fn at(address: &str) -> Result<Self, String> {
        let address = ServerAddress::parse(address)?;
        Ok(Self { address, weight: NonZero::<u16>::MIN, backup: false })
    }
}

/// One of `servers` that is a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerTable {
    address: String,
    weight: Option<NonZero<u16>>,
    #[serde(default)]
    backup: bool,
}

impl Words for ServerSection {
    type Table = ServerTable;
    const EXPECTED: &'static str = "a server, or { address = SERVER, weight = 1, backup = false }";

    fn of_text(text: &str) -> Result<Self, String> {
        Self::at(text)
    }

    fn of_table(ServerTable { address, weight, backup }: ServerTable) -> Result<Self, String> {
        let server = Self::at(&address)?;
        Ok(Self { weight: weight.unwrap_or(server.weight), backup, ..server })
    }
}

or_table!(ServerSection);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn upstream(text: &str) -> Result<UpstreamSection, String> {
        let text = format!("[upstreams.a]\n{text}\n");
        let config =
            Config::parse(&text, Path::new("t.toml")).map_err(|error| error.to_string())?;
        let upstream = config.upstreams.get("a").ok_or("none")?.get_ref().clone();
        upstream.check().map(|()| upstream)
    }

    #[test]
    fn where_servers_are() {
        let place = |host: &str, port| Place::Host(host.to_owned(), port);
        for (text, expected, secure) in [
            ("10.0.0.1:8080", place("10.0.0.1", 8080), false),
            ("app:1", place("app", 1), false),
            ("[::1]:81", place("[::1]", 81), false),
            ("http://app", place("app", 80), false),
            ("http://app:81/", place("app", 81), false),
            ("http://[::1]", place("[::1]", 80), false),
            ("https://app", place("app", 443), true),
            ("https://app.example:8443", place("app.example", 8443), true),
            ("unix:/run/a.sock", Place::Unix("/run/a.sock".into()), false),
        ] {
            let address = ServerAddress { place: expected, is_secure: secure };
            assert_eq!(ServerAddress::parse(text), Ok(address), "{text}");
        }
        for bad in [
            "",
            "app",
            ":80",
            "app:0",
            "app:99999",
            "app:80:81",
            "[::1]",
            "[app]:1",
            "http://",
            "http://app/path",
            "http://user@app",
            "ftp://app",
            "unix:",
            "a b:1",
        ] {
            assert!(ServerAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn servers_are_words_or_tables() {
        let text = "servers = ['a:1', { address = 'b:2', weight = 3, backup = true }]\npolicy = 'hash'\n\
                    key = 'cookie:session'\nprotocol = 'h2'\nhealth = { path = '/up' }\npool = { idle = 1 }\n";
        let found = upstream(text).unwrap();
        let [one, other] = &found.servers[..] else { panic!("{found:?}") };
        assert_eq!((one.weight.get(), one.backup), (1, false));
        assert_eq!((other.weight.get(), other.backup), (3, true));
        assert_eq!((found.policy, found.protocol), (Policy::Hash, Protocol::H2));
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (text, expected) in [
            ("", "no backup"),
            ("servers = [{ address = 'a:1', backup = true }]", "no backup"),
            ("servers = ['a']", "line 2"),
            ("servers = [{ address = 'a:1', weight = 0 }]", "line 2"),
            ("servers = [{ adress = 'a:1' }]", "`address`"),
            ("servers = [7]", "a server, or"),
            ("servers = ['a:1', 'https://b']", "all of them"),
            ("servers = ['a:1']\ntls = {}", "https://"),
            ("servers = ['https://a']\ntls = { key = 'k' }", "certificate"),
            ("servers = ['https://a']\ntls = { verify = false, roots = 'r' }", "roots"),
            ("servers = ['a:1']\nprotocol = 'h3'", "h3"),
            ("servers = ['https://a']\nprotocol = 'h3'\nproxy_protocol = 1", "not for h3"),
            ("servers = ['a:1']\nproxy_protocol = 3", "1 or 2"),
            ("servers = ['a:1']\nkey = 'ip'", "policy"),
            ("servers = ['a:1']\npolicy = 'hash'\nkey = 'header:'", "'header:'"),
            ("servers = ['a:1']\npolicy = 'first'", "line 3"),
            ("servers = ['a:1']\nhealth = { path = 'up' }", "slash"),
        ] {
            let error = upstream(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
