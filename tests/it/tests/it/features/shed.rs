//! How many requests are handled at once: those beyond wait in line, and are then sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use trilane::{ConcurrencyLimit, Router, Shard, get};

use super::super::parity::{Ask, House, LANES, eventually};

/// A server whose handlers wait until they may go.
fn house(limit: &ConcurrencyLimit) -> (House, Arc<AtomicBool>) {
    let (go, limit) = (Arc::new(AtomicBool::new(false)), limit.clone());
    let of_shards = Arc::clone(&go);
    let house = House::serving(move |shard: Shard| {
        let go = Arc::clone(&of_shards);
        let wait = move || {
            let (go, shard) = (Arc::clone(&go), shard.clone());
            async move {
                while !go.load(SeqCst) {
                    shard.sleep(Duration::from_millis(2)).await;
                }
                "done"
            }
        };
        Router::new().route("/", get(wait)).layer(limit.clone())
    });
    (house, go)
}

#[test]
fn who_finds_no_place_is_sent_away_at_once() {
    for lane in LANES {
        let limit = ConcurrencyLimit::new(2).retry_after(Duration::from_millis(2500));
        let (house, go) = house(&limit);
        let mut clients: Vec<_> = (0..2).map(|_| lane.open(&house)).collect();
        let ids: Vec<_> = clients.iter_mut().map(|it| it.begin(&Ask::get("/"))).collect();
        eventually("both are handled", || limit.stats().running == 2);
        let answer = lane.open(&house).ask(&Ask::get("/")).status(503);
        assert_eq!(answer.json()["error"]["code"], "SERVICE_UNAVAILABLE", "{}", lane.name());
        assert_eq!(answer.head.field("retry-after"), Some("3"));
        go.store(true, SeqCst);
        for (client, id) in clients.iter_mut().zip(ids) {
            client.answer(id).whole().status(200);
        }
        lane.open(&house).ask(&Ask::get("/")).status(200);
        let stats = limit.stats();
        assert_eq!((stats.running, stats.admitted, stats.shed), (0, 3, 1), "{}", lane.name());
    }
}

#[test]
fn who_waits_in_line_is_handled_when_there_is_a_place() {
    for lane in LANES {
        let limit = ConcurrencyLimit::new(1).queue(1, Duration::from_secs(600));
        let (house, go) = house(&limit);
        let (mut first, mut second) = (lane.open(&house), lane.open(&house));
        let one = first.begin(&Ask::get("/"));
        eventually("one is handled", || limit.stats().running == 1);
        let two = second.begin(&Ask::get("/"));
        eventually("one waits", || limit.stats().waiting == 1);
        lane.open(&house).ask(&Ask::get("/")).status(503);
        go.store(true, SeqCst);
        first.answer(one).whole().status(200);
        second.answer(two).whole().status(200);
    }
}

#[test]
fn who_leaves_the_line_gives_up_the_turn() {
    for lane in LANES {
        let limit = ConcurrencyLimit::new(1).queue(1, Duration::from_secs(600));
        let (house, go) = house(&limit);
        let (mut first, mut second) = (lane.open(&house), lane.open(&house));
        let one = first.begin(&Ask::get("/"));
        eventually("one is handled", || limit.stats().running == 1);
        second.begin(&Ask::get("/"));
        eventually("one waits", || limit.stats().waiting == 1);
        second.leave();
        eventually("nobody waits", || limit.stats().waiting == 0);
        go.store(true, SeqCst);
        first.answer(one).whole().status(200);
    }
}

#[test]
fn nobody_waits_in_line_for_longer_than_is_allowed() {
    for lane in LANES {
        let limit = ConcurrencyLimit::new(1).queue(9, Duration::from_millis(30));
        let (house, go) = house(&limit);
        let mut first = lane.open(&house);
        let one = first.begin(&Ask::get("/"));
        eventually("one is handled", || limit.stats().running == 1);
        lane.open(&house).ask(&Ask::get("/")).status(503);
        assert_eq!((limit.stats().waiting, limit.stats().shed), (0, 1));
        go.store(true, SeqCst);
        first.answer(one).whole().status(200);
    }
}
