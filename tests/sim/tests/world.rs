//! Whole servers from one seed: every request gets its one right answer, whatever the clients do.

mod service;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use service::Demo;
use trilane_semantics::Reason;
use trilane_sim::plan::Kind;
use trilane_sim::recorder::Tally;
use trilane_sim::{Report, World};

/// Worlds of the short form, enough for everything to occur.
const SEEDS: u64 = 7;
const CLIENTS: usize = 60;

/// How many worlds: `make soak` asks for more.
fn seeds() -> u64 {
    std::env::var("SOAK").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// Every third world drains while its clients are busy.
fn run(seed: u64) -> Report {
    let world = World::new(seed, Rc::new(Demo::default())).clients(CLIENTS, 10);
    match seed % 3 {
        2 => world.draining(
            Duration::from_millis(500 + 700 * (seed % SEEDS)),
            Duration::from_secs(1),
            Duration::from_secs(10),
        ),
        _ => world,
    }
    .run()
}

/// A panic of a handler is caught; its message would drown the output of a failing test.
fn quietly() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or_default();
        if text != "on purpose" {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{info}");
        }
    }));
}

#[test]
fn every_request_gets_its_one_right_answer_and_everything_occurs() {
    quietly();
    let mut tally = Tally::new();
    for seed in 0..seeds() {
        let report = run(seed);
        assert!(report.failures.is_empty(), "seed {seed}:\n{}", report.failures.join("\n"));
        if seed % 3 != 2 {
            let (n, requests) = (report.connections, report.requests);
            assert!(n >= CLIENTS as u64 && requests >= 500, "seed {seed}: {n}, {requests}");
        }
        for (name, n) in report.tally {
            *tally.entry(name).or_default() += n;
        }
    }
    let missing: Vec<_> = expected().into_iter().filter(|name| !tally.contains_key(name)).collect();
    assert!(missing.is_empty(), "never occurred: {missing:?}\noccurred: {tally:#?}");
}

#[test]
fn a_seed_repeats_to_the_byte() {
    quietly();
    let first = run(3);
    assert_eq!(first, run(3));
    assert_ne!(first.trace, run(4).trace);
}

/// What `make planted` runs on a build with a mistake in it: some seed of a thousand must show it.
#[test]
#[ignore = "only a build with a planted mistake fails"]
fn a_planted_mistake_is_found() {
    quietly();
    let shows = |seed: &u64| {
        let report = std::panic::catch_unwind(|| run(*seed));
        report.map_or(true, |report| !report.failures.is_empty())
    };
    let first = (0..1000).find(shows);
    eprintln!("first seed: {}", first.expect("a thousand seeds did not show it"));
}

/// All that an HTTP/1 server can see and do.
fn expected() -> BTreeSet<String> {
    let causes = [
        "aborted",
        "drain",
        "drain_deadline",
        "idle_timeout",
        "last_message",
        "peer",
        "peer_left",
        "transport",
        "tunnel_end",
        "write_timeout",
    ];
    // What only a client or HTTP/2 can meet, and what handlers answer themselves.
    let not_here = [
        Reason::StatusLine,
        Reason::ContentTooLarge,
        Reason::Compression,
        Reason::ConnectionField,
        Reason::ContentCoding,
        Reason::ContentLength,
        Reason::Continuations,
        Reason::EarlyData,
        Reason::Flood,
        Reason::FlowControl,
        Reason::Frame,
        Reason::FrameSize,
        Reason::Preface,
        Reason::PseudoField,
        Reason::Resets,
        Reason::Setting,
        Reason::StreamClosed,
        Reason::WindowTimeout,
    ];
    let reasons = Reason::ALL.iter().filter(|reason| !not_here.contains(reason));
    let outcomes = ["aborted", "complete", "peer_left"];
    let statuses = [101, 200, 400, 404, 408, 413, 414, 417, 431, 500, 501, 504, 505];
    let mut all = BTreeSet::new();
    all.extend(causes.map(|cause| format!("cause {cause}")));
    all.extend(reasons.map(|reason| format!("reason {}", reason.label())));
    all.extend(outcomes.map(|outcome| format!("outcome {outcome}")));
    all.extend(Kind::ALL.iter().map(|kind| format!("client {kind:?}")));
    all.extend(statuses.map(|status| format!("status {status}")));
    all
}
