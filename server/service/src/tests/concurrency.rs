//! Requests at once, by a clock that is the test's own: who waits, who is sent away, and what is counted.

use std::time::Duration;

use crate::testing::TestClient;
use crate::{ConcurrencyLimit, Request, Router, get};

/// A handler that takes a second, behind that limit.
fn client(limit: &ConcurrencyLimit) -> TestClient {
    let slow = |request: Request| async move {
        request.shard().sleep(Duration::from_secs(1)).await;
        "done"
    };
    TestClient::new(Router::new().route("/", get(slow)).layer(limit.clone())).unwrap()
}

#[test]
fn who_waits_has_the_next_place_or_is_sent_away_in_the_end() {
    for (patience, statuses, shed) in [(1500, [200, 200, 503], 1), (500, [200, 503, 503], 2)] {
        let limit = ConcurrencyLimit::new(1).queue(2, Duration::from_millis(patience));
        let client = client(&limit);
        let calls: Vec<_> = (0..3).map(|_| client.get("/").begin()).collect();
        let stats = limit.stats();
        assert_eq!((stats.running, stats.waiting, stats.shed), (1, 2, 0));
        assert_eq!(client.get("/").send().status(), 503, "the line is full");
        assert_eq!(
            calls.into_iter().map(|call| call.wait().status()).collect::<Vec<_>>(),
            statuses
        );
        let stats = limit.stats();
        assert_eq!((stats.running, stats.waiting, stats.shed), (0, 0, shed + 1), "{patience}");
        assert_eq!(stats.admitted, 3 - shed);
    }
}

#[test]
fn who_leaves_gives_back_what_he_had() {
    let limit = ConcurrencyLimit::new(1).queue(9, Duration::from_secs(9));
    let client = client(&limit);
    let (first, second, third) =
        (client.get("/").begin(), client.get("/").begin(), client.get("/").begin());
    drop((second, first));
    assert_eq!(third.wait().status(), 200);
    let stats = limit.stats();
    assert_eq!((stats.running, stats.waiting, stats.admitted, stats.shed), (0, 0, 2, 0));
}

#[test]
fn when_to_come_again_is_a_second_at_least() {
    for (time, told) in [(0, "1"), (1, "1"), (1001, "2"), (60_000, "60")] {
        let limit = ConcurrencyLimit::new(0).retry_after(Duration::from_millis(time));
        let answer = client(&limit).get("/").send();
        assert_eq!((answer.status(), answer.field("retry-after")), (503, Some(told)), "{time}");
    }
}
