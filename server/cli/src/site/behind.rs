//! The servers behind us: what the process knows of them, and what a shard makes of that.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use trilane::client::PoolConfig;
use trilane::proxy::proxy_protocol::Version;
use trilane::proxy::{
    Balance, Cause, Change, CheckPolicy, Group, HealthPolicy, Key, Limits, Member, Place,
    RetryPolicy, Servers, Target, Terms, Upstream,
};
use trilane::tls::{Connector, ConnectorConfig, Identity, Pem, Trust};
use trilane::{Remote, Shard, Speak, tracing};

use crate::upstreams::{self, Policy, Protocol, ServerSection, UpstreamSection};

/// All groups of servers that a file names, by their names or, of one server alone, by its address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behind(BTreeMap<String, Known>);

/// What a process knows of a group, and what that was made of: while it is the same, health, connections and counts are kept.
#[derive(Clone, Debug)]
struct Known {
    upstream: Arc<Upstream>,
    section: UpstreamSection,
    /// Where its servers were found.
    places: Vec<Place>,
    /// What was in the files that it names.
    files: u64,
}

impl Behind {
    /// Adds an upstream: the one that was there `before`, if nothing of it has changed. Names are looked up now, as other servers do; that
    /// waits for the network. For a trial nobody asks servers how they are: the first shard does so, for all.
    ///
    /// # Errors
    /// It cannot be what is meant, or a name has no address, in words.
    pub(crate) fn add(
        &mut self,
        name: &str,
        section: &UpstreamSection,
        is_trial: bool,
        before: &Self,
    ) -> Result<(), String> {
        section.check()?;
        if section.protocol == Protocol::H3 && !cfg!(feature = "http3") {
            return Err("protocol = \"h3\": this build has no HTTP/3".to_owned());
        }
        let targets = section.servers.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<_> = targets.iter().map(|target| target.place.clone()).collect();
        let (section, files) = (section.clone(), files(section));
        let is_same = |known: &&Known| {
            known.section == section && known.places == places && known.files == files
        };
        if let Some(known) = before.0.get(name).filter(is_same).filter(|_| !is_trial) {
            self.0.insert(name.to_owned(), known.clone());
            return Ok(());
        }
        let mut terms = terms(&section)?;
        terms.check = terms.check.filter(|_| !is_trial);
        let upstream = Upstream::new(name, targets, terms);
        let upstream = upstream.map_err(|error| error.to_string())?.observed(Arc::new(tell));
        let upstream = Arc::new(upstream);
        self.0.insert(name.to_owned(), Known { upstream, section, places, files });
        Ok(())
    }

    /// Whether there is an upstream of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Upstream>> {
        self.0.values().map(|known| Arc::clone(&known.upstream)).collect()
    }

    /// All of them for a shard.
    pub(crate) fn on(&self, shard: &Shard) -> BTreeMap<String, Servers> {
        let near = |(name, known): (&String, &Known)| {
            (name.clone(), Servers::new(Arc::clone(&known.upstream), shard))
        };
        self.0.iter().map(near).collect()
    }
}

/// Tells the operator that a server is asked no longer, or again.
fn tell(group: &Group, change: Change) {
    let server = group.servers().get(change.server).map(|server| &*server.name);
    let upstream = group.name();
    let cause = match change.cause {
        Cause::Requests => "requests",
        Cause::Checks => "checks",
        Cause::Admin => "the administrator",
    };
    match change.is_fit {
        true => tracing::info!(upstream, server, cause, "a server is asked again"),
        false => tracing::warn!(upstream, server, cause, "a server is asked no longer"),
    }
}

/// What is in the files that a section names, as a number. What cannot be read is told by whoever needs it.
fn files(section: &UpstreamSection) -> u64 {
    let tls = section.tls.iter();
    let paths = tls.flat_map(|tls| [&tls.roots, &tls.certificate, &tls.key]).flatten();
    let mut hasher = DefaultHasher::new();
    paths.for_each(|path| std::fs::read(path).unwrap_or_default().hash(&mut hasher));
    hasher.finish()
}

