//! Health by a clock that is the test's own: what is asked how often, and what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use crate::testing::TestClient;
use crate::{Health, Router, Shard};

const SECOND: Duration = Duration::from_secs(1);

/// A check that takes a second, fails while `fails` is 1, panics while it is 2, hangs while it is 3.
fn health(runs: &Arc<AtomicU32>, fails: &Arc<AtomicU32>) -> Health {
    let (runs, fails) = (Arc::clone(runs), Arc::clone(fails));
    Health::new().check("db", 10 * SECOND, move |shard: Shard| {
        runs.fetch_add(1, Relaxed);
        let fails = fails.load(Relaxed);
        async move {
            shard.sleep(SECOND).await;
            match fails {
                0 => Ok(()),
                1 => Err("no route to it"),
                2 => panic!("on purpose"),
                _ => std::future::pending().await,
            }
        }
    })
}

fn client(health: &Health) -> TestClient {
    TestClient::new(Router::new().merge(health.routes())).unwrap()
}

#[test]
fn checks_run_once_an_interval_however_many_ask() {
    let (runs, fails) = (Arc::default(), Arc::default());
    let client = client(&health(&runs, &fails));
    let calls: Vec<_> = (0..5).map(|_| client.get("/health").begin()).collect();
    for call in calls {
        let mut answer = call.wait();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "OK"));
    }
    assert_eq!(runs.load(Relaxed), 1);
    client.advance(9 * SECOND);
    assert_eq!(client.get("/ready").send().status(), 200);
    assert_eq!(runs.load(Relaxed), 1);
    client.advance(SECOND);
    fails.store(1, Relaxed);
    assert_eq!(client.get("/health").send().status(), 503);
    assert_eq!(runs.load(Relaxed), 2);
    assert_eq!(client.get("/ready").send().status(), 503);
    assert_eq!(client.get("/live").send().status(), 200);
}

/// Shards look at the clock once a turn, so that the result of one may be of a moment that another has not come to yet.
#[test]
fn a_result_of_a_moment_to_come_is_young_but_not_of_a_clock_set_back() {
    let (runs, fails) = (Arc::default(), Arc::default());
    let health = health(&runs, &fails);
    let (first, late, early) = (client(&health), client(&health), client(&health));
    assert_eq!(first.get("/health").send().status(), 200);
    late.advance(SECOND / 10);
    assert_eq!(late.get("/health").send().status(), 200);
    assert_eq!(runs.load(Relaxed), 1);
    assert_eq!(early.get("/health").send().status(), 200);
    assert_eq!(runs.load(Relaxed), 2);
}

#[test]
fn details_say_what_and_since_when() {
    let (runs, fails) = (Arc::default(), Arc::new(AtomicU32::new(1)));
    let health = health(&runs, &fails).check("disk", SECOND, |_| async { Ok::<(), String>(()) });
    let client = client(&health);
    let mut answer = client.get("/health/detailed").send();
    assert_eq!((answer.status(), answer.field("cache-control")), (503, Some("no-store")));
    let start = 1_767_225_600;
    let expected = json!({
        "healthy": false, "timestamp": start + 1, "last_check": start + 1,
        "checks": {
            "db": {"healthy": false, "last_check": start + 1, "duration_ms": 1000, "error": "no route to it"},
            "disk": {"healthy": true, "last_check": start, "duration_ms": 0, "error": null},
        },
    });
    assert_eq!(answer.json::<Value>().unwrap(), expected);
}

#[test]
fn a_check_that_panics_or_hangs_has_failed() {
    for (how, error) in [(2, "broke off"), (3, "took too long")] {
        let (runs, fails) = (Arc::default(), Arc::new(AtomicU32::new(how)));
        let client = client(&health(&runs, &fails));
        let report: Value = client.get("/health/detailed").send().json().unwrap();
        assert_eq!(report["checks"]["db"]["error"], error);
    }
}

#[test]
fn who_has_asked_may_leave_and_a_drain_is_told_first() {
    let (runs, fails) = (Arc::default(), Arc::default());
    let client = client(&health(&runs, &fails));
    drop(client.get("/health").begin());
    client.advance(2 * SECOND);
    assert_eq!(client.get("/health").send().status(), 200);
    assert_eq!(runs.load(Relaxed), 1);
    client.drain();
    let mut ready = client.get("/ready").send();
    assert_eq!((ready.status(), ready.text().as_str()), (503, "Draining"));
    assert_eq!(client.get("/health").send().status(), 200);
}

/// Who has waited for a run takes what came of it, though it is old at once.
#[test]
fn a_result_may_be_kept_for_no_time_at_all() {
    let runs = Arc::<AtomicU32>::default();
    let count = Arc::clone(&runs);
    let health = Health::new().check("db", Duration::ZERO, move |shard: Shard| {
        count.fetch_add(1, Relaxed);
        async move {
            shard.sleep(SECOND).await;
            Ok::<(), String>(())
        }
    });
    let client = client(&health);
    for asked in 1..4 {
        assert_eq!(client.get("/health").send().status(), 200);
        assert_eq!(runs.load(Relaxed), asked);
    }
}

#[test]
fn so_many_wait_and_others_are_told_what_is_known() {
    let (runs, fails) = (Arc::default(), Arc::default());
    let client = client(&health(&runs, &fails));
    let first: Vec<_> = (0..1024).map(|_| client.get("/health").begin()).collect();
    assert_eq!(client.get("/health").send().status(), 503, "nothing is known yet");
    assert!(first.into_iter().all(|call| call.wait().status() == 200));
    client.advance(10 * SECOND);
    let second: Vec<_> = (0..1024).map(|_| client.get("/health").begin()).collect();
    assert_eq!(client.get("/health").send().status(), 200, "what was known before");
    drop(second);
    assert_eq!(runs.load(Relaxed), 2);
}
