//! The routes for operators, asked over a socket, of a server of two shards at work.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::Value;
use trilane::{ListenAddress, Metrics, Path, Router, Running, Server, Shard, get};
use trilane_admin::{Admin, Token};

/// The server that is looked at, and the one that tells of it.
struct Pair {
    main: Running,
    admin: Running,
}

fn address(running: &Running) -> SocketAddr {
    match running.addresses() {
        [ListenAddress::Tcp(address)] => *address,
        _ => panic!("not TCP"),
    }
}

impl Pair {
    fn new(app: impl Fn(&Shard) -> Router + Send + Sync + 'static) -> Self {
        Self::with(app, |admin| admin)
    }

    fn with(
        app: impl Fn(&Shard) -> Router + Send + Sync + 'static,
        set: impl FnOnce(Admin) -> Admin,
    ) -> Self {
        let metrics = Metrics::new();
        let counted = metrics.clone();
        let main = Server::new(move |shard| app(&shard).layer(counted.clone()))
            .listen("127.0.0.1:0")
            .shards(NonZero::new(2).unwrap())
            .h2c()
            .start()
            .unwrap();
        let admin = set(Admin::new(main.inspector()).metrics(metrics));
        let admin = Server::new(move |shard| admin.router(&shard))
            .listen("127.0.0.1:0")
            .shards(NonZero::<usize>::MIN)
            .unpinned()
            .limits(trilane_admin::limits())
            .start()
            .unwrap();
        Self { main, admin }
    }

    /// Asks the admin: status and content.
    fn ask(&self, target: &str) -> (u16, String) {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n"))
    }

    fn json(&self, target: &str) -> Value {
        let (status, text) = self.ask(target);
        assert_eq!(status, 200, "{target}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a head, and reads until the end of the connection.
    fn send(&self, head: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address(&self.admin)).unwrap();
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        let (head, content) = all.split_once("\r\n\r\n").unwrap();
        let status = head.get(9..12).unwrap().parse().unwrap();
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        assert!(!is_chunked, "{head}");
        (status, content.to_owned())
    }
}

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(running: &Running) -> Self {
        Self(BufReader::new(TcpStream::connect(address(running)).unwrap()))
    }

    fn ask(&mut self, target: &str) {
        self.ask_with(target, "");
    }

    fn ask_with(&mut self, target: &str, fields: &str) {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let (mut line, mut length) = (String::new(), 0);
        while self.0.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut content = vec![0; length];
        self.0.read_exact(&mut content).unwrap();
        String::from_utf8(content).unwrap()
    }
}

/// Asks again until it is so: what is looked at changes a moment after its cause.
fn until<T>(mut is_so: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = is_so() {
            return value;
        }
        thread::yield_now();
    }
}

fn hello(_: &Shard) -> Router {
    Router::new().route("/", get(|| async { "hello" })).route(
        "/slow/{ms}",
        get(|shard: Shard, Path(ms): Path<u64>| async move {
            shard.sleep(std::time::Duration::from_millis(ms)).await;
            "slept"
        }),
    )
}

#[test]
fn it_is_well_and_counts() {
    let pair = Pair::new(hello);
    assert_eq!(pair.ask("/health"), (200, "OK".to_owned()));
    assert_eq!(pair.ask("/ready"), (200, "OK".to_owned()));
    let mut client = Client::new(&pair.main);
    client.ask("/");
    assert_eq!(client.hear(), "hello");
    let text = until(|| {
        let (status, text) = pair.ask("/metrics");
        assert_eq!(status, 200);
        text.contains("http_requests_total{method=\"GET\",path=\"/\",status=\"200\"} 1")
            .then_some(text)
    });
    // Those of the main server, not of the one that is asked.
    assert!(text.contains("trilane_connections_accepted_total{shard=\"1\"}"), "{text}");
    let shards = pair.json("/shards");
    let all = shards["shards"].as_array().unwrap();
    assert_eq!((all.len(), &all[1]["shard"], &all[0]["state"]), (2, &1.into(), &"serving".into()));
    let sum = |name: &str| all.iter().map(|shard| shard[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("connections"), sum("requests"), sum("requests_open")), (1, 1, 0));
    assert!(all[0]["buffers"]["free"].as_u64() > Some(0), "{shards}");
    assert!(all[0]["ring"]["completions"].as_u64() > Some(0) && all[0]["ring"]["overflow"] == 0);
}

