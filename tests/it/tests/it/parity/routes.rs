//! Every route of the demo by every method that it knows, and by one that it does not.

use serde_json::json;

use super::{Answer, Ask, House, LANES, Lane, Length};

/// What a good answer's content is.
enum Expect {
    Begins(&'static str),
    Exact(&'static str),
    Json(fn(&dyn Lane) -> serde_json::Value),
    Size(usize),
    /// JSON with that member.
    Member(&'static str),
}

/// The target, the status of GET, the content, and its type.
const GETS: &[(&str, u16, Expect, &str)] = &[
    ("/", 200, Expect::Begins("<!"), "text/html; charset=utf-8"),
    ("/stats", 200, Expect::Member("accepted"), "application/json"),
    ("/plaintext", 200, Expect::Exact("Hello, World!"), "text/plain; charset=utf-8"),
    ("/json", 200, Expect::Json(|_| json!({"message": "Hello, World!"})), "application/json"),
    ("/users/17", 200, Expect::Exact("17"), "text/plain; charset=utf-8"),
    ("/users/a%20b", 200, Expect::Exact("a b"), "text/plain; charset=utf-8"),
    ("/bytes/0", 200, Expect::Exact(""), "text/plain"),
    ("/bytes/9", 200, Expect::Exact("xxxxxxxxx"), "text/plain"),
    ("/bytes/1048577", 200, Expect::Size(1_048_577), "text/plain"),
    ("/bytes/68719476737", 400, Expect::Member("error"), "application/json"),
    ("/bytes/many", 400, Expect::Member("error"), "application/json"),
    ("/stream/0", 200, Expect::Exact(""), "text/plain"),
    ("/stream/3", 200, Expect::Exact("chunk 0\nchunk 1\nchunk 2\n"), "text/plain"),
    ("/stream/1000001", 400, Expect::Member("error"), "application/json"),
    ("/slow/15", 200, Expect::Exact("slept 15 ms\n"), "text/plain; charset=utf-8"),
    ("/panic", 500, Expect::Member("error"), "application/json"),
    ("/headers?a=b", 200, Expect::Member("fields"), "application/json"),
    ("/static/", 200, Expect::Begins("<!"), "text/html; charset=utf-8"),
    ("/static/lanes.svg", 200, Expect::Begins("<svg"), "image/svg+xml"),
    ("/static/x.txt", 404, Expect::Member("error"), "application/json"),
    ("/api/v1/users", 200, Expect::Member("users"), "application/json"),
    ("/api/v1/users/0", 404, Expect::Member("error"), "application/json"),
    ("/form", 200, Expect::Begins("<!"), "text/html; charset=utf-8"),
    ("/cookies", 200, Expect::Member("visits"), "application/json"),
    ("/redirect/200", 400, Expect::Member("error"), "application/json"),
    ("/page/live.js", 200, Expect::Begins("const"), "text/javascript; charset=utf-8"),
    ("/page/style.css", 200, Expect::Begins(":root"), "text/css; charset=utf-8"),
    ("/page/icon.svg", 200, Expect::Begins("<svg"), "image/svg+xml"),
    ("/nothing", 404, Expect::Member("error"), "application/json"),
];

#[test]
fn get_and_head_of_every_route() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for (target, status, expect, kind) in GETS {
            let what = format!("{} {target}", lane.name());
            if !client.is_open() {
                client = lane.open(House::shared());
            }
            let answer = client.ask(&Ask::get(*target)).status(*status);
            assert_eq!(answer.head.field("content-type"), Some(*kind), "{what}");
            check(*lane, &what, expect, &answer);
            if !client.is_open() {
                client = lane.open(House::shared());
            }
            // RFC 9110 §9.3.2: the same fields as GET, and no content.
            let bare = client.ask(&Ask::new("HEAD", *target)).status(*status);
            assert_eq!(bare.body, b"", "{what}");
            let names = |answer: &Answer| {
                let mut names: Vec<_> =
                    answer.head.fields.iter().map(|(name, _)| name.clone()).collect();
                names.retain(|name| name != "connection");
                names.sort();
                names
            };
            assert_eq!(names(&bare), names(&answer), "{what}");
            if !matches!(*target, "/stats" | "/headers?a=b" | "/api/v1/users") {
                assert_eq!(bare.head.field("content-length"), answer.head.field("content-length"));
            }
        }
    }
}

fn check(lane: &dyn Lane, what: &str, expect: &Expect, answer: &Answer) {
    match expect {
        Expect::Begins(start) => {
            assert!(answer.text().starts_with(start), "{what}: {}", answer.text())
        }
        Expect::Exact(text) => assert_eq!(answer.text(), *text, "{what}"),
        Expect::Json(value) => assert_eq!(answer.json(), value(lane), "{what}"),
        Expect::Size(size) => {
            assert!(answer.body == vec![b'x'; *size], "{what}: {}", answer.body.len())
        }
        Expect::Member(name) => {
            assert!(answer.json().get(name).is_some(), "{what}: {}", answer.text())
        }
    }
}

#[test]
fn the_front_page_names_the_protocol_and_headers_shows_the_request() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let page = client.ask(&Ask::get("/")).status(200);
        assert!(page.text().contains(lane.protocol()), "{}", lane.name());
        let ask = Ask::get("/headers?x=%20y").field("x-mark", "one").field("x-mark", "two");
        let shown = client.ask(&ask).status(200).json();
        assert_eq!(shown["protocol"], lane.protocol());
        assert_eq!(
            (&shown["method"], &shown["target"]),
            (&json!("GET"), &json!("/headers?x=%20y"))
        );
        assert_eq!(shown["authority"], "it");
        let fields = shown["fields"].as_array().unwrap();
        let marks: Vec<_> = fields.iter().filter(|field| field[0] == "x-mark").collect();
        // RFC 9110 §5.3: the order of lines of one name is kept.
        assert_eq!(marks, [&json!(["x-mark", "one"]), &json!(["x-mark", "two"])]);
    }
}

