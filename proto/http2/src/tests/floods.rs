//! What costs us more than the peer (RFC 9113 §10.5): every flood ends in ENHANCE_YOUR_CALM, at its bound and not before.

use super::*;
use std::time::Duration;

/// How many of `frames`, one after the other, are borne, and how it ended.
fn borne(side: &mut Side, frames: impl Iterator<Item = Vec<u8>>) -> (usize, String) {
    for (n, frame) in frames.take(100_000).enumerate() {
        let log = side.feed(frame);
        if let Some(end) = log.iter().find(|line| line.starts_with("closed")) {
            assert!(log.iter().any(|line| line.starts_with("0 goaway") && line.ends_with(" 11")));
            return (n, end.clone());
        }
    }
    panic!("borne for ever");
}

fn ids() -> impl Iterator<Item = u32> {
    (0..).map(|n| 2 * n + 1)
}

#[test]
fn each_flood_has_an_end() {
    let most = Limits::default().abuse as usize;
    // The one SETTINGS of the preface was paid for.
    let left = most - 10;
    let opened = |more: Vec<u8>| std::iter::once(post(1, &[])).chain(std::iter::repeat(more));
    let mut side = Side::ready();
    let settings = std::iter::repeat(setting(1, 4096));
    assert_eq!(borne(&mut side, settings), (left / 10, "closed flood".into()), "CVE-2019-9515");
    let mut side = Side::ready();
    let pings = std::iter::repeat(one(kind::PING, 0, 0, &[7; 8]));
    assert_eq!(borne(&mut side, pings), (left / 5, "closed flood".into()), "CVE-2019-9512");
    for empty in [
        data(0, 1, b""),
        data(flag::PADDED, 1, &[0]),
        one(kind::PRIORITY, 0, 3, &[0; 5]),
        one(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
        one(99, 0, 0, b"x"),
    ] {
        let mut side = Side::ready();
        assert_eq!(
            borne(&mut side, opened(empty)),
            (left / 2 + 1, "closed flood".into()),
            "CVE-2019-9518"
        );
    }
    let mut side = Side::ready();
    let updates = std::iter::repeat(number(kind::WINDOW_UPDATE, 0, 1));
    assert_eq!(borne(&mut side, updates), (left, "closed flood".into()));
    // What was sent is told of piece by piece, however much was on its way.
    let mut side = Side::ready();
    let most = i32::MAX as u32;
    side.feed([setting(4, most), number(kind::WINDOW_UPDATE, 0, most - 65_535), get(1)].concat());
    side.respond(1, 200, Content::Unknown);
    side.send(1, 64 << 20);
    side.feed(
        [number(kind::WINDOW_UPDATE, 0, 8 << 10), number(kind::WINDOW_UPDATE, 1, 8 << 10)]
            .concat()
            .repeat(8 << 10),
    );
    assert!(side.machine.closed.is_none());
}

/// CVE-2023-44487, rapid reset; CVE-2025-8671, where we are made to reset.
#[test]
fn exchanges_that_come_to_nothing_have_an_end() {
    let left = Limits::default().abuse as usize - 10;
    let mut side = Side::ready();
    let rapid = ids().map(|id| [get(id), number(kind::RST_STREAM, id, 8)].concat());
    assert_eq!(borne(&mut side, rapid), (left / 10, "closed resets".into()));
    let made: [fn(u32) -> Vec<u8>; 4] = [
        |id| [get(id), number(kind::WINDOW_UPDATE, id, 0)].concat(),
        |id| [get(id), data(0, id, b"x")].concat(),
        |id| [post(id, &[]), number(kind::WINDOW_UPDATE, id, i32::MAX as u32)].concat(),
        |id| [get(id), one(kind::PRIORITY, 0, id, &[0; 4])].concat(),
    ];
    for make in made {
        let mut side = Side::ready();
        let (n, end) = borne(&mut side, ids().map(make));
        assert!(n <= left / 10 && end == "closed resets", "{n} {end}");
        assert!(side.machine.streams.len() <= 1);
    }
    // Who lets us answer may give up as many others.
    let mut side = Side::ready();
    for id in ids().take(1000).collect::<Vec<_>>().chunks(2) {
        side.feed([get(id[0]), get(id[1]), number(kind::RST_STREAM, id[1], 8)].concat());
        side.respond(id[0].into(), 204, Content::None);
    }
    assert!(side.machine.closed.is_none());
}

/// CVE-2024-27316, at n-1, n, n+1.
#[test]
fn continuations_have_a_bound() {
    for (n, closes) in [(15, false), (16, false), (17, true)] {
        let mut side = Side::ready();
        let (front, rest) = (block(POST), one(kind::CONTINUATION, 0, 1, b""));
        let mut bytes = one(kind::HEADERS, 1, 1, &front);
        (1..n).for_each(|_| bytes.extend_from_slice(&rest));
        bytes.extend(one(kind::CONTINUATION, 4, 1, b""));
        let log = side.feed(bytes);
        assert_eq!(reason(&log, Reason::Continuations), closes, "{n}: {log:?}");
    }
}

/// Limits::pings, at n-1, n, n+1: the answers that wait are all we keep.
#[test]
fn pings_that_wait_have_a_bound() {
    for (n, closes) in [(31, false), (32, false), (33, true)] {
        let mut side = Side::ready();
        let log = side.feed(one(kind::PING, 0, 0, &[7; 8]).repeat(n));
        assert_eq!(reason(&log, Reason::Flood), closes, "{n}");
        if !closes {
            assert_eq!(log, vec!["0 pong 7"; n]);
        }
    }
}

/// Limits::streams, at n-1, n, n+1 (RFC 9113 §5.1.2).
#[test]
fn streams_have_a_bound() {
    let mut side = Side::ready_with(|limits| limits.streams = 3);
    let log = side.feed([get(1), get(3), get(5), get(7)].concat());
    assert_eq!(log, ["1 GET / None", "3 GET / None", "5 GET / None", "7 reset 7"]);
    side.respond(3, 204, Content::None);
    assert_eq!(side.feed(get(9)), ["9 GET / None"]);
}

/// Frames of a byte each take more memory than their window says: only so many wait for a reader.
#[test]
fn tiny_content_that_waits_has_a_bound() {
    let left = Limits::default().abuse as usize - 10;
    let mut side = Side::ready();
    side.releases = false;
    let tiny = std::iter::once(post(1, &[])).chain(std::iter::repeat(data(0, 1, b"x")));
    // The post, and one that found nothing waiting.
    assert_eq!(borne(&mut side, tiny), (left + 2, "closed flood".into()));
    // A reader that keeps up makes it an ordinary stream.
    let mut side = Side::ready();
    side.feed(post(1, &[]));
    for _ in 0..10 {
        side.feed(data(0, 1, b"x").repeat(1000));
    }
    assert!(side.machine.closed.is_none());
    // And what was read late is given back.
    side.releases = false;
    for _ in 0..10 {
        side.feed(data(0, 1, b"x").repeat(1000));
        side.machine.release(ExchangeId(1), 1000);
    }
    assert!(side.machine.closed.is_none());
}

/// One byte of a block can be a long line: the section ends where its limit is (CVE-2026-49975 and its like).
#[test]
fn a_section_does_not_expand_without_bound() {
    let mut side = Side::ready();
    // A line of 4,000 bytes goes into the table, and is then named 10,000 times.
    let mut bytes = block(POST);
    bytes.extend([0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
    bytes.extend([b'x'; 4000]);
    bytes.extend([0xbe; 10_000]);
    let log = side.feed([one(kind::HEADERS, 5, 1, &bytes), get(3)].concat());
    assert_eq!(log, ["1 fault FieldsTooLarge", "3 GET / None"]);
}

/// Points come back in time.
#[test]
fn a_slow_peer_is_none_that_floods() {
    let mut side = Side::ready();
    for id in ids().take(2000) {
        side.now = side.now + Duration::from_millis(200);
        side.feed([get(id), number(kind::RST_STREAM, id, 8)].concat());
    }
    assert!(side.machine.closed.is_none());
}

/// Limits::heads, at n-1, n, n+1: what a few bytes stand for is held for as long as its exchange lasts.
#[test]
fn heads_that_are_held_have_a_bound() {
    let long = "x".repeat(200);
    let large = |id| headers(flag::END_STREAM, id, &[POST, &[("x", &long)]].concat());
    let mut side = Side::ready();
    side.feed(large(1));
    let one = side.machine.heads as usize;
    assert!(one > 200 + 2 * 32, "{one}");
    for (heads, fits) in [(2 * one - 1, false), (2 * one, true), (2 * one + 1, true)] {
        let mut side = Side::ready_with(|limits| (limits.head, limits.heads) = (450, heads));
        let log = side.feed([large(1), large(3)].concat());
        let expected = if fits { "3 POST / None" } else { "3 reset 7" };
        assert_eq!(log, ["1 POST / None", expected], "{heads}");
        // It may be sent again (RFC 9113 §8.7), when one is answered or given up.
        side.respond(1, 204, Content::None);
        let log = side.feed([number(kind::RST_STREAM, 3, 8), large(5), large(7)].concat());
        let expected = if fits { "7 POST / None" } else { "7 reset 7" };
        assert_eq!(log[log.len() - 2..], ["5 POST / None", expected], "{heads}");
    }
    // One alone is held to `head`, which counts otherwise: to send it again would be of no use.
    let mut side = Side::ready_with(|limits| (limits.head, limits.heads) = (900, 900));
    let cookies = [("cookie", &*"x".repeat(600)), ("cookie", "y")];
    let cookies = headers(flag::END_STREAM, 1, &[POST, &cookies].concat());
    assert_eq!(side.feed([cookies, get(3)].concat()), ["1 POST / None", "3 reset 7"]);
    let long = post(1, &[("x", &long)]);
    let mut side = Side::ready_with(|limits| (limits.head, limits.heads) = (450, 450));
    side.feed(long);
    side.respond(1, 204, Content::None);
    assert_eq!(side.feed(large(3)), ["3 POST / None"], "an early answer needs its head no more");
}

/// CVE-2025-8671 by malformed messages: their answer is none that earns another.
#[test]
fn malformed_requests_have_an_end() {
    let left = Limits::default().abuse as usize - 10;
    let mut side = Side::ready();
    let mut n = 0;
    for id in ids().take(1000) {
        side.feed([post(id, &[("content-length", "1")]), data(0, id, b"xx")].concat());
        if side.machine.closed.is_some() {
            break;
        }
        side.respond(id.into(), 400, Content::None);
        assert_eq!(side.turn(), [format!("{id} reset 1")]);
        n += 1;
    }
    assert_eq!(n, left / 10);
}

/// Frames for streams that are refused, or that come after GOAWAY, cost as much as others.
#[test]
fn what_nobody_serves_has_an_end() {
    let left = Limits::default().abuse as usize - 20;
    let refused = || {
        let mut side = Side::ready();
        side.feed([post(1, &[("content-length", "1")]), data(0, 1, b"xx")].concat());
        side
    };
    let again = std::iter::repeat(post(1, &[]));
    assert_eq!(borne(&mut refused(), again), (left / 2, "closed flood".into()));
    let tiny = std::iter::repeat(data(0, 1, &[0; 63]));
    assert_eq!(borne(&mut refused(), tiny), (left, "closed flood".into()));
    let mut side = refused();
    (0..left + 1).for_each(|_| drop(side.feed(data(0, 1, &[0; 64]))));
    assert!(side.machine.closed.is_none());
    let mut side = Side::ready();
    side.feed(post(1, &[]));
    side.respond(1, 403, Content::None);
    let (n, end) = borne(&mut side, std::iter::repeat(data(0, 1, b"x")));
    assert_eq!((n, &end[..]), (left + 20, "closed flood"), "after an early answer");
    let mut side = Side::ready();
    side.feed(get(1));
    side.machine.drain();
    side.feed(one(kind::PING, flag::ACK, 0, &crate::state::DRAIN_PING));
    let late = ids().skip(1).map(get);
    assert_eq!(borne(&mut side, late), ((left + 10) / 2, "closed flood".into()));
}

/// A window that opens by a byte at a time makes a frame of each.
#[test]
fn a_window_that_dribbles_has_an_end() {
    let left = Limits::default().abuse as usize - 20;
    let dribble = |by: u32| {
        let mut side = Side::ready();
        side.feed([setting(4, 0), number(kind::WINDOW_UPDATE, 0, 1 << 30), get(1)].concat());
        side.respond(1, 200, Content::Unknown);
        for n in 0..100_000 {
            if side.machine.closed.is_some() {
                return n;
            }
            side.send(1, 1000);
            side.feed(number(kind::WINDOW_UPDATE, 1, by));
        }
        100_000
    };
    // What the answer earned is as much as it may have at most.
    assert_eq!([dribble(1), dribble(63)], [left + 9 + 1; 2]);
    assert_eq!(dribble(64), 100_000);
}

/// Streams that wait for the connection's window are forgotten with their exchange: nobody is remembered who is gone, however
/// often that comes (an answer pays for its own reset).
#[test]
fn who_is_gone_waits_for_nothing() {
    let mut side = Side::ready();
    side.feed([setting(4, 1 << 20), get(1)].concat());
    side.respond(1, 200, Content::Unknown);
    side.send(1, 70_000);
    for id in (3..3000).step_by(2) {
        assert_eq!(side.feed(get(id)).len(), 1);
        side.respond(id.into(), 200, Content::Exact(5));
        for _ in 0..2 {
            assert_eq!(side.send(id.into(), 5).0, 5);
        }
        assert_eq!(side.machine.waiting.len(), 2, "none is there twice");
        side.feed(number(kind::RST_STREAM, id, 8));
    }
    assert_eq!(side.machine.waiting.len(), 1);
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 0, 9)), ["1 writable"]);
}

/// What tiny frames took goes with their exchange, and the points for it come back: 10 for each reset are all that is spent.
#[test]
fn tiny_content_is_paid_back_at_the_end() {
    let mut side = Side::ready();
    side.releases = false;
    for id in ids().take(9) {
        side.feed([post(id, &[]), data(0, id, b"x").repeat(1000)].concat());
        side.feed(number(kind::RST_STREAM, id, 8));
        assert!(side.machine.closed.is_none(), "{id}");
    }
}
