//! From requests through the layer to a collector of the test's own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use trilane_errand::{Answer, Failed};
use trilane_semantics::{Fields, StatusCode};
use trilane_service::testing::TestClient;
use trilane_service::{Response, Router, SampleRatio, Trace, get};
use trilane_tls::{Connector, ConnectorConfig, Trust};

use crate::retry::{Verdict, verdict};
use crate::{Exporter, Report, Settings};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Answers with these statuses, one after the other; what it got: path, head, and the JSON.
fn collector(statuses: &'static [&'static str]) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let (send, got) = channel();
    thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read(&mut stream);
            let answer =
                format!("HTTP/1.1 {status}\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).unwrap();
            if send.send(request).is_err() {
                return;
            }
        }
    });
    (endpoint, got)
}

fn read(stream: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut content = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut content).unwrap();
    let mut text = String::new();
    GzDecoder::new(&content[..]).read_to_string(&mut text).unwrap();
    (head, serde_json::from_str(&text).unwrap())
}

fn settings(endpoint: String) -> Settings {
    Settings {
        endpoint,
        // Only the end sends: nothing depends on time.
        interval: Duration::from_secs(3600),
        metrics_interval: Duration::ZERO,
        headers: vec![("api-key".to_owned(), "secret".to_owned())],
        service: "shop".to_owned(),
        attributes: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        ..Settings::default()
    }
}

fn connector() -> Connector {
    let trust = Trust::DangerAnyone;
    Connector::new(&ConnectorConfig { trust, ..ConnectorConfig::default() }).unwrap()
}

fn client(exporter: &Exporter, ratio: SampleRatio) -> TestClient {
    let fails = || async { Response::new(StatusCode::SERVICE_UNAVAILABLE) };
    let router = Router::new()
        .route("/users/{id}", get(|| async { "hi" }))
        .route("/fails", get(fails))
        .layer(exporter.layer())
        .layer(Trace::new().ratio(ratio));
    TestClient::new(router).unwrap()
}

fn spans(json: &Value) -> &Vec<Value> {
    json["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap()
}

fn attribute<'a>(of: &'a Value, name: &str) -> &'a Value {
    let all = of["attributes"].as_array().unwrap();
    all.iter()
        .find(|attribute| attribute["key"] == name)
        .map_or(&Value::Null, |found| &found["value"])
}

