//! Time: peers that are slow in either direction, handlers that are, and tunnels in which nothing goes
//! (FEATURES X5; the fields of `Limits` that are durations).

use std::io::{Read, Write};
use std::sync::atomic::Ordering::SeqCst;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::wire::{SOON, Wire, eventually};
use crate::parity::House;

/// Short for a limit, long for a test.
const SHORT: Duration = Duration::from_millis(300);

/// Sends the bytes one by one, one every `every`, until the server answers. How long that took, and the status.
fn trickle(house: &House, start: &str, every: Duration) -> (Duration, u16) {
    let mut wire = Wire::open(house.address());
    let (began, mut next) = (Instant::now(), Instant::now());
    wire.send(start.as_bytes());
    wire.socket.set_read_timeout(Some(every)).unwrap();
    while began.elapsed() < SOON {
        let mut first = [0];
        if wire.socket.peek(&mut first).is_ok() {
            wire.socket.set_read_timeout(Some(SOON)).unwrap();
            let took = began.elapsed();
            let status = wire.reply(false).unwrap().status;
            assert!(wire.ends(), "RFC 9112 §9.6: a FIN, and nothing more");
            return (took, status);
        }
        if next.elapsed() >= every {
            next = Instant::now();
            wire.send(b"a");
        }
    }
    panic!("never an answer");
}

/// Limits `head_timeout`: from the first byte to the last; more bytes buy no more time (RFC 9110 §15.5.9).
#[test]
fn a_head_byte_by_byte() {
    let house = House::new(|limits| limits.head_timeout = SHORT);
    for start in ["", "G", "GET /", "GET / HTTP/1.1\r\nHost: h\r\nX: "] {
        // Nothing at all is no request: its first byte comes 50 ms later.
        let (took, status) = trickle(&house, start, Duration::from_millis(50));
        assert_eq!(status, 408, "{start:?}");
        assert!(took >= SHORT / 2 && took < 5 * SHORT, "{start:?}: {took:?}");
    }
    // The second head has the same time.
    let start = "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut wire = Wire::open(house.address());
    wire.send(start.as_bytes());
    assert_eq!(wire.reply(false).unwrap().status, 200);
    sleep(SHORT * 2);
    wire.send(b"GET /");
    let began = Instant::now();
    assert_eq!(wire.reply(false).unwrap().status, 408);
    assert!(began.elapsed() >= SHORT / 2 && wire.ends());
    house.settle();
}

