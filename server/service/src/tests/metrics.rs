//! Metrics as a scraper reads them.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use trilane_exchange::{Refusal, Service};
use trilane_semantics::{Cause, Reason};

use super::support::{built, request, seen, send};
use crate::testing::TestClient;
use crate::{Metrics, Outgoing, Path, Request, Router, StatusCode, default_layers, get, post};

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or_default()
}

fn router(metrics: &Metrics) -> Router {
    Router::new()
        .route("/status/{code}", get(status))
        .route("/echo", post(|content: String| async { content }))
        .route("/count", post(|content: String| async move { content.len().to_string() }))
        .route("/metrics", get(metrics.handler()))
        .layer(metrics.clone())
        .layer(default_layers(None))
}

fn scrape(client: &TestClient) -> String {
    client.get("/metrics").send().text()
}

/// The value of a sample.
fn sample(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.strip_prefix(' ')?.parse().ok()
}

#[test]
fn requests_are_counted_by_their_route_and_what_was_sent() {
    let metrics = Metrics::new().exclude("/metrics");
    let client = TestClient::new(router(&metrics)).unwrap();
    for code in [200, 200, 404, 503] {
        drop(client.get(&format!("/status/{code}")).send());
    }
    drop(client.request("BREW".parse().unwrap(), "/status/418").send());
    drop(client.get("/nowhere").send());
    drop(client.get("no path").send());
    drop(client.post("/echo").body("x".repeat(150)).send().text());
    drop(client.post("/count").body("x".repeat(150)).send().text());
    let text = scrape(&client);
    for (name, value) in [
        ("http_requests_total{method=\"GET\",path=\"/status/{code}\",status=\"200\"}", 2.0),
        ("http_requests_total{method=\"GET\",path=\"/status/{code}\",status=\"404\"}", 1.0),
        ("http_requests_total{method=\"GET\",path=\"/status/{code}\",status=\"503\"}", 1.0),
        ("http_requests_total{method=\"other\",path=\"/status/{code}\",status=\"501\"}", 1.0),
        ("http_requests_total{method=\"GET\",path=\"unmatched\",status=\"404\"}", 1.0),
        ("http_requests_total{method=\"other\",path=\"unmatched\",status=\"400\"}", 1.0),
        ("http_requests_total{method=\"POST\",path=\"/echo\",status=\"200\"}", 1.0),
        ("http_request_size_bytes_bucket{le=\"100.0\"}", 6.0),
        ("http_request_size_bytes_bucket{le=\"1000.0\"}", 8.0),
        ("http_request_size_bytes_sum", 300.0),
        ("http_response_size_bytes_count", 8.0),
        ("http_requests_in_flight", 1.0),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name} in {text}");
    }
    assert!(!scrape(&client).contains("path=\"/metrics\""), "though one is over by now");
    assert!(sample(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e5));
    assert!(sample(&text, "process_start_time_seconds").is_some_and(|time| time > 1.7e9));
    assert!(sample(&text, "process_open_fds").is_some_and(|count| count >= 3.0));
}

/// What was refused with an exchange is counted at its end, and no sooner.
#[test]
fn a_refusal_counts_once() {
    let app = built(router(&Metrics::new()));
    let asked = request("GET", "/x", &[], "");
    let (connection, shard) = (asked.exchange().connection(), asked.shard());
    let refuse = |exchange| {
        let reason = Reason::BodyTimeout;
        app.refuse(&Refusal { reason, exchange, connection, shard });
    };
    refuse(None);
    refuse(Some(&**asked.exchange()));
    app.finished(asked.exchange(), &super::logging::summary());
    let (_, text) = seen(send(&app, request("GET", "/metrics", &[], "")));
    let counted: Vec<_> =
        text.lines().filter(|line| line.starts_with("http_requests_total")).collect();
    let expected = [
        "http_requests_total{method=\"GET\",path=\"unmatched\",status=\"200\"} 1",
        "http_requests_total{method=\"other\",path=\"unmatched\",status=\"408\"} 1",
    ];
    assert_eq!(counted, expected);
}

