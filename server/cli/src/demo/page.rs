//! The front page: what this is, which protocol the visitor came over, and counters that live.

use serde::Serialize;
use trilane::{Json, Protocol, Shard};

const PAGE: &str = include_str!("page/index.html");

/// What the page is made of besides: nothing is inline, so that it may be served with any content security policy.
pub(super) const ASSETS: [(&str, &[u8]); 3] = [
    ("icon.svg", include_bytes!("sample/lanes.svg")),
    ("live.js", include_bytes!("page/live.js")),
    ("style.css", include_bytes!("page/style.css")),
];

/// The page, for a visitor over that protocol.
pub(super) fn front(protocol: Protocol) -> String {
    PAGE.replace("{{protocol}}", protocol.as_str())
}

/// Counters of the server, all shards together.
#[derive(Serialize)]
pub(super) struct Counters {
    shards: Vec<ShardCounters>,
    open: u64,
    accepted: u64,
    accept_pauses: u64,
    crowded: u64,
    requests: u64,
    received: u64,
    sent: u64,
    file_sent: u64,
    file_read: u64,
    uncopied: u64,
    panics: u64,
    faults: u64,
    quic_handshakes: u64,
    quic_resumed: u64,
    quic_early: u64,
    quic_retries: u64,
    quic_resets: u64,
    forwarded: u64,
    forward_dropped: u64,
    migrations: u64,
    datagrams_received: u64,
    datagrams_sent: u64,
    trains_received: u64,
    trains_sent: u64,
}

#[derive(Serialize)]
struct ShardCounters {
    open: u64,
    requests: u64,
}

/// `/stats`, which the page asks once a second.
pub(super) async fn stats(shard: Shard) -> Json<Counters> {
    let all = shard.all_stats();
    let sum = |of: fn(&trilane::Stats) -> u64| all.iter().map(|stats| of(stats)).sum();
    Json(Counters {
        open: sum(|stats| stats.open.get()),
        accepted: sum(|stats| stats.accepted.get()),
        accept_pauses: sum(|stats| stats.accept_pauses.get()),
        crowded: sum(|stats| stats.crowded.get()),
        requests: sum(|stats| stats.requests.get()),
        received: sum(|stats| stats.received.get()),
        sent: sum(|stats| stats.sent.get()),
        file_sent: sum(|stats| stats.file_sent.get()),
        file_read: sum(|stats| stats.file_read.get()),
        uncopied: sum(|stats| stats.uncopied.get()),
        panics: sum(|stats| stats.panics.get()),
        faults: sum(|stats| stats.faults.get()),
        quic_handshakes: sum(|stats| stats.quic_handshakes.get()),
        quic_resumed: sum(|stats| stats.quic_resumed.get()),
        quic_early: sum(|stats| stats.quic_early.get()),
        quic_retries: sum(|stats| stats.quic_retries.get()),
        quic_resets: sum(|stats| stats.quic_resets.get()),
        forwarded: sum(|stats| stats.forwarded.get()),
        forward_dropped: sum(|stats| stats.forward_dropped.get()),
        migrations: sum(|stats| stats.migrations.get()),
        datagrams_received: sum(|stats| stats.datagrams_received.get()),
        datagrams_sent: sum(|stats| stats.datagrams_sent.get()),
        trains_received: sum(|stats| stats.trains_received.get()),
        trains_sent: sum(|stats| stats.trains_sent.get()),
        shards: all
            .iter()
            .map(|it| ShardCounters { open: it.open.get(), requests: it.requests.get() })
            .collect(),
    })
}
