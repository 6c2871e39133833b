//! WebSockets: who may open one, and how that is answered.

use super::support::{built, request, seen, send};
use crate::ws::WebSocketUpgrade;
use crate::{App, Response, Router, any, get, post, websocket};

const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
const UPGRADE: [(&str, &str); 3] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-version", "13"),
];

async fn open(upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols(["v2", "v1"])
        .allow_origins(["https://example.org", "https://*.example.net"])
        .on_upgrade(|_| async {})
}

fn app() -> App {
    built(Router::new().route("/ws", websocket(open)).route("/", get(|| async { "" })))
}

/// The answer to a good handshake with these fields more.
fn ask(more: &[(&str, &str)]) -> Response {
    let fields = [&UPGRADE[..], &[KEY], more].concat();
    send(&app(), request("GET", "/ws", &fields, ""))
}

#[test]
fn a_handshake() {
    // RFC 6455 §1.3, §4.2.2.
    let response = ask(&[("sec-websocket-protocol", "v0, v1"), ("sec-websocket-protocol", "v2")]);
    let fields = &response.head.fields;
    assert_eq!(response.head.status, 101);
    assert_eq!(fields.get_str("upgrade"), Some("websocket"));
    assert_eq!(fields.get_str("connection"), Some("upgrade"));
    assert_eq!(fields.get_str("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(fields.get_str("sec-websocket-protocol"), Some("v2"));
    assert_eq!(fields.get_str("sec-websocket-extensions"), None);
    let response =
        ask(&[("sec-websocket-extensions", "permessage-deflate; x, permessage-deflate")]);
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(response.head.fields.get_str("sec-websocket-extensions"), Some(agreed));
    assert_eq!(response.head.fields.get_str("sec-websocket-protocol"), None);
}

#[test]
fn what_is_no_handshake() {
    let [connection, upgrade, version] = UPGRADE;
    let with = |name, value| (name, value);
    for (of, fields, status) in [
        ("§4.2.1 no upgrade", vec![version, KEY], 426),
        ("§4.2.1 another upgrade", vec![connection, with("upgrade", "h2c"), version, KEY], 426),
        ("§4.2.1 no connection option", vec![upgrade, version, KEY], 426),
        ("§4.4 no version", vec![connection, upgrade, KEY], 426),
        ("§4.4 version 8", vec![connection, upgrade, with("sec-websocket-version", "8"), KEY], 426),
        ("§4.2.1 no key", UPGRADE.to_vec(), 400),
        ("§11.3.1 two keys", [&UPGRADE[..], &[KEY, KEY]].concat(), 400),
        ("§11.3.5 two versions", [&UPGRADE[..], &[KEY, with(version.0, "8")]].concat(), 400),
        ("content", [&UPGRADE[..], &[KEY, with("content-length", "5")]].concat(), 400),
        ("content", [&UPGRADE[..], &[KEY, with("transfer-encoding", "chunked")]].concat(), 400),
        ("§4.2.1 15 bytes", [&UPGRADE[..], &[with(KEY.0, "MTIzNDU2Nzg5MDEyMzQ1")]].concat(), 400),
        (
            "§4.2.1 no base64",
            [&UPGRADE[..], &[with(KEY.0, "dGhlIHNhbXBsZSBub25jZ===")]].concat(),
            400,
        ),
    ] {
        let response = send(&app(), request("GET", "/ws", &fields, ""));
        assert_eq!(response.head.status, status, "{of}");
        // RFC 9110 §15.5.22: a 426 MUST have Upgrade.
        let names = response.head.fields.get_str("upgrade");
        assert_eq!(names, (status == 426).then_some("websocket"), "{of}");
        // RFC 6455 §4.4.
        let version = response.head.fields.get_str("sec-websocket-version");
        assert_eq!(version, (status == 426).then_some("13"), "{of}");
    }
    for (origin, status) in [
        ("https://example.org", 101),
        ("https://a.example.net", 101),
        ("https://example.org:444", 403),
        ("http://example.org", 403),
        ("null", 403),
    ] {
        assert_eq!(ask(&[("origin", origin)]).head.status, status, "{origin}");
    }
    assert_eq!(ask(&[("sec-websocket-extensions", "a; =")]).head.status, 400, "RFC 6455 §9.1");
}

#[test]
fn any_handler_may_be_asked() {
    let app = built(
        Router::new()
            .route("/any", any(|| async { "any" }).websockets())
            .route("/both", post(|| async { "post" }).get(|| async { "get" }).websockets())
            .route("/post", post(|| async { "post" }).websockets())
            .route("/none", any(|| async { "any" })),
    );
    for (path, expected) in [
        ("/any", (200, "any")),
        ("/both", (200, "get")),
        ("/post", (405, "")),
        ("/none", (405, "")),
    ] {
        let mut request = request("CONNECT", path, &[UPGRADE[2]], "");
        request.head_mut().set_connect_protocol("websocket");
        let (status, text) = seen(send(&app, request));
        assert_eq!((status, if status == 200 { &*text } else { "" }), expected, "{path}");
    }
}

#[test]
fn extended_connect_reaches_the_same_route() {
    let connect = |target, protocol: &str| {
        let mut request = request("CONNECT", target, &[UPGRADE[2]], "");
        request.head_mut().set_connect_protocol(protocol);
        let response = send(&app(), request);
        let fields = &response.head.fields;
        assert!(!fields.contains("sec-websocket-accept") && !fields.contains("upgrade"));
        response.head.status.as_u16()
    };
    // RFC 8441 §5.
    assert_eq!(connect("/ws", "websocket"), 200);
    assert_eq!(connect("/", "websocket"), 405, "a route that opens none");
    assert_eq!(connect("/elsewhere", "websocket"), 404);
    assert_eq!(connect("/ws", "connect-udp"), 501, "RFC 9220 §3");
}
