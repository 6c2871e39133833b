//! Tools of handlers (FEATURES W13): work that blocks goes elsewhere, and a handler that blocks its shard is counted and named.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trilane::{Request, Router, get};

use super::super::parity::{Ask, House, LANES};
use super::lines::lines;

/// Neighbours of a handler: more than there are shards, so that some are on its own.
const NEIGHBOURS: usize = 8;

#[test]
fn who_waits_for_blocking_work_holds_nobody_up() {
    let (release, held) = channel::<()>();
    let held: Arc<Mutex<Receiver<()>>> = Arc::new(Mutex::new(held));
    let house = House::serving(move |_| {
        let held = Arc::clone(&held);
        let work = move |request: Request| {
            let held = Arc::clone(&held);
            async move {
                let wait = move || held.lock().unwrap().recv().is_ok();
                request.shard().blocking(wait).await.to_string()
            }
        };
        Router::new().route("/work", get(work)).route("/quick", get(|| async { "quick" }))
    });
    for lane in LANES {
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::get("/work"));
        for _ in 0..NEIGHBOURS {
            assert_eq!(lane.open(&house).ask(&Ask::get("/quick")).text(), "quick");
        }
        release.send(()).unwrap();
        assert_eq!(client.answer(id).whole().text(), "true", "{}", lane.name());
    }
}

#[test]
fn who_blocks_his_shard_is_counted_and_named() {
    let lines = lines();
    let house = House::serving(|_| {
        let quick = || async {};
        let slow = || async { std::thread::sleep(Duration::from_millis(60)) };
        let later = |request: Request| async move {
            request.shard().sleep(Duration::from_millis(1)).await;
            std::thread::sleep(Duration::from_millis(60));
        };
        Router::new()
            .route("/blocks/quick", get(quick))
            .route("/blocks/slow", get(slow))
            .route("/blocks/later", get(later))
    });
    let of = |route: &str| {
        let lines = lines.lock().unwrap();
        let is_one = |line: &&serde_json::Value| line["fields"]["route"] == route;
        let own: Vec<_> = lines.iter().filter(is_one).cloned().collect();
        own
    };
    for (round, lane) in (1..).zip(LANES) {
        let id = format!("blocks-{}", lane.name());
        for path in ["/blocks/quick", "/blocks/slow", "/blocks/later"] {
            lane.open(&house).ask(&Ask::get(path).field("x-request-id", &id)).status(200);
        }
        assert!(house.sum(|stats| stats.blocked.get()) >= 2 * round, "{}", lane.name());
        for route in ["/blocks/slow", "/blocks/later"] {
            let line = of(route).pop().unwrap_or_default();
            assert_eq!(
                (&line["level"], &line["request_id"]),
                (&"WARN".into(), &(*id).into()),
                "{line}"
            );
            assert!(line["fields"]["took_ms"].as_u64().is_some_and(|ms| ms >= 50), "{line}");
        }
    }
}

/// The wall clock's time is looked up once a turn, and anew in the next.
#[test]
fn the_wall_clock_goes_on() {
    const SPAN: Duration = Duration::from_millis(20);
    let house = House::serving(|_| {
        let passed = |request: Request| async move {
            let before = request.shard().wall();
            request.shard().sleep(SPAN).await;
            let after = request.shard().wall();
            after.duration_since(before).unwrap_or_default().as_millis().to_string()
        };
        Router::new().route("/passed", get(passed))
    });
    for lane in LANES {
        let text = lane.open(&house).ask(&Ask::get("/passed")).status(200).text();
        let passed = Duration::from_millis(text.parse().unwrap());
        // Less than the other clock says only where somebody sets it.
        assert!(passed >= SPAN / 2, "{}: {passed:?}", lane.name());
    }
}