#[test]
fn durations_are_those_of_the_clock() {
    let slow = |request: Request| async move {
        request.shard().sleep(Duration::from_millis(40)).await;
        Outgoing::Empty
    };
    let metrics = Metrics::new().buckets([0.01, 0.05]);
    let router = Router::new().route("/slow", get(slow)).route("/metrics", get(metrics.handler()));
    let client = TestClient::new(router.layer(metrics)).unwrap();
    drop((client.get("/slow").send(), client.get("/slow").send()));
    let text = scrape(&client);
    let name = |rest: &str| format!("http_request_duration_seconds_{rest}");
    let labels = "method=\"GET\",path=\"/slow\"";
    for (rest, value) in [
        (format!("bucket{{le=\"0.01\",{labels}}}"), 0.0),
        (format!("bucket{{le=\"0.05\",{labels}}}"), 2.0),
        (format!("bucket{{le=\"+Inf\",{labels}}}"), 2.0),
        (format!("sum{{{labels}}}"), 0.08),
    ] {
        assert_eq!(sample(&text, &name(&rest)), Some(value), "{rest} in {text}");
    }
}

#[test]
fn shards_causes_and_metrics_of_users() {
    let metrics = Metrics::new();
    let orders: Counter = Counter::default();
    metrics.register("orders", "Orders.", orders.clone());
    orders.inc_by(3);
    let client = TestClient::new(router(&metrics)).unwrap();
    client.stats().closed.count(Cause::IdleTimeout);
    client.stats().accepted.add(5);
    client.stats().cache.uri_miss.add(7);
    let text = scrape(&client);
    for (name, value) in [
        ("orders_total", 3.0),
        ("trilane_connections_accepted_total{shard=\"0\"}", 5.0),
        ("trilane_connections_closed_total{cause=\"idle_timeout\"}", 1.0),
        ("trilane_cache_requests_total{result=\"uri-miss\"}", 7.0),
    ] {
        assert_eq!(sample(&text, name), Some(value), "{name} in {text}");
    }
}

#[test]
fn the_form_is_what_was_asked_for() {
    let client = TestClient::new(router(&Metrics::new())).unwrap();
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    for (accept, form) in [
        ("*/*", plain),
        ("application/openmetrics-text;q=0", plain),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", open),
    ] {
        let mut answer = client.get("/metrics").field("accept", accept).send();
        assert_eq!(answer.field("content-type"), Some(form));
        let text = answer.text();
        assert_eq!(text.ends_with("# EOF\n"), form == open);
        let is_named_so = text.contains("# TYPE http_requests_total counter\n");
        assert_eq!(is_named_so, form == plain, "{text}");
    }
}

#[test]
fn series_have_a_bound() {
    let metrics = Metrics::new().series(3);
    let client = TestClient::new(router(&metrics)).unwrap();
    for code in 400..450 {
        drop(client.get(&format!("/status/{code}")).send());
    }
    let text = scrape(&client);
    let count = |path: &str| {
        let path = format!("path=\"{path}\"");
        let is_one = |line: &&str| line.starts_with("http_requests_total") && line.contains(&path);
        text.lines().filter(is_one).count()
    };
    assert_eq!((count("/status/{code}"), count("other")), (3, 47));
    assert_eq!(sample(&text, "http_response_size_bytes_count"), Some(50.0));
}

#[test]
fn bounds_that_do_not_rise_are_refused() {
    for bounds in [vec![], vec![0.0], vec![2.0, 1.0], vec![1.0, 1.0], vec![f64::NAN]] {
        assert!(router(&Metrics::new().buckets(bounds)).build().is_err());
    }
    assert!(router(&Metrics::new().size_buckets([2, 1])).build().is_err());
}
