//! `/shards`: how each shard is, as far as it answers.

use serde::Serialize;
use trilane_exchange::join_all;
use trilane_service::Request;
use trilane_shard::{Inspector, Report};

use crate::asked::{Missing, Told, seconds};

/// What is told of all shards.
#[derive(Debug, Serialize)]
pub(crate) struct Shards {
    /// The server's age.
    uptime_seconds: f64,
    is_draining: bool,
    shards: Vec<ShardLine>,
}

/// A shard. Memory is in bytes.
#[derive(Debug, Serialize)]
pub(crate) struct ShardLine {
    pub(crate) shard: usize,
    pub(crate) state: &'static str,
    pub(crate) cpu_seconds: f64,
    pub(crate) connections: usize,
    quic_connections: usize,
    to_servers: usize,
    waiting_for_a_place: usize,
    pub(crate) requests: u64,
    pub(crate) requests_open: u64,
    slots: usize,
    tasks: usize,
    timers: usize,
    reads: usize,
    blocked: u64,
    waiting_bytes: usize,
    bulk_bytes: usize,
    pipes: usize,
    pub(crate) buffers: Buffers,
    ring: RingLine,
}

#[derive(Debug, Serialize)]
pub(crate) struct Buffers {
    pub(crate) in_use: usize,
    pub(crate) free: usize,
    pub(crate) leased: usize,
    most: usize,
    bytes_each: usize,
    starved: usize,
    starved_total: u64,
}

#[derive(Debug, Serialize)]
struct RingLine {
    submissions: usize,
    submitted: usize,
    backlog: usize,
    completions: usize,
    completed: usize,
    overflow: u32,
}

impl ShardLine {
    fn new(inspector: &Inspector, report: &Report) -> Option<Self> {
        let stats = inspector.stats().get(report.shard)?;
        let (buffers, ring) = (report.buffers, report.ring);
        Some(Self {
            shard: report.shard,
            state: if report.is_draining { "draining" } else { "serving" },
            cpu_seconds: seconds(report.cpu),
            connections: report.connections,
            quic_connections: report.quic,
            to_servers: report.outward,
            waiting_for_a_place: report.surplus,
            requests: stats.requests.get(),
            requests_open: stats.requests.get().saturating_sub(stats.finished.get()),
            slots: report.slots,
            tasks: report.tasks,
            timers: report.timers,
            reads: report.reads,
            blocked: stats.blocked.get(),
            waiting_bytes: report.waiting,
            bulk_bytes: report.bulk,
            pipes: report.pipes,
            buffers: Buffers {
                in_use: buffers.in_use,
                free: buffers.free,
                leased: buffers.leased,
                most: buffers.most,
                bytes_each: buffers.size,
                starved: buffers.starved,
                starved_total: stats.starved.get(),
            },
            ring: RingLine {
                submissions: ring.submissions,
                submitted: ring.submitted,
                backlog: ring.backlog,
                completions: ring.completions,
                completed: ring.completed,
                overflow: ring.overflow,
            },
        })
    }
}

/// All shards that answer, and the others.
pub(crate) async fn lines(
    inspector: &Inspector,
    from: &trilane_service::Shard,
) -> (Vec<ShardLine>, Vec<Missing>) {
    let all = (0..inspector.shards()).map(|number| inspector.report(from, number));
    let (mut shards, mut silent) = (Vec::new(), Vec::new());
    for (number, answer) in (0..).zip(join_all(all).await) {
        match answer {
            Ok(report) => shards.extend(ShardLine::new(inspector, &report)),
            Err(why) => silent.push(Missing::new(inspector, number, why)),
        }
    }
    (shards, silent)
}

pub(crate) async fn shards(inspector: Inspector, request: Request) -> Told<Shards> {
    let (shards, silent) = lines(&inspector, request.shard()).await;
    let (uptime_seconds, is_draining) = (seconds(inspector.age()), inspector.is_draining());
    Told { told: Shards { uptime_seconds, is_draining, shards }, silent }
}
