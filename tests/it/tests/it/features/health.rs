//! Health (FEATURES W9): what is told over every protocol, checks once for both shards, and a drain that is told first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use trilane::{Health, Router, Server};

use super::super::parity::{Ask, House, LANES, eventually};

#[test]
fn a_check_runs_once_for_all_shards_and_protocols() {
    let (runs, is_well) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let (count, well) = (Arc::clone(&runs), Arc::clone(&is_well));
    let health = Health::new().check("db", Duration::from_secs(3600), move |shard| {
        count.fetch_add(1, SeqCst);
        let well = Arc::clone(&well);
        async move {
            shard.sleep(Duration::from_millis(1)).await;
            if well.load(SeqCst) { Ok(()) } else { Err("gone") }
        }
    });
    let house = House::serving(move |_| Router::new().merge(health.routes()));
    for lane in LANES {
        for path in ["/live", "/ready", "/health", "/health/detailed"] {
            let answer = lane.open(&house).ask(&Ask::get(path)).status(200);
            assert_eq!(answer.head.field("cache-control"), Some("no-store"));
        }
        let json = lane.open(&house).ask(&Ask::get("/health/detailed")).json();
        assert_eq!(
            (&json["healthy"], &json["checks"]["db"]["healthy"]),
            (&true.into(), &true.into())
        );
        assert!(json["timestamp"].is_u64() && json["last_check"].is_u64(), "{json}");
    }
    assert_eq!(runs.load(SeqCst), 1);
}

#[test]
fn a_check_that_fails_is_a_503() {
    let health = Health::new()
        .check("db", Duration::from_secs(3600), |_| async { Err::<(), _>("no route to it") });
    let house = House::serving(move |_| Router::new().merge(health.routes()));
    for lane in LANES {
        let ask = |path: &str| lane.open(&house).ask(&Ask::get(path));
        assert_eq!(ask("/live").head.status, 200);
        assert_eq!(ask("/ready").head.status, 503);
        assert_eq!(ask("/health").status(503).text(), "Unhealthy");
        let json = ask("/health/detailed").status(503).json();
        assert_eq!(json["checks"]["db"]["error"], "no route to it");
    }
}

/// A connection that is kept for a while in a drain learns of it by its next request.
#[test]
fn a_drain_is_told_on_connections_that_are_there() {
    for lane in LANES.iter().filter(|lane| lane.name() != "h1.0") {
        let health = Health::new();
        let app = move |_| Router::new().merge(health.routes());
        let server = Server::new(app).h2c().drain(Duration::from_secs(20), Duration::from_secs(20));
        let house = House::of(server);
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/ready")).status(200);
        house.drain();
        eventually("the shards know", || {
            // Over HTTP/2 and HTTP/3 a draining server takes no further request of this connection.
            if !client.is_open() {
                return true;
            }
            let id = client.begin(&Ask::get("/ready"));
            let answer = client.answer(id);
            !answer.is_whole || answer.head.status == 503
        });
    }
}
