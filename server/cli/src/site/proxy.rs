//! `proxy`: passes requests on to an upstream.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;
use trilane::proxy::rewrite::{Host, Policy};
use trilane::proxy::{Proxy, Servers};

use crate::upstreams::UpstreamSection;
use crate::words::{Words, or_table};

/// `proxy`, which is the name of an upstream, a server, or a table with more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyTable {
    /// The name of an upstream, or a server: `http://127.0.0.1:3000`.
    pub upstream: String,
    /// Whether the route's prefix is taken out of the path.
    #[serde(default)]
    pub strip_prefix: bool,
    /// What stands in its place: `/v2`.
    pub rewrite: Option<String>,
    /// Which Host is asked for: `keep` for the client's, `server` for the server's own, or another. Default: `keep`.
    pub host: Option<String>,
    /// Whether WebSockets are let through. Default: they are.
    pub websocket: Option<bool>,
    /// Whether `X-Forwarded-For`, `-Proto` and `-Host` are written. Default: they are.
    pub x_forwarded: Option<bool>,
    /// Whether `X-Real-IP` is written.
    #[serde(default)]
    pub x_real_ip: bool,
    /// Whether `Forwarded` is written (RFC 7239).
    #[serde(default)]
    pub forwarded: bool,
}

/// `proxy` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAction {
    table: ProxyTable,
    /// The upstream that is only named here: one server.
    single: Option<UpstreamSection>,
}

impl ProxyAction {
    /// The name of its upstream.
    pub(crate) fn upstream(&self) -> &str {
        &self.table.upstream
    }

    /// Its upstream, if it is none of the file's.
    pub(crate) const fn single(&self) -> Option<&UpstreamSection> {
        self.single.as_ref()
    }

    /// Whether WebSockets are let through.
    pub(crate) fn websocket(&self) -> bool {
        self.table.websocket.unwrap_or(true)
    }

    /// The handler on a shard, for a route with that prefix; `pseudonym` is what we are called in Via.
    ///
    /// # Errors
    /// What cannot be, in words.
    pub(crate) fn handler(
        &self,
        near: &BTreeMap<String, Servers>,
        prefix: Option<&str>,
        pseudonym: &str,
    ) -> Result<Proxy, String> {
        let table = &self.table;
        let servers = near.get(&table.upstream);
        let none = || format!("proxy: there is no [upstreams.{}]", table.upstream);
        let servers = servers.ok_or_else(none)?.clone();
        Ok(Proxy::new(Rc::new(self.policy(prefix, pseudonym)?), servers))
    }

    fn policy(&self, prefix: Option<&str>, pseudonym: &str) -> Result<Policy, String> {
        let table = &self.table;
        let wrong = |error: &dyn std::fmt::Display| format!("proxy: {error}");
        let mut policy = Policy::new(pseudonym)
            .map_err(|error| wrong(&error))?
            .websocket(self.websocket())
            .x_forwarded(table.x_forwarded.unwrap_or(true))
            .x_real_ip(table.x_real_ip)
            .forwarded(table.forwarded)
            .host(match table.host.as_deref() {
                None | Some("keep") => Host::Keep,
                Some("server") => Host::Server,
                Some(other) => Host::Fixed(other.into()),
            });
        let behind = if table.strip_prefix { Some("/") } else { table.rewrite.as_deref() };
        if let Some(behind) = behind {
            let plain = prefix.filter(|prefix| !prefix.contains(['{', '}']));
            let front = plain
                .ok_or("proxy: strip_prefix and rewrite are for a prefix without parameters")?;
            policy = policy.path(front, behind);
        }
        policy.check().map_err(|error| wrong(&error))?;
        Ok(policy)
    }
}

impl Words for ProxyAction {
    type Table = ProxyTable;
    const EXPECTED: &'static str = "an upstream, or { upstream = UPSTREAM, .. }";

    fn of_text(text: &str) -> Result<Self, String> {
        Self::of_table(ProxyTable { upstream: text.to_owned(), ..ProxyTable::default() })
    }

    fn of_table(table: ProxyTable) -> Result<Self, String> {
        if table.strip_prefix && table.rewrite.is_some() {
            return Err("proxy: strip_prefix and rewrite: it is one of the two".to_owned());
        }
        // No name of an upstream has a colon.
        let is_server = table.upstream.contains(':');
        let single = is_server.then(|| UpstreamSection::single(&table.upstream)).transpose()?;
        Ok(Self { table, single })
    }
}

or_table!(ProxyAction);