#[test]
fn connections_of_all_shards_are_shown() {
    let pair = Pair::new(hello);
    let mut idle: Vec<_> = (0..12).map(|_| Client::new(&pair.main)).collect();
    for client in &mut idle {
        client.ask("/");
        assert_eq!(client.hear(), "hello");
    }
    let mut busy = Client::new(&pair.main);
    busy.ask("/slow/600000");
    let active = until(|| {
        let found = pair.json("/connections?state=active");
        (found["total"] == 1).then(|| found["connections"][0].clone())
    });
    assert_eq!((&active["waits_for"], &active["exchanges_open"]), (&"handler".into(), &1.into()));
    assert!(active["deadline_seconds"].as_f64() > Some(1.0), "{active}");
    let peer = busy.0.get_ref().local_addr().unwrap().to_string();
    assert_eq!((&active["peer"], &active["protocol"]), (&peer.into(), &"HTTP/1.1".into()));
    assert_eq!(active["local"], address(&pair.main).to_string());
    let mut preface = TcpStream::connect(address(&pair.main)).unwrap();
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let h2 = until(|| {
        let found = pair.json("/connections?protocol=h2");
        (found["total"] == 1).then(|| found["connections"][0].clone())
    });
    assert_eq!(h2["received_bytes"], 33);
    let all = pair.json("/connections?sort=exchanges&limit=5");
    assert_eq!((&all["total"], &all["silent"]), (&14.into(), &Value::Array(Vec::new())));
    let lines = all["connections"].as_array().unwrap();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["exchanges"] == 1 && line["tls"].is_null()));
    assert!(lines.iter().all(|line| line["received_bytes"].as_u64() > Some(10)));
    let of = |shard| pair.json(&format!("/connections?shard={shard}"))["total"].as_u64().unwrap();
    assert_eq!((of(0) + of(1), of(2), of(usize::MAX)), (14, 0, 0));
    for wrong in ["state=x", "protocol=x", "sort=x", "limit=x", "what=1"] {
        assert_eq!(pair.ask(&format!("/connections?{wrong}")).0, 400, "{wrong}");
    }
}

#[test]
fn it_is_told_who_left_and_why() {
    let pair = Pair::new(hello);
    let mut client = Client::new(&pair.main);
    client.ask("/");
    client.hear();
    drop(client);
    let mut rude = TcpStream::connect(address(&pair.main)).unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n").unwrap();
    rude.read_to_end(&mut Vec::new()).unwrap();
    drop(rude);
    let closes = until(|| {
        let closes = pair.json("/closes");
        (closes["closes"].as_array().unwrap().len() == 2).then_some(closes)
    });
    assert_eq!(
        (&closes["counts"]["peer"], &closes["counts"]["field_line"]),
        (&1.into(), &1.into())
    );
    let fault = pair.json("/closes?cause=field_line");
    let line = &fault["closes"][0];
    assert_eq!(
        (&line["text"], &line["exchanges"]),
        (&"a field line is malformed".into(), &0.into())
    );
    assert_eq!(line["last_fault"], "a field line is malformed");
    let peer = pair.json("/closes?cause=peer");
    assert_eq!(
        (&peer["closes"][0]["exchanges"], &peer["closes"][0]["protocol"]),
        (&1.into(), &"HTTP/1.1".into())
    );
    assert_eq!(pair.ask("/closes?cause=x").0, 400);
}

#[test]
fn a_shard_that_is_stuck_hides_nothing() {
    let (stuck, free) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let (of_app, its_barrier) = (Arc::clone(&stuck), Arc::clone(&free));
    let pair = Pair::new(move |_| {
        let (stuck, free) = (Arc::clone(&of_app), Arc::clone(&its_barrier));
        let stick = move || {
            stuck.store(true, Ordering::SeqCst);
            free.wait();
            async { "free" }
        };
        Router::new().route("/stuck", get(stick))
    });
    let mut client = Client::new(&pair.main);
    client.ask("/stuck");
    until(|| stuck.load(Ordering::SeqCst).then_some(()));
    let (status, text) = pair.ask("/health");
    assert_eq!(status, 503);
    let silent: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((silent.as_array().unwrap().len(), &silent[0]["why"]), (1, &"stalled".into()));
    assert!(silent[0]["last_turn_seconds"].as_f64() > Some(0.5), "{text}");
    let shards = pair.json("/shards");
    let lens = ["shards", "silent"].map(|name| shards[name].as_array().unwrap().len());
    assert_eq!(lens, [1, 1], "{shards}");
    free.wait();
    assert_eq!(client.hear(), "free");
    until(|| (pair.ask("/health").0 == 200).then_some(()));
}