fn target(server: &ServerSection) -> Result<Target, String> {
    let place = match server.address.lookup()? {
        Remote::Ip(address) => Place::Ip(address),
        Remote::Unix(path) => Place::Unix(path),
    };
    let member = Member::new(server.name()).weight(server.weight.get());
    let member = if server.backup { member.backup() } else { member };
    Ok(Target { member, place, authority: server.address.authority().into() })
}

/// How its servers are asked. Reads what the section names.
fn terms(section: &UpstreamSection) -> Result<Terms, String> {
    let (usual, pool) = (Terms::default(), PoolConfig::default());
    let or = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
    Ok(Terms {
        balance: match section.policy {
            Policy::RoundRobin => Balance::RoundRobin,
            Policy::LeastConnections => Balance::LeastConnections,
            Policy::Random => Balance::TwoChoices,
            Policy::Hash => Balance::Hash,
        },
        key: (section.policy == Policy::Hash).then(|| key(section.key.as_deref())),
        tries_unfit: section.try_unfit,
        health: health(section),
        check: section.health.as_ref().map(|health| {
            let usual = CheckPolicy::default();
            CheckPolicy {
                path: health.path.as_str().into(),
                host: health.host.as_deref().unwrap_or_default().into(),
                interval: or(health.interval, usual.interval),
                timeout: or(health.timeout, usual.timeout),
            }
        }),
        limits: limits(&section.limits),
        retry: retry(&section.retries),
        connections: section.pool.connections.unwrap_or(usual.connections),
        pool: PoolConfig {
            connect_timeout: or(section.timeouts.connect, pool.connect_timeout),
            idle_timeout: or(section.pool.idle_timeout, pool.idle_timeout),
            most_idle: section.pool.idle.unwrap_or(pool.most_idle),
            ..pool
        },
        timeout: or(section.timeouts.response, usual.timeout),
        idle: or(section.timeouts.idle, usual.idle),
        speak: match section.protocol {
            Protocol::Auto | Protocol::H1 => Speak::Http1,
            Protocol::H2 => Speak::Http2,
            Protocol::H3 => Speak::Http3,
        },
        tls: tls(section)?.map(|(connector, name)| (connector.into(), name)),
        proxy_protocol: section.proxy_protocol.map(|version| match version {
            1 => Version::V1,
            _ => Version::V2,
        }),
    })
}

fn key(text: Option<&str>) -> Key {
    match text.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        Some(("path", _)) => Key::Path,
        Some(("header", name)) => Key::Header(name.to_ascii_lowercase().into()),
        Some(("cookie", name)) => Key::Cookie(name.into()),
        _ => Key::Client,
    }
}

fn health(section: &UpstreamSection) -> HealthPolicy {
    let (usual, checks) = (HealthPolicy::default(), section.health.as_ref());
    let seconds = Duration::from_secs;
    HealthPolicy {
        max_fails: section.max_fails.unwrap_or(usual.max_fails),
        fail_timeout: section.fail_timeout.map_or(usual.fail_timeout, seconds),
        slow_start: section.slow_start.map_or(usual.slow_start, seconds),
        rise: checks.and_then(|checks| checks.rise).unwrap_or(usual.rise),
        fall: checks.and_then(|checks| checks.fall).unwrap_or(usual.fall),
        ..usual
    }
}

fn limits(section: &upstreams::UpstreamLimits) -> Limits {
    let usual = Limits::default();
    Limits {
        under_way: section.requests.unwrap_or(usual.under_way),
        a_server: section.server.unwrap_or(usual.a_server),
        waiting: section.waiting.unwrap_or(usual.waiting),
        retries: section.retries.unwrap_or(usual.retries),
    }
}

fn retry(section: &upstreams::RetriesSection) -> RetryPolicy {
    let usual = RetryPolicy::default();
    RetryPolicy {
        attempts: section.attempts.map_or(usual.attempts, u32::from),
        per_try: section.timeout.map(Duration::from_secs),
        on_unavailable: section.on_unavailable,
        budget: section.budget.unwrap_or(usual.budget),
        ..usual
    }
}

