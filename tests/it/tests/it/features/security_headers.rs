//! Fields that make browsers careful (FEATURES X6): on every answer, and HSTS over TLS alone.

use trilane::{Limits, Router, SecurityHeaders, Server, get};

use crate::parity::{Ask, House, LANES};

#[test]
fn every_answer_has_them() {
    let mut limits = Limits::default();
    limits.head = 2048;
    let server = Server::new(|_| {
        let own = || async { ([("x-frame-options", "SAMEORIGIN")], "framed") };
        let router = Router::new().route("/", get(|| async { "hi" })).route("/framed", get(own));
        router.layer(SecurityHeaders::new())
    });
    let house = House::of(server.limits(limits).h2c());
    for lane in LANES {
        let mut client = lane.open(&house);
        let is_secure = !["h1", "h1.0", "h2c"].contains(&lane.name());
        let hsts = is_secure.then_some("max-age=31536000; includeSubDomains");
        for (target, status, frame) in [
            ("/", 200, "DENY"),
            ("/framed", 200, "SAMEORIGIN"),
            ("/nowhere", 404, "DENY"),
            ("/%", 400, "DENY"),
        ] {
            let head = client.ask(&Ask::get(target)).status(status).head;
            for (name, value) in [
                ("x-content-type-options", Some("nosniff")),
                ("x-frame-options", Some(frame)),
                ("referrer-policy", Some("strict-origin-when-cross-origin")),
                ("x-xss-protection", Some("0")),
                ("strict-transport-security", hsts),
            ] {
                assert_eq!(head.field(name), value, "{} {target} {name}", lane.name());
            }
            assert!(head.field("content-security-policy").is_some());
        }
        // A request that no layer has seen.
        let mut client = lane.open(&house);
        let refused = client.ask(&Ask::get("/").field("x-large", "x".repeat(2048))).status(431);
        assert_eq!(refused.head.field("x-frame-options"), Some("DENY"), "{}", lane.name());
    }
}