#[test]
fn a_drain_is_seen_from_outside() {
    let pair = Pair::new(hello);
    let mut busy = Client::new(&pair.main);
    busy.ask("/slow/600000");
    until(|| (pair.json("/connections?state=active")["total"] == 1).then_some(()));
    pair.main.stopper().drain();
    until(|| (pair.ask("/ready").0 == 503).then_some(()));
    until(|| (pair.json("/connections?state=draining")["total"] == 1).then_some(()));
    pair.main.stopper().stop();
    let gone = until(|| {
        let silent = pair.json("/shards")["silent"].clone();
        (silent.as_array().unwrap().len() == 2).then_some(silent)
    });
    assert_eq!((&gone[0]["why"], &gone[1]["why"]), (&"gone".into(), &"gone".into()));
}

#[test]
fn an_operator_can_end_a_connection() {
    let pair = Pair::new(hello);
    let mut client = Client::new(&pair.main);
    client.ask("/slow/600000");
    let found = until(|| {
        let found = pair.json("/connections?state=active");
        (found["total"] == 1).then_some(found)
    });
    let id = found["connections"][0]["id"].as_str().unwrap();
    let post = |target: &str, more: &str| {
        pair.send(&format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{more}"
        ))
    };
    let target = format!("/connections/{id}/close");
    // A page of somebody else's cannot make a browser do it, nor can a link.
    assert_eq!(post(&target, "Origin: https://evil.example\r\n").0, 403);
    assert_eq!(post(&target, "Sec-Fetch-Site: cross-site\r\n").0, 403);
    assert_eq!(pair.ask(&target).0, 405);
    assert_eq!(post("/connections/x/close", "").0, 400);
    assert_eq!(post("/connections/0-fffff/close", "").0, 404);
    assert_eq!(post("/connections/7-1/close", "").0, 404);
    assert_eq!(post(&target, "Sec-Fetch-Site: same-origin\r\n").0, 200);
    assert!(client.0.read_to_end(&mut Vec::new()).map_or(0, |read| read) == 0);
    let line = until(|| {
        let closes = pair.json("/closes?cause=operator");
        closes["closes"].get(0).cloned()
    });
    assert_eq!((&line["text"], &line["exchanges"]), (&"an operator ended it".into(), &1.into()));
    assert_eq!(post(&target, "").0, 404);
}