/// What connections begin with, and the name that all servers must have.
type Secured = (Connector, Option<Box<str>>);

/// How servers are secured, and the name that they must have: each its own, if none is said. None in clear.
fn tls(section: &UpstreamSection) -> Result<Option<Secured>, String> {
    if !section.is_secure() {
        return Ok(None);
    }
    let alpn = alpn(section).iter().map(|protocol| protocol.to_vec()).collect();
    let tls = section.tls.clone().unwrap_or_default();
    let trust = match tls.roots {
        _ if tls.verify == Some(false) => Trust::DangerAnyone,
        Some(roots) => Trust::Roots(vec![Pem::File(roots)]),
        None => Trust::System,
    };
    let identity = tls.certificate.map(|certificate| {
        let key = tls.key.unwrap_or_else(|| certificate.clone());
        Identity::new(Pem::File(certificate), Pem::File(key))
    });
    let wanted = ConnectorConfig { trust, identity, alpn, ..ConnectorConfig::default() };
    let connector = Connector::new(&wanted).map_err(|error| format!("tls: {error}"))?;
    Ok(Some((connector, tls.name.map(Into::into))))
}

/// What is offered over TLS (RFC 7301). A connection of one client's begins with its request, before a choice is known.
const fn alpn(section: &UpstreamSection) -> &'static [&'static [u8]] {
    match section.protocol {
        Protocol::H1 => &[b"http/1.1"],
        Protocol::H2 => &[b"h2"],
        Protocol::Auto if section.proxy_protocol.is_some() => &[b"http/1.1"],
        Protocol::Auto => &[b"h2", b"http/1.1"],
        // QUIC says so itself.
        Protocol::H3 => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn section(text: &str) -> UpstreamSection {
        let text = format!("[upstreams.a]\n{text}\n");
        let config = Config::parse(&text, Path::new("t.toml")).unwrap();
        config.upstreams["a"].get_ref().clone()
    }

    #[test]
    fn every_setting_has_its_place() {
        let terms = terms(&section(
            "servers = ['127.0.0.1:1']\npolicy = 'hash'\nkey = 'header:X-User'\nprotocol = 'h2'\nproxy_protocol = 1\n\
             max_fails = 2\nfail_timeout = 3\nslow_start = 4\ntry_unfit = true\n\
             health = { path = '/up', host = 'h', interval = 5, timeout = 6, fall = 7, rise = 8 }\n\
             retries = { attempts = 9, timeout = 10, on_unavailable = true, budget = 11 }\n\
             timeouts = { connect = 12, response = 13, idle = 14 }\n\
             pool = { connections = 15, idle = 16, idle_timeout = 17 }\n\
             limits = { requests = 18, server = 19, waiting = 20, retries = 21 }",
        ))
        .unwrap();
        let seconds = Duration::from_secs;
        assert_eq!((terms.balance, terms.speak), (Balance::Hash, Speak::Http2));
        assert_eq!(terms.key, Some(Key::Header("x-user".into())));
        assert!(matches!(terms.proxy_protocol, Some(Version::V1)) && terms.tries_unfit);
        let health = HealthPolicy {
            max_fails: 2,
            fail_timeout: seconds(3),
            slow_start: seconds(4),
            fall: 7,
            rise: 8,
            ..HealthPolicy::default()
        };
        assert_eq!(terms.health, health);
        let (interval, timeout) = (seconds(5), seconds(6));
        let check = CheckPolicy { path: "/up".into(), host: "h".into(), interval, timeout };
        assert_eq!(terms.check, Some(check));
        let retry = RetryPolicy {
            attempts: 9,
            per_try: Some(seconds(10)),
            on_unavailable: true,
            budget: 11,
            ..RetryPolicy::default()
        };
        assert_eq!(terms.retry, retry);
        let pool = &terms.pool;
        assert_eq!((pool.connect_timeout, pool.idle_timeout), (seconds(12), seconds(17)));
        assert_eq!((terms.timeout, terms.idle), (seconds(13), seconds(14)));
        assert_eq!((terms.connections, pool.most_idle), (15, 16));
        let limits = Limits { under_way: 18, a_server: 19, waiting: 20, retries: 21 };
        assert_eq!(terms.limits, limits);
    }

    #[test]
    fn what_is_not_said_is_as_it_is_by_default() {
        let (found, usual) =
            (terms(&section("servers = ['127.0.0.1:1']")).unwrap(), Terms::default());
        assert_eq!((found.balance, found.key, found.check), (usual.balance, None, None));
        assert_eq!((found.health, found.retry), (usual.health, usual.retry));
        assert_eq!((found.limits, found.timeout), (usual.limits, usual.timeout));
        assert_eq!((found.idle, found.connections), (usual.idle, usual.connections));
        assert!(found.tls.is_none() && found.proxy_protocol.is_none());
        for (text, key) in
            [("path", Key::Path), ("cookie:A", Key::Cookie("A".into())), ("ip", Key::Client)]
        {
            assert_eq!(super::key(Some(text)), key);
        }
    }

    #[test]
    fn what_has_not_changed_is_kept() {
        let folder = std::env::temp_dir().join(format!("trilane-cli-kept-{}", std::process::id()));
        let roots = folder.to_str().unwrap();
        let upstream = |text: &str, before: &Behind| {
            let mut behind = Behind::default();
            behind.add("a", &section(text), false, before).unwrap();
            (Arc::clone(&behind.all()[0]), behind)
        };
        let first = upstream("servers = ['127.0.0.1:1']", &Behind::default());
        let is_kept = |text: &str| Arc::ptr_eq(&upstream(text, &first.1).0, &first.0);
        assert!(is_kept("\n# Elsewhere in the file.\nservers = ['127.0.0.1:1']"));
        for other in ["servers = ['127.0.0.1:2']", "servers = ['127.0.0.1:1']\nmax_fails = 9"] {
            assert!(!is_kept(other), "{other}");
        }
        let named = |content: &str| {
            std::fs::write(&folder, content).unwrap();
            files(&section(&format!("servers = ['https://a']\ntls = {{ roots = '{roots}' }}")))
        };
        assert!(named("x") == named("x") && named("x") != named("y"));
        let _ = std::fs::remove_file(&folder);
    }

    #[test]
    fn what_is_offered() {
        for (text, offered) in [
            ("", &[&b"h2"[..], b"http/1.1"][..]),
            ("protocol = 'h1'", &[b"http/1.1"]),
            ("protocol = 'h2'", &[b"h2"]),
            ("protocol = 'h2'\nproxy_protocol = 1", &[b"h2"]),
            ("proxy_protocol = 2", &[b"http/1.1"]),
        ] {
            let section = section(&format!("servers = ['https://a']\n{text}"));
            assert_eq!(alpn(&section), offered, "{text}");
        }
    }

    #[test]
    fn what_servers_are_called() {
        let section = section(
            "servers = ['127.0.0.1:80', { address = 'http://127.0.0.1:81', weight = 3 }, \
             { address = 'unix:/run/a', backup = true }, '[::1]:80']",
        );
        let targets: Vec<_> = section.servers.iter().map(|it| target(it).unwrap()).collect();
        let authorities: Vec<_> = targets.iter().map(|target| &*target.authority).collect();
        assert_eq!(authorities, ["127.0.0.1", "127.0.0.1:81", "localhost", "[::1]"]);
        let names: Vec<_> = targets.iter().map(|target| &*target.member.name).collect();
        assert_eq!(names, ["127.0.0.1:80", "127.0.0.1:81", "unix:/run/a", "[::1]:80"]);
        assert_eq!((targets[1].member.weight, targets[2].member.is_backup), (3, true));
        assert_eq!(targets[2].place, Place::Unix("/run/a".into()));
    }
}
