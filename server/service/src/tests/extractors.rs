//! Each extractor with what it takes and what it refuses; each kind of response.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trilane_exchange::{ConnectionInfo, Outgoing};
use trilane_semantics::{Known, Protocol};

use super::support::{ask, built, pause, request, seen, send};
use crate::{
    BodyLimit, Error, Extension, FromRef, Html, Incoming, IntoResponse, Json, Method, Path, Query,
    Request, Response, Router, Shard, State, StatusCode, get, post,
};

#[derive(Debug, Deserialize, Serialize)]
struct Point {
    x: i8,
    y: i8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Deserialize)]
struct Id(u16);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn error(response: Response) -> (u16, String, Vec<String>) {
    let error = response.error.unwrap();
    let details = error.details().iter().map(|(name, values)| format!("{name}={values:?}"));
    (error.status().as_u16(), error.code().to_owned(), details.collect())
}

#[test]
fn paths() {
    let app = built(
        Router::new()
            .route("/int/{a}", get(|Path(Id(a)): Path<Id>| async move { a.to_string() }))
            .route("/enum/{a}", get(|Path(a): Path<Colour>| async move { format!("{a:?}") }))
            .route(
                "/pair/{a}/{b}",
                get(|Path(p): Path<(Option<char>, f32)>| async move { format!("{p:?}") }),
            )
            .route(
                "/list/{a}/{b}",
                get(|Path(p): Path<Vec<String>>| async move { format!("{p:?}") }),
            )
            .route("/struct/{x}/{y}", get(|Path(p): Path<Point>| async move { format!("{p:?}") }))
            .route(
                "/map/{x}",
                get(|Path(p): Path<HashMap<String, String>>| async move { format!("{p:?}") }),
            )
            .route("/wrong/{x}", get(|Path(_): Path<(u8, u8)>| async {}))
            .route("/wrong/{x}/{y}", get(|Path(_): Path<u8>| async {}))
            .route("/option/{x}", get(|path: Option<Path<u8>>| async move { format!("{path:?}") })),
    );
    for (target, status, text) in [
        ("/int/65535", 200, "65535"),
        ("/int/65536", 400, ""),
        ("/int/x", 400, ""),
        ("/int/%31", 200, "1"),
        ("/enum/red", 200, "Red"),
        ("/enum/green", 200, "Green"),
        ("/enum/blue", 400, ""),
        ("/pair/x/0.5", 200, "(Some('x'), 0.5)"),
        ("/list/a%20b/c", 200, "[\"a b\", \"c\"]"),
        ("/struct/1/-2", 200, "Point { x: 1, y: -2 }"),
        ("/struct/1/200", 400, ""),
        ("/map/v", 200, "{\"x\": \"v\"}"),
        ("/map/%ff", 400, ""),
        ("/wrong/1", 500, ""),
        ("/wrong/1/2", 500, ""),
        ("/option/1", 200, "Some(Path(1))"),
        ("/option/x", 200, "None"),
    ] {
        assert_eq!(ask(&app, "GET", target), (status, text.to_owned()), "{target}");
    }
    let refused = error(send(&app, request("GET", "/int/x", &[], "")));
    let reason = "reason=[\"a: invalid digit found in string\"]";
    assert_eq!(refused, (400, "INVALID_REQUEST".into(), vec![reason.into()]));
}

#[test]
fn queries() {
    let app = built(
        Router::new().route("/", get(|Query(p): Query<Point>| async move { format!("{p:?}") })),
    );
    assert_eq!(ask(&app, "GET", "/?x=1&y=%32"), (200, "Point { x: 1, y: 2 }".into()));
    for target in ["/?x=1", "/", "/?x=1&y=z"] {
        assert_eq!(ask(&app, "GET", target).0, 400, "{target}");
    }
}

#[test]
fn json() {
    let app = built(Router::new().route("/", post(|Json(p): Json<Point>| async move { Json(p) })));
    let post = |fields: &[(&str, &str)], content: &'static str| {
        send(&app, request("POST", "/", fields, content))
    };
    let answer = post(JSON, "{\"y\": 2, \"x\": 1}");
    assert_eq!(answer.head.fields.get_str(Known::ContentType), Some("application/json"));
    assert_eq!(seen(answer), (200, "{\"x\":1,\"y\":2}".into()));
    assert_eq!(error(post(&[], "{}")).0, 415);
    assert_eq!(error(post(JSON, "")).0, 400);
    assert_eq!(error(post(JSON, "{\"x\":1,")).0, 400);
    assert_eq!(error(post(JSON, "{\"x\":1,\"y\":300}")).0, 422);
    let missing = error(post(JSON, "{\"x\":1}"));
    assert_eq!((missing.0, &*missing.1), (422, "VALIDATION_ERROR"));
    assert_eq!(missing.2[1], "required_fields=[\"y\"]");
}

