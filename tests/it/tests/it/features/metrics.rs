//! Metrics (FEATURES W8, W11) as a scraper sees them, of requests over every protocol on two shards.

use std::io::Write;
use std::process::{Command, Stdio};

use trilane::{Metrics, Path, Router, StatusCode, get, post};

use super::super::parity::{Ask, House, LANES, Length, eventually};

/// Routes that are counted, and where that is told.
fn house() -> House {
    let metrics = Metrics::new();
    House::serving(move |_| {
        let status = |Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() };
        Router::new()
            .route("/status/{code}", get(status))
            .route("/echo", post(|content: String| async { content }))
            .route("/metrics", get(metrics.handler()))
            .layer(metrics.clone())
    })
}

/// The value of a sample, 0 if there is none.
fn sample(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn requests_of_all_protocols_are_added_up() {
    let house = house();
    let scrape = || LANES[0].open(&house).ask(&Ask::get("/metrics")).status(200).text();
    for (round, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/status/204"));
        client.ask(&Ask::get("/status/503"));
        client.ask(&Ask::get("/nowhere"));
        client.ask_with(&Ask::post("/echo", Length::Exact(150)), &[b'x'; 150]);
        client.leave();
        eventually(lane.name(), || {
            let (text, round) = (scrape(), f64::from(round));
            let is_so = |name: &str, each: f64| sample(&text, name) == each * round;
            let total = |labels: &str| format!("http_requests_total{{{labels}}}");
            is_so(&total("method=\"GET\",path=\"/status/{code}\",status=\"204\""), 1.0)
                && is_so(&total("method=\"GET\",path=\"/status/{code}\",status=\"503\""), 1.0)
                && is_so(&total("method=\"GET\",path=\"unmatched\",status=\"404\""), 1.0)
                && is_so(&total("method=\"POST\",path=\"/echo\",status=\"200\""), 1.0)
                && is_so("http_request_size_bytes_sum", 150.0)
        });
    }
    // Nothing is under way but the scrape itself.
    eventually("in flight", || sample(&scrape(), "http_requests_in_flight") == 1.0);
    let text = scrape();
    for shard in [0, 1] {
        assert!(text.contains(&format!("trilane_connections_open{{shard=\"{shard}\"}}")));
    }
    assert!(sample(&text, "process_resident_memory_bytes") > 1e6);
}

/// A cause for each way that connections here end: the peer closes it, or has said that this was its last request; and over QUIC,
/// where the peer closes too.
#[test]
fn it_is_told_why_connections_closed() {
    let house = house();
    for lane in LANES {
        let closed = || {
            let text = LANES[0].open(&house).ask(&Ask::get("/metrics")).status(200).text();
            let causes = text
                .lines()
                .filter(|line| line.starts_with("trilane_connections_closed_total{cause="));
            causes.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
        };
        let open = || house.sum(|stats| stats.open.get());
        eventually("nobody is there", || open() == 0);
        let before = closed();
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/status/200"));
        client.leave();
        eventually("it is gone", || open() == 0);
        // The scrape before it has closed, too.
        eventually(lane.name(), || closed() >= before + 2);
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let house = house();
    for lane in LANES {
        lane.open(&house).ask(&Ask::get("/status/200"));
    }
    let mut client = LANES[0].open(&house);
    let answer = client.ask(&Ask::get("/metrics"));
    let form = answer.head.field("content-type");
    assert_eq!(form, Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        eprintln!("skipped: there is no promtool (Debian's prometheus)");
        return;
    };
    child.stdin.take().unwrap().write_all(&answer.body).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", answer.text());
    let open = Ask::get("/metrics").field("accept", "application/openmetrics-text; version=1.0.0");
    assert!(client.ask(&open).text().ends_with("# EOF\n"));
}

#[test]
fn the_demo_tells_them() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let text = client.ask(&Ask::get("/metrics")).status(200).text();
        assert!(text.contains("# TYPE http_requests_total counter"), "{}", lane.name());
    }
}