#[test]
fn an_operator_can_do_what_signals_do() {
    let pair = Pair::with(hello, |admin| admin.on_reload(|| Ok("read".to_owned())));
    let post = |target: &str| {
        pair.send(&format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"))
    };
    assert_eq!(post("/reload"), (200, "{\"done\":\"read\"}".to_owned()));
    assert_eq!(post("/drain").0, 200);
    until(|| (pair.ask("/ready").0 == 503).then_some(()));
    let wrong = Pair::with(hello, |admin| admin.on_reload(|| Err("line 3: no".to_owned())));
    let (status, text) =
        wrong.send("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
    assert!(status == 409 && text.contains("line 3: no"), "{status} {text}");
    let none = Pair::new(hello);
    assert_eq!(
        none.send("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n").0,
        501
    );
}

#[test]
fn strangers_are_not_let_in() {
    let open = Pair::new(hello);
    let at = |host: &str| open.send(&format!("GET /shards HTTP/1.1\r\nHost: {host}\r\n")).0;
    assert_eq!((at("127.0.0.1:1"), at("[::1]"), at("evil.example")), (200, 200, 421));
    let pair = Pair::with(hello, |admin| admin.token("0123456789abcdef"));
    let with = |more: &str| {
        // What its name is does not matter here: a browser has no token for another origin.
        pair.send(&format!("GET /shards HTTP/1.1\r\nHost: admin.example\r\n{more}")).0
    };
    assert_eq!(with(""), 401);
    assert_eq!(with("Authorization: Bearer 0123456789abcdef\r\n"), 200);
    // "any:0123456789abcdef"
    assert_eq!(with("Authorization: Basic YW55OjAxMjM0NTY3ODlhYmNkZWY=\r\n"), 200);
    for wrong in
        ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Bearer ", "Basic YW55OmFiYw=="]
    {
        assert_eq!(with(&format!("Authorization: {wrong}\r\n")), 401, "{wrong}");
    }
    for target in ["/", "/health", "/metrics", "/live", "/page/dashboard.js"] {
        let (status, _) = pair.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n"));
        assert_eq!(status, 401, "{target}");
    }
}

#[test]
fn a_token_is_replaced_on_connections_that_there_are() {
    let token = Token::from("0123456789abcdef");
    let pair = Pair::with(hello, |admin| admin.token(token.clone()));
    let mut client = Client::new(&pair.admin);
    let mut lets_in = |token: &str| {
        client.ask_with("/health", &format!("Authorization: Bearer {token}\r\n"));
        !client.hear().contains("UNAUTHORIZED")
    };
    let (first, other) = ("0123456789abcdef", "fedcba9876543210");
    assert_eq!((lets_in(first), lets_in(other)), (true, false));
    token.replace(other);
    assert_eq!((lets_in(first), lets_in(other)), (false, true));
}

/// A page of elsewhere could have profiles taken, though it never sees one.
#[test]
fn other_pages_can_only_link_here() {
    let open = Pair::new(hello);
    let from = |target: &str, site: &str, more: &str| {
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}\r\n");
        open.send(&format!("{head}{more}")).0
    };
    let link = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let frame = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n";
    let image = "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n";
    for site in ["cross-site", "same-site", "what-is-new"] {
        assert_eq!((from("/", site, link), from("/", site, frame)), (200, 403), "{site}");
        for target in ["/shards", "/live", "/debug/pprof/profile?seconds=300"] {
            let statuses = [link, frame, image, ""].map(|more| from(target, site, more));
            assert_eq!(statuses, [403; 4], "{site} {target}");
        }
    }
    let ours =
        ["same-origin", "none"].map(|site| (from("/", site, link), from("/shards", site, "")));
    assert_eq!(ours, [(200, 200); 2]);
}

#[test]
fn charts_have_numbers_to_be_drawn_of() {
    let pair = Pair::new(hello);
    let mut client = Client::new(&pair.main);
    client.ask("/");
    client.hear();
    let mut live: Vec<_> = (0..16).map(|_| Client::new(&pair.admin)).collect();
    let mut line = String::new();
    for client in &mut live {
        client.ask("/live");
        line.clear();
        while !line.starts_with("data: ") {
            line.clear();
            assert_ne!(client.0.read_line(&mut line).unwrap(), 0);
        }
        let now: Value = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
        let count = |name: &str| now["protocols"][name].as_u64();
        assert_eq!((count("HTTP/1.1"), count("HTTP/2")), (Some(1), Some(0)));
        assert_eq!((&now["connections"], now["shards"].as_array().unwrap().len()), (&1.into(), 2));
    }
    // Those that listen have a bound, and give their places back.
    assert_eq!(pair.ask("/live").0, 503);
    live.pop();
    until(|| {
        let mut client = Client::new(&pair.admin);
        client.ask("/live");
        line.clear();
        client.0.read_line(&mut line).unwrap();
        line.contains("200").then_some(())
    });
}

#[test]
fn profiles_are_there() {
    let pair =
        Pair::with(hello, |admin| admin.about([("version".to_owned(), "1.2.3".to_owned())].into()));
    assert_eq!(pair.json("/debug/info")["version"], "1.2.3");
    assert_eq!(pair.ask("/debug/pprof/").0, 200);
    // Reading symbols is a POST that changes nothing; pages of others cannot read them.
    let head = "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n";
    assert_ne!(pair.send(head).0, 403);
    assert_eq!(pair.send(&format!("{head}Origin: https://evil.example\r\n")).0, 403);
}

#[test]
fn the_page_is_whole() {
    let pair = Pair::new(hello);
    let (status, page) = pair.ask("/");
    assert_eq!(status, 200);
    for file in ["/page/dashboard.css", "/page/dashboard.js", "/page/charts.js"] {
        assert!(page.contains(file) || file.ends_with("charts.js"));
        assert_eq!(pair.ask(file).0, 200, "{file}");
    }
    // Nothing of it comes from elsewhere, and no script or style stands in it.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("style="));
    assert!(!page.contains("<style") && !page.contains("<script>") && !page.contains(" onclick"));
}
