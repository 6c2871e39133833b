//! What costs us more than the peer has an end (RFC 9114 §10.5).

use super::*;

/// How often `each` can be said before the connection ends, and with which code.
fn endures(mut side: Side, mut each: impl FnMut(&mut Side, u64) -> Vec<String>) -> (u64, String) {
    for n in 0..10_000 {
        let log = each(&mut side, n);
        if let Some(close) = log.iter().find(|line| line.starts_with("close ")) {
            return (n, close.clone());
        }
        assert!(side.machine.owed.commands.is_empty() && side.machine.gone.is_empty());
    }
    (u64::MAX, String::new())
}

#[test]
fn floods_end() {
    let load = "close 107".to_owned();
    let on_one = |frame: Vec<u8>| {
        let mut side = Side::ready();
        side.feed(0, post(&[]));
        endures(side, move |side, _| side.feed(0, &frame))
    };
    assert_eq!(on_one(data(b"")), (1000, load.clone()));
    assert_eq!(on_one(one(0x21, b"")), (1000, load.clone()));
    assert_eq!(on_one(data(b"x")), (u64::MAX, String::new()), "it is read");
    let on_control =
        |frame: Vec<u8>| endures(Side::ready(), move |side, _| side.feed(CONTROL, &frame));
    assert_eq!(on_control(one(0x21, b"")), (1000, load.clone()));
    assert_eq!(on_control(number(kind::MAX_PUSH_ID, 9)), (1000, load.clone()));
    assert_eq!(on_control(number(kind::GOAWAY, 9)), (1000, load.clone()));
    assert_eq!(on_control(one(kind::PRIORITY_UPDATE, b"\0u=1")), (1000, load.clone()));
    // Streams that mean nothing.
    let streams = endures(Side::ready(), |side, n| side.feed(14 + 4 * n, b"\x21"));
    assert_eq!(streams, (200, load.clone()));
    // Or not even that: they end before they have said their type, or are given up.
    let streams = endures(Side::ready(), |side, n| side.end(14 + 4 * n, b""));
    assert_eq!(streams, (1000, load.clone()));
    let streams = endures(Side::ready(), |side, n| {
        side.machine.reset(14 + 4 * n, 0);
        side.feed(14 + 4 * n, b"")
    });
    assert_eq!(streams, (1000, load.clone()));
    // Sections that nobody wants any more.
    let mut side = Side::ready();
    side.feed(0, post(&[]));
    side.respond(0, 200, Content::None);
    side.turn();
    let late = endures(side, |side, _| side.feed(0, one(kind::HEADERS, b"")));
    assert_eq!(late, (1000, load.clone()));
    // Requests that are given up, or are none.
    let resets = endures(Side::ready(), |side, n| {
        side.end(4 * n, get());
        side.machine.stopped(4 * n, 0x10c);
        side.feed(4 * n, b"")
    });
    assert_eq!(resets, (200, load.clone()));
    let empty = endures(Side::ready(), |side, n| side.end(4 * n, b""));
    assert_eq!(empty, (200, load.clone()));
    let malformed = endures(Side::ready(), |side, n| {
        side.end(4 * n, headers(&[]));
        side.respond(4 * n, 400, Content::None);
        side.turn()
    });
    assert_eq!(malformed.1, String::new(), "the fault is told with the request");
    // Those that are answered cost nothing.
    let answered = endures(Side::ready(), |side, n| {
        side.end(4 * n, get());
        side.respond(4 * n, 200, Content::None)
    });
    assert_eq!(answered.0, u64::MAX);
}

#[test]
fn tiny_content_costs_while_it_waits() {
    let mut side = Side::ready();
    side.releases = false;
    side.feed(0, post(&[]));
    let (n, code) = endures(side, |side, _| side.feed(0, data(b"x")));
    assert_eq!((n, code), (2001, "close 107".into()));
    // It is given back when it is read.
    let mut side = Side::ready();
    side.releases = false;
    side.feed(0, post(&[]));
    for _ in 0..5 {
        side.feed(0, data(b"x").repeat(1500));
        side.machine.release(ExchangeId(0), 1500);
    }
    assert!(side.machine.closed.is_none());
}

#[test]
fn no_more_requests_than_allowed() {
    let mut side = Side::ready_with(|limits| limits.streams = 2);
    side.end(0, get());
    side.feed(4, &get()[..1]);
    assert_eq!(side.end(8, get()), ["8 reset 10b", "8 stop 10b"]);
    side.respond(0, 200, Content::None);
    assert_eq!(side.end(12, get()), ["12 GET / None"]);
    // Gaps between them have a bound too.
    let mut side = Side::ready_with(|limits| limits.streams = 3);
    side.feed(4, &get()[..1]);
    side.feed(12, &get()[..1]);
    side.feed(20, &get()[..1]);
    assert_eq!(side.feed(28, &get()[..1]), ["connection fault Flood", "closed flood", "close 107"]);
}

/// A few bytes can stand for many.
#[test]
fn heads_have_a_bound() {
    let large = |n| headers(&[GET, &[("x", "v".repeat(n).as_str())]].concat());
    // One.
    let mut side = Side::ready_with(|limits| limits.head = 2000);
    assert_eq!(side.end(0, large(1000)), ["0 GET / None"]);
    let log = side.feed(4, large(5000));
    assert_eq!(log, ["4 fault FieldsTooLarge"]);
    let mut log = side.respond(4, 431, Content::None);
    log.extend(side.turn());
    assert_eq!(log, ["4 431 content-length=0", "4 fin", "4 stop 100"]);
    // Not even waited for, if its frame says so.
    let mut frame = Vec::new();
    frame::write(&mut frame, kind::HEADERS, 2001);
    assert_eq!(side.feed(8, &frame), ["8 fault FieldsTooLarge"]);
    frame.clear();
    frame::write(&mut frame, kind::HEADERS, 2000);
    assert!(side.feed(12, &frame).is_empty());
    // Too many lines.
    let mut side = Side::ready_with(|limits| limits.field_lines = 3);
    let log = side.feed(0, headers(&[GET, &[("a", "b"); 4]].concat()));
    assert_eq!(log, ["0 fault FieldsTooLarge"]);
    // All together.
    let mut side = Side::ready_with(|limits| (limits.head, limits.heads) = (4000, 4000));
    side.end(0, large(1900));
    assert_eq!(side.end(4, large(1900)), ["4 GET / None"]);
    assert_eq!(side.end(8, large(1900)), ["8 reset 10b"]);
    side.respond(0, 200, Content::None);
    assert_eq!(side.end(12, large(1900)), ["12 GET / None"]);
    // Trailers.
    let mut side = Side::ready_with(|limits| limits.head = 2000);
    side.feed(0, [post(&[]), large(3000)].concat());
    assert!(!side.machine.streams.is_empty());
    // They are kept as heads are.
    let mut side = Side::ready_with(|limits| (limits.head, limits.heads) = (4000, 4000));
    let message = [post(&[]), headers(&[("x", "v".repeat(1800).as_str())])].concat();
    for id in [0, 4] {
        assert!(side.feed(id, &message)[1].contains("trailers"));
    }
    assert_eq!(side.feed(8, &message), ["8 POST / Unknown", "8 fault FieldsTooLarge"]);
    side.respond(0, 200, Content::None);
    assert!(side.feed(12, &message)[1].contains("trailers"));
}

/// Ten thousand idle connections are a goal.
#[test]
fn an_idle_connection_is_small() {
    let size = size_of::<Http3>();
    let qpack = size_of::<Decoder>() + size_of::<Encoder>();
    assert!(size <= 1296, "{size}, of which QPACK has {qpack}");
}
