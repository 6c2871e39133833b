//! Fields that make browsers careful: the table, TLS, who wins, refusals, nonces.

use trilane_exchange::{Address, Client, Refusal, Service};
use trilane_semantics::{Fields, Reason};

use super::support::{built, request, send};
use crate::{Csp, Nonce, Response, RouteError, Router, SecurityHeaders, StatusCode, get};

fn answer(headers: SecurityHeaders, is_secure: bool) -> Fields {
    let own = || async { Response::new(StatusCode::OK).field("x-frame-options", "SAMEORIGIN") };
    let app = built(Router::new().route("/", get(own)).layer(headers));
    let request = request("GET", "/", &[], "");
    request.exchange().set_client(Client { address: Address::Unix, is_secure });
    send(&app, request).head.fields
}

#[test]
fn the_table() {
    let fields = answer(SecurityHeaders::new(), false);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        // The handler's own value wins.
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("x-xss-protection", "0"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'",
        ),
    ] {
        assert_eq!(fields.all(name).collect::<Vec<_>>(), [value.as_bytes()], "{name}");
    }
    // RFC 6797 §7.2: MUST NOT be sent over a connection in clear.
    assert_eq!(fields.len(), 7);
    let fields = answer(SecurityHeaders::new(), true);
    let hsts = fields.get_str("strict-transport-security");
    assert_eq!(hsts, Some("max-age=31536000; includeSubDomains"));
}

#[test]
fn each_can_be_set_and_removed() {
    let headers = SecurityHeaders::new()
        .without("X-XSS-Protection")
        .without("content-security-policy")
        .set("Referrer-Policy", "no-referrer")
        .set("permissions-policy", "camera=()")
        .strict_transport_security(std::time::Duration::from_secs(60), false, true);
    let fields = answer(headers, true);
    assert_eq!(fields.get_str("referrer-policy"), Some("no-referrer"));
    assert_eq!(fields.get_str("permissions-policy"), Some("camera=()"));
    assert_eq!(fields.get_str("strict-transport-security"), Some("max-age=60; preload"));
    assert!(!fields.contains("x-xss-protection") && !fields.contains("content-security-policy"));
    let report = SecurityHeaders::none().content_security_policy(Csp::from("x").report_only());
    let fields = answer(report, false);
    assert_eq!(fields.get_str("content-security-policy-report-only"), Some("x"));
    assert!(answer(SecurityHeaders::none(), true).len() == 1);
}

#[test]
fn what_no_field_can_have_is_found_at_the_start() {
    for wrong in [
        SecurityHeaders::new().set("x y", "1"),
        SecurityHeaders::new().set("x", "\n"),
        SecurityHeaders::new().content_security_policy("a\nb"),
        SecurityHeaders::new().set("strict-transport-security", "\0"),
    ] {
        let routed = Router::new().route("/", get(|| async {}).layer(wrong.clone()));
        for router in [
            Router::<()>::new().layer(wrong.clone()),
            Router::new().nest("/a", Router::new().layer(wrong.clone())),
            Router::new().merge(Router::new().layer(wrong)),
            routed,
        ] {
            let error = router.build().err();
            let is_layer = matches!(error, Some(RouteError::Layer { layer, .. }) if layer == "SecurityHeaders");
            assert!(is_layer, "{error:?}");
        }
    }
}

#[test]
fn refusals_have_them_too() {
    let app = built(Router::new().layer(SecurityHeaders::new()));
    let other = request("GET", "/", &[], "");
    let (connection, shard) = (other.exchange().connection(), other.shard());
    let refusal = Refusal { reason: Reason::FieldLine, exchange: None, connection, shard };
    let fields = app.refuse(&refusal).head.fields;
    assert_eq!((fields.get_str("x-frame-options"), fields.len()), (Some("DENY"), 7));
    assert!(send(&app, other).head.fields.contains("x-frame-options"));
}

#[test]
fn a_nonce_for_each_answer() {
    let policy = Csp::none().directive("script-src", "'nonce-{nonce}'");
    let page = |Nonce(nonce): Nonce| async move { nonce };
    let app = built(
        Router::new()
            .route("/", get(page))
            .layer(SecurityHeaders::none().content_security_policy(policy)),
    );
    let response = send(&app, request("GET", "/", &[], ""));
    let value = response.head.fields.get_str("content-security-policy").unwrap().to_owned();
    let (status, nonce) = super::support::seen(response);
    assert_eq!((status, nonce.len()), (200, 32));
    assert_eq!(value, format!("script-src 'nonce-{nonce}'"));
    assert_eq!(
        send(&built(Router::new().route("/", get(page))), request("GET", "/", &[], "")).head.status,
        500
    );
}
