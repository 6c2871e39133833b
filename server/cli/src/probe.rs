//! `trilane probe URL`: what a server speaks, a line a protocol (FEATURES O9).
//!
//! Each protocol is asked for by itself, over a connection of its own, on a shard that serves nothing.

use std::fmt::Write;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;
use trilane::tls::{Connector, ConnectorConfig, Pem, Trust};
use trilane::{Ask, Dial, Known, Log, Method, RequestHead, Router, Server, Shard, Speak};

use crate::run::Failure;
use crate::upstreams::ServerAddress;

/// Longer than each protocol may take by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to probe.
#[derive(Clone, Debug, Args)]
pub struct Probe {
    /// What to ask for: `https://example.org/`, `http://127.0.0.1:8080/health`.
    pub url: String,
    /// Take any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// Trust these roots, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub roots: Option<std::path::PathBuf>,
    /// Seconds that each protocol has, 30 at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub timeout: u64,
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    address: ServerAddress,
    /// With the query.
    path: String,
}

/// One protocol, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Http1,
    Http2,
}

/// Asks, and tells a line a protocol; and whether any was answered.
///
/// # Errors
/// The URL is none, or nobody can be asked.
pub(crate) fn probe(probe: &Probe) -> Result<(String, bool), Failure> {
    let target = Target::parse(&probe.url).map_err(Failure::Setting)?;
    let dial = |lane| dial(probe, &target, lane).map_err(Failure::Setting);
    // A dial is of its shard: this one shows that there can be one.
    let _ = dial(Lane::Http1)?;
    let (send, told) = channel();
    let (send, probe, place) = (Mutex::new(Some(send)), probe.clone(), target.clone());
    let app = move |shard: Shard| {
        let taken = send.lock().ok().and_then(|mut send| send.take());
        if let Some(send) = taken {
            let (probe, place, here) = (probe.clone(), place.clone(), shard.clone());
            shard.spawn(async move {
                for lane in [Lane::Http1, Lane::Http2] {
                    let line = ask(&probe, &place, lane, &here).await;
                    // Whoever hears no more has said enough.
                    let _ = send.send((lane, line));
                }
            });
        }
        Router::new()
    };
    // A server listens somewhere; nobody knows where.
    let server = Server::new(app).listen("127.0.0.1:0").shards(NonZero::<usize>::MIN).log(Log::Off);
    let running = server.start().map_err(Failure::Server)?;
    let (mut text, mut is_any) = (String::new(), false);
    while let Ok((lane, line)) = told.recv_timeout(PATIENCE) {
        let said = match &line {
            Ok(said) => said,
            Err(error) => error,
        };
        is_any |= line.is_ok();
        // Text can always be written.
        let _ = writeln!(text, "{:<9} {said}", lane.name(target.address.is_secure));
    }
    drop(running);
    let _ = write!(text, "{:<9} not asked by this version", "h3");
    Ok((text, is_any))
}

/// What came of it: the answer, or why there is none.
async fn ask(probe: &Probe, target: &Target, lane: Lane, shard: &Shard) -> Result<String, String> {
    let caller = shard.dial(dial(probe, target, lane)?).map_err(|error| error.to_string())?;
    let limit = Duration::from_secs(probe.timeout.clamp(1, 30));
    let started = shard.now();
    let asking = caller.ask(Ask::new(target.head(lane)?));
    let answer = shard.timeout(limit, asking).await;
    let answer = answer.ok_or_else(|| format!("no answer within {} s", limit.as_secs()))?;
    let answer = answer.map_err(|error| error.to_string())?;
    let mut said = format!("{}", answer.head.status.as_u16());
    let mut add = |what: &str| said.extend([", ", what]);
    if let Some(protocol) = caller.protocol() {
        add(protocol.as_str());
    }
    if let Some(tls) = caller.info().and_then(|info| info.tls.clone()) {
        let alpn = tls.alpn.as_deref().map(String::from_utf8_lossy);
        add(&tls.version.to_string());
        add(tls.group.unwrap_or("no group"));
        add(tls.cipher_suite);
        add(&format!("ALPN {}", alpn.unwrap_or("none".into())));
    }
    if let Some(other) = answer.head.fields.get_str("alt-svc") {
        add(&format!("Alt-Svc {other}"));
    }
    add(&format!("{} ms", shard.clock().since(started).as_millis()));
    Ok(said)
}

/// The connection for one protocol. Reads the roots that are named.
fn dial(probe: &Probe, target: &Target, lane: Lane) -> Result<Dial, String> {
    let mut dial = Dial::new(target.address.lookup()?);
    if lane == Lane::Http2 {
        dial.speak = Speak::Http2;
    }
    if target.address.is_secure {
        let trust = match &probe.roots {
            _ if probe.insecure => Trust::DangerAnyone,
            Some(roots) => Trust::Roots(vec![Pem::File(roots.clone())]),
            None => Trust::System,
        };
        let alpn = vec![lane.name(true).as_bytes().to_vec()];
        let wanted = ConnectorConfig { trust, alpn, ..ConnectorConfig::default() };
        let connector = Connector::new(&wanted).map_err(|error| error.to_string())?;
        dial.tls = Some((connector.into(), target.address.host().into()));
    }
    Ok(dial)
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        let bad = || format!("'{url}' is no URL: http://HOST/PATH or https://HOST/PATH");
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let address = ServerAddress::parse(&format!("{scheme}://{authority}"));
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { address: address.map_err(|_| bad())?, path: format!("{slash}{path}") })
    }

    fn head(&self, lane: Lane) -> Result<RequestHead, String> {
        let bad = || format!("'{}' is no target", self.path);
        let authority = self.address.authority();
        // What is not said is `http` (RFC 9113 §8.3.1).
        let target = match lane {
            Lane::Http2 if self.address.is_secure => format!("https://{authority}{}", self.path),
            Lane::Http1 | Lane::Http2 => self.path.clone(),
        };
        let mut head = RequestHead::new(Method::GET, &target).ok_or_else(bad)?;
        let fields = [(Known::Host, &*authority), (Known::UserAgent, "trilane-probe")];
        for (name, value) in fields {
            head.fields.append(name, value).map_err(|_| bad())?;
        }
        Ok(head)
    }
}

impl Lane {
    /// As ALPN says it (RFC 7301); in clear HTTP/2 has another name.
    const fn name(self, is_secure: bool) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 if is_secure => "h2",
            Self::Http2 => "h2c",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, authority, secure, path) in [
            ("http://a", "a", false, "/"),
            ("https://a:8443/x?y#z", "a:8443", true, "/x?y"),
            ("https://a?y", "a", true, "/?y"),
            ("http://[::1]:81/", "[::1]:81", false, "/"),
        ] {
            let target = Target::parse(url).unwrap();
            let found = (&*target.address.authority(), target.address.is_secure, &*target.path);
            assert_eq!(found, (authority, secure, path), "{url}");
        }
        for bad in ["a", "", "ftp://a/", "http://", "https://a b/", "http://u@a/", "unix:/x"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        let head = Target::parse("https://a/x?y").unwrap().head(Lane::Http2).unwrap();
        assert_eq!(
            (head.scheme(), head.path(), head.authority()),
            (Some("https"), "/x", Some("a"))
        );
    }
}
