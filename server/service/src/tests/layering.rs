//! The order of layers, short circuits, middleware, panics, and the error envelope.

use std::cell::RefCell;
use std::rc::Rc;

use trilane_exchange::{Exchange, Refusal, Service};
use trilane_semantics::{Known, Reason};

use super::support::{ask, built, pause, request, seen, send};
use crate::{
    App, Error, Hook, Next, Outgoing, Request, Response, Router, StatusCode, default_layers,
    from_fn, get,
};

type Log = Rc<RefCell<String>>;

/// Notes its calls; answers by itself, or panics, if told so.
struct Note(&'static str, Log, &'static str);

impl Hook for Note {
    fn before(&self, _: &mut Request) -> Option<Response> {
        *self.1.borrow_mut() += &format!("<{} ", self.0);
        assert_ne!(self.2, "panic before");
        (self.2 == "answer").then(|| Response::new(StatusCode::IM_A_TEAPOT))
    }

    fn after(&self, _: &Exchange, _: &mut Response) {
        *self.1.borrow_mut() += &format!("{}> ", self.0);
        assert_ne!(self.2, "panic after");
    }

    fn refused(&self, refusal: &Refusal<'_>, _: &mut Response) {
        *self.1.borrow_mut() += &format!("{}:{} ", self.0, refusal.reason.label());
    }

    fn done(&self, _: &Exchange, _: &trilane_exchange::Summary) {
        *self.1.borrow_mut() += &format!("{}. ", self.0);
    }
}

fn app(log: &Log, how: &'static str) -> App {
    let note = |name, how| Note(name, Rc::clone(log), how);
    let around = Rc::clone(log);
    let middleware = from_fn(move |request: Request, next: Next| {
        let log = Rc::clone(&around);
        async move {
            log.borrow_mut().push_str("(m ");
            let response = next.run(request).await;
            log.borrow_mut().push_str("m) ");
            response
        }
    });
    let slow = || async {
        pause().await;
        "slow"
    };
    let inner = Router::new()
        .route("/x", get(|| async { "x" }).layer(note("route", how)))
        .route("/slow", get(slow))
        .layer(middleware)
        .layer(note("nested", ""))
        .route("/late", get(|| async { "late" }));
    built(Router::new().nest("/n", inner).layer(note("one", "")).layer(note("two", "")))
}

#[test]
fn the_order_is_global_nested_route() {
    for (how, target, status, order) in [
        ("", "/n/x", 200, "<two <one <nested (m <route route> m) nested> one> two> "),
        ("answer", "/n/x", 418, "<two <one <nested (m <route route> m) nested> one> two> "),
        ("panic before", "/n/x", 500, "<two <one <nested (m <route route> m) nested> one> two> "),
        ("panic after", "/n/x", 500, "<two <one <nested (m <route route> m) nested> one> two> "),
        ("", "/n/slow", 200, "<two <one <nested (m m) nested> one> two> "),
        ("", "/n/late", 200, "<two <one one> two> "),
        ("", "/nowhere", 404, "<two <one one> two> "),
        ("", "/a/../b", 404, "<two <one one> two> "),
        ("", "/%", 400, "<two <one one> two> "),
    ] {
        let log = Log::default();
        assert_eq!(ask(&app(&log, how), "GET", target).0, status, "{target} {how}");
        assert_eq!(*log.borrow(), order, "{target} {how}");
    }
    let log = Log::default();
    assert_eq!(ask(&app(&log, ""), "PUT", "/n/x").0, 405);
    assert_eq!(*log.borrow(), "<two <one <nested (m <route route> m) nested> one> two> ");
}

#[test]
fn a_short_circuit_runs_only_what_is_further_out() {
    let log = Log::default();
    let note = |name, how| Note(name, Rc::clone(&log), how);
    let router = Router::new().route("/", get(|| async {}));
    let app =
        built(router.layer(note("in", "")).layer(note("mid", "answer")).layer(note("out", "")));
    assert_eq!(ask(&app, "GET", "/").0, 418);
    assert_eq!(*log.borrow(), "<out <mid mid> out> ");
}