#[test]
fn content() {
    let app = built(
        Router::new()
            .route("/text", post(|text: String| async move { text }))
            .route("/bytes", post(|bytes: Bytes| async move { bytes }))
            .route("/echo", post(|body: Incoming| async move { Outgoing::frames(body) }))
            .route("/limited", post(|text: String| async move { text }).layer(BodyLimit::new(3)))
            .route("/unlimited", post(|t: String| async move { t }).layer(BodyLimit::unlimited()))
            .route(
                "/try",
                post(|t: Result<String, Error>| async move { format!("{}", t.is_err()) }),
            )
            .route("/maybe", post(|t: Option<Json<u8>>| async move { format!("{t:?}") })),
    );
    let post = |path, content: &'static [u8]| seen(send(&app, request("POST", path, &[], content)));
    assert_eq!(post("/text", b"abc"), (200, "abc".into()));
    assert_eq!(post("/text", b"\xff").0, 400);
    assert_eq!(post("/bytes", b"abc"), (200, "abc".into()));
    assert_eq!(post("/try", b"\xff"), (200, "true".into()));
    assert_eq!(post("/maybe", b"1"), (200, "None".into()));
    for (content, status) in [(&b"ab"[..], 200), (b"abc", 200), (b"abcd", 413)] {
        assert_eq!(post("/limited", content).0, status);
        assert_eq!(post("/unlimited", content).0, 200);
    }
    let echo = send(&app, request("POST", "/echo", &[], "abc"));
    assert!(matches!(echo.body, Outgoing::Stream { length: None, .. }));
}

/// The status of what went wrong with the content.
#[test]
fn content_that_ends_early() {
    use trilane_exchange::BodyError;
    use trilane_semantics::Reason;
    let app = built(Router::new().route("/", post(|_: Bytes| async {})));
    for (how, status) in [
        (BodyError::Gone, 400),
        (BodyError::TooLarge, 413),
        (BodyError::Fault(Reason::BodyTimeout), 408),
        (BodyError::Fault(Reason::Chunk), 400),
    ] {
        let mut request = request("POST", "/", &[], "");
        let (writer, body) = Incoming::channel(None, 10);
        request.body = body;
        writer.end(Err(how));
        assert_eq!(error(send(&app, request)).0, status);
    }
}

#[derive(Clone)]
struct Whole {
    name: &'static str,
    number: u8,
}

#[derive(Clone)]
struct Number(u8);

impl FromRef<Whole> for Number {
    fn from_ref(whole: &Whole) -> Self {
        Self(whole.number)
    }
}

#[test]
fn state_and_parts() {
    let all = |a: Method,
               b: Protocol,
               c: Shard,
               d: ConnectionInfo,
               State(e): State<Whole>,
               State(Number(f)): State<Number>,
               g: Result<Path<u8>, Error>,
               h: Request| async move {
        pause().await;
        format!("{a} {b} {} {} {} {f} {} {}", c.id(), d.peer, e.name, g.is_err(), h.path())
    };
    let router = Router::new().route("/", get(all)).with_state(Whole { name: "w", number: 7 });
    let text = "GET HTTP/1.1 3 192.0.2.1:4711 w 7 true /";
    assert_eq!(ask(&built(router), "GET", "/"), (200, text.into()));
}

fn of(value: impl IntoResponse) -> (u16, Option<String>, String) {
    let response = value.into_response();
    let kind = response.head.fields.get_str(Known::ContentType).map(ToOwned::to_owned);
    let (status, text) = seen(response);
    (status, kind, text)
}

#[test]
fn responses() {
    let kind = |text: &str| Some(text.to_owned());
    let (text, bytes) = (kind("text/plain; charset=utf-8"), kind("application/octet-stream"));
    assert_eq!(of(()), (200, None, "".into()));
    assert_eq!(of("a"), (200, text.clone(), "a".into()));
    assert_eq!(of(String::from("a")), (200, text.clone(), "a".into()));
    assert_eq!(of(Bytes::from_static(b"a")), (200, bytes.clone(), "a".into()));
    assert_eq!(of(vec![b'a']), (200, bytes.clone(), "a".into()));
    assert_eq!(of(&b"a"[..]), (200, bytes, "a".into()));
    assert_eq!(of(Html("a")), (200, kind("text/html; charset=utf-8"), "a".into()));
    assert_eq!(of(Json("a")), (200, kind("application/json"), "\"a\"".into()));
    assert_eq!(of(StatusCode::CREATED), (201, None, "".into()));
    assert_eq!(of((StatusCode::CREATED, "a")), (201, text.clone(), "a".into()));
    assert_eq!(of([("content-type", "x/y")]), (200, kind("x/y"), "".into()));
    assert_eq!(of(([(Known::ContentType, "x/y")], "a")), (200, kind("x/y"), "a".into()));
    assert_eq!(of((StatusCode::OK, [("etag", "\"e\"")], "a")), (200, text.clone(), "a".into()));
    assert_eq!(of((StatusCode::OK, [("etag", "a\nb")], "a")), (500, None, "".into()));
    assert_eq!(of(Ok::<_, Error>("a")), (200, text, "a".into()));
    assert_eq!(of(Err::<(), _>(Error::new(StatusCode::FORBIDDEN))), (403, None, "".into()));
    assert_eq!(of(Outgoing::from("a")), (200, None, "a".into()));
    assert_eq!(of(Json(HashMap::from([((1, 2), 3)]))).0, 500);
}

#[test]
fn what_a_layer_has_left() {
    let told = |value: Option<Extension<u8>>| async move { format!("{:?}", value.map(|it| it.0)) };
    let must = |Extension(value): Extension<u8>| async move { value.to_string() };
    let router = || Router::new().route("/", get(told)).route("/must", get(must));
    assert_eq!(ask(&built(router()), "GET", "/"), (200, "None".into()));
    assert_eq!(ask(&built(router()), "GET", "/must").0, 500);
    let app = built(router().layer(Extension(7_u8)).layer(Extension("x")));
    assert_eq!(ask(&app, "GET", "/"), (200, "Some(7)".into()));
    assert_eq!(ask(&app, "GET", "/must"), (200, "7".into()));
}
