//! Rate limits (FEATURES X2), on two shards: one budget for all connections of a client, and what it is told.

use std::time::Duration;

use trilane::rate::Quota;
use trilane::{RateLimit, Router, get};

use super::super::parity::{Answer, Ask, House, LANES, Lane};

/// One limit of 5 a minute each, and one of a bucket, by who they say they are.
fn house() -> (House, RateLimit) {
    let window = RateLimit::new(Quota::per_minute(5)).by_header("x-client");
    let bucket = RateLimit::new(Quota::bucket(1, Duration::from_secs(3600), 3))
        .name("slow")
        .by_header("x-client");
    let of_shards = window.clone();
    let house = House::serving(move |_| {
        Router::new()
            .route("/window", get(|| async { "hi" }).layer(of_shards.clone()))
            .route("/bucket", get(|| async { "hi" }).layer(bucket.clone()))
            .route("/free", get(|| async { "hi" }))
    });
    (house, window)
}

/// The answer over a connection of its own.
fn ask(lane: &dyn Lane, house: &House, target: &str) -> Answer {
    lane.open(house).ask(&Ask::get(target).field("x-client", lane.name()))
}

#[test]
fn all_connections_of_a_client_share_one_budget() {
    let (house, limit) = house();
    for lane in LANES {
        let answers: Vec<_> = (0..12).map(|_| ask(*lane, &house, "/window")).collect();
        for (at, answer) in answers.iter().enumerate() {
            let what = format!("{} {at}", lane.name());
            let left = 4_usize.saturating_sub(at);
            let field = |name| answer.head.field(name).unwrap_or("none");
            assert_eq!(answer.head.status, if at < 5 { 200 } else { 429 }, "{what}");
            assert_eq!(field("x-ratelimit-limit"), "5", "{what}");
            assert_eq!(field("x-ratelimit-remaining"), left.to_string(), "{what}");
            assert_eq!(field("ratelimit-policy"), "\"default\";q=5;w=60", "{what}");
            assert!(field("ratelimit").starts_with(&format!("\"default\";r={left};t=")), "{what}");
            let reset: u64 = field("x-ratelimit-reset").parse().unwrap();
            assert!((1..=60).contains(&reset), "{what}: {reset}");
            if at < 5 {
                assert_eq!(field("retry-after"), "none", "{what}");
            } else {
                assert!((1..=60).contains(&field("retry-after").parse().unwrap()), "{what}");
                assert_eq!(answer.json()["error"]["code"], "RATE_LIMIT_EXCEEDED", "{what}");
                assert_eq!(field("cache-control"), "no-store", "{what}");
            }
        }
        let free = ask(*lane, &house, "/free").status(200);
        assert_eq!(free.head.field("x-ratelimit-limit"), None);
    }
    let (lanes, stats) = (LANES.len() as u64, limit.stats());
    assert_eq!((stats.allowed, stats.limited, stats.evicted), (5 * lanes, 7 * lanes, 0));
}

#[test]
fn a_bucket_lets_its_burst_through() {
    let (house, _) = house();
    for lane in LANES {
        let statuses: Vec<_> = (0..5).map(|_| ask(*lane, &house, "/bucket").head.status).collect();
        assert_eq!(statuses, [200, 200, 200, 429, 429], "{}", lane.name());
    }
}