fn refuse(app: &App, reason: Reason, exchange: Option<&Exchange>) -> Response {
    let other = request("GET", "/", &[], "");
    let (connection, shard) = (other.exchange().connection(), other.shard());
    app.refuse(&Refusal { reason, exchange, connection, shard })
}

#[test]
fn refusals_and_ends_reach_the_layers() {
    let log = Log::default();
    let app = app(&log, "");
    assert_eq!(refuse(&app, Reason::FieldsTooLarge, None).head.status.as_u16(), 431);
    assert_eq!(log.take(), "two:fields_too_large one:fields_too_large ");
    // The exchange as its handler sees it: routed.
    let seen: Rc<RefCell<Option<Rc<Exchange>>>> = Rc::default();
    let keep = Rc::clone(&seen);
    let handler = move |exchange: Rc<Exchange>| {
        *keep.borrow_mut() = Some(exchange);
        async {}
    };
    let note = |name| Note(name, Rc::clone(&log), "");
    let nested = Router::new().route("/x", get(handler)).layer(note("nested"));
    let app = built(Router::new().nest("/n", nested).layer(note("outer")));
    ask(&app, "GET", "/n/x");
    log.take();
    let exchange = seen.take().unwrap();
    assert_eq!(refuse(&app, Reason::HandlerTimeout, Some(&exchange)).head.status.as_u16(), 504);
    assert_eq!(log.take(), "nested> outer> ");
    app.finished(&exchange, &super::logging::summary());
    assert_eq!(log.take(), "outer. nested. ");
    app.finished(request("GET", "/", &[], "").exchange(), &super::logging::summary());
    assert_eq!(log.take(), "outer. ");
}

#[test]
fn a_middleware_may_answer_and_change() {
    let gate = from_fn(|request: Request, next: Next| async move {
        if request.path() == "/closed" {
            return Err(Error::new(StatusCode::FORBIDDEN));
        }
        pause().await;
        Ok(next.run(request).await.field("x-seen", "1"))
    });
    let slow = || async {
        pause().await;
        "slow"
    };
    let router = Router::new().route("/open", get(slow)).route("/closed", get(slow));
    let app = built(router.layer(gate.clone()).layer(gate));
    assert_eq!(ask(&app, "GET", "/closed").0, 403);
    let open = send(&app, request("GET", "/open", &[], ""));
    assert_eq!(open.head.fields.all("x-seen").count(), 2);
    assert_eq!(seen(open), (200, "slow".into()));
}

fn errors() -> App {
    let internal = || async { Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal("secret") };
    let panics = || async {
        pause().await;
        if true {
            panic!("secret")
        }
    };
    let own = || async {
        let error = Error::new(StatusCode::CONFLICT).with_code("TAKEN").message("\"x\" is taken");
        error.detail("names", vec!["x".into(), "y".into()]).detail("none", Vec::new())
    };
    let rendered = || async { Response::from(Error::new(StatusCode::NOT_FOUND)).body("rendered") };
    built(
        Router::new()
            .route("/internal", get(internal))
            .route("/panic", get(panics))
            .route("/own", get(own))
            .route("/rendered", get(rendered))
            .layer(default_layers(None)),
    )
}

/// Whether we have made that id: the first half is the shard's, whose every random number is 1.
fn is_made(id: &str) -> bool {
    id.len() == 32
        && id.starts_with("0000000000000001")
        && id.bytes().all(|b| b.is_ascii_hexdigit())
}

