//! What becomes of heads on their way (RFC 9110 §7.6), seen by the server behind.

use serde_json::Value;
use trilane::proxy::Terms;
use trilane::{Router, Trace};

use super::super::super::parity::{Ask, House, LANES, Over, front};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn values<'a>(told: &'a Value, name: &str) -> Vec<&'a str> {
    let all = told["fields"].as_array().unwrap().iter();
    all.filter(|field| field[0] == *name).map(|field| field[1].as_str().unwrap()).collect()
}

#[test]
fn the_server_hears_who_asks_and_nothing_of_our_connections() {
    let back = House::shared().at(Over::Tcp);
    let pass = front::passing(&front::upstream(&[back], Terms::default()), &front::policy());
    let house = House::serving(move |shard| Router::new().merge(pass(shard)).layer(Trace::new()));
    for lane in LANES {
        let name = lane.name();
        let mut ask = Ask::get("/headers?a=%2f")
            .field("traceparent", PARENT)
            .field("x-request-id", format!("id-{name}"))
            .field("x-forwarded-for", "203.0.113.9")
            .field("x-keep", "1");
        if lane.protocol() == "HTTP/1.1" {
            // RFC 9110 §7.6.1: it is for us alone.
            ask = ask.field("connection", "x-hop").field("x-hop", "1").field("keep-alive", "a=b");
        }
        let answer = lane.open(&house).ask(&ask).status(200);
        let told = answer.json();
        let one = |field: &str| match values(&told, field)[..] {
            [value] => value,
            ref other => panic!("{name} {field}: {other:?}"),
        };
        assert_eq!((&told["target"], &told["authority"]), (&"/headers?a=%2f".into(), &"it".into()));
        let is_secure = !["h1", "h1.0", "h2c"].contains(&name);
        assert_eq!(one("x-forwarded-proto"), if is_secure { "https" } else { "http" }, "{name}");
        assert_eq!((one("x-forwarded-host"), one("x-keep")), ("it", "1"), "{name}");
        // Nobody said that the client is a proxy of ours.
        assert_eq!(one("x-forwarded-for"), "127.0.0.1", "{name}");
        let version = lane.protocol().trim_start_matches("HTTP/");
        assert_eq!(one("via"), format!("{version} it-front"), "RFC 9110 §7.6.3");
        assert_eq!(answer.head.field("via"), Some("1.1 it-front"), "{name}");
        assert_eq!(one("x-request-id"), format!("id-{name}"));
        assert_eq!(answer.head.field("x-request-id"), Some(one("x-request-id")));
        // The same trace, and a span of our own.
        let child = one("traceparent");
        assert_eq!((&child[..36], child.len()), (&PARENT[..36], PARENT.len()), "{name}");
        assert_ne!(child, PARENT, "{name}");
        for hop in ["x-hop", "connection", "keep-alive", "te", "transfer-encoding", "upgrade"] {
            assert!(values(&told, hop).is_empty(), "{name} {hop}");
        }
    }
}

/// RFC 9110 §9.3.2, §8.6: the length that GET would have is told, and none where nobody knows it.
#[test]
fn head_has_the_length_of_get() {
    let back = House::shared().at(Over::Tcp);
    let upstream = front::upstream(&[back], Terms::default());
    let house = House::serving(front::passing(&upstream, &front::policy()));
    for lane in LANES {
        for (target, length) in
            [("/bytes/70000", Some("70000")), ("/bytes/0", Some("0")), ("/stream/3", None)]
        {
            let answer = lane.open(&house).ask(&Ask::new("HEAD", target)).status(200);
            let said = answer.head.field("content-length");
            assert_eq!((said, answer.body.len()), (length, 0), "{} {target}", lane.name());
        }
    }
}

/// RFC 9110 §7.6.3: a request that has come through us before goes no further.
#[test]
fn a_loop_ends() {
    let back = House::shared().at(Over::Tcp);
    let upstream = front::upstream(&[back], Terms::default());
    let house = House::serving(front::passing(&upstream, &front::policy()));
    for lane in LANES {
        let looped = Ask::get("/").field("via", "1.1 other, 2 it-front (us)");
        lane.open(&house).ask(&looped).status(508);
    }
}
