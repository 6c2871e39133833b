//! Extractors of fields, of the peer and of forms; redirects.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use trilane_exchange::Address;
use trilane_semantics::Known;

use super::support::{ask, built, request, seen, send};
use crate::{
    ConnectInfo, Fields, Form, Header, Redirect, Response, Router, TypedHeader, get, post,
};

#[derive(Debug, Deserialize, Serialize)]
struct Login {
    name: String,
    age: u8,
}

fn status(response: Response) -> u16 {
    response.head.status.as_u16()
}

#[test]
fn forms() {
    let app = built(Router::new().route("/", post(|Form(it): Form<Login>| async { Form(it) })));
    let form = &[("content-type", "Application/x-www-form-urlencoded; charset=utf-8")][..];
    let post = |fields, content: &'static [u8]| send(&app, request("POST", "/", fields, content));
    let answer = post(form, b"age=7&name=a+b%26c");
    let kind = answer.head.fields.get_str(Known::ContentType).map(ToOwned::to_owned);
    assert_eq!(kind.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen(answer), (200, "name=a+b%26c&age=7".into()));
    assert_eq!(status(post(&[], b"age=7&name=a")), 415);
    assert_eq!(status(post(&[("content-type", "text/plain")], b"age=7&name=a")), 415);
    assert_eq!(status(post(form, b"age=\xff")), 400);
    assert_eq!(status(post(form, b"age=700&name=a")), 422);
    let error = post(form, b"age=7").error.unwrap();
    assert_eq!((error.status().as_u16(), error.code()), (422, "VALIDATION_ERROR"));
    assert_eq!(error.details()[1], ("required_fields".into(), vec!["name".to_owned()]));
}

struct Tenant(u32);

impl Header for Tenant {
    const NAME: &'static str = "X-Tenant";

    fn parse(fields: &Fields) -> Option<Self> {
        fields.get_str(Self::NAME)?.parse().ok().map(Self)
    }
}

#[test]
fn typed_fields() {
    let show = |TypedHeader(Tenant(id)): TypedHeader<Tenant>| async move { id.to_string() };
    let maybe = |it: Option<TypedHeader<Tenant>>| async move { it.is_some().to_string() };
    let count = |fields: Fields| async move { fields.len().to_string() };
    let app = built(
        Router::new().route("/", get(show)).route("/maybe", get(maybe)).route("/all", get(count)),
    );
    let get = |target: &str, fields| send(&app, request("GET", target, fields, ""));
    assert_eq!(seen(get("/", &[("x-tenant", "7")])), (200, "7".into()));
    for wrong in [&[][..], &[("x-tenant", "x")]] {
        let error = get("/", wrong).error.unwrap();
        assert_eq!(error.status().as_u16(), 400);
        assert_eq!(error.details(), [("header".into(), vec!["X-Tenant".to_owned()])]);
        assert_eq!(seen(get("/maybe", wrong)).1, "false");
    }
    assert_eq!(seen(get("/maybe", &[("x-tenant", "7")])).1, "true");
    assert_eq!(seen(get("/all", &[("a", "1"), ("a", "2")])).1, "2");
}

#[test]
fn the_peer() {
    let app = built(
        Router::new()
            .route("/", get(|ConnectInfo(it): ConnectInfo<Address>| async move { it.to_string() }))
            .route("/ip", get(|it: ConnectInfo<SocketAddr>| async move { it.0.to_string() })),
    );
    for target in ["/", "/ip"] {
        assert_eq!(ask(&app, "GET", target), (200, "192.0.2.1:4711".into()));
    }
}

#[test]
fn redirects() {
    let app = built(
        Router::new()
            .route("/303", get(|| async { Redirect::to("/a") }))
            .route("/307", get(|| async { Redirect::temporary("/b") }))
            .route("/308", get(|| async { Redirect::permanent("https://a.example/") }))
            .route("/500", get(|| async { Redirect::to("/a\r\nset-cookie: b") })),
    );
    for (expected, location) in
        [(303, Some("/a")), (307, Some("/b")), (308, Some("https://a.example/")), (500, None)]
    {
        let answer = send(&app, request("GET", &format!("/{expected}"), &[], ""));
        assert_eq!(answer.head.fields.get_str(Known::Location), location);
        assert_eq!(status(answer), expected);
    }
}
