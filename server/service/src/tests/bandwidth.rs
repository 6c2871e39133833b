//! Content no faster than it may be, by a clock that is the test's own.

use std::time::Duration;

use crate::testing::TestClient;
use crate::{Bandwidth, Request, Router, get};

#[test]
fn an_answer_takes_as_long_as_its_rate_says() {
    for (length, rate, millis) in
        [(100_000, 50_000, 1960..2001), (3000, 100, 20_000..30_001), (1000, 100, 0..1)]
    {
        let now = |request: Request| async move { request.shard().now().as_nanos().to_string() };
        let whole = get(move || async move { "x".repeat(length) }).layer(Bandwidth::new(rate));
        let client =
            TestClient::new(Router::new().route("/", whole).route("/now", get(now))).unwrap();
        let now = || client.get("/now").send().text().parse().map(Duration::from_nanos).unwrap();
        let before = now();
        let mut answer = client.get("/").send();
        assert_eq!(answer.text().len(), length);
        let took = u64::try_from((now() - before).as_millis()).unwrap();
        assert!(millis.contains(&took), "{length} at {rate}: {took} ms");
    }
}