#[test]
fn a_span_says_what_conventions_ask_for() {
    let (endpoint, got) = collector(&["200 OK"]);
    let mut exporter = Exporter::new(settings(endpoint)).unwrap();
    let client = client(&exporter, SampleRatio::NONE);
    // Not sampled: of that nothing is heard.
    let _ = client.get("/users/1").send();
    let asked =
        client.get("/users/7?q=secret").field("traceparent", PARENT).field("tracestate", "a=b");
    assert_eq!(asked.field("user-agent", "test").send().text(), "hi");
    let _ = client.get("/fails").field("traceparent", PARENT).send();
    let _ = client.get("/none").field("traceparent", PARENT).send();
    exporter.start(connector(), None, |report| panic!("{report}")).unwrap();
    drop(exporter);
    let (head, json) = got.recv().unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    for line in ["content-type: application/json", "content-encoding: gzip", "api-key: secret"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    let resource = &json["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name")["stringValue"], "shop");
    assert_eq!(attribute(resource, "deployment.environment.name")["stringValue"], "test");
    let [first, fails, none] = &spans(&json)[..] else { panic!("{json}") };
    assert_eq!((&first["name"], &first["kind"]), (&json!("GET /users/{id}"), &json!(2)));
    assert_eq!(first["traceId"], PARENT[3..35]);
    assert_eq!(
        (&first["parentSpanId"], &first["traceState"]),
        (&json!(PARENT[36..52]), &json!("a=b"))
    );
    assert_eq!(first["spanId"].as_str().unwrap().len(), 16);
    assert_ne!(first["spanId"], PARENT[36..52]);
    let time = |name: &str| first[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    for (name, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/users/7"),
        ("http.route", "/users/{id}"),
        ("user_agent.original", "test"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(attribute(first, name)["stringValue"], expected, "{name}");
    }
    assert_eq!(attribute(first, "http.response.status_code")["intValue"], "200");
    assert_eq!((&first["status"], attribute(first, "error.type")), (&json!({}), &Value::Null));
    assert_eq!(
        (&fails["status"]["code"], &attribute(fails, "error.type")["stringValue"]),
        (&json!(2), &json!("503"))
    );
    // A client's mistake is no error of ours, and what matches no route has none.
    assert_eq!((&none["name"], &none["status"]), (&json!("GET"), &json!({})));
    assert!(!json.to_string().contains("q=secret"));
}

#[test]
fn a_batch_that_is_not_taken_comes_again() {
    let (endpoint, got) =
        collector(&["503 Service Unavailable", "429 Too Many Requests", "200 OK"]);
    let mut settings = settings(endpoint);
    settings.interval = Duration::from_millis(1);
    let mut exporter = Exporter::new(settings).unwrap();
    let _ = client(&exporter, SampleRatio::ALL).get("/users/1").send();
    let counts = exporter.counts();
    let (send, told) = channel();
    exporter.start(connector(), None, move |report| send.send(report).unwrap()).unwrap();
    let first = got.recv().unwrap().1;
    assert_eq!(got.recv().unwrap().1, first);
    assert_eq!(got.recv().unwrap().1, first);
    assert!(matches!(told.recv().unwrap(), Report::Failing(why) if why.contains("503")));
    assert_eq!(told.recv().unwrap(), Report::Exporting);
    drop(exporter);
    assert_eq!((counts.sent(), counts.dropped()), (1, 0));
}

#[test]
fn what_nobody_takes_is_counted() {
    let (endpoint, _got) = collector(&["400 Bad Request"]);
    let mut exporter = Exporter::new(settings(endpoint)).unwrap();
    let _ = client(&exporter, SampleRatio::ALL).get("/users/1").send();
    let counts = exporter.counts();
    exporter.start(connector(), None, drop).unwrap();
    drop(exporter);
    assert_eq!(counts.dropped(), 1);
}

#[test]
fn a_queue_has_a_bound() {
    let exporter = Exporter::new(settings("http://127.0.0.1:1".to_owned())).unwrap();
    let client = client(&exporter, SampleRatio::ALL);
    for _ in 0..crate::queue::MOST + 3 {
        let _ = client.get("/users/1").send();
    }
    assert_eq!(exporter.counts().dropped(), 3);
}

#[test]
fn metrics_go_at_the_end_too() {
    let (endpoint, got) = collector(&["200 OK"]);
    let settings = Settings { metrics_interval: Duration::from_secs(3600), ..settings(endpoint) };
    let mut exporter = Exporter::new(settings).unwrap();
    let text = || "# TYPE a gauge\na 1\n".to_owned();
    exporter.start(connector(), Some(Box::new(text)), |report| panic!("{report}")).unwrap();
    drop(exporter);
    let (head, json) = got.recv().unwrap();
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{head}");
    let metric = &json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!(
        (&metric["name"], &metric["gauge"]["dataPoints"][0]["asDouble"]),
        (&json!("a"), &json!(1.0))
    );
}

#[test]
fn what_may_be_sent_again() {
    let answer = |status: u16, after: Option<&str>| {
        let mut fields = Fields::new();
        if let Some(after) = after {
            fields.append("retry-after", after).unwrap();
        }
        Ok(Answer { status: StatusCode::from_u16(status).unwrap(), fields, content: Vec::new() })
    };
    let seconds = |seconds| Verdict::Again(Duration::from_secs(seconds));
    assert_eq!(verdict(&answer(200, None), 0, 0), Verdict::Taken);
    for status in [429, 502, 503, 504] {
        assert_eq!(verdict(&answer(status, None), 0, 500), seconds(1));
        assert_eq!(verdict(&answer(status, Some("7")), 0, 500), seconds(7));
        // Whoever says an hour is not believed.
        assert_eq!(verdict(&answer(status, Some("3600")), 0, 500), seconds(30));
    }
    assert_eq!(verdict(&answer(503, None), 3, 500), seconds(8));
    assert_eq!(verdict(&Err(Failed::Answer("x")), 9, 500), seconds(30));
    for status in [400, 404, 413, 500] {
        assert!(matches!(verdict(&answer(status, None), 0, 0), Verdict::Refused(_)), "{status}");
    }
}