#[test]
fn post_of_every_route_that_takes_it() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for (target, content, text) in [
            ("/echo", &b"abc"[..], "abc"),
            ("/echo", b"", ""),
            ("/upload", b"abc", r#"{"bytes":3}"#),
            ("/upload", b"", r#"{"bytes":0}"#),
        ] {
            let ask = Ask::post(target, Length::Exact(content.len() as u64));
            let answer = client.ask_with(&ask, content).status(200);
            assert_eq!(answer.text(), text, "{} {target}", lane.name());
        }
        // Not at all is not the same as none: no length, no content.
        assert_eq!(client.ask(&Ask::new("POST", "/upload")).status(200).text(), r#"{"bytes":0}"#);
        let answer = client.ask_with(&Ask::post("/echo/stream", Length::Exact(3)), b"abc");
        assert_eq!(answer.status(200).text(), "abc");
    }
}

#[test]
fn methods_that_a_path_has_not() {
    const GET: &str = "GET, HEAD, OPTIONS";
    const POST: &str = "POST, OPTIONS";
    let paths = [
        ("/", GET),
        ("/stats", GET),
        ("/plaintext", GET),
        ("/json", GET),
        ("/users/1", GET),
        ("/bytes/1", GET),
        ("/stream/1", GET),
        ("/slow/1", GET),
        ("/panic", GET),
        ("/headers", GET),
        ("/static", GET),
        ("/static/", GET),
        ("/static/x", GET),
        ("/echo", POST),
        ("/echo/stream", POST),
        ("/upload", POST),
    ];
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for (path, allow) in paths {
            let other = if allow == GET { "POST" } else { "GET" };
            let answer = client.ask(&Ask::new(other, path)).status(405);
            // RFC 9110 §15.5.6: the origin server MUST generate Allow in a 405.
            assert_eq!(answer.head.field("allow"), Some(allow), "{} {path}", lane.name());
            let names: Vec<_> = allow.split(", ").collect();
            assert_eq!(answer.json()["error"]["details"]["allowed_methods"], json!(names));
            let answer = client.ask(&Ask::new("OPTIONS", path)).status(204);
            assert_eq!(answer.head.field("allow"), Some(allow), "{} {path}", lane.name());
        }
        // RFC 9110 §9.3.7: `*` is the server itself; §9.3.8: TRACE is refused; §9.1: unknown methods are 501.
        let answer = client.ask(&Ask::new("OPTIONS", "*")).status(204);
        assert_eq!(
            answer.head.field("allow"),
            Some("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")
        );
        let trace = client.ask(&Ask::new("TRACE", "/plaintext")).head.status;
        assert!(matches!(trace, 405 | 501), "{trace}");
        client.ask(&Ask::new("BREW", "/plaintext")).status(501);
        client.ask(&Ask::new("BREW", "/nothing")).status(404);
    }
}

#[test]
fn tunnels_are_refused_clearly() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let answer = client.ask(&Ask::new("CONNECT", "it:443"));
        assert!(matches!(answer.head.status, 405 | 501), "{:?}", answer.head);
        assert!(answer.json()["error"]["code"].is_string());
    }
}
