//! Start: the ready line, every way to say where to listen, and every refusal with its fix.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::child::{Process, Refusal};
use crate::parity::{Ask, LANES, Over, Place};

/// The last word of a server to a request for `/plaintext` on its own connection.
fn plaintext(mut socket: impl Read + Write) -> String {
    socket.write_all(b"GET /plaintext HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

fn tcp(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("trilane-it-{}-{name}", std::process::id()))
}

#[track_caller]
fn refused(arguments: &[&str]) -> Refusal {
    match Process::start(arguments, |_| {}) {
        Ok(process) => panic!("it started: {}", process.ready),
        Err(refusal) => refusal,
    }
}

#[track_caller]
fn refused_with(arguments: &[&str], words: &[&str]) {
    let refusal = refused(arguments);
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    assert!(refusal.errors.starts_with("trilane: "), "{refusal:?}");
    assert!(
        !refusal.errors.contains("panicked") && !refusal.errors.ends_with("\n\n"),
        "{refusal:?}"
    );
    for word in words {
        assert!(refusal.errors.contains(word), "{word:?} is not in {:?}", refusal.errors);
    }
}

#[test]
fn the_ready_line_and_a_port_of_the_kernels_choice() {
    for shards in [1, 2] {
        let number = shards.to_string();
        let process = Process::demo(&["--shards", &number, "--log", "off"]);
        let [http, https] = [Over::Tcp, Over::Tls].map(|over| Place::address(&process, over));
        let expected = format!(
            "trilane ready http={http} https={https} h3={https} shards={shards} pid={}",
            process.pid()
        );
        assert_eq!(process.ready, expected);
        assert!(http.port() != 0 && https.port() != 0);
        for lane in LANES {
            lane.open(&process).ask(&Ask::get("/plaintext")).status(200);
        }
    }
}

#[test]
fn two_addresses_and_a_unix_socket() {
    let path = temporary("two.sock");
    let unix = format!("unix:{}", path.display());
    let arguments =
        ["--http", "127.0.0.1:0", "--http", "127.0.0.1:0", "--http", &unix, "--http", "off"];
    let mut process = Process::start(&arguments, |_| {}).unwrap();
    let http: Vec<_> = process.http().split(',').map(str::to_owned).collect();
    assert_eq!((http.len(), &http[2]), (3, &unix), "{}", process.ready);
    assert_ne!(http[0], http[1]);
    for address in &http[..2] {
        assert!(plaintext(tcp(address)).ends_with("\r\n\r\nHello, World!"));
    }
    assert!(plaintext(UnixStream::connect(&path).unwrap()).ends_with("\r\n\r\nHello, World!"));
    // Somebody listens there: a second server takes nothing away.
    refused_with(&["--http", &unix], &["is in use"]);
    assert!(plaintext(UnixStream::connect(&path).unwrap()).ends_with("\r\n\r\nHello, World!"));
    process.signal("TERM");
    assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0));
    assert!(!path.exists(), "the socket's file is left behind");
}

#[test]
fn a_socket_file_of_the_dead_is_replaced() {
    let path = temporary("stale.sock");
    let unix = format!("unix:{}", path.display());
    let process = Process::start(&["--http", &unix], |_| {}).unwrap();
    process.signal("KILL");
    drop(process);
    assert!(path.exists());
    // The kernel takes a dead process's ring apart in its own time, and the socket lives until then.
    let end = Instant::now() + Duration::from_secs(5);
    let process = loop {
        match Process::start(&["--http", &unix], |_| {}) {
            Ok(process) => break process,
            Err(refusal) => assert!(Instant::now() < end, "{refusal:?}"),
        }
    };
    assert!(plaintext(UnixStream::connect(&path).unwrap()).ends_with("\r\n\r\nHello, World!"));
    drop(process);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_port_of_the_environment() {
    let process = Process::start(&["--h2c", "--log", "off"], |command| {
        command.env("PORT", "0");
    })
    .unwrap();
    assert!(process.http().starts_with("127.0.0.1:"), "{}", process.ready);
    for lane in LANES {
        lane.open(&process).ask(&Ask::get("/plaintext")).status(200);
    }
    let bad = Process::start(&[], |command| {
        command.env("PORT", "http");
    });
    let Err(refusal) = bad else { panic!("it started") };
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.errors.contains("PORT=http"), "{refusal:?}");
}

