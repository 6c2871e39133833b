//! `/closes`: which connections closed last, and why; and how many there were of each cause (FEATURES W11).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trilane_exchange::join_all;
use trilane_semantics::{Cause, Instant, Protocol, Reason};
use trilane_service::extract::FromRequestParts;
use trilane_service::{Error, Query, Request, StatusCode};
use trilane_shard::{Close, Inspector};

use crate::asked::{Missing, Told, seconds};

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    /// Only of that cause, by its label.
    cause: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Closes {
    /// How many connections have closed for each cause that there was.
    counts: BTreeMap<&'static str, u64>,
    /// Those that each shard remembers, the youngest first.
    closes: Vec<Line>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Line {
    shard: usize,
    cause: &'static str,
    /// The same for people.
    text: &'static str,
    /// The number of a TLS alert (RFC 8446 §6).
    alert: Option<u8>,
    last_fault: Option<&'static str>,
    protocol: Option<&'static str>,
    peer: String,
    local: String,
    /// How long ago.
    seconds_ago: f64,
    /// How long it was open.
    age_seconds: f64,
    exchanges: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Line {
    fn new(shard: usize, now: Instant, close: &Close) -> Self {
        Self {
            shard,
            cause: close.cause.label(),
            text: close.cause.text(),
            alert: if let Cause::Alert(number) = close.cause { Some(number) } else { None },
            last_fault: close.fault.map(Reason::text),
            protocol: close.protocol.map(Protocol::as_str),
            peer: close.peer.to_string(),
            local: close.local.to_string(),
            seconds_ago: seconds(now.since(close.at)),
            age_seconds: seconds(close.at.since(close.traffic.since)),
            exchanges: close.exchanges,
            received_bytes: close.traffic.received,
            sent_bytes: close.traffic.sent,
        }
    }
}

/// How many connections have closed for each cause that there was.
pub(crate) fn counts(inspector: &Inspector) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for (cause, count) in inspector.stats().iter().flat_map(|stats| stats.closed.all()) {
        if count > 0 {
            *counts.entry(cause.label()).or_default() += count;
        }
    }
    counts
}

pub(crate) async fn closes(
    inspector: Inspector,
    mut request: Request,
) -> Result<Told<Closes>, Error> {
    let Query(Wish { cause }) = Query::<Wish>::from_request_parts(&mut request, &())?;
    if let Some(cause) = &cause
        && !Cause::all().any(|known| known.label() == cause)
    {
        return Err(Error::new(StatusCode::BAD_REQUEST).message("there is no such cause"));
    }
    let all = (0..inspector.shards()).map(|shard| inspector.closes(request.shard(), shard));
    let (mut closes, mut silent) = (Vec::new(), Vec::new());
    for (shard, answer) in (0..).zip(join_all(all).await) {
        match answer {
            Ok((now, some)) => {
                let wanted = some
                    .iter()
                    .filter(|close| cause.as_ref().is_none_or(|it| close.cause.label() == it));
                closes.extend(wanted.map(|close| (close.at, Line::new(shard, now, close))));
            }
            Err(why) => silent.push(Missing::new(&inspector, shard, why)),
        }
    }
    // The time of all shards is the same.
    closes.sort_by_key(|(at, _)| Reverse(*at));
    let closes = closes.into_iter().map(|(_, line)| line).collect();
    Ok(Told { told: Closes { counts: counts(&inspector), closes }, silent })
}
