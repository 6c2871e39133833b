//! The library's examples, each served as it is, over every protocol.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "they are programs: their `main` is not what is tested"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;
use trilane::ws::Message;

use super::ws::{Talk, lanes};
use super::{Ask, House, LANES};
use crate::parity::{Ability, Length};

#[path = "../../../../../server/trilane/examples/auth.rs"]
mod auth;
#[path = "../../../../../server/trilane/examples/cached.rs"]
mod cached;
#[path = "../../../../../server/trilane/examples/chat.rs"]
mod chat;
#[path = "../../../../../server/trilane/examples/client.rs"]
mod client;
#[path = "../../../../../server/trilane/examples/fan_out.rs"]
mod fan_out;
#[path = "../../../../../server/trilane/examples/files.rs"]
mod files;
#[path = "../../../../../server/trilane/examples/hello.rs"]
mod hello;
#[path = "../../../../../server/trilane/examples/hls.rs"]
mod hls;
#[path = "../../../../../server/trilane/examples/jobs.rs"]
mod jobs;
#[path = "../../../../../server/trilane/examples/limits.rs"]
mod limits;
#[path = "../../../../../server/trilane/examples/rest.rs"]
mod rest;
#[path = "../../../../../server/trilane/examples/sse.rs"]
mod sse;
#[path = "../../../../../server/trilane/examples/upload.rs"]
mod upload;

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

#[test]
fn upload_reads_a_form() {
    let house = House::serving(upload::app);
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";
    for lane in LANES {
        let ask = Ask::post("/upload", Length::Exact(form.len() as u64))
            .field("content-type", "multipart/form-data; boundary=b");
        let seen = lane.open(&house).ask_with(&ask, form.as_bytes()).status(200).json();
        let file =
            json!({"name": "file", "file": "a.txt", "content_type": "text/plain", "bytes": 5});
        assert_eq!(seen, json!([file]), "{}", lane.name());
    }
}

#[test]
fn hls_hints_the_next_segments() {
    let house = House::serving(hls::app);
    for lane in LANES {
        let mut client = lane.open(&house);
        let list = client.ask(&Ask::get("/live.m3u8")).status(200);
        assert!(list.text().contains("/segments/7\n#EXT-X-ENDLIST"), "{}", lane.name());
        let hints: Vec<_> = list.interim.iter().map(|head| head.status).collect();
        let expected = if lane.can(Ability::Interim) { &[103][..] } else { &[] };
        assert_eq!(hints, expected, "{}", lane.name());
        let last = client.ask(&Ask::get("/segments/7")).status(200);
        assert_eq!((last.interim.len(), last.body.len()), (0, 188_000), "{}", lane.name());
        client.ask(&Ask::get("/segments/8")).status(404);
    }
}

#[test]
fn auth_changes_a_password_for_a_token() {
    let house = House::serving(auth::app(auth::keys().unwrap()));
    for lane in LANES {
        let mut client = lane.open(&house);
        let mut login = |credentials: &str| {
            let ask = Ask::new("POST", "/login").field("authorization", credentials);
            let answer = client.ask(&ask);
            (answer.head.status == 200)
                .then(|| format!("Bearer {}", answer.json()["token"].as_str().unwrap()))
        };
        // ann:secret, root:more secret, ann:other
        let ann = login("Basic YW5uOnNlY3JldA==").unwrap();
        let root = login("Basic cm9vdDptb3JlIHNlY3JldA==").unwrap();
        assert_eq!(login("Basic YW5uOm90aGVy"), None, "{}", lane.name());
        let mut ask =
            |target: &str, token: &str| client.ask(&Ask::get(target).field("authorization", token));
        assert_eq!(ask("/api/me", &ann).status(200).json()["sub"], "ann");
        ask("/api/admin", &ann).status(403);
        assert_eq!(ask("/api/admin", &root).status(200).text(), "welcome", "{}", lane.name());
        let refused = ask("/api/me", "Bearer x").status(401);
        let challenge = refused.head.field("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"example\""), "{challenge}");
    }
}

#[test]
fn cached_runs_once() {
    let runs = cached::Runs::default();
    let house = House::serving(cached::app(Arc::clone(&runs)));
    for lane in LANES {
        let ask = |ask: Ask| lane.open(&house).ask(&ask);
        let first = ask(Ask::get("/slow/report")).status(200);
        // What is fetched in clear is another resource than what is not (RFC 9110 §4.2.3).
        let is_clear = ["h1", "h1.0", "h2c"].contains(&lane.name());
        let run = if is_clear { 1 } else { 2 };
        assert_eq!(first.text(), format!("report, made by run {run}\n"), "{}", lane.name());
        let tag = first.head.field("etag").unwrap().to_owned();
        ask(Ask::get("/slow/report").field("if-none-match", tag)).status(304);
    }
    assert_eq!(runs.load(SeqCst), 2);
}

#[test]
fn chat_is_heard_on_every_shard() {
    let house = House::serving(chat::app);
    let mut guests: Vec<_> = lanes()
        .chain(lanes())
        .map(|lane| Talk::open(lane, &house, &Ask::websocket("/chat")))
        .collect();
    let count = guests.len();
    for speaker in 0..count {
        let said = format!("{speaker} was here");
        guests[speaker].send(Message::from(&*said));
        for guest in &mut guests {
            assert_eq!(guest.next(), Some(Message::from(&*said)));
        }
    }
}

#[test]
fn limits_count_addresses_and_keys() {
    let house = House::serving(limits::app(limits::quotas(None).unwrap()));
    let mut seen = Vec::new();
    for lane in LANES.iter().chain(LANES) {
        let mut client = lane.open(&house);
        seen.push(client.ask(&Ask::get("/search")).head.status);
        client.ask(&Ask::get("/report").field("x-api-key", lane.name())).status(200);
    }
    assert_eq!(seen, [[200; 10].as_slice(), &[429; 2]].concat());
}

#[test]
fn fan_out_asks_all_at_once() {
    let services = House::serving(fan_out::services);
    let clients = trilane::client::Client::builder().build().unwrap();
    let url = format!("http://{}", services.address());
    let house = House::serving(fan_out::app(clients.clone(), url.clone()));
    let expected: Vec<String> = (0..10).map(|number| format!("service {number}")).collect();
    for lane in LANES {
        let text = lane.open(&house).ask(&Ask::get("/")).status(200).text();
        assert_eq!(text, expected.join("\n"), "{}", lane.name());
    }
    // All at once: none waited for another's connection.
    assert!(clients.made() >= 10);
    let house = House::serving(client::app(clients));
    let told = LANES[0].open(&house).ask(&Ask::get(format!("/?url={url}/7"))).status(200).text();
    assert_eq!(told, format!("{url}/7 over HTTP/1.1:\nservice 7"));
    LANES[0].open(&house).ask(&Ask::get(format!("/?url={url}/x"))).status(502);
}
