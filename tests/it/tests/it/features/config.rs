//! Layers by a configuration file, in the order that they need: a page of another origin can read that it has asked too often.

use std::path::Path;

use trilane::{Router, get};
use trilane_cli::config::Config;
use trilane_cli::layers::Layers;

use super::super::parity::Answer;
use super::{Ask, House, LANES};

const FILE: &str = "
[proxies]
trusted = ['127.0.0.0/8']
[security_headers]
csp = ''
set = { permissions-policy = 'camera=()' }
[cors]
origins = ['https://app.example']
[rate_limit]
requests = 3
[compression]
from = 10
";

fn layers(text: &str) -> Result<Layers, String> {
    let config = Config::parse(text, Path::new("t.toml")).map_err(|error| error.to_string())?;
    Layers::new(&config)
}

#[test]
fn sections_put_layers_around_everything() {
    let layers = layers(FILE).unwrap();
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| layers.around(demo(&shard)));
    for (at, lane) in LANES.iter().enumerate() {
        let ask = |target: &str| {
            let ask = Ask::get(target)
                .field("origin", "https://app.example")
                .field("accept-encoding", "gzip")
                .field("x-forwarded-for", format!("192.0.2.{at}"));
            lane.open(&house).ask(&ask)
        };
        let name = lane.name();
        let page = ask("/").status(200);
        assert_eq!(page.head.field("content-encoding"), Some("gzip"), "{name}");
        assert_eq!(page.head.field("permissions-policy"), Some("camera=()"));
        assert_eq!(page.head.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.head.field("content-security-policy"), None);
        let is_secure = !["h1", "h1.0", "h2c"].contains(&name);
        assert_eq!(page.head.field("strict-transport-security").is_some(), is_secure, "{name}");
        ask("/plaintext").status(200);
        ask("/none").status(404);
        let late = ask("/plaintext").status(429);
        assert!(late.head.field("retry-after").is_some(), "{name}");
        let origin = late.head.field("access-control-allow-origin");
        assert_eq!(origin, Some("https://app.example"), "{name}");
        assert_eq!(late.json()["error"]["code"], "RATE_LIMIT_EXCEEDED");
    }
}

#[test]
fn who_may_ask_is_said_in_the_file() {
    let text = "[proxies]\ntrusted = ['127.0.0.0/8']\n[access]\nallow = ['192.0.2.0/24']\ndeny = ['192.0.2.66']\n\
                [auth]\nrealm = 'staff'\nusers = { ann = 'correct horse' }\npublic = ['/plaintext', '/users/']\n\
                [csrf]\ntrusted = ['https://friend.example']\nexcept = ['/upload']\n\
                [cors]\norigins = ['https://friend.example']\n";
    let layers = layers(text).unwrap();
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| layers.around(demo(&shard)));
    let ann = ("authorization", "Basic YW5uOmNvcnJlY3QgaG9yc2U=");
    let wrong = ("authorization", "Basic YW5uOndyb25n");
    let (evil, friend) = (("origin", "https://evil.example"), ("origin", "https://friend.example"));
    for lane in LANES {
        let ask = |ask: Ask, address: &str, fields: &[(&'static str, &str)]| {
            let ask = ask.field("x-forwarded-for", address);
            let with = |ask: Ask, (name, value): &(&'static str, &str)| ask.field(name, *value);
            lane.open(&house).ask(&fields.iter().fold(ask, with))
        };
        let near = "192.0.2.1";
        for address in ["203.0.113.1", "192.0.2.66"] {
            ask(Ask::get("/plaintext"), address, &[ann]).status(403);
        }
        ask(Ask::get("/plaintext"), near, &[]).status(200);
        ask(Ask::get("/users/1"), near, &[]).status(200);
        ask(Ask::get("/json"), near, &[ann]).status(200);
        for fields in [&[][..], &[wrong]] {
            let refused = ask(Ask::get("/json"), near, fields).status(401);
            let challenge = refused.head.field("www-authenticate").unwrap().to_owned();
            assert!(challenge.starts_with("Basic realm=\"staff\""), "{challenge}");
        }
        let post = |path: &str| Ask::new("POST", path);
        ask(post("/echo"), near, &[ann, evil]).status(403);
        ask(post("/echo"), near, &[ann, friend]).status(200);
        ask(post("/echo"), near, &[ann]).status(200);
        ask(post("/upload"), near, &[ann, evil]).status(200);
        // A page can read that credentials are missing, and preflights need none.
        let refused = ask(Ask::get("/json"), near, &[friend]).status(401);
        assert_eq!(refused.head.field("access-control-allow-origin"), Some(friend.1));
        let preflight = [friend, ("access-control-request-method", "GET")];
        ask(Ask::new("OPTIONS", "/json"), near, &preflight).status(204);
    }
}

#[test]
fn keys_of_programs_are_in_a_field() {
    let text = "[auth]\nheader = 'x-key'\nkeys = { billing = 'k-1', reports = 'k-2' }\n";
    let layers = layers(text).unwrap();
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| layers.around(demo(&shard)));
    for lane in LANES {
        for (key, status) in [("k-1", 200), ("k-2", 200), ("k-3", 401), ("", 401)] {
            let ask = Ask::get("/json").field("x-key", key);
            lane.open(&house).ask(&ask).status(status);
        }
        lane.open(&house).ask(&Ask::get("/json").field("x-api-key", "k-1")).status(401);
    }
}

