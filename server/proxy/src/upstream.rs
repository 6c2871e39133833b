//! A group of servers as all shards of a process know it: where they are, how they are chosen, and what became of what they were asked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use trilane_client::{PoolConfig, Share};
use trilane_exchange::{Connector, Dial, Remote, Speak, dial};
use trilane_semantics::Protocol;

use crate::balance::{Balance, Plan};
use crate::breaker::Limits;
use crate::check::CheckPolicy;
use crate::group::{BadGroup, Group, Member};
use crate::health::{Change, HealthPolicy};
use crate::key::Key;
use crate::proxy_protocol::{Told, Version, write_v1, write_v2};
use crate::retry::{RetryBudget, RetryPolicy};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// A server of an upstream, as it is configured.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name, share and part.
    pub member: Member,
    /// Where it is.
    pub place: Place,
    /// What it is called in Host, if that is to be its own name.
    pub authority: Box<str>,
}

/// How servers are asked. What is the same for all of them.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How one of them is chosen.
    pub balance: Balance,
    /// What the choice is made by, for [`Balance::Hash`].
    pub key: Option<Key>,
    /// Whether a request is tried all the same where no server is fit. Default no.
    pub tries_unfit: bool,
    /// When a server is fit.
    pub health: HealthPolicy,
    /// Whether servers are asked how they are. Default no.
    pub check: Option<CheckPolicy>,
    /// How much may be under way.
    pub limits: Limits,
    /// What is made again.
    pub retry: RetryPolicy,
    /// Connections to one server, of the process. Default 1,024.
    pub connections: usize,
    /// How connections are kept.
    pub pool: PoolConfig,
    /// For an answer to begin. Default 60 s.
    pub timeout: Duration,
    /// Between two pieces of an answer. Default 60 s.
    pub idle: Duration,
    /// HTTP/2 from the first byte, in clear. Default no.
    pub speak: Speak,
    /// What secures connections, and the name that servers must prove to have: none for that of each.
    pub tls: Option<(Connector, Option<Box<str>>)>,
    /// Each connection begins with a header of the PROXY protocol, and is one client's; what it speaks is `speak`, so ALPN of `tls` must
    /// offer that alone.
    pub proxy_protocol: Option<Version>,
}

impl Default for Terms {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            balance: Balance::default(),
            key: None,
            tries_unfit: false,
            health: HealthPolicy::default(),
            check: None,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            connections: 1024,
            pool: PoolConfig::default(),
            timeout: minute,
            idle: minute,
            speak: Speak::default(),
            tls: None,
            proxy_protocol: None,
        }
    }
}

impl Terms {
    /// What is spoken on a connection of a client's own, which nobody waits for before heads are made: its `tls` must not agree on another.
    pub(crate) const fn spoken(&self) -> Protocol {
        match self.speak {
            Speak::Http1 => Protocol::Http11,
            Speak::Http2 => Protocol::Http2,
            Speak::Http3 => Protocol::Http3,
        }
    }
}

/// What became of what a server was asked.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests that it was asked.
    pub asked: AtomicU64,
    /// Those without an answer.
    pub failed: AtomicU64,
    /// Those that were made before, of another server or of this one.
    pub repeated: AtomicU64,
    /// How often it was ejected.
    pub ejected: AtomicU64,
}

/// Told when a server is ejected or comes back, once a process.
pub type Observer = Arc<dyn Fn(&Group, Change) + Send + Sync>;

/// A group of servers behind us. One a process, made before the shards.
pub struct Upstream {
    pub(crate) group: Arc<Group>,
    pub(crate) plan: Plan,
    pub(crate) terms: Terms,
    pub(crate) targets: Box<[Target]>,
    pub(crate) shares: Box<[Arc<Share>]>,
    pub(crate) counts: Box<[Counts]>,
    pub(crate) budget: RetryBudget,
    pub(crate) observer: Option<Observer>,
    /// A shard asks servers how they are.
    pub(crate) is_checked: AtomicBool,
}

