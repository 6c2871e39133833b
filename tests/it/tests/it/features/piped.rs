//! Content through a proxy: over HTTP/1.1 in clear on both sides it goes by in pipes, over all else as bytes, and it is the same.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use trilane::proxy::rewrite::Policy;
use trilane::proxy::{Member, Place, Proxy, Servers, Target, Terms, Upstream};
use trilane::{Request, Router};

use super::super::parity::{Ask, House, LANES, eventually};

const MIB: usize = 1 << 20;
/// Asks for an answer that ends before its time.
const CUT: &str = "/cut";

/// Content in which a byte that is lost or doubled shows.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at / 7) ^ (at >> 11)) as u8).collect()
}

/// A server that answers a request for `/LENGTH` with that much content.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || while answer(&stream).is_some() {});
        }
    });
    address
}

/// Reads a request, and answers it; none if that was the last.
fn answer(mut stream: &TcpStream) -> Option<()> {
    let (head, _) = read_head(stream)?;
    let target = head.split(' ').nth(1)?;
    let len = target[1..].parse().unwrap_or(4 * MIB);
    let sent = if target == CUT { len / 2 } else { len };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n").ok()?;
    stream.write_all(&content(len)[..sent]).ok()?;
    (sent == len).then_some(())
}

/// A head, and how much content it promises.
fn read_head(mut stream: &TcpStream) -> Option<(String, usize)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.map_or(0, |length| length.parse().unwrap());
    Some((head, length))
}

/// A proxy in front of that server.
fn proxy() -> House {
    let place = Place::Ip(server());
    let target = Target { member: Member::new("it"), place, authority: "it".into() };
    let group = Arc::new(Upstream::new("it", vec![target], Terms::default()).unwrap());
    let policy = Policy::new("it").unwrap();
    House::serving(move |shard| {
        let servers = Servers::new(Arc::clone(&group), &shard);
        let proxy = Proxy::new(Rc::new(policy.clone()), servers);
        Router::new().fallback(move |request: Request| proxy.clone().forward(request))
    })
}

fn ask(house: &House, target: &str) -> TcpStream {
    let client = TcpStream::connect(house.address()).unwrap();
    ask_again(&client, target);
    client
}

fn ask_again(mut client: &TcpStream, target: &str) {
    write!(client, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
}

/// All of an answer's content.
fn read_all(mut client: &TcpStream) -> Vec<u8> {
    let (_, length) = read_head(client).unwrap();
    let mut content = vec![0; length];
    client.read_exact(&mut content).unwrap();
    content
}

#[test]
fn content_is_the_same_over_every_protocol() {
    let house = proxy();
    let piped = || house.sum(|stats| stats.piped.get());
    for lane in LANES {
        let before = piped();
        let answer = lane.open(&house).ask(&Ask::get(format!("/{MIB}"))).status(200);
        assert!(answer.body == content(MIB), "{}", lane.name());
        let goes_by = piped() > before;
        assert_eq!(goes_by, ["h1", "h1.0"].contains(&lane.name()), "{}", lane.name());
    }
}

#[test]
fn a_connection_goes_on_after_it() {
    let (house, expected) = (proxy(), content(MIB));
    let client = ask(&house, &format!("/{MIB}"));
    for round in 0..100 {
        assert!(read_all(&client) == expected, "in round {round}");
        ask_again(&client, if round % 2 == 0 { "/5" } else { "/1048576" });
        if round % 2 == 0 {
            assert_eq!(read_all(&client), content(5));
            ask_again(&client, "/1048576");
        }
    }
    assert!(house.sum(|stats| stats.piped.get()) > 50 * MIB as u64);
}

#[test]
fn who_reads_slowly_gets_all_of_it() {
    let house = proxy();
    let len = 50 * MIB;
    let client = ask(&house, &format!("/{len}"));
    // Until nothing moves any more: it is not read, and so not received.
    let received = || house.sum(|stats| stats.received.get());
    let (mut before, mut same) = (0, 0);
    eventually("it is held back", || {
        let now = received();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        same == 100 && now > MIB as u64
    });
    assert!(received() < len as u64);
    assert!(read_all(&client) == content(len));
}

#[test]
fn who_leaves_in_the_middle_harms_nobody() {
    let house = proxy();
    for _ in 0..20 {
        let mut client = ask(&house, &format!("/{}", 50 * MIB));
        client.read_exact(&mut vec![0; MIB]).unwrap();
        drop(client);
    }
    let client = ask(&house, &format!("/{}", 5 * MIB));
    assert!(read_all(&client) == content(5 * MIB));
    drop(client);
    house.settle();
}

/// RFC 9112 §8.
#[test]
fn what_ends_before_its_time_does_not_look_complete() {
    let house = proxy();
    for _ in 0..5 {
        let mut client = ask(&house, CUT);
        let (_, length) = read_head(&client).unwrap();
        let mut got = Vec::new();
        // The end, or a reset.
        let _ = client.read_to_end(&mut got);
        assert!(length == 4 * MIB && got.len() <= 2 * MIB, "{}", got.len());
        assert!(got[..] == content(length)[..got.len()]);
    }
}