#[test]
fn the_envelope_to_the_byte() {
    let (app, mut ids) = (errors(), Vec::new());
    let body = |code: &str, message: &str, details: &str| {
        format!(
            "{{\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\",\"details\":{{{details}}},\
             \"timestamp\":1795299692,\"request_id\":\"@\"}}}}"
        )
    };
    let internal = body("INTERNAL_ERROR", "Internal Server Error", "");
    let own = body("TAKEN", "\\\"x\\\" is taken", "\"names\":[\"x\",\"y\"],\"none\":[]");
    let lists = "\"allowed_methods\":[\"GET\",\"HEAD\",\"OPTIONS\"]";
    for (method, target, status, text) in [
        ("GET", "/internal", 500, internal.clone()),
        ("GET", "/panic", 500, internal),
        ("GET", "/own", 409, own),
        ("GET", "/rendered", 404, "rendered".into()),
        ("GET", "/x", 404, body("NOT_FOUND", "there is nothing at this path", "")),
        ("GET", "/%", 400, body("INVALID_REQUEST", "the path is badly encoded", "")),
        ("PUT", "/own", 405, body("METHOD_NOT_ALLOWED", "Method Not Allowed", lists)),
    ] {
        let response = send(&app, request(method, target, &[], ""));
        let id = response.head.fields.get_str(Known::XRequestId).unwrap().to_owned();
        assert!(is_made(&id) && !ids.contains(&id), "{id}");
        let text = text.replace('@', &id);
        ids.push(id);
        if text != "rendered" {
            let fields = &response.head.fields;
            assert_eq!(fields.get_str(Known::ContentType), Some("application/json"));
            assert_eq!(fields.get_str(Known::CacheControl), Some("no-store"));
        }
        assert_eq!(seen(response), (status, text), "{target}");
    }
}

#[test]
fn problem_details_on_request() {
    let app = errors();
    for (accept, kind) in [
        ("text/html, application/problem+json;q=0.5", "application/problem+json"),
        ("Application/Problem+JSON", "application/problem+json"),
        ("application/problem+json; q=0.0", "application/json"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
    ] {
        let response = send(&app, request("GET", "/x", &[("accept", accept)], ""));
        assert_eq!(response.head.fields.get_str(Known::ContentType), Some(kind), "{accept}");
    }
    let accept = [("accept", "application/problem+json"), ("x-request-id", "mine")];
    let text = seen(send(&app, request("GET", "/x", &accept, ""))).1;
    let expected = "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\
                    \"code\":\"NOT_FOUND\",\"detail\":\"there is nothing at this path\",\
                    \"details\":{},\"timestamp\":1795299692,\"request_id\":\"mine\"}";
    assert_eq!(text, expected);
}

#[test]
fn answers_to_bad_heads_have_the_envelope_and_an_id() {
    let app = errors();
    let response = refuse(&app, Reason::FieldLine, None);
    let id = response.head.fields.get_str(Known::XRequestId).unwrap().to_owned();
    let (status, text) = seen(response);
    assert_eq!((status, id.len()), (400, 32));
    assert!(text.ends_with(&format!("\"timestamp\":1795299692,\"request_id\":\"{id}\"}}}}")));
}

#[test]
fn request_ids() {
    let app = built(Router::new().route("/", get(|| async {})).layer(default_layers(None)));
    let longest = "~".repeat(64);
    for (given, kept) in [
        ("a", true),
        ("\u{e9}", false),
        ("a b", false),
        ("", false),
        (&longest[1..], true),
        (&longest, true),
        (&format!("{longest}~"), false),
    ] {
        let response = send(&app, request("GET", "/", &[("x-request-id", given)], ""));
        let id = response.head.fields.get_str(Known::XRequestId).unwrap();
        assert!(if kept { id == given } else { is_made(id) }, "{given}: {id}");
    }
}

#[test]
fn a_panic_that_a_layer_hid_is_still_a_500() {
    struct Hide;
    impl Hook for Hide {
        fn after(&self, _: &Exchange, response: &mut Response) {
            response.head.status = StatusCode::OK;
            response.body = Outgoing::write(|_| async { Ok(()) });
        }
    }
    let panics = || async {
        if true {
            panic!("secret")
        }
    };
    let app = built(Router::new().route("/", get(panics)).layer(Hide).layer(default_layers(None)));
    assert_eq!(ask(&app, "GET", "/"), (500, String::new()));
}