/// What the file says of proxies holds on every listener.
#[test]
fn proxies_may_say_for_whom_they_ask_in_front_of_a_connection() {
    let path = temporary("proxied.toml");
    let file = path.to_str().unwrap();
    let text = "[proxies]\ntrusted = ['127.0.0.1']\nfield = 'proxy-protocol'\n[access]\nallow = ['203.0.113.0/24']\n";
    std::fs::write(&path, text).unwrap();
    let process = Process::demo(&["--log", "off", "--config", file]);
    let ask = |header: &str| {
        let mut socket = tcp(process.http());
        let ask = "GET /plaintext HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\nConnection: close\r\n\r\n";
        socket.write_all(format!("{header}{ask}").as_bytes()).unwrap();
        let mut text = String::new();
        let _ = socket.read_to_string(&mut text);
        text.get(9..12).unwrap_or_default().to_owned()
    };
    assert_eq!(ask("PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\r\n"), "200");
    // No field is believed.
    assert_eq!(ask("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"), "403");
    assert_eq!(ask("PROXY UNKNOWN\r\n"), "403");
    assert_eq!(ask(""), "");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_configuration_file_and_its_mistakes() {
    let path = temporary("config.toml");
    let file = path.to_str().unwrap();
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("http = ['127.0.0.1:0']\nshards = 1\nlog = 'off'\n[limits]\ntarget = 100\n");
    let process = Process::start(&["--h2c", "--config", file], |_| {}).unwrap();
    assert!(process.ready.contains(" shards=1 "), "{}", process.ready);
    for lane in LANES {
        let mut client = lane.open(&process);
        client.ask(&Ask::get(format!("/plaintext?{}", "q".repeat(89)))).status(200);
        client.ask(&Ask::get(format!("/plaintext?{}", "q".repeat(90)))).status(414);
    }
    write("http = ['127.0.0.1:0']\nhtpt = []\n");
    refused_with(&["--config", file], &["config.toml", "line 2", "htpt"]);
    write("[admin]\nlisten = [':0']\n");
    refused_with(&["--config", file], &["config.toml", "would be open to others"]);
    write("log = 'loud'\nhttp = ['127.0.0.1:0']\n");
    refused_with(&["--config", file], &["loud", "json, text, off"]);
    std::fs::remove_file(&path).unwrap();
    refused_with(&["--config", file], &["cannot read", "config.toml"]);
}

#[test]
fn a_port_in_use() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    refused_with(&["--http", &address], &[&format!("{address} is in use"), "ss -xlutnp"]);
    // A server of the same user, which SO_REUSEPORT would let share it.
    let process = Process::demo(&["--log", "off"]);
    refused_with(&["--http", process.http()], &["is in use"]);
}

#[test]
fn settings_that_cannot_be() {
    refused_with(&["--http", "nonsense"], &["\"nonsense\"", "127.0.0.1:8080"]);
    refused_with(&["--http", "127.0.0.1:65536"], &["127.0.0.1:65536"]);
    refused_with(&["--http", "off", "--https", "off"], &["--http off"]);
    refused_with(&["--http", "192.0.2.1:0"], &["192.0.2.1:0"]);
    refused_with(&["--http", "unix:/nowhere/at/all.sock"], &["/nowhere/at/all.sock"]);
    for cpus in ["x", "", "1-0", "99999"] {
        refused_with(&["--http", "127.0.0.1:0", "--cpus", cpus], &[cpus]);
    }
    // clap's own: usage, and 2.
    let refusal = refused(&["--shards", "0"]);
    assert_eq!(refusal.code, Some(2));
    assert!(refusal.errors.contains("--shards"), "{refusal:?}");
}

#[test]
fn a_line_of_json_for_each_request() {
    let mut process = Process::demo(&["--log", "json"]);
    for lane in LANES {
        let mut client = lane.open(&process);
        client.ask(&Ask::get("/users/1?a=b\"c").field("user-agent", "it \"1\"")).status(200);
        client.ask(&Ask::get("/users/1?a=b").field("x-request-id", "the-id")).status(200);
        client.ask(&Ask::get("/nothing")).status(404);
        client.ask(&Ask::get("/panic")).status(500);
    }
    process.signal("TERM");
    assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0));
    let lines: Vec<_> = std::iter::from_fn(|| process.line()).collect();
    assert_eq!(lines.len(), 4 * LANES.len(), "{lines:#?}");
    for (at, lane) in LANES.iter().enumerate() {
        let of_lane = &lines[4 * at..];
        let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let first = parse(&of_lane[0]);
        assert_eq!((&first["query"], &first["user_agent"]), (&"a=b\"c".into(), &"it \"1\"".into()));
        let second = parse(&of_lane[1]);
        for (name, value) in [
            ("method", "GET"),
            ("path", "/users/1"),
            ("query", "a=b"),
            ("protocol", lane.protocol()),
            ("request_id", "the-id"),
            ("outcome", "complete"),
        ] {
            assert_eq!(second[name], value, "{second}");
        }
        assert_eq!((&second["status"], &second["bytes_out"]), (&200.into(), &1.into()), "{second}");
        assert!(second["duration_us"].is_u64() && second["timestamp"].is_string(), "{second}");
        assert!(second["remote"].as_str().is_some_and(|remote| remote.starts_with("127.0.0.1:")));
        assert_eq!(parse(&of_lane[2])["status"], 404);
        assert_eq!(parse(&of_lane[3])["status"], 500);
    }
}
