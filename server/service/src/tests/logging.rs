//! The access log, to the byte.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{
    Address, Client, Exchange, Outcome, Refusal, Service, Summary, TraceContext,
};
use trilane_semantics::{Cause, Known, Reason};

use super::support::{built, request, send};
use crate::{
    AccessLog, App, ClientField, Format, Principal, Request, Router, StatusCode, Trace,
    TrustedProxies, default_layers, get,
};

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
    let log = log.format(format).exclude("/health").exclude_prefix("/assets/");
    let router = Router::new().route("/", get(|| async {}));
    (built(router.layer(default_layers(Some(log)))), lines)
}

/// All that layers may know of a request.
fn know(exchange: &Exchange) {
    let address = Address::Ip(([198, 51, 100, 7], 0).into());
    exchange.set_client(Client { address, is_secure: true });
    exchange.note(Principal::from("ann"));
    let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    exchange.set_trace(TraceContext::parse(parent).unwrap());
}

const FIELDS: &[(&str, &str)] = &[("user-agent", "a\"b\tc"), ("referer", "http://r/")];

#[test]
fn json_lines() {
    let (app, lines) = app(Format::Json);
    let mut full = request("GET", "/a\"b?c=d", FIELDS, "");
    full.set_request_id(b"id-1");
    know(full.exchange());
    app.finished(full.exchange(), &summary());
    let bare = request("PUT", "/", &[], "");
    let closed = Some(Cause::Transport);
    let left = Summary { outcome: Outcome::PeerLeft, status: None, closed, ..summary() };
    app.finished(bare.exchange(), &left);
    for path in ["/health?deep", "/assets", "/assets/", "/assets/a/b"] {
        app.finished(request("GET", path, &[], "").exchange(), &summary());
    }
    let expected = [
        "{\"timestamp\":\"2026-11-21T22:21:32.045Z\",\"method\":\"GET\",\"path\":\"/a\\\"b\",\
         \"query\":\"c=d\",\"status\":200,\"duration_us\":12345,\"bytes_in\":3,\"bytes_out\":4,\
         \"remote\":\"192.0.2.1:4711\",\"client\":\"198.51.100.7:0\",\"user\":\"ann\",\"user_agent\":\"a\\\"b\\tc\",\"referer\":\"http://r/\",\
         \"protocol\":\"HTTP/1.1\",\"request_id\":\"id-1\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\
         \"span_id\":\"00f067aa0ba902b7\",\"outcome\":\"complete\",\"closed\":null}",
        "{\"timestamp\":\"2026-11-21T22:21:32.045Z\",\"method\":\"PUT\",\"path\":\"/\",\
         \"query\":null,\"status\":null,\"duration_us\":12345,\"bytes_in\":3,\"bytes_out\":4,\
         \"remote\":\"192.0.2.1:4711\",\"client\":\"192.0.2.1:4711\",\"user\":null,\"user_agent\":null,\"referer\":null,\
         \"protocol\":\"HTTP/1.1\",\"request_id\":null,\"trace_id\":null,\"span_id\":null,\"outcome\":\"peer_left\",\"closed\":\"transport\"}",
    ];
    assert_eq!(*lines.borrow(), expected);
    for line in &*lines.borrow() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
    }
}

/// A layer that changes the head copies the exchange; what those further in find out is for the line all the same.
#[test]
fn what_is_found_behind_a_changed_head_is_logged() {
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let sink = Rc::clone(&lines);
    let log = AccessLog::new(move |line: &str| sink.borrow_mut().push(line.to_owned()));
    let router =
        Router::new().route("/", get(|request: Request| async move { know(request.exchange()) }));
    let proxies = TrustedProxies::new(ClientField::XForwardedFor).strip();
    let app = built(router.layer(proxies).layer(default_layers(Some(log))));
    let request = request("GET", "/", &[("x-forwarded-for", "10.0.0.1")], "");
    let exchange = Rc::clone(request.exchange());
    assert_eq!(send(&app, request).head.status, StatusCode::OK);
    app.finished(&exchange, &summary());
    let line = lines.take().pop().unwrap();
    for told in [
        "\"client\":\"198.51.100.7:0\"",
        "\"user\":\"ann\"",
        "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"",
    ] {
        assert!(line.contains(told), "{told} {line}");
    }
}

#[test]
fn what_only_begins_alike_is_not_excluded() {
    let (app, lines) = app(Format::Text);
    for path in ["/assets.css", "/assetsx/a", "/healthy", "/health/x", "/x/assets"] {
        app.finished(request("GET", path, &[], "").exchange(), &summary());
        assert!(lines.take().pop().is_some_and(|line| line.contains(path)), "{path}");
    }
}

/// A head that could not be read is a line at once; what has an exchange is one at its end, and no sooner.
#[test]
fn refusals_are_one_line() {
    let (app, lines) = app(Format::Text);
    let known = request("GET", "/x", &[], "");
    let exchange = known.exchange();
    let (connection, shard) = (exchange.connection(), exchange.shard());
    let refuse = |reason, exchange| app.refuse(&Refusal { reason, exchange, connection, shard });
    refuse(Reason::BodyTimeout, Some(&**exchange));
    assert!(lines.borrow().is_empty());
    let response = refuse(Reason::FieldsTooLarge, None);
    let id = response.head.fields.get_str(Known::XRequestId).unwrap();
    let line = lines.take().pop().unwrap();
    assert!(line.contains(&format!("\"{id}\"")) && line.contains(" 431 "), "{line}");
    assert!(line.ends_with(" fields_too_large -"), "{line}");
}

/// What no layer saw before it was refused has its ids all the same, for the line at its end.
#[test]
fn a_refusal_before_any_layer_has_its_ids() {
    let router = Router::new().layer(Trace::new()).layer(default_layers(None));
    let app = built(router);
    let known = request("GET", "/x", &[], "");
    let exchange = known.exchange();
    let (connection, shard) = (exchange.connection(), exchange.shard());
    let (reason, exchange) = (Reason::BodyTimeout, Some(&**exchange));
    let response = app.refuse(&Refusal { reason, exchange, connection, shard });
    let id = response.head.fields.get_str(Known::XRequestId);
    assert!(id.is_some() && known.exchange().request_id() == id);
    assert!(known.exchange().trace().is_some());
}

#[test]
fn text_lines() {
    let (app, lines) = app(Format::Text);
    let mut full = request("GET", "/a\"b?c=d", FIELDS, "");
    full.set_request_id(b"id-1");
    know(full.exchange());
    app.finished(full.exchange(), &summary());
    let left = Summary { outcome: Outcome::Aborted, status: None, ..summary() };
    app.finished(request("PUT", "/", &[], "").exchange(), &left);
    let expected = [
        "2026-11-21T22:21:32.045Z 198.51.100.7:0 \"GET /a\\\"b?c=d HTTP/1.1\" 200 12345 3 4 \
         \"http://r/\" \"a\\\"b\\tc\" \"ann\" \"id-1\" \"4bf92f3577b34da6a3ce929d0e0e4736\" complete -",
        "2026-11-21T22:21:32.045Z 192.0.2.1:4711 \"PUT / HTTP/1.1\" - 12345 3 4 - - - - - aborted -",
    ];
    assert_eq!(*lines.borrow(), expected);
}
