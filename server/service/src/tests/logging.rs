//! The access log, to the byte.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Outcome, Service, Summary};

use super::support::{built, request};
use crate::{AccessLog, App, Format, Router, StatusCode, default_layers, get};

pub(crate) fn summary() -> Summary {
    Summary {
        outcome: Outcome::Complete,
        closed: None,
        status: Some(StatusCode::OK),
        duration: Duration::from_nanos(12_345_678),
        bytes_in: 3,
        bytes_out: 4,
    }
}

fn app(format: Format) -> (App, Rc<RefCell<Vec<String>>>) {
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let sink = Rc::clone(&lines);
    let log = AccessLog::new(move |line: &str| sink.borrow_mut().push(line.to_owned()));
    let log = log.format(format).exclude("/health");
    let router = Router::new().route("/", get(|| async {}));
    (built(router.layer(default_layers(Some(log)))), lines)
}

const FIELDS: &[(&str, &str)] = &[("user-agent", "a\"b\tc"), ("referer", "http://r/")];

#[test]
fn json_lines() {
    let (app, lines) = app(Format::Json);
    let mut full = request("GET", "/a\"b?c=d", FIELDS, "");
    full.set_request_id(b"id-1");
    app.finished(full.exchange(), &summary());
    let bare = request("PUT", "/", &[], "");
    let left = Summary { outcome: Outcome::PeerLeft, status: None, ..summary() };
    app.finished(bare.exchange(), &left);
    app.finished(request("GET", "/health?deep", &[], "").exchange(), &summary());
    let expected = [
        "{\"timestamp\":\"2026-11-21T22:21:32.045Z\",\"method\":\"GET\",\"path\":\"/a\\\"b\",\
         \"query\":\"c=d\",\"status\":200,\"duration_us\":12345,\"bytes_in\":3,\"bytes_out\":4,\
         \"remote\":\"192.0.2.1:4711\",\"user_agent\":\"a\\\"b\\tc\",\"referer\":\"http://r/\",\
         \"protocol\":\"HTTP/1.1\",\"request_id\":\"id-1\",\"outcome\":\"complete\"}",
        "{\"timestamp\":\"2026-11-21T22:21:32.045Z\",\"method\":\"PUT\",\"path\":\"/\",\
         \"query\":null,\"status\":null,\"duration_us\":12345,\"bytes_in\":3,\"bytes_out\":4,\
         \"remote\":\"192.0.2.1:4711\",\"user_agent\":null,\"referer\":null,\
         \"protocol\":\"HTTP/1.1\",\"request_id\":null,\"outcome\":\"peer_left\"}",
    ];
    assert_eq!(*lines.borrow(), expected);
    for line in &*lines.borrow() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
    }
}

#[test]
fn text_lines() {
    let (app, lines) = app(Format::Text);
    let mut full = request("GET", "/a\"b?c=d", FIELDS, "");
    full.set_request_id(b"id-1");
    app.finished(full.exchange(), &summary());
    let left = Summary { outcome: Outcome::Aborted, status: None, ..summary() };
    app.finished(request("PUT", "/", &[], "").exchange(), &left);
    let expected = [
        "2026-11-21T22:21:32.045Z 192.0.2.1:4711 \"GET /a\\\"b?c=d HTTP/1.1\" 200 12345 3 4 \
         \"http://r/\" \"a\\\"b\\tc\" \"id-1\" complete",
        "2026-11-21T22:21:32.045Z 192.0.2.1:4711 \"PUT / HTTP/1.1\" - 12345 3 4 - - - aborted",
    ];
    assert_eq!(*lines.borrow(), expected);
}
