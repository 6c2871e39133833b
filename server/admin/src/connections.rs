//! `/connections`: who is connected, what each does and waits for; a table with a bound.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use trilane_semantics::Protocol;
use trilane_service::extract::FromRequestParts;
use trilane_service::{Error, Query, Request, StatusCode};
use trilane_shard::inspect::{ConnectionEntry, Filter};
use trilane_shard::{ConnectionState, Inspector};

use crate::asked::{Missing, Told, seconds};

/// Connections that are shown, if nobody says how many.
const USUAL: usize = 100;
/// Connections that are shown at most.
const MOST: usize = 10_000;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    shard: Option<usize>,
    protocol: Option<String>,
    state: Option<String>,
    sort: Sort,
    limit: Option<usize>,
}

/// What comes first: the largest of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Age,
    Idle,
    Received,
    Sent,
    Exchanges,
    Open,
}

impl Sort {
    const fn of(self, entry: &ConnectionEntry) -> u128 {
        match self {
            Self::Age => entry.age.as_nanos(),
            Self::Idle => entry.idle.as_nanos(),
            Self::Received => entry.received as u128,
            Self::Sent => entry.sent as u128,
            Self::Exchanges => entry.exchanges as u128,
            Self::Open => entry.open as u128,
        }
    }
}

impl Wish {
    fn filter(&self) -> Result<Filter, Error> {
        let state = |text: &String| {
            let found = ConnectionState::ALL.into_iter().find(|state| state.label() == text);
            found.ok_or_else(|| one_of("state", ConnectionState::ALL.map(ConnectionState::label)))
        };
        Ok(Filter {
            protocol: self.protocol.as_ref().map(|text| protocol(text)).transpose()?,
            state: self.state.as_ref().map(state).transpose()?,
        })
    }
}

/// The protocol of that name, as ALPN has it.
fn protocol(text: &str) -> Result<Protocol, Error> {
    match text {
        "http/1.1" | "h1" => Ok(Protocol::Http11),
        "h2" => Ok(Protocol::Http2),
        "h3" => Ok(Protocol::Http3),
        _ => Err(one_of("protocol", ["http/1.1", "h2", "h3"])),
    }
}

pub(crate) fn one_of<const N: usize>(name: &str, names: [&str; N]) -> Error {
    let message = format!("{name} is one of {}", names.join(", "));
    Error::new(StatusCode::BAD_REQUEST).message(message)
}

/// The table.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// How many there are that were asked for; no more than the limit are shown.
    total: usize,
    connections: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    shard: usize,
    protocol: Option<&'static str>,
    state: &'static str,
    waits_for: &'static str,
    peer: String,
    local: String,
    to_server: bool,
    tls: Option<TlsLine>,
    age_seconds: f64,
    idle_seconds: f64,
    deadline_seconds: Option<f64>,
    exchanges_open: usize,
    exchanges: u64,
    received_bytes: u64,
    sent_bytes: u64,
    last_fault: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct TlsLine {
    version: String,
    cipher_suite: &'static str,
    alpn: Option<String>,
    server_name: Option<Box<str>>,
    resumed: bool,
    client: Option<String>,
}

impl From<ConnectionEntry> for Line {
    fn from(entry: ConnectionEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            shard: entry.id.shard,
            protocol: entry.protocol.map(Protocol::as_str),
            state: entry.state.label(),
            waits_for: entry.waits.label(),
            peer: entry.peer.to_string(),
            local: entry.local.to_string(),
            to_server: entry.is_outward,
            tls: entry.tls.map(|tls| TlsLine {
                version: tls.version.to_string(),
                cipher_suite: tls.cipher_suite,
                alpn: tls.alpn,
                server_name: tls.server_name,
                resumed: tls.resumed,
                client: tls.client,
            }),
            age_seconds: seconds(entry.age),
            idle_seconds: seconds(entry.idle),
            deadline_seconds: entry.deadline.map(seconds),
            exchanges_open: entry.open,
            exchanges: entry.exchanges,
            received_bytes: entry.received,
            sent_bytes: entry.sent,
            last_fault: entry.fault.map(trilane_semantics::Reason::text),
        }
    }
}

pub(crate) async fn table(
    inspector: Inspector,
    mut request: Request,
) -> Result<Told<Table>, Error> {
    let Query(wish) = Query::<Wish>::from_request_parts(&mut request, &())?;
    let filter = wish.filter()?;
    let limit = wish.limit.unwrap_or(USUAL).min(MOST);
    let (mut total, mut found, mut silent) = (0, Vec::new(), Vec::new());
    let shards = match wish.shard {
        Some(shard) => shard..shard.saturating_add(1).min(inspector.shards()),
        None => 0..inspector.shards(),
    };
    for shard in shards {
        let take = |some: Vec<ConnectionEntry>| {
            total += some.len();
            found.extend(some);
            keep(&mut found, wish.sort, limit);
        };
        if let Err(why) = inspector.connections(request.shard(), shard, filter, take).await {
            silent.push(Missing::new(&inspector, shard, why));
        }
    }
    let connections = found.into_iter().map(Line::from).collect();
    Ok(Told { told: Table { total, connections }, silent })
}

/// Keeps the first ones.
fn keep(found: &mut Vec<ConnectionEntry>, sort: Sort, limit: usize) {
    found.sort_by_cached_key(|entry| (Reverse(sort.of(entry)), entry.id.shard));
    found.truncate(limit);
}
