//! The library's examples, each served as it is, over every protocol.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "they are programs: their `main` is not what is tested"
)]

use serde_json::json;

use super::{Ask, House, LANES};
use crate::parity::Length;

#[path = "../../../../../server/trilane/examples/files.rs"]
mod files;
#[path = "../../../../../server/trilane/examples/hello.rs"]
mod hello;
#[path = "../../../../../server/trilane/examples/jobs.rs"]
mod jobs;
#[path = "../../../../../server/trilane/examples/limits.rs"]
mod limits;
#[path = "../../../../../server/trilane/examples/rest.rs"]
mod rest;
#[path = "../../../../../server/trilane/examples/sse.rs"]
mod sse;

#[test]
fn hello_says_it() {
    let house = House::serving(hello::app);
    for lane in LANES {
        let mut client = lane.open(&house);
        assert_eq!(client.ask(&Ask::get("/")).status(200).text(), "Hello, World!");
        assert_eq!(client.ask(&Ask::get("/users/7")).status(200).text(), "user 7");
        client.ask(&Ask::get("/users/x")).status(400);
    }
}

#[test]
fn rest_keeps_a_list() {
    let house = House::serving(rest::app(rest::Notes::default()));
    for lane in LANES {
        let mut client = lane.open(&house);
        let mut send = |method, target: &str, content: serde_json::Value| {
            let content = content.to_string();
            let length = Length::Exact(content.len() as u64);
            let ask = Ask { length, ..Ask::new(method, target) };
            client.ask_with(&ask.field("content-type", "application/json"), content.as_bytes())
        };
        let made = send("POST", "/notes", json!({"title": "write"})).status(201);
        let place = made.head.field("location").unwrap().to_owned();
        let none = send("POST", "/notes", json!({"title": " "})).status(422);
        assert_eq!(none.json()["error"]["details"]["required_fields"], json!(["title"]));
        send("PUT", &place, json!({"title": "write", "done": true})).status(200);
        let open = client.ask(&Ask::get("/notes?done=false")).status(200);
        assert_eq!(open.json(), json!([]), "{}", lane.name());
        assert_eq!(client.ask(&Ask::get(&*place)).status(200).json()["done"], json!(true));
        client.ask(&Ask::new("DELETE", &*place)).status(204);
        let gone = client.ask(&Ask::get(&*place)).status(404);
        assert_eq!(gone.json()["error"]["code"], "NO_SUCH_NOTE");
    }
}

#[test]
fn files_are_served_beside_an_api() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../server/cli/src/demo/sample");
    let house = House::serving(files::app(root.into()));
    for lane in LANES {
        let mut client = lane.open(&house);
        let part = Ask::get("/style.css").field("range", "bytes=0-3");
        assert_eq!(client.ask(&part).status(206).body.len(), 4, "{}", lane.name());
        client.ask(&Ask::get("/api/time")).status(200);
        client.ask(&Ask::get("/none")).status(404);
    }
}

#[test]
fn jobs_are_done() {
    let house = House::serving(jobs::app);
    for lane in LANES {
        // A connection each: HTTP/1.0 has no other end for content of unknown length.
        let ask = |ask: &Ask| lane.open(&house).ask(ask);
        assert_eq!(ask(&Ask::get("/nap")).status(200).text(), "slept");
        let naps = ask(&Ask::get("/naps")).status(200).text();
        assert_eq!(naps, "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]", "{}", lane.name());
        let ticks = ask(&Ask::get("/ticks")).status(200).text();
        assert_eq!(ticks.lines().count(), 5);
        assert_eq!(ask(&Ask::get("/sum/10")).status(200).text(), "55");
        ask(&Ask::get("/sum/99999999999")).status(422);
        ask(&Ask::new("POST", "/later")).status(202);
    }
}

#[test]
fn sse_counts_down_and_goes_on() {
    let house = House::serving(sse::app);
    for lane in LANES {
        let ask = |ask: &Ask| lane.open(&house).ask(ask);
        let all = ask(&Ask::get("/countdown/2")).status(200).text();
        assert_eq!(all, "id: 2\ndata: 2\n\nid: 1\ndata: 1\n\nid: 0\ndata: 0\n\n");
        let rest = ask(&Ask::get("/countdown/2").field("last-event-id", "1")).status(200);
        assert_eq!(rest.text(), "id: 0\ndata: 0\n\n", "{}", lane.name());
        ask(&Ask::get("/countdown/2").field("last-event-id", "0")).status(204);
    }
}

#[test]
fn limits_are_told_and_kept() {
    for lane in LANES {
        let house = House::serving(limits::app(limits::quotas(None).unwrap()));
        let mut client = lane.open(&house);
        for left in (0..10).rev() {
            let answer = client.ask(&Ask::get("/search")).status(200);
            assert_eq!(answer.head.field("x-ratelimit-remaining"), Some(&*left.to_string()));
        }
        client.ask(&Ask::get("/report")).status(429);
        let keyed = client.ask(&Ask::get("/report").field("x-api-key", "k")).status(200);
        assert_eq!(keyed.head.field("ratelimit-policy"), Some("\"keyed\";q=50;w=10"));
    }
}
