//! `proxy`: passes requests on to an upstream.

use serde::Deserialize;

use crate::upstreams::ServerSection;
use crate::words::{Words, or_table};

/// `proxy`, which is the name of an upstream, a server, or a table with more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAction {
    /// Whom to ask.
    pub upstream: Upstream,
    /// How.
    pub table: ProxyTable,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// One of `[upstreams]`.
    Named(String),
    /// That server alone.
    Server(ServerSection),
}

/// `proxy = {..}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyTable {
    /// The name of an upstream, or a server: `http://127.0.0.1:3000`.
    upstream: String,
    /// Whether the route's prefix is taken out of the path.
    #[serde(default)]
    pub strip_prefix: bool,
    /// What stands in its place: `/v2`.
    pub rewrite: Option<String>,
    /// Which Host is asked for: `keep` for the client's, `server` for the server's own, or another. Default: `keep`.
    pub host: Option<String>,
    /// Whether WebSockets are let through. Default: they are.
    pub websocket: Option<bool>,
    /// Whether `Forwarded` is written (RFC 7239).
    #[serde(default)]
    pub forwarded: bool,
    /// Whether `X-Forwarded-For`, `-Proto` and `-Host` are written. Default: they are.
    pub x_forwarded: Option<bool>,
    /// Whether `X-Real-IP` is written.
    #[serde(default)]
    pub x_real_ip: bool,
    /// Seconds until an answer begins, in place of the upstream's.
    pub timeout: Option<u64>,
}

impl Words for ProxyAction {
    type Table = ProxyTable;
    const EXPECTED: &'static str = "an upstream, or { upstream = UPSTREAM, .. }";

    fn of_text(text: &str) -> Result<Self, String> {
        Self::of_table(ProxyTable { upstream: text.to_owned(), ..ProxyTable::default() })
    }

    fn of_table(table: ProxyTable) -> Result<Self, String> {
        // No name of an upstream has a colon.
        let upstream = match table.upstream.contains(':') {
            true => Upstream::Server(ServerSection::at(&table.upstream)?),
            false => Upstream::Named(table.upstream.clone()),
        };
        if table.strip_prefix && table.rewrite.is_some() {
            return Err("proxy: strip_prefix and rewrite: it is one of the two".to_owned());
        }
        if let Some(path) = table.rewrite.as_ref().filter(|path| !path.starts_with('/')) {
            return Err(format!("proxy: rewrite '{path}' is no path"));
        }
        Ok(Self { upstream, table })
    }
}

or_table!(ProxyAction);
