//! Tags that the layer makes, and those that it leaves.

use trilane_semantics::{Known, StatusCode};

use super::support::{request, send};
use crate::{App, ETags, Error, Outgoing, Response, Router, get, post};

fn app() -> App {
    let own = || async { ([("etag", "\"own\"")], "content") };
    let stream = || async {
        Outgoing::write(|writer| async move {
            writer.send("content").await;
            Ok(())
        })
    };
    Router::new()
        .route(
            "/plain",
            get(|| async { "content" }).on(crate::Method::POST, || async { "content" }),
        )
        .route("/other", get(|| async { "contents" }))
        .route("/own", get(own))
        .route("/large", get(|| async { "c".repeat(9) }))
        .route("/stream", get(stream))
        .route("/empty", get(|| async {}))
        .route("/error", get(|| async { Error::new(StatusCode::NOT_FOUND) }))
        .route("/post", post(|| async { "content" }))
        .layer(ETags::largest(8))
        .build()
        .unwrap()
}

fn ask(method: &str, target: &str, lines: &[(&str, &str)]) -> Response {
    send(&app(), request(method, target, lines, ""))
}

fn tag(target: &str) -> Option<String> {
    let response = ask("GET", target, &[]);
    response.head.fields.get_str(Known::ETag).map(ToOwned::to_owned)
}

#[test]
fn who_gets_a_tag() {
    let plain = tag("/plain").unwrap();
    assert!(plain.starts_with("W/\"") && plain.len() == 20, "{plain}");
    assert_eq!(tag("/plain"), Some(plain.clone()));
    assert_ne!(tag("/other"), Some(plain));
    assert_eq!(tag("/own").as_deref(), Some("\"own\""));
    for target in ["/large", "/stream", "/empty", "/error"] {
        assert_eq!(tag(target), None, "{target}");
    }
    assert!(!ask("POST", "/post", &[]).head.fields.contains(Known::ETag));
}

#[test]
fn who_has_it_gets_no_content() {
    let plain = tag("/plain").unwrap();
    for method in ["GET", "HEAD"] {
        for value in [&*plain, "*", &plain[2..], &format!("\"x\", {plain}")] {
            let got = ask(method, "/plain", &[("if-none-match", value)]);
            assert_eq!(got.head.status, StatusCode::NOT_MODIFIED, "{value}");
            assert!(matches!(got.body, Outgoing::Empty));
            assert!(!got.head.fields.contains(Known::ContentType));
            assert_eq!(got.head.fields.get_str(Known::ETag), Some(&*plain));
        }
    }
    let got = ask("GET", "/own", &[("if-none-match", "\"own\"")]);
    assert_eq!(got.head.status, StatusCode::NOT_MODIFIED);
    for (method, target, lines) in [
        ("GET", "/plain", ("if-none-match", "\"x\"")),
        ("GET", "/plain", ("if-match", "*")),
        ("GET", "/own", ("if-match", "\"own\"")),
        ("GET", "/stream", ("if-match", "\"x\"")),
        ("POST", "/plain", ("if-none-match", "*")),
        ("GET", "/stream", ("if-none-match", "*")),
    ] {
        let got = ask(method, target, &[lines]);
        assert_eq!(got.head.status, StatusCode::OK, "{method} {target} {lines:?}");
    }
}

/// RFC 9110 §13.1.1: compared strongly, so that a tag of the layer's own is none that it names.
#[test]
fn who_wants_another_gets_nothing() {
    let plain = tag("/plain").unwrap();
    for (target, value) in [("/plain", "\"x\""), ("/plain", &*plain), ("/own", "\"x\"")] {
        let got = ask("GET", target, &[("if-match", value)]);
        assert_eq!(got.head.status, StatusCode::PRECONDITION_FAILED, "{target} {value}");
        assert!(got.error.is_some());
    }
}
