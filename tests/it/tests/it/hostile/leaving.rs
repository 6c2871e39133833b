//! Clients that leave, by a FIN or a reset, and answers that break off: nobody takes a part for the whole, and nothing
//! is left behind (RFC 9112 §8, §9.5; FEATURES P9).

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};

use super::wire::{Wire, eventually};
use crate::parity::House;

/// A connection with an answer that is never read: closing it is a reset (RFC 1122 §4.2.2.13).
fn unread(house: &House) -> Wire {
    let mut wire = Wire::open(house.address());
    wire.send(&get("/plaintext", "HTTP/1.1"));
    assert_eq!(wire.socket.peek(&mut [0]).unwrap(), 1);
    wire
}

fn get(path: &str, version: &str) -> Vec<u8> {
    format!("GET {path} {version}\r\nHost: h\r\n\r\n").into_bytes()
}

/// RFC 9112 §8: an answer that the end of the connection ends must not look complete when it is not.
#[test]
fn an_answer_that_breaks_off() {
    let house = House::new(|_| {});
    for _ in 0..20 {
        // HTTP/1.0: no length, no chunks: only a reset says it.
        let mut wire = Wire::open(house.address());
        wire.send(&get("/test/late-panic", "HTTP/1.0"));
        assert_eq!(wire.end(), Err(ErrorKind::ConnectionReset));
        // HTTP/1.1: there is no last chunk.
        let mut wire = Wire::open(house.address());
        wire.send(&get("/test/late-panic", "HTTP/1.1"));
        let error = wire.reply(false).unwrap_err();
        assert!(error.ends_with("instead of a chunk"), "{error}");
    }
    house.settle();
}

/// What came before the break is there all the same.
#[test]
fn what_was_sent_before_the_break_arrives() {
    let house = House::new(|_| {});
    let mut wire = Wire::open(house.address());
    wire.send(&get("/test/late-panic", "HTTP/1.0"));
    let error = wire.reply(false).unwrap_err();
    assert_eq!(error, "ConnectionReset in content");
}

/// A request is under way: its handler is dropped, however the client leaves.
#[test]
fn a_handler_whose_client_leaves() {
    let house = House::new(|_| {});
    for at in 1..=30 {
        let mut wire = Wire::open(house.address());
        wire.send(&get("/test/wait", "HTTP/1.1"));
        eventually("the handler begins", || house.begun() == at);
        match at % 3 {
            0 => drop(wire),
            1 => wire.socket.shutdown(Shutdown::Both).unwrap(),
            _ => {
                wire.socket.shutdown(Shutdown::Write).unwrap();
                assert!(wire.end().is_ok_and(|rest| rest.is_empty()));
            }
        }
        eventually("the handler is dropped", || house.dropped() == at);
    }
    assert_eq!(house.finished(), 0);
    house.settle();
}

/// In the middle of content, by a FIN and by a reset.
#[test]
fn an_upload_that_breaks_off() {
    let house = House::new(|_| {});
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        for path in ["/test/collect", "/test/ignore", "/upload", "/echo/stream"] {
            for fin in [false, true] {
                let mut wire = unread(&house);
                let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
                wire.send(head.as_bytes());
                wire.send(b"20\r\nabc");
                if fin {
                    wire.socket.shutdown(Shutdown::Write).unwrap();
                    let _ = wire.end();
                }
                drop(wire);
            }
        }
    }
    house.settle();
}

/// Before, between and in messages; a hundred at once.
#[test]
fn many_that_leave_at_any_time() {
    let house = House::new(|_| {});
    let message = b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /bytes/100000 HTTP/1.1\r\nHost: h\r\n\r\n";
    let wires: Vec<Wire> = (0..=message.len())
        .map(|cut| {
            let mut wire = Wire::open(house.address());
            wire.send(&message[..cut]);
            wire
        })
        .collect();
    drop(wires);
    house.settle();
    // And nobody else has noticed.
    let mut wire = Wire::open(house.address());
    wire.send(&get("/plaintext", "HTTP/1.1"));
    assert_eq!(wire.reply(false).unwrap().body, b"Hello, World!");
}

/// Connections that come and go without a word.
#[test]
fn empty_connections() {
    let house = House::new(|_| {});
    (0..500).for_each(|_| drop(TcpStream::connect(house.address()).unwrap()));
    eventually("all are seen", || house.sum(|stats| stats.accepted.get()) == 500);
    assert_eq!(house.sum(|stats| stats.faults.get()), 0);
    house.settle();
}
