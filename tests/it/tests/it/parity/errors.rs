//! The one form of every error (FEATURES W4), the request's id on every answer (W6), and panics (W5).

use super::lane::Head;
use super::{Ability, Answer, Ask, Got, House, LANES, Length};

/// Every status that a single well-formed exchange can bring about.
fn errors() -> Vec<(Ask, u16, &'static str)> {
    let long = "/".to_owned() + &"a".repeat(9000);
    let mut many = Ask::get("/plaintext");
    for _ in 0..200 {
        many = many.field("x-a", "b");
    }
    vec![
        (Ask::get("/bytes/x"), 400, "INVALID_REQUEST"),
        (Ask::get("/users/%ff"), 400, "INVALID_REQUEST"),
        (Ask::get("/nothing"), 404, "NOT_FOUND"),
        (Ask::get("/a/../plaintext"), 404, "NOT_FOUND"),
        (Ask::new("BREW", "/plaintext"), 501, "NOT_IMPLEMENTED"),
        (Ask::new("POST", "/plaintext"), 405, "METHOD_NOT_ALLOWED"),
        (Ask::post("/echo", Length::Exact((32 << 20) + 1)), 413, "CONTENT_TOO_LARGE"),
        (Ask::get(long), 414, "URI_TOO_LONG"),
        (many, 431, "HEADERS_TOO_LARGE"),
        (Ask::get("/panic"), 500, "INTERNAL_ERROR"),
    ]
}

fn id_of(head: &Head) -> &str {
    head.field("x-request-id").unwrap_or_else(|| panic!("no id in {head:?}"))
}

#[track_caller]
fn check_envelope(answer: &Answer, code: &str) {
    assert_eq!(answer.head.field("content-type"), Some("application/json"));
    // Errors are not to be stored (RFC 9111 §5.2.2.5).
    assert_eq!(answer.head.field("cache-control"), Some("no-store"));
    let json = answer.json();
    let error = &json["error"];
    assert_eq!(error["code"], code);
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{json}");
    assert!(error["details"].is_object() && error["timestamp"].is_u64(), "{json}");
    assert_eq!(error["request_id"], id_of(&answer.head), "{json}");
    assert_eq!(error.as_object().unwrap().len(), 5, "{json}");
}

#[test]
fn every_error_has_its_envelope_and_its_id() {
    for lane in LANES {
        for (ask, status, code) in errors() {
            let mut client = lane.open(House::shared());
            let answer = client.ask(&ask).status(status);
            check_envelope(&answer, code);
        }
    }
}

#[test]
fn problem_details_for_who_asks() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let ask = Ask::get("/nothing").field("accept", "text/html, application/problem+json;q=0.5");
        let answer = client.ask(&ask).status(404);
        // RFC 9457 §3.
        assert_eq!(answer.head.field("content-type"), Some("application/problem+json"));
        let json = answer.json();
        assert_eq!((&json["status"], &json["title"]), (&404.into(), &"Not Found".into()));
        assert_eq!((&json["type"], &json["code"]), (&"about:blank".into(), &"NOT_FOUND".into()));
        assert_eq!(json["request_id"], id_of(&answer.head));
    }
}

#[test]
fn ids_are_kept_if_sane_and_else_made() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let longest = "i".repeat(64);
        for given in ["a", "550e8400-e29b-41d4-a716-446655440000", &longest] {
            for target in ["/plaintext", "/nothing", "/panic"] {
                let answer = client.ask(&Ask::get(target).field("x-request-id", given));
                assert_eq!(id_of(&answer.head), given, "{}", lane.name());
            }
        }
        let mut made = Vec::new();
        for bad in [&"i".repeat(65), "two words", "tab\there"] {
            let answer = client.ask(&Ask::get("/plaintext").field("x-request-id", bad));
            made.push(id_of(&answer.head).to_owned());
        }
        made.push(id_of(&client.ask(&Ask::get("/plaintext")).head).to_owned());
        assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 4, "ids repeat");
    }
}

#[test]
fn a_panic_is_one_500_and_counted() {
    let house = House::new(|_| {});
    let mut panics = 0;
    for lane in LANES {
        let mut client = lane.open(&house);
        for _ in 0..3 {
            let answer = client.ask(&Ask::get("/panic")).status(500);
            check_envelope(&answer, "INTERNAL_ERROR");
            assert!(!answer.text().contains("/panic was"), "the panic's message is not for peers");
            panics += 1;
            // The connection and the shard live.
            client.ask(&Ask::get("/plaintext")).status(200);
        }
    }
    assert_eq!(house.answering().sum(|stats| stats.panics.get()), panics);
}

#[test]
fn a_panic_after_the_head_cuts_that_answer_only() {
    let house = House::new(|_| {});
    for (at, lane) in LANES.iter().enumerate() {
        let (mut client, mut other) = (lane.open(&house), lane.open(&house));
        let id = client.begin(&Ask::get("/test/late-panic"));
        let answer = client.answer(id);
        let is_lost = answer.head.status == 0 && !lane.can(Ability::Ordered);
        assert!(is_lost || answer.head.status == 200, "{}", lane.name());
        // RFC 9112 §8: an answer without its last chunk is seen to be incomplete. HTTP/1.0 has no such thing
        // (RFC 1945 §7.2.2).
        assert_eq!(answer.is_whole, !lane.can(Ability::Unknown), "{}", lane.name());
        assert!(b"so far".starts_with(&answer.body), "{:?}", answer.text());
        other.ask(&Ask::get("/plaintext")).status(200);
        assert_eq!(house.answering().sum(|stats| stats.panics.get()), at as u64 + 1);
    }
    house.settle();
}

#[test]
fn errors_end_like_any_answer() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let id = client.begin(&Ask::get("/nothing"));
        let Got::Head(head) = client.next(id) else { panic!("no head") };
        let said: usize = head.field("content-length").unwrap().parse().unwrap();
        assert_eq!(client.answer(id).body.len(), said, "{}", lane.name());
    }
}
