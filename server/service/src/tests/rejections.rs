//! Each extractor that can refuse, by itself, as an `Option` and as a `Result`; and the one order of the default layers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use serde::Deserialize;
use trilane_exchange::{Address, ConnectionInfo, Exchange, Service, TlsInfo, TlsVersion};
use trilane_semantics::{Instant, Known};

use super::support::{built, request, seen, send};
use crate::extract::FromRequest;
use crate::{
    AccessLog, BodyLimit, ConnectInfo, Fields, Form, Header, Json, Path, Query, Router, Tls,
    TypedHeader, default_layers, post,
};

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "n")]
    _n: u8,
}

struct Tenant;

impl Header for Tenant {
    const NAME: &'static str = "X-Tenant";

    fn parse(fields: &Fields) -> Option<Self> {
        fields.get(Self::NAME).map(|_| Self)
    }
}

/// `/one/{n}` answers when `T` can be had, `/option/{n}` and `/result/{n}` say whether it can.
fn three<T, Via: 'static, B: 'static, C: 'static>() -> Router
where
    T: FromRequest<(), Via> + 'static,
    Option<T>: FromRequest<(), B>,
    Result<T, T::Rejection>: FromRequest<(), C>,
{
    Router::new()
        .route("/one/{n}", post(|_: T| async { "true" }))
        .route("/option/{n}", post(|it: Option<T>| async move { it.is_some().to_string() }))
        .route(
            "/result/{n}",
            post(|it: Result<T, T::Rejection>| async move { it.is_ok().to_string() }),
        )
        .layer(BodyLimit::new(20))
        .layer(default_layers(None))
}

#[test]
fn every_extractor_and_its_option_and_result() {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
    type Case = (Router, &'static str, &'static [(&'static str, &'static str)], &'static str, u16);
    let cases: [Case; 20] = [
        (three::<Path<u8>, _, _, _>(), "7", &[], "", 200),
        (three::<Path<u8>, _, _, _>(), "x", &[], "", 400),
        (three::<Query<Part>, _, _, _>(), "7?n=1", &[], "", 200),
        (three::<Query<Part>, _, _, _>(), "7?n=x", &[], "", 400),
        (three::<TypedHeader<Tenant>, _, _, _>(), "7", &[("x-tenant", "a")], "", 200),
        (three::<TypedHeader<Tenant>, _, _, _>(), "7", &[], "", 400),
        (three::<ConnectInfo<SocketAddr>, _, _, _>(), "7", &[], "", 200),
        (three::<Json<Part>, _, _, _>(), "7", JSON, "{\"n\":1}", 200),
        (three::<Json<Part>, _, _, _>(), "7", &[], "{\"n\":1}", 415),
        (three::<Json<Part>, _, _, _>(), "7", JSON, "{", 400),
        (three::<Json<Part>, _, _, _>(), "7", JSON, "{}", 422),
        (three::<Json<Part>, _, _, _>(), "7", JSON, "{\"n\":1,            }", 400),
        (three::<Json<Part>, _, _, _>(), "7", JSON, "{\"n\":1              }", 413),
        (three::<Form<Part>, _, _, _>(), "7", FORM, "n=1", 200),
        (three::<Form<Part>, _, _, _>(), "7", &[], "n=1", 415),
        (three::<Form<Part>, _, _, _>(), "7", FORM, "n=x", 422),
        (three::<Form<Part>, _, _, _>(), "7", FORM, "n=11111111111111111111", 413),
        (three::<String, _, _, _>(), "7", &[], "twenty characters...", 200),
        (three::<String, _, _, _>(), "7", &[], "twenty-one characters", 413),
        (three::<Bytes, _, _, _>(), "7", &[], "twenty-one characters", 413),
    ];
    for (router, target, fields, content, status) in cases {
        let app = built(router);
        let ask = |kind: &str| {
            let answer = send(&app, request("POST", &format!("/{kind}/{target}"), fields, content));
            let is_json = answer.head.fields.get(Known::ContentType) == Some(b"application/json");
            (is_json, seen(answer))
        };
        let (in_envelope, (got, text)) = ask("one");
        assert_eq!((got, in_envelope), (status, status != 200), "{target} {content}: {text}");
        let expected = (200, (status == 200).to_string());
        assert_eq!(ask("option").1, expected, "{target} {content}");
        assert_eq!(ask("result").1, expected, "{target} {content}");
    }
}

#[test]
fn a_peer_without_an_address() {
    let app = built(three::<ConnectInfo<SocketAddr>, _, _, _>());
    for (kind, status, text) in [("one", 500, None), ("option", 200, Some("false"))] {
        let info = ConnectionInfo::new(Address::Unix, Address::Unix);
        let (got, answer) =
            seen(send(&app, over(request("POST", &format!("/{kind}/7"), &[], ""), info)));
        assert_eq!(got, status);
        assert!(text.is_none_or(|text| text == answer));
    }
}

/// The same request on another connection.
fn over(request: crate::Request, info: ConnectionInfo) -> crate::Request {
    let (head, shard) = (request.head().clone(), request.shard().clone());
    let exchange = Exchange::new(head, Rc::new(info), shard, Instant::default());
    crate::Request::new(Rc::new(exchange), request.body)
}

#[test]
fn a_connection_in_clear_and_one_over_tls() {
    let app = built(three::<Tls, _, _, _>());
    let ask = |kind: &str, tls| {
        let info = ConnectionInfo { tls, ..ConnectionInfo::new(Address::Unix, Address::Unix) };
        seen(send(&app, over(request("POST", &format!("/{kind}/7"), &[], ""), info)))
    };
    let tls = Some(Rc::new(TlsInfo {
        version: TlsVersion::V1_3,
        cipher_suite: "TLS_AES_128_GCM_SHA256",
        group: None,
        alpn: None,
        server_name: None,
        resumed: false,
        client: None,
    }));
    assert_eq!(ask("one", None).0, 403);
    assert_eq!(ask("option", None), (200, "false".into()));
    assert_eq!(ask("one", tls.clone()).0, 200);
    assert_eq!(ask("option", tls), (200, "true".into()));
}

/// Recovery, request id, log, envelope: the id is in the field, in the envelope and in the line, and is there
/// whatever the handler did.
#[test]
fn the_order_of_the_default_layers() {
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let kept: Rc<RefCell<Option<Rc<Exchange>>>> = Rc::default();
    let (sink, keep) = (Rc::clone(&lines), Rc::clone(&kept));
    let log = AccessLog::new(move |line: &str| sink.borrow_mut().push(line.to_owned()));
    let handler = move |exchange: Rc<Exchange>| {
        *keep.borrow_mut() = Some(exchange);
        async {
            if true {
                panic!("secret")
            }
        }
    };
    let app = built(Router::new().route("/", post(handler)).layer(default_layers(Some(log))));
    let response = send(&app, request("POST", "/", &[], ""));
    let id = response.head.fields.get_str(Known::XRequestId).unwrap().to_owned();
    let (status, text) = seen(response);
    assert_eq!((status, id.len()), (500, 32));
    assert!(text.contains(&format!("\"request_id\":\"{id}\"")) && !text.contains("secret"));
    app.finished(&kept.take().unwrap(), &super::logging::summary());
    assert!(lines.borrow()[0].contains(&format!("\"request_id\":\"{id}\"")));
}
