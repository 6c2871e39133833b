//! What the demo has for browsers: forms by both of their content types, cookies, redirects, and a page for any policy.

use serde_json::json;

use crate::parity::{Ask, House, LANES, Length};

#[test]
fn forms_of_both_types() {
    const PARTS: &[u8] =
        b"--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\xc3\xbc\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
        Content-Type: image/png\r\n\r\nabc\r\n--b--\r\n";
    for lane in LANES {
        let send = |kind: &str, content: &[u8]| {
            let length = Length::Exact(content.len() as u64);
            let ask = Ask::post("/form", length).field("content-type", kind);
            lane.open(House::shared()).ask_with(&ask, content)
        };
        let pairs = send("application/x-www-form-urlencoded", b"a=1+2&a=%C3%BC").status(200).json();
        let field = |value: &str, bytes: usize| json!({"name": "a", "value": value, "file": null, "content_type": null, "bytes": bytes});
        assert_eq!(pairs, json!([field("1 2", 3), field("\u{fc}", 2)]), "{}", lane.name());
        let parts = send("multipart/form-data; boundary=b", PARTS).status(200).json();
        assert_eq!((&parts[0]["value"], &parts[0]["bytes"]), (&json!("\u{fc}"), &json!(2)));
        let file = json!({"name": "file", "value": null, "file": "a.bin", "content_type": "image/png", "bytes": 3});
        assert_eq!(parts[1], file, "{}", lane.name());
        send("text/plain", b"a=1").status(415);
    }
}

#[test]
fn cookies_come_back_and_one_is_signed() {
    for lane in LANES {
        // Another connection each time, perhaps on the other shard: both know the key.
        let visit = |target: &str, cookies: &str| {
            let ask = Ask::get(target).field("cookie", cookies);
            let answer = lane.open(House::shared()).ask(&ask).status(200);
            let set = answer.head.fields.iter().filter(|(name, _)| name == "set-cookie");
            let set: Vec<_> =
                set.map(|(_, value)| value.split(';').next().unwrap().to_owned()).collect();
            (answer.json(), set)
        };
        let (brought, set) = visit("/cookies?a=x%20y", "b=1");
        assert_eq!(brought, json!({"cookies": {"b": "1"}, "visits": 0}), "{}", lane.name());
        assert_eq!(set[1], "a=x%20y");
        let mut visits = set[0].clone();
        for n in 1..4 {
            let (brought, set) = visit("/cookies", &visits);
            assert_eq!(brought["visits"], n, "{}", lane.name());
            visits.clone_from(&set[0]);
        }
        let (brought, _) = visit("/cookies", &visits.replace("4", "5"));
        assert_eq!(brought["visits"], 0, "what we have not signed is nothing");
    }
}

#[test]
fn redirects_with_every_status() {
    for lane in LANES {
        for status in [301, 302, 303, 307, 308] {
            for method in ["GET", "POST"] {
                let ask = Ask::new(method, format!("/redirect/{status}"));
                let answer = lane.open(House::shared()).ask(&ask).status(status);
                assert_eq!(answer.head.field("location"), Some("/form"), "{}", lane.name());
            }
        }
    }
}

#[test]
fn the_front_page_works_with_the_strictest_policy() {
    let page = LANES[0].open(House::shared()).ask(&Ask::get("/")).status(200);
    let page = page.text();
    for inline in ["<style", "style=", "<script>", "onclick", "data:"] {
        assert!(!page.contains(inline), "{inline}");
    }
}
