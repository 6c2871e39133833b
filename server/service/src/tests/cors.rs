//! Cross-origin requests: preflights, answers, what they depend on, and what cannot work.

use trilane_exchange::{Refusal, Service};
use trilane_semantics::{Fields, Known, Reason};

use super::support::{built, request, send};
use crate::{Cors, CorsError, Error, Method, Response, RouteError, Router, StatusCode, get};

const A: &str = "https://a.example";
const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

fn cors() -> Cors {
    Cors::new()
        .allow_origin(A)
        .allow_origin("https://*.b.example")
        .allow_origin_if(|origin, head| origin == "https://c.example" && head.path() == "/x")
        .allow_methods([Method::GET, Method::PUT])
        .allow_headers(["Content-Type", "x-key"])
        .expose_headers(["x-one", "x-two"])
        .allow_credentials()
}

fn ask(cors: Cors, method: &str, target: &str, fields: &[(&str, &str)]) -> (u16, Fields) {
    let fails = || async { Error::new(StatusCode::TOO_MANY_REQUESTS) };
    let varies = || async { Response::new(StatusCode::OK).field(Known::Vary, "accept") };
    let router = Router::new().route("/x", get(varies)).route("/fails", get(fails));
    let response = send(&built(router.layer(cors)), request(method, target, fields, ""));
    (response.head.status.as_u16(), response.head.fields)
}

/// A page can read also what no layer has seen on its way in.
#[test]
fn refusals_have_them_too() {
    let app = built(Router::new().layer(cors()));
    let asked = request("GET", "/x", &[("origin", A)], "");
    let (connection, shard) = (asked.exchange().connection(), asked.shard());
    let (reason, exchange) = (Reason::BodyTimeout, Some(&**asked.exchange()));
    let fields = app.refuse(&Refusal { reason, exchange, connection, shard }).head.fields;
    assert_eq!(fields.get_str("access-control-allow-origin"), Some(A));
    assert_eq!(fields.get_str(Known::Vary), Some("Origin"));
}

fn has_any(fields: &Fields) -> bool {
    fields.iter().any(|(name, _)| name.starts_with(b"access-control-"))
}

#[test]
fn preflights() {
    let ask = |origin: &str, method: &str, headers: &str, target: &str| {
        let fields = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        ask(cors(), "OPTIONS", target, &fields)
    };
    for (origin, method, headers, target, status) in [
        // No route needs an OPTIONS handler, nor to be there.
        (A, "PUT", "x-key, content-type", "/x", 204),
        (A, "PUT", "X-KEY", "/nowhere", 204),
        (A, "GET", "", "/x", 204),
        ("https://z.b.example", "GET", "", "/x", 204),
        ("https://c.example", "GET", "", "/x", 204),
        ("https://c.example", "GET", "", "/fails", 403),
        ("https://b.example", "GET", "", "/x", 403),
        ("null", "GET", "", "/x", 403),
        (A, "DELETE", "", "/x", 403),
        (A, "put", "", "/x", 403),
        (A, "PUT", "x-key, x-other", "/x", 403),
    ] {
        let (got, fields) = ask(origin, method, headers, target);
        assert_eq!(got, status, "{origin} {method} {headers}");
        assert_eq!(fields.get_str(Known::Vary), Some(PREFLIGHT_VARY));
        assert_eq!(has_any(&fields), status == 204, "{fields:?}");
        if status == 204 {
            for (name, value) in [
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "GET, PUT"),
                ("access-control-allow-headers", "Content-Type, x-key"),
                ("access-control-max-age", "86400"),
            ] {
                assert_eq!(fields.get_str(name), Some(value));
            }
            assert!(!fields.contains("access-control-expose-headers"));
        }
    }
}

#[test]
fn other_requests_are_served_whoever_asks() {
    let (status, fields) = ask(cors(), "GET", "/x", &[("origin", A)]);
    assert_eq!((status, fields.get_str(Known::Vary)), (200, Some("accept, Origin")));
    assert_eq!(fields.get_str("access-control-allow-origin"), Some(A));
    assert_eq!(fields.get_str("access-control-expose-headers"), Some("x-one, x-two"));
    // A page can read a refusal.
    let (status, fields) = ask(cors(), "GET", "/fails", &[("origin", A)]);
    assert_eq!((status, fields.get_str("access-control-allow-origin")), (429, Some(A)));
    for fields in [&[("origin", "https://evil.example")][..], &[], &[("origin", A), ("origin", A)]]
    {
        let (status, fields) = ask(cors(), "GET", "/x", fields);
        assert_eq!((status, fields.get_str(Known::Vary)), (200, Some("accept, Origin")));
        assert!(!has_any(&fields));
    }
    // OPTIONS that is no preflight is for the route.
    let (status, fields) = ask(cors(), "OPTIONS", "/x", &[("origin", A)]);
    assert_eq!((status, fields.get_str(Known::Allow)), (204, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn all_origins_get_one_answer() {
    let (_, fields) = ask(Cors::new().allow_origin("*"), "GET", "/fails", &[("origin", A)]);
    assert_eq!(fields.get_str("access-control-allow-origin"), Some("*"));
    assert!(!fields.contains(Known::Vary));
}

#[test]
fn mirrored_fields_and_private_networks() {
    let mut fields = vec![
        ("origin", A),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-a,x-b"),
    ];
    let cors = Cors::new().allow_origin(A).mirror_headers();
    let (status, got) = ask(cors.clone(), "OPTIONS", "/x", &fields);
    assert_eq!((status, got.get_str("access-control-allow-headers")), (204, Some("x-a, x-b")));
    fields.push(("access-control-request-private-network", "true"));
    assert_eq!(ask(cors.clone(), "OPTIONS", "/x", &fields).0, 403);
    let (status, got) = ask(cors.allow_private_network(), "OPTIONS", "/x", &fields);
    assert_eq!((status, got.get_str("access-control-allow-private-network")), (204, Some("true")));
}

#[test]
fn what_cannot_work_is_found_at_the_start() {
    let any = CorsError::AnyWithCredentials;
    for (cors, error) in [
        (Cors::new().allow_origin("*").allow_credentials(), any.clone()),
        (cors().allow_headers(["*"]), any.clone()),
        (cors().expose_headers(["*"]), any),
        (cors().allow_origin("a.example"), CorsError::Origin("a.example".into())),
        (cors().allow_origin("https://a.example/"), CorsError::Origin("https://a.example/".into())),
        (cors().expose_headers(["x y"]), CorsError::Header("x y".into())),
        (
            cors().strict().allow_origin("http://a.example"),
            CorsError::Insecure("http://a.example".into()),
        ),
    ] {
        assert_eq!(cors.check(), Err(error.clone()));
        let reason = error.to_string();
        let built = Router::<()>::new().layer(cors).build().err();
        assert_eq!(built, Some(RouteError::Layer { layer: "Cors", reason }));
    }
    // Only a warning, or nothing at all.
    assert_eq!(cors().allow_origin("http://a.example").check(), Ok(()));
    assert_eq!(cors().strict().allow_origin("http://localhost:3000").check(), Ok(()));
}