#[test]
fn answers_are_stored_and_compressed_as_the_file_says() {
    let layers = layers(
        "[cache]\nentries = 10\nlargest = 5000\nheuristic = 10\n\
         [compression]\ntypes = ['image/*', '*+thing']\nlevels = { gzip = 0, br = 11 }\n",
    )
    .unwrap();
    let house = House::serving(move |_| {
        let answer = |kind: &'static str, size: usize| {
            let fields = [("content-type", kind), ("cache-control", "max-age=60")];
            move || async move { (fields, "x".repeat(size)) }
        };
        let routes = Router::new()
            .route("/image", get(answer("image/x", 2000)))
            .route("/text", get(answer("text/plain", 2000)))
            .route("/large", get(answer("a/b+thing", 5000)));
        layers.around(routes)
    });
    for (at, lane) in LANES.iter().enumerate() {
        let name = lane.name();
        let ask = |path: &str, coding: &str| {
            let ask = Ask::get(format!("{path}?{at}")).field("accept-encoding", coding);
            lane.open(&house).ask(&ask).status(200)
        };
        let told = |page: &Answer| page.head.field("cache-status").unwrap_or_default().to_owned();
        for (path, coding, expected, length) in [
            // By its level, gzip makes nothing smaller; then it is left off.
            ("/image", "gzip", None, 2000..2001),
            ("/image", "br", Some("br"), 1..50),
            ("/image", "identity", None, 2000..2001),
            ("/text", "gzip", None, 2000..2001),
        ] {
            let (_, page) = (ask(path, coding), ask(path, coding));
            assert!(told(&page).starts_with("trilane; hit"), "{name} {path}");
            assert!(page.head.field("age").is_some());
            assert_eq!(page.head.field("content-encoding"), expected, "{name} {path} {coding}");
            assert!(length.contains(&page.body.len()), "{name} {path} {coding}");
        }
        let _ = ask("/large", "gzip");
        assert!(told(&ask("/large", "gzip")).starts_with("trilane; fwd=uri-miss"), "{name}");
    }
}

#[test]
fn what_cannot_be_is_said_at_the_start() {
    for (text, expected) in [
        ("[cors]\norigins = ['*']\ncredentials = true\n", "[cors]"),
        ("[cors]\nmethods = ['a b']\n", "'a b' is no method"),
        ("[rate_limit]\nredis = 'http://x'\n", "[rate_limit] redis"),
        ("[rate_limit]\nrequest = 1\n", "`requests`"),
        ("[auth]\nrealm = 'r'\n", "[auth] needs users or keys"),
        ("[proxies]\nfield = 'proxy'\n", "`proxy-protocol`"),
        ("[compression]\ntypes = ['html']\n", "[compression] types: 'html'"),
        ("[compression]\nlevels = { gzip2 = 1 }\n", "`gzip`"),
        ("[cache]\nbyte = 1\n", "`bytes`"),
    ] {
        let error = layers(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for text in ["[access]\ndeny = ['x']\n", "[csrf]\ntrusted = ['a.example']\n"] {
        assert!(layers(text).unwrap().around(Router::new()).build().is_err(), "{text}");
    }
}