/// Limits `body_rate`, `body_grace`: content byte by byte is 408 in the end, in whatever framing.
#[test]
fn content_byte_by_byte() {
    let house = House::new(|limits| (limits.body_rate, limits.body_grace) = (1000, SHORT));
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked\r\n\r\n3e8"] {
        let start = format!("POST /test/collect HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
        let start = start.replace("3e8\r\n\r\n", "3e8\r\n");
        let (took, status) = trickle(&house, &start, Duration::from_millis(20));
        assert_eq!(status, 408, "{framing}");
        assert!(took >= SHORT / 2 && took < 5 * SHORT, "{framing}: {took:?}");
    }
    // Fast enough is let be, for longer than the grace.
    let mut wire = Wire::open(house.address());
    wire.send(b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n");
    for _ in 0..20 {
        sleep(SHORT / 6);
        wire.send(&[b'x'; 100]);
    }
    assert_eq!(wire.reply(false).unwrap().body.len(), 2000);
    drop(wire);
    house.settle();
}

/// Limits `body_timeout`, also for content that nobody reads, and for what is left of it after the answer.
#[test]
fn content_that_stops() {
    let house = House::new(|limits| limits.body_timeout = SHORT);
    let post =
        |path: &str| format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    for path in ["/test/collect", "/upload", "/echo"] {
        let mut wire = Wire::open(house.address());
        wire.send(post(path).as_bytes());
        assert_eq!(wire.reply(false).unwrap().status, 408, "{path}");
        assert!(wire.ends(), "{path}");
    }
    let mut wire = Wire::open(house.address());
    wire.send(post("/plaintext").replace("POST", "GET").as_bytes());
    assert_eq!(wire.reply(false).unwrap().status, 200);
    let began = Instant::now();
    assert!(wire.ends() && began.elapsed() < 5 * SHORT);
    house.settle();
}

/// Limits `idle_timeout`: closed without a word.
#[test]
fn idle_connections() {
    let house =
        House::new(|limits| (limits.idle_timeout, limits.head_timeout) = (SHORT, 2 * SHORT));
    let mut fresh = Wire::open(house.address());
    let mut used = Wire::open(house.address());
    used.send(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(used.reply(false).unwrap().status, 200);
    let began = Instant::now();
    assert!(used.ends() && fresh.ends());
    assert!(began.elapsed() >= SHORT && began.elapsed() < 6 * SHORT);
    house.settle();
}

/// Limits `handler_timeout`: 504, and the handler's future is dropped.
#[test]
fn handlers_that_do_not_end() {
    let house = House::new(|limits| limits.handler_timeout = SHORT);
    let mut wire = Wire::open(house.address());
    // The requests behind it are answered then.
    let next = "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n";
    wire.send(format!("GET /test/wait HTTP/1.1\r\nHost: h\r\n\r\n{next}").as_bytes());
    assert_eq!(wire.reply(false).unwrap().status, 504);
    assert_eq!(wire.reply(false).unwrap().status, 200);
    eventually("the handler is dropped", || house.dropped() == 1);
    assert_eq!(house.finished(), 0);
    drop(wire);
    house.settle();
}

/// Limits `write_timeout`: whoever takes nothing is cut, by a reset.
#[test]
fn a_reader_that_stops() {
    let house = House::new(|limits| limits.write_timeout = SHORT);
    let mut wire = Wire::open(house.address());
    wire.send(b"GET /test/endless HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("the body begins", || house.begun() == 1);
    eventually("the body is dropped", || house.dropped() == 1);
    eventually("the connection is closed", || house.sum(|stats| stats.open.get()) == 0);
    assert!(wire.end().is_err(), "what was cut does not end as if it were whole");
}

/// Limits `write_timeout`: whoever takes a little again and again lives.
#[test]
fn a_reader_that_is_slow() {
    let house = House::new(|limits| limits.write_timeout = SHORT * 2);
    let mut wire = Wire::open(house.address());
    wire.send(b"GET /test/endless HTTP/1.1\r\nHost: h\r\n\r\n");
    let (began, mut piece) = (Instant::now(), vec![0; 128 << 10]);
    while began.elapsed() < SHORT * 8 {
        // More than a segment of the loopback: its window opens by whole ones.
        wire.socket.read_exact(&mut piece).unwrap();
        sleep(Duration::from_millis(20));
    }
    assert_eq!(house.dropped(), 0);
    drop(wire);
    house.settle();
}

/// RFC 9110 §9.3.2: HEAD of a stream without end ends at once: its source is never asked.
#[test]
fn head_of_an_endless_stream() {
    let house = House::new(|_| {});
    let mut wire = Wire::open(house.address());
    for _ in 0..3 {
        wire.send(b"HEAD /test/endless HTTP/1.1\r\nHost: h\r\n\r\n");
        let reply = wire.reply(true).unwrap();
        assert!(reply.status == 200 && reply.head.contains("transfer-encoding: chunked"));
    }
    wire.send(b"HEAD /bytes/99999999 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(wire.reply(true).unwrap().head.contains("content-length: 99999999"));
    assert_eq!((house.begun(), house.probe.made.load(SeqCst)), (0, 0));
    drop(wire);
    house.settle();
}

/// Limits `linger_timeout`: who goes on for ever after the last answer is let go of.
#[test]
fn a_lingering_close_has_an_end() {
    let house = House::new(|limits| limits.linger_timeout = SHORT);
    let mut wire = Wire::open(house.address());
    wire.send(b"rubbish\r\n");
    assert_eq!(wire.reply(false).unwrap().status, 400);
    let began = Instant::now();
    while wire.send(b"more rubbish") && began.elapsed() < SOON {
        sleep(Duration::from_millis(10));
    }
    assert!(began.elapsed() >= SHORT / 2 && began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    house.settle();
}

/// RFC 9112 §9.6: a big answer reaches a client that sends on while it is refused.
#[test]
fn a_refusal_in_the_middle_of_an_upload() {
    let house = House::new(|limits| (limits.body, limits.discard) = (1 << 10, 1 << 10));
    for _ in 0..20 {
        let mut wire = Wire::open(house.address());
        wire.send(b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
        let mut socket = wire.socket.try_clone().unwrap();
        // RFC 9112 §9.5: a client SHOULD watch for an answer while it sends; this one does not.
        let sender = std::thread::spawn(move || socket.write_all(&vec![b'x'; 1_000_000]));
        let reply = wire.reply(false).unwrap();
        assert!(reply.status == 413 && reply.head.contains("connection: close"));
        sender.join().unwrap().unwrap();
        assert!(wire.ends());
    }
    house.settle();
}