impl Upstream {
    /// A group of that name.
    ///
    /// # Errors
    /// It cannot be.
    pub fn new(
        name: impl Into<Box<str>>,
        targets: Vec<Target>,
        terms: Terms,
    ) -> Result<Self, BadGroup> {
        let members = targets.iter().map(|target| target.member.clone()).collect();
        let group = Arc::new(Group::new(name, members, terms.health, terms.limits)?);
        let plan = Plan::new(Arc::clone(&group), terms.balance).try_unfit(terms.tries_unfit);
        let of_each = || targets.iter();
        Ok(Self {
            group,
            plan,
            shares: of_each().map(|_| Share::new(terms.connections)).collect(),
            counts: of_each().map(|_| Counts::default()).collect(),
            budget: RetryBudget::new(&terms.retry),
            observer: None,
            is_checked: AtomicBool::new(false),
            terms,
            targets: targets.into(),
        })
    }

    /// The same, and `observer` is told when a server is ejected or comes back.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Its servers, and what is known of them.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// What became of what that server was asked.
    #[must_use]
    pub fn counts(&self, server: usize) -> Option<&Counts> {
        self.counts.get(server)
    }

    /// The connections of the process to that server.
    #[must_use]
    pub fn share(&self, server: usize) -> Option<&Share> {
        self.shares.get(server).map(|share| &**share)
    }

    /// Tells of a change, if there is one.
    pub(crate) fn tell(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        if !change.is_fit {
            self.count(change.server, |counts| &counts.ejected);
        }
        if let Some(observer) = &self.observer {
            observer(&self.group, change);
        }
    }

    #[inline]
    pub(crate) fn count(&self, server: usize, which: impl FnOnce(&Counts) -> &AtomicU64) {
        if let Some(counts) = self.counts.get(server) {
            which(counts).fetch_add(1, Relaxed);
        }
    }

    /// How a connection to that server is made, which begins with what is to be told of its client, if servers want to know.
    pub(crate) fn dial(&self, target: &Target, told: &Told<'_>) -> Dial {
        let remote = match &target.place {
            Place::Ip(address) => Remote::Ip(*address),
            Place::Unix(path) => Remote::Unix(path.clone()),
        };
        let mut limits = dial::limits();
        limits.body_timeout = self.terms.idle;
        let tls = self.terms.tls.as_ref();
        let tls = tls.map(|(connector, name)| {
            (connector.clone(), name.clone().unwrap_or_else(|| host(&target.authority).into()))
        });
        let mut preface = Vec::new();
        match self.terms.proxy_protocol {
            None => {}
            Some(Version::V1) => write_v1(&mut preface, told),
            Some(Version::V2) => write_v2(&mut preface, told),
        }
        let (speak, limits) = (self.terms.speak, Rc::new(limits));
        Dial { tls, speak, limits, preface, ..Dial::new(remote) }
    }
}

/// The host of an authority, without a port, and without the brackets of an IPv6 address (RFC 3986 §3.2.2).
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("group", &self.group).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::one::upstream;
    use crate::proxy_protocol::Told;

    #[test]
    fn servers_prove_to_have_the_name_that_they_are_called_by() {
        let connector = Connector::new(Arc::new(()));
        for (authority, own, expected) in [
            ("api.internal", None, "api.internal"),
            ("api.internal:8443", None, "api.internal"),
            ("192.0.2.1:8443", None, "192.0.2.1"),
            ("[2001:db8::1]:8443", None, "2001:db8::1"),
            ("[2001:db8::1]", None, "2001:db8::1"),
            ("api.internal:8443", Some("other".into()), "other"),
        ] {
            let tls = Some((connector.clone(), own));
            let upstream = upstream(Terms { tls, ..Terms::default() });
            let target = Target { authority: authority.into(), ..upstream.targets[0].clone() };
            let dial = upstream.dial(&target, &Told::default());
            assert_eq!(dial.tls.map(|(_, name)| name).as_deref(), Some(expected), "{authority}");
        }
    }
}
