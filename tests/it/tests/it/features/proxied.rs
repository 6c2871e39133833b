//! The PROXY protocol (FEATURES X8): for whom a connection is, said before anything else, TLS too; believed from who is trusted alone.

use std::io::{Read, Write};
use std::net::TcpStream;

use trilane::{ConnectionInfo, ProxyProtocol, Router, Server, get};

use crate::parity::{Ask, House, LANES, Over, SOON, curl_at, eventually, secure};

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 198.51.100.1 56324 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xcb\0\x71\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\0\0";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Proxies of that network are trusted.
fn house(trusted: &str) -> House {
    let who = |info: ConnectionInfo| async move {
        let (peer, local) = (info.peer.to_string(), info.local.to_string());
        format!("{peer} {local} {}", info.tls.is_some())
    };
    let proxies = ProxyProtocol::new(["127.0.0.1:0"], [trusted]).unwrap();
    let server = Server::new(move |_| Router::new().route("/", get(who)));
    House::of(server.h2c().proxy_protocol(proxies))
}

fn open(house: &House, over: Over) -> TcpStream {
    let socket = TcpStream::connect(house.at(over)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// All that comes; what a reset cuts off is over too.
fn rest(mut from: impl Read) -> String {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut piece) {
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_trusted_proxy_says_for_whom_it_asks() {
    let house = house("127.0.0.0/8");
    for header in [V1, V2] {
        let told = "203.0.113.7:56324 198.51.100.1:443";
        for cut in [0, 1, 5, 12, 15, header.len() - 1, header.len(), header.len() + 9] {
            let mut socket = open(&house, Over::Tcp);
            socket.set_nodelay(true).unwrap();
            let all = [header, ASK].concat();
            socket.write_all(&all[..cut]).unwrap();
            socket.write_all(&all[cut..]).unwrap();
            let text = rest(socket);
            assert!(text.ends_with(&format!("\r\n\r\n{told} false")), "{cut} {text}");
        }
        for protocol in ["http/1.1", "h2"] {
            let mut socket = open(&house, Over::Tls);
            socket.write_all(header).unwrap();
            let mut tls = secure::connect(&mut socket, protocol);
            if protocol == "http/1.1" {
                let mut stream = rustls::Stream::new(&mut tls, &mut socket);
                stream.write_all(ASK).unwrap();
                let text = rest(stream);
                assert!(text.ends_with(&format!("\r\n\r\n{told} true")), "{text}");
            }
        }
    }
    let mut socket = open(&house, Over::Tcp);
    socket.write_all(&[LOCAL, ASK].concat()).unwrap();
    let text = rest(socket);
    assert!(text.contains("\r\n\r\n127.0.0.1:"), "{text}");
}

#[test]
fn who_must_say_it_and_does_not_is_cut_off() {
    let house = house("127.0.0.0/8");
    for (over, bytes) in [
        (Over::Tcp, ASK),
        (Over::Tcp, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (Over::Tcp, b"PROXY TCP4 203.0.113.7 198.51.100.1 56324\r\n"),
        (Over::Tls, b"\x16\x03\x01\0\x05hello"),
    ] {
        let mut socket = open(&house, over);
        socket.write_all(bytes).unwrap();
        assert_eq!(rest(socket), "");
    }
    for (over, arguments) in [
        (Over::Tcp, &["--haproxy-protocol"][..]),
        (Over::Tcp, &["--haproxy-protocol", "--http2-prior-knowledge"]),
        (Over::Tls, &["--haproxy-protocol"]),
        (Over::Tls, &["--haproxy-protocol", "--http1.1"]),
    ] {
        let Some(text) = curl_at(&house, over, arguments, "/", b"") else { return };
        assert!(text.contains("\r\n\r\n127.0.0.1:"), "{arguments:?} {text}");
    }
}

/// Limits of connections are the clients', not their proxy's.
#[test]
fn each_client_has_its_places_and_proxies_need_none() {
    let proxies = ProxyProtocol::new(["127.0.0.1:0"], ["127.0.0.0/8"]).unwrap();
    let app = |_| Router::new().route("/", get(|| async { "hi" }));
    let house = House::of(Server::new(app).connections_per_ip(1).proxy_protocol(proxies));
    let keep = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let ask = |header: &[u8]| {
        let mut socket = open(&house, Over::Tcp);
        socket.write_all(&[header, keep].concat()).unwrap();
        let mut first = [0; 12];
        let is_answered = socket.read_exact(&mut first).is_ok();
        assert!(!is_answered || first == *b"HTTP/1.1 200");
        is_answered.then_some(socket)
    };
    let held = ask(V1);
    assert!(held.is_some());
    for header in [V1, V2] {
        assert!(ask(header).is_none(), "it has its one");
    }
    assert_eq!(house.sum(|stats| stats.crowded.get()), 2);
    let other: &[u8] = b"PROXY TCP4 203.0.113.8 198.51.100.1 1 443\r\n";
    let others = [ask(other), ask(LOCAL), ask(LOCAL)];
    assert!(others.iter().all(Option::is_some));
    drop(held);
    eventually("it has a place again", || ask(V2).is_some());
}

#[test]
fn a_stranger_is_a_client_like_others() {
    let house = house("10.0.0.0/8");
    for lane in LANES {
        let text = lane.open(&house).ask(&Ask::get("/")).status(200).text();
        assert!(text.starts_with("127.0.0.1:"), "{} {text}", lane.name());
    }
    let mut socket = open(&house, Over::Tcp);
    socket.write_all(&[V1, ASK].concat()).unwrap();
    let text = rest(socket);
    assert!(text.starts_with("HTTP/1.1 400 ") && !text.contains("203.0.113.7"), "{text}");
}
