//! Traces through the layer, and what handlers log with `tracing`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

use crate::events::subscriber;
use crate::testing::TestClient;
use crate::{Format, Request, Router, Trace, default_layers, get};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn client(trace: Trace) -> TestClient {
    let told = |request: Request| async move {
        let trace = request.exchange().trace().unwrap();
        format!("{trace} {:?}", trace.parent().map(|parent| parent.to_string()))
    };
    let router = Router::new().route("/", get(told));
    TestClient::new(router.layer(trace).layer(default_layers(None))).unwrap()
}

#[test]
fn a_trace_is_taken_or_begun() {
    let client = client(Trace::new());
    let text = client.get("/").field("traceparent", PARENT).send().text();
    assert!(text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{text}");
    assert!(
        text.ends_with("-01 Some(\"00f067aa0ba902b7\")") && !text.contains("-00f067"),
        "{text}"
    );
    let other = PARENT.replace("4bf", "5bf");
    for bad in [None, Some("00-x"), Some("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    {
        let asked = client.get("/");
        let text = match bad {
            Some(bad) => asked.field("traceparent", bad).send().text(),
            None => asked.send().text(),
        };
        assert!(text.ends_with("-00 None") && !text.contains("4bf92f3577"), "{text}");
    }
    let twice = client.get("/").field("traceparent", PARENT).field("traceparent", other);
    assert!(twice.send().text().ends_with(" None"));
    let text = client.get("/").field("x-trace-id", "abc12").send().text();
    assert!(!text.contains("abc12"), "nobody has asked for it");
    let answer = client.get("/").send();
    assert_eq!((answer.field("traceresponse"), answer.field("x-trace-id")), (None, None));
}

#[test]
fn answers_tell_what_they_were_asked_to() {
    let client = client(Trace::new().respond().sampled().x_trace_id());
    let mut answer = client.get("/").field("x-trace-id", "12AB").send();
    let told = answer.field("traceresponse").unwrap().to_owned();
    assert!(told.starts_with(&format!("00-{:032x}-", 0x12ab)) && told.ends_with("-01"), "{told}");
    assert!(answer.text().starts_with(&told));
    assert_eq!(answer.field("x-trace-id"), Some("12AB"));
    let answer =
        client.get("/").field("x-trace-id", "my trace").field("traceparent", PARENT).send();
    assert_eq!(answer.field("x-trace-id"), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    let answer = client.get("/").field("x-trace-id", "+12AB").send();
    assert!(!answer.field("traceresponse").unwrap().contains("12ab"), "a sign is no digit");
    let answer = client.get("/nowhere").field("x-trace-id", "not-hex").send();
    assert_eq!((answer.status(), answer.field("x-trace-id")), (404, Some("not-hex")));
}

/// What a handler logs at once, and after it has waited while another was served.
fn logged(format: Format) -> Vec<String> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&lines);
    let all = subscriber(
        move |line: &str| sink.lock().unwrap().push(line.to_owned()),
        format,
        LevelFilter::INFO,
    );
    let work = |request: Request| async move {
        tracing::info!(n = 1, name = "a\"b", ok = true, "begun");
        tracing::debug!("not of interest");
        request.shard().sleep(Duration::from_secs(1)).await;
        tracing::warn!(list = ?[1, 2], "done\n");
    };
    tracing::subscriber::with_default(all, || {
        let router = Router::new().route("/work/{id}", get(work)).layer(Trace::new());
        let client = TestClient::new(router.layer(default_layers(None))).unwrap();
        let ask = |id: &str| {
            client.get("/work/1").field("x-request-id", id).field("traceparent", PARENT).begin()
        };
        let (one, other) = (ask("one"), ask("other"));
        drop((one.wait(), other.wait()));
        tracing::error!("outside");
    });
    std::mem::take(&mut *lines.lock().unwrap())
}

#[test]
fn lines_of_handlers_carry_their_ids() {
    let lines = logged(Format::Json);
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = lines.iter().map(|line| line["request_id"].as_str()).collect();
    assert_eq!(ids, [Some("one"), Some("other"), Some("one"), Some("other"), None]);
    assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(lines[0]["span_id"], lines[2]["span_id"]);
    assert_ne!(lines[0]["span_id"], lines[1]["span_id"]);
    assert_eq!((&lines[0]["route"], &lines[0]["level"]), (&"/work/{id}".into(), &"INFO".into()));
    assert_eq!(lines[0]["fields"], serde_json::json!({"n": 1, "name": "a\"b", "ok": true}));
    assert_eq!(lines[2]["fields"], serde_json::json!({"list": "[1, 2]"}));
    assert_eq!((&lines[2]["message"], &lines[4]["message"]), (&"done\n".into(), &"outside".into()));
    assert!(lines[0]["target"].as_str().unwrap().starts_with("trilane_service"));
}

#[test]
fn lines_of_text() {
    let lines = logged(Format::Text);
    let (head, rest) = lines[0].split_once("begun").unwrap();
    assert_eq!(head, "2026-01-01T00:00:00.000Z INFO trilane_service::tests::tracing: ");
    let (ids, fields) = rest.split_once(" route=\"/work/{id}\"").unwrap();
    assert!(ids.starts_with(
        " request_id=\"one\" trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\" span_id=\""
    ));
    assert_eq!(fields, " n=1 name=\"a\\\"b\" ok=true");
    assert!(lines[2].contains("done\\n request_id=\"one\""), "{}", lines[2]);
    assert!(lines[4].ends_with(": outside"));
}
