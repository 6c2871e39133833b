//! What operators see (FEATURES W10, W11, Q6) of connections over every protocol, on two shards, and of a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use trilane::{ListenAddress, Running, Server};
use trilane_admin::Admin;

use super::super::parity::{Ask, House, LANES, eventually};
use super::super::process::Process;

/// What operators ask.
pub(crate) struct Operators {
    address: SocketAddr,
    _running: Option<Running>,
}

impl Operators {
    pub(crate) fn of(house: &House) -> Self {
        let admin = Admin::new(house.inspector());
        let server = Server::new(move |shard| admin.router(&shard)).listen("127.0.0.1:0");
        let running = server.shards(NonZero::<usize>::MIN).unpinned().start().unwrap();
        let [ListenAddress::Tcp(address)] = running.addresses() else { panic!("not TCP") };
        Self { address: *address, _running: Some(running) }
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, _running: None }
    }

    /// Begins to ask.
    fn begin(&self, method: &str, target: &str) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        BufReader::new(begun(stream, method, target))
    }

    pub(crate) fn text(&self, method: &str, target: &str) -> String {
        let mut text = String::new();
        self.begin(method, target).read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let text = self.text("GET", target);
        assert!(text.starts_with("HTTP/1.1 200"), "{target}: {text}");
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn begun<S: Write>(mut stream: S, method: &str, target: &str) -> S {
    let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
    let head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{length}");
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn connections_over_every_protocol_are_shown_until_they_close() {
    let house = House::new(|_| {});
    let operators = Operators::of(&house);
    for lane in LANES {
        let name = lane.name();
        eventually("nobody is there", || house.sum(|stats| stats.open.get()) == 0);
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/plaintext")).status(200);
        if name == "h1.0" {
            // It closes after each answer.
            continue;
        }
        let found = operators.json("/connections");
        assert_eq!(found["total"], 1, "{name}: {found}");
        let line = &found["connections"][0];
        assert_eq!((&line["protocol"], &line["exchanges"]), (&lane.protocol().into(), &1.into()));
        assert_eq!(line["state"], "idle", "{name}: {line}");
        assert!(
            line["received_bytes"].as_u64() > Some(20) && line["sent_bytes"].as_u64() > Some(20)
        );
        let is_secure = !["h1", "h2c"].contains(&name);
        assert_eq!(line["tls"]["version"] == "TLS 1.3", is_secure, "{name}: {line}");
        assert!(line["idle_seconds"].as_f64() <= line["age_seconds"].as_f64());
        let id = line["id"].as_str().unwrap();
        let done = operators.text("POST", &format!("/connections/{id}/close"));
        assert!(done.starts_with("HTTP/1.1 200"), "{name}: {done}");
        eventually("it is closed", || house.sum(|stats| stats.open.get()) == 0);
        let closes = operators.json("/closes?cause=operator");
        let line = &closes["closes"][0];
        assert_eq!((&line["protocol"], &line["exchanges"]), (&lane.protocol().into(), &1.into()));
    }
    let counts = &operators.json("/closes")["counts"];
    assert_eq!(counts["operator"], LANES.len() - 1, "{counts}");
    // Metrics and log have the same names of causes.
    let metrics = operators.text("GET", "/metrics");
    let line =
        format!("trilane_connections_closed_total{{cause=\"operator\"}} {}", LANES.len() - 1);
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn a_connection_over_quic_is_logged_when_somebody_asks_for_it() {
    let house = House::new(|_| {});
    let operators = Operators::of(&house);
    for lane in LANES.iter().filter(|lane| lane.name() != "h1.0") {
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/plaintext")).status(200);
        let found = operators.json("/connections?sort=idle");
        let id = found["connections"][0]["id"].as_str().unwrap().to_owned();
        let target = format!("/connections/{id}/qlog");
        let begun = operators.text("POST", &target);
        let is_quic = lane.name() == "h3";
        assert_eq!(begun.starts_with("HTTP/1.1 200"), is_quic, "{begun}");
        if !is_quic {
            assert!(begun.starts_with("HTTP/1.1 400"), "{begun}");
            client.leave();
            eventually("it is gone", || house.sum(|stats| stats.open.get()) == 0);
            continue;
        }
        let mut qlog = operators.begin("GET", &target);
        client.ask(&Ask::get("/json")).status(200);
        let mut text = String::new();
        while !text.contains("packet_sent") {
            assert_ne!(qlog.read_line(&mut text).unwrap(), 0, "{text}");
        }
        // It ends with its connection.
        operators.text("POST", &format!("/connections/{id}/close"));
        qlog.read_to_string(&mut text).unwrap();
        assert!(text.contains("application/qlog+json-seq"), "{text}");
        let records = text.split('\u{1e}').skip(1);
        let events: Vec<Value> = records
            .map(|record| serde_json::from_str(record.lines().next().unwrap()).unwrap())
            .collect();
        assert!(events[0]["qlog_version"].is_string() || events[0]["file_schema"].is_string());
        let is = |name: &str| events.iter().any(|event| event["name"] == name);
        assert!(is("quic:packet_received") || is("transport:packet_received"), "{}", events[1]);
        // What was read is over.
        assert!(operators.text("GET", &target).starts_with("HTTP/1.1 404"));
    }
}

#[test]
fn a_process_has_a_listener_for_operators() {
    let socket = std::env::temp_dir().join(format!("trilane-it-{}-admin", std::process::id()));
    let unix = format!("unix:{}", socket.display());
    let mut process = Process::demo(&["--admin", "127.0.0.1:0", "--admin", &unix, "--log", "off"]);
    let admin = process.ready.split_once(" admin=").unwrap().1;
    let address = admin.split([',', ' ']).next().unwrap().parse().unwrap();
    let operators = Operators::at(address);
    LANES[0].open(&process).ask(&Ask::get("/plaintext")).status(200);
    eventually("requests are counted", || {
        let metrics = operators.text("GET", "/metrics");
        metrics.contains("http_requests_total{method=\"GET\",path=\"/plaintext\",status=\"200\"} 1")
    });
    let mut text = String::new();
    let stream = UnixStream::connect(&socket).unwrap();
    begun(stream, "GET", "/health").read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("OK"), "{text}");
    assert!(operators.text("POST", "/reload").starts_with("HTTP/1.1 200"));
    eventually("certificates are read again", || process.errors().contains("read again"));
    assert!(operators.text("POST", "/drain").starts_with("HTTP/1.1 200"));
    assert!(process.exit_within(Duration::from_secs(15)).success());
    assert!(!socket.exists());
}

/// The process before it keeps the listener until it has drained: that is no reason not to start.
#[test]
fn a_process_that_takes_over_has_the_listener_in_the_end() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut process = Process::demo(&["--admin", &free.to_string(), "--log", "off"]);
    let operators = Operators::at(free);
    let pid = || operators.json("/debug/info")["pid"].as_u64();
    assert_eq!(pid(), Some(process.pid().into()));
    process.upgrade();
    process.alone_within(Duration::from_secs(15));
    eventually("somebody listens there", || TcpStream::connect(free).is_ok());
    assert_eq!(pid(), Some(process.pid().into()));
}

#[test]
fn a_process_does_not_open_it_to_strangers() {
    let Err(refusal) = Process::start(&["demo", "--admin", ":0"], |_| {}) else {
        panic!("it started")
    };
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.errors.contains("would be open to others"), "{refusal:?}");
}
