//! Cross-origin requests (FEATURES X1): preflights without a route, fields on errors and refusals, what depends on the origin.

use trilane::{Cors, Error, Method, Router, StatusCode, get};

use crate::parity::{Ask, House, LANES};

const A: &str = "https://a.example";

fn house() -> House {
    House::serving(|_| {
        let limited = || async { Error::new(StatusCode::TOO_MANY_REQUESTS) };
        let cors = Cors::new().allow_origin(A).allow_methods([Method::GET, Method::PUT]);
        Router::new()
            .route("/", get(|| async { "hi" }))
            .route("/limited", get(limited))
            .layer(cors.allow_headers(["x-key"]).allow_credentials())
    })
}

#[test]
fn a_page_asks_whether_it_may_and_reads_what_it_may() {
    let house = house();
    for lane in LANES {
        let mut client = lane.open(&house);
        let preflight = |origin: &str, method: &str| {
            Ask::new("OPTIONS", "/limited")
                .field("origin", origin)
                .field("access-control-request-method", method)
                .field("access-control-request-headers", "x-key")
        };
        let may = client.ask(&preflight(A, "PUT")).status(204);
        for (name, value) in [
            ("access-control-allow-origin", A),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-key"),
            ("access-control-max-age", "86400"),
            ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ] {
            assert_eq!(may.head.field(name), Some(value), "{} {name}", lane.name());
        }
        for ask in [preflight("https://b.example", "PUT"), preflight(A, "DELETE")] {
            let refused = client.ask(&ask).status(403);
            assert_eq!(refused.head.field("access-control-allow-origin"), None);
            assert_eq!(refused.json()["error"]["code"], "FORBIDDEN");
        }
        for (target, status) in [("/", 200), ("/limited", 429), ("/nowhere", 404)] {
            let answer = client.ask(&Ask::get(target).field("origin", A)).status(status);
            assert_eq!(answer.head.field("access-control-allow-origin"), Some(A), "{target}");
            assert_eq!(answer.head.field("vary"), Some("Origin"));
            let other = client.ask(&Ask::get(target).field("origin", "https://b.example"));
            assert_eq!(other.head.field("access-control-allow-origin"), None);
            assert_eq!(other.head.field("vary"), Some("Origin"));
        }
    }
}
