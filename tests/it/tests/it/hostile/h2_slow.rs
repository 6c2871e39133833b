//! HTTP/2 from a peer that takes its time: for the preface, a frame, a header section, content, a window, the next stream. And
//! what is left of HTTP/1.1's upgrade to h2c (RFC 9113 §3.1), which is nothing.

use std::time::{Duration, Instant};

use super::wire;
use crate::h2::frames::{
    PREFACE, block, code, data, frame, get, kind, ping, post, pseudo, settings, window,
};
use crate::h2::peer::{Expected, Peer};
use crate::parity::{House, Over};

/// Short for a limit, long for a test.
const SHORT: Duration = Duration::from_millis(300);
const EVERY: Duration = Duration::from_millis(50);

/// Sends `first`, then `again` now and then until the connection ends: how long that took, and its last code.
fn trickle(house: &House, first: &[u8], again: &[u8]) -> (Duration, Option<u32>) {
    let mut peer = Peer::connect(house, Over::Tcp);
    let began = Instant::now();
    peer.send(first);
    let mut last = None;
    while !peer.has_ended() && began.elapsed() < 20 * SHORT {
        if let Some(frame) = peer.next(EVERY) {
            last = frame.code().filter(|_| frame.kind == kind::GOAWAY).or(last);
        } else {
            peer.send(again);
        }
    }
    assert!(peer.has_ended(), "it is never late");
    (began.elapsed(), last)
}

/// Limits `head_timeout` and `idle_timeout`: more bytes buy no more time.
#[test]
fn no_frame_takes_for_ever() {
    let house = House::new(|limits| {
        (limits.head_timeout, limits.idle_timeout, limits.abuse) = (SHORT, 2 * SHORT, 100_000);
    });
    let hello = [PREFACE, &settings(&[])].concat();
    let begun = frame(kind::HEADERS, 1, 1, &block(&pseudo("GET", "/plaintext")));
    let with = |more: &[u8]| [&hello[..], more].concat();
    let none = Some(code::NO_ERROR);
    for (what, first, again, most, ends) in [
        ("a preface", &PREFACE[..20], &b""[..], SHORT, none),
        ("the first SETTINGS", PREFACE, b"", SHORT, none),
        ("a half-open connection", &hello, b"", 2 * SHORT, none),
        ("PING in two pieces", &with(&ping(b"whatever")[..9]), b"", SHORT, none),
        ("a header section", &with(&begun), &frame(kind::CONTINUATION, 0, 1, b""), SHORT, none),
        ("a frame byte by byte", &with(b"\0\0\x40\x01\x05\0\0\0\x01"), b"\x90", SHORT, none),
        ("PING, and no stream", &hello, &ping(b"whatever"), 2 * SHORT, none),
    ] {
        let (took, last) = trickle(&house, first, again);
        assert!(took >= most / 2 && took < 8 * most, "{what}: {took:?}");
        // A preface that never came may have been HTTP/1.1's.
        assert!(last == ends || what == "a preface", "{what}: {last:?}");
    }
    house.settle();
}

/// Limits `body_timeout`, `body_rate`: content that comes late, or a byte now and then, is one stream's error.
#[test]
fn no_content_takes_for_ever() {
    let house = House::new(|limits| {
        (limits.body_timeout, limits.body_rate, limits.body_grace) = (4 * SHORT, 1000, SHORT);
    });
    for dribbles in [false, true] {
        let mut peer = Peer::ready(&house, Over::Tcp);
        peer.send(&post(1, "/test/collect", &[]));
        let began = Instant::now();
        while began.elapsed() < 2 * SHORT {
            if dribbles {
                peer.send(&data(0, 1, b"x"));
            }
            std::thread::sleep(EVERY);
        }
        // RFC 9110 §15.5.9: it is told, and then the rest is not wanted.
        peer.expect(&Expected::Answer(1, 408)).unwrap();
        peer.send(&get(3, "/plaintext"));
        peer.expect(&Expected::Answer(3, 200)).unwrap();
    }
    house.settle();
}

/// Limits `write_timeout`: a window that stays closed ends its stream, and no other (zero-window hold).
#[test]
fn no_window_stays_closed_for_ever() {
    let house = House::new(|limits| limits.write_timeout = SHORT);
    let mut peer = Peer::ready(&house, Over::Tcp);
    peer.send(&[settings(&[(4, 0)]), get(1, "/plaintext"), get(3, "/bytes/10000000")].concat());
    peer.expect(&Expected::Reset(1, &[code::CANCEL])).unwrap();
    peer.expect(&Expected::Reset(3, &[code::CANCEL])).unwrap();
    peer.send(&[settings(&[(4, 100)]), get(5, "/plaintext"), window(0, 1)].concat());
    peer.expect(&Expected::Answer(5, 200)).unwrap();
    drop(peer);
    house.settle();
}

/// RFC 9113 §3.1: the upgrade of HTTP/1.1 is gone, and asked for in vain; what it would smuggle is HTTP/1.1's.
#[test]
fn nobody_is_upgraded() {
    let house = House::new(|_| {});
    for more in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Upgrade: h2c\r\n",
    ] {
        let mut wire = wire::Wire::open(house.address());
        wire.send(format!("GET /plaintext HTTP/1.1\r\nHost: it\r\n{more}\r\n").as_bytes());
        assert_eq!(wire.reply(false).unwrap().status, 200, "{more}");
        // It is still HTTP/1.1.
        wire.send(b"GET /plaintext HTTP/1.1\r\nHost: it\r\n\r\n");
        assert_eq!(wire.reply(false).unwrap().status, 200, "{more}");
    }
    house.settle();
}
