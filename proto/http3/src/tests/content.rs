//! Content and room for it, both ways; answers that come early; what is given up (RFC 9114 §4.1, §4.1.1).

use super::*;

#[test]
fn no_more_goes_than_there_is_room_for() {
    for (room, first) in [(0, 0), (1, 1), (99, 99), (100, 100), (101, 100)] {
        let mut side = Side::ready();
        side.room = room;
        side.end(0, get());
        side.respond(0, 200, Content::Exact(100));
        let (left, log) = side.send(0, 100);
        assert_eq!(left, 100 - first);
        assert_eq!(
            log.iter().filter(|line| line.starts_with("0 data")).count(),
            usize::from(first > 0)
        );
        assert_eq!(log.contains(&"0 fin".to_owned()), left == 0);
        if left == 0 {
            continue;
        }
        // Nothing, while there is none.
        side.machine.set_room(0, 0);
        assert!(side.feed(0, b"").is_empty());
        assert_eq!(side.send(0, left).0, left);
        side.machine.set_room(0, 1);
        side.machine.set_room(0, 1000);
        assert_eq!(side.feed(0, b""), ["0 writable"], "once");
        assert_eq!(side.send(0, left), (0, vec![format!("0 data {left}"), "0 fin".into()]));
        assert!(side.machine.streams.is_empty());
    }
}

/// What was queued is no longer there, until the transport speaks again; and however often it speaks, nobody waits twice.
#[test]
fn room_is_used_up() {
    let mut side = Side::ready();
    side.room = 10;
    side.end(0, get());
    side.respond(0, 200, Content::Unknown);
    assert_eq!(side.send(0, 6).0, 0);
    assert_eq!(side.send(0, 6), (2, vec!["0 data 4".into()]));
    assert_eq!(side.send(0, 2).0, 2);
    for _ in 0..5 {
        side.machine.set_room(0, 1);
    }
    assert_eq!(side.machine.waiting.len(), 1);
    let ((), _) = side.act(|machine, out| machine.cancel(ExchangeId(0), out));
    assert!(side.machine.waiting.is_empty());
}

/// Content whose length is known is one frame; other content is one each time.
#[test]
fn frames_of_content() {
    let mut side = Side::ready();
    side.end(0, get());
    side.respond(0, 200, Content::Exact(30));
    let mut out = Outbox::new();
    for _ in 0..3 {
        let mut body = Payload::from(vec![b'x'; 10]);
        side.machine.send_body(ExchangeId(0), &mut body, usize::MAX, &mut out).unwrap();
    }
    let bytes: usize = out.len();
    assert_eq!(bytes, 30 + 2, "one header");
    let ((), log) = side.act(|_, all| std::mem::swap(all, &mut out));
    assert_eq!(log, ["0 data 30", "0 fin"]);
    side.end(4, get());
    side.respond(4, 200, Content::Unknown);
    assert_eq!(side.send(4, 10).1, ["4 data 10"]);
    assert_eq!(side.send(4, 20).1, ["4 data 20"]);
    assert_eq!(side.finish(4), ["4 fin"]);
}

#[test]
fn the_length_is_kept_to() {
    let mut side = Side::ready();
    side.end(0, get());
    side.respond(0, 200, Content::Exact(3));
    let mut body = Payload::from("abcd");
    let (result, log) =
        side.act(|machine, out| machine.send_body(ExchangeId(0), &mut body, usize::MAX, out));
    assert_eq!(
        (result, log),
        (Err(Misuse::ContentLength), vec!["0 data 3".into(), "0 fin".into()])
    );
    side.end(4, get());
    side.respond(4, 200, Content::Exact(3));
    side.send(4, 2);
    let (result, _) = side.act(|machine, out| machine.finish(ExchangeId(4), None, out));
    assert_eq!(result, Err(Misuse::ContentLength));
    assert_eq!(side.turn(), ["4 reset 102"]);
}

#[test]
fn what_has_no_content_sends_none() {
    let head = |method| {
        let fields =
            [(":method", method), (":scheme", "https"), (":path", "/"), (":authority", "a")];
        headers(&fields)
    };
    for (method, status, content, expected) in [
        ("HEAD", 200, Content::Exact(5), "0 200 content-length=5"),
        ("HEAD", 200, Content::Unknown, "0 200"),
        ("GET", 204, Content::Exact(5), "0 204"),
        ("GET", 304, Content::None, "0 304"),
        ("GET", 205, Content::Exact(5), "0 205 content-length=0"),
        ("GET", 200, Content::None, "0 200 content-length=0"),
    ] {
        let mut side = Side::ready();
        side.end(0, head(method));
        assert_eq!(side.respond(0, status, content), [expected, "0 fin"]);
        assert!(side.machine.streams.is_empty());
    }
}

#[test]
fn interim_answers_go_before() {
    let mut side = Side::ready();
    side.feed(0, post(&[("expect", "100-continue")]));
    let ((), log) = side.act(|machine, out| machine.proceed(ExchangeId(0), out));
    assert_eq!(log, ["0 100"]);
    let ((), log) = side.act(|machine, out| machine.proceed(ExchangeId(0), out));
    assert!(log.is_empty(), "once");
    let head = ResponseHead::new(StatusCode::from_u16(103).unwrap());
    let (result, log) = side.act(|machine, out| machine.interim(ExchangeId(0), &head, out));
    assert_eq!((result, log), (Ok(()), vec!["0 103".into()]));
    side.respond(0, 200, Content::Unknown);
    let (result, _) = side.act(|machine, out| machine.interim(ExchangeId(0), &head, out));
    assert_eq!(result, Err(Misuse::OutOfOrder));
    for status in [101, 200] {
        let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        let (result, _) = side.act(|machine, out| machine.interim(ExchangeId(0), &head, out));
        assert_eq!(result, Err(Misuse::Status));
    }
    // Content that comes by itself is not asked for.
    side.feed(4, [post(&[("expect", "100-continue")]), data(b"a")].concat());
    let ((), log) = side.act(|machine, out| machine.proceed(ExchangeId(4), out));
    assert!(log.is_empty());
}

#[test]
fn content_is_read_as_far_as_it_is_released() {
    let mut side = Side::ready_with(|limits| {
        (limits.stream_window, limits.head) = (100_000, 1000);
    });
    side.releases = false;
    assert_eq!(side.machine.wanted(0), 100_000);
    side.feed(0, [post(&[]), data(&[b'x'; 99_999])].concat());
    assert_eq!(side.machine.wanted(0), 1);
    side.feed(0, data(b"x"));
    assert_eq!(side.machine.wanted(0), 0);
    // A stream that is not read holds up no other.
    assert_eq!(side.machine.wanted(4), 100_000);
    side.machine.release(ExchangeId(0), 40_000);
    assert_eq!(side.machine.wanted(0), 40_000);
    side.machine.release(ExchangeId(0), usize::MAX);
    assert_eq!(side.machine.wanted(0), 100_000);
    side.respond(0, 200, Content::None);
    assert_eq!(side.machine.wanted(0), usize::MAX, "it is discarded");
    // A head is read whole, however small the window.
    let side = Side::ready_with(|limits| (limits.stream_window, limits.head) = (1, 1000));
    assert!(side.machine.wanted(0) > 1000);
}

/// RFC 9114 §4.1: after a complete answer.
#[test]
fn a_little_is_read_on_after_an_early_answer() {
    let discard = Limits::default().discard as usize;
    let early = |more: &[(&str, &str)]| {
        let mut side = Side::ready();
        side.feed(0, [post(more), data(b"abc")].concat());
        let mut log = side.respond(0, 403, Content::None);
        log.extend(side.turn());
        (side, log)
    };
    let answer = ["0 403 content-length=0", "0 fin"];
    let (mut side, log) = early(&[]);
    assert_eq!(log, answer);
    assert!(side.feed(0, data(&vec![b'x'; discard])).is_empty());
    assert_eq!(side.feed(0, data(b"x")), ["0 stop 100"]);
    assert!(side.machine.streams.is_empty());
    assert!(side.end(0, data(b"more")).is_empty());
    // It ends by itself.
    let (mut side, _) = early(&[("content-length", "4")]);
    assert!(side.end(0, data(b"d")).is_empty());
    assert!(side.machine.streams.is_empty());
    // It is still a message.
    for (bytes, fin) in [(data(b"de"), false), (vec![], true)] {
        let (mut side, _) = early(&[("content-length", "4")]);
        side.come(0, &bytes, fin);
        assert_eq!(side.turn(), if fin { vec![] } else { vec!["0 stop 10e".to_owned()] });
        assert!(side.machine.streams.is_empty());
    }
    // Too much is said to be missing.
    let (side, log) = early(&[("content-length", "1000000")]);
    assert_eq!(log[2..], ["0 stop 100"]);
    assert!(side.machine.streams.is_empty());
    // Who waits to be asked is not waited for.
    let mut side = Side::ready();
    side.feed(0, post(&[("expect", "100-continue")]));
    side.respond(0, 403, Content::None);
    assert_eq!(side.turn(), ["0 stop 100"]);
}

/// RFC 9114 §4.1.1.
#[test]
fn the_peer_gives_up() {
    // Its own half, before the end of it.
    let mut side = Side::ready();
    side.feed(0, [post(&[]), data(b"abc")[..3].to_vec()].concat());
    side.machine.reset(0, 0x10c);
    side.inputs.remove(&0);
    assert_eq!(side.feed(0, b""), ["0 reset by peer 10c", "0 reset 10c"]);
    assert!(side.respond(0, 200, Content::None).is_empty());
    assert!(side.machine.streams.is_empty());
    // Ours, before the end of that.
    let mut side = Side::ready();
    side.end(0, get());
    side.respond(0, 200, Content::Unknown);
    side.machine.stopped(0, 0x10c);
    assert_eq!(side.feed(0, b""), ["0 reset by peer 10c", "0 reset 10c"]);
    assert_eq!(side.send(0, 5), (0, vec![]));
    // A request that was never whole is not known.
    let mut side = Side::ready();
    side.feed(0, &get()[..3]);
    side.machine.reset(0, 0x10c);
    assert_eq!(side.feed(0, b""), ["0 reset 10c"]);
    // Nor one of which nothing came; but it was the stream's turn.
    side.machine.reset(8, 0x10c);
    assert_eq!(side.feed(8, b""), ["8 reset 10c"]);
    assert_eq!(side.end(4, get()), ["4 GET / None"]);
    assert!(side.end(8, get()).is_empty());
    // Both halves are over for it: nothing is left to give up.
    side.respond(4, 200, Content::None);
    side.machine.stopped(4, 0);
    side.machine.reset(4, 0);
    assert!(side.feed(4, b"").is_empty());
    // Who has its answer may give up the rest.
    let mut side = Side::ready();
    side.feed(0, [post(&[]), data(b"abc")].concat());
    side.respond(0, 200, Content::None);
    side.machine.reset(0, 0x100);
    assert!(side.feed(0, b"").is_empty());
    assert!(side.machine.streams.is_empty());
}

#[test]
fn a_tunnel_has_two_halves() {
    let connect = headers(&[(":method", "CONNECT"), (":authority", "a:1")]);
    let mut side = Side::ready();
    assert_eq!(
        side.feed(0, [connect.clone(), data(b"ab")].concat())[..1],
        ["0 CONNECT a:1 Tunnel"]
    );
    assert_eq!(side.respond(0, 200, Content::Unknown), ["0 200"]);
    assert_eq!(side.send(0, 5).1, ["0 data 5"]);
    assert_eq!(side.finish(0), ["0 fin"]);
    assert_eq!(side.feed(0, data(b"more")), ["0 body more"]);
    assert_eq!(side.end(0, b""), ["0 over"]);
    assert!(side.machine.streams.is_empty());
    // Refused, its content is nobody's.
    side.feed(4, connect.clone());
    side.respond(4, 403, Content::None);
    assert_eq!(side.turn(), ["4 stop 100"]);
    // RFC 9220: over a stream that is like a request otherwise.
    let extended = headers(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
    ]);
    assert_eq!(side.feed(8, extended), ["8 CONNECT /chat Tunnel"]);
    // It may end at once.
    assert_eq!(side.end(12, connect), ["12 CONNECT a:1 Tunnel", "12 over"]);
    // Not in order.
    side.respond(8, 200, Content::Unknown);
    side.act(|machine, out| machine.cancel(ExchangeId(8), out));
    assert_eq!(side.turn(), ["8 reset 10c", "8 stop 10c"]);
}

/// RFC 9218 §4, §7.2, §10.
#[test]
fn priorities_are_passed_on() {
    let update = |id: u64, value: &str| {
        let mut payload = Vec::new();
        varint::write(&mut payload, id);
        one(kind::PRIORITY_UPDATE, &[&payload, value.as_bytes()].concat())
    };
    let with = |value| headers(&[GET, &[("priority", value)]].concat());
    let mut side = Side::ready();
    side.end(0, with("u=3, i=?0"));
    assert_eq!(side.respond(0, 200, Content::Unknown), ["0 200"], "the default need not be said");
    assert_eq!(side.feed(CONTROL, update(0, "u=5, i")), ["0 priority 5 i"]);
    assert!(side.feed(CONTROL, update(0, "u=5, i")).is_empty(), "once");
    side.end(4, with("u=1"));
    assert_eq!(
        side.respond(4, 200, Content::None),
        ["4 priority 1", "4 200 content-length=0", "4 fin"]
    );
    // What was said before the request came is newer than its field.
    assert!(side.feed(CONTROL, update(8, "u=6")).is_empty());
    side.end(8, with("u=1"));
    assert_eq!(side.respond(8, 200, Content::None)[0], "8 priority 6");
    // The oldest of too many is forgotten; of one that is over nothing is kept.
    for id in 3..20 {
        side.feed(CONTROL, update(4 * id, "u=6"));
    }
    side.feed(CONTROL, update(8, "u=0"));
    assert_eq!(side.machine.early.len(), 16);
    side.end(12, get());
    assert_eq!(side.respond(12, 200, Content::None)[0], "12 200 content-length=0");
    side.end(16, get());
    assert_eq!(side.respond(16, 200, Content::None)[0], "16 priority 6");
}

#[test]
fn the_urgent_go_first() {
    let mut side = Side::ready();
    side.room = 0;
    for (id, urgency) in [(0, "u=5"), (4, "u=1"), (8, "u=3")] {
        side.end(id, headers(&[GET, &[("priority", urgency)]].concat()));
        side.respond(id, 200, Content::Exact(10));
        assert_eq!(side.send(id, 10).0, 10);
    }
    for id in [0, 4, 8] {
        side.machine.set_room(id, 5);
    }
    assert_eq!(side.feed(0, b""), ["4 writable", "8 writable", "0 writable"]);
    let mut waiting = [0, 4, 8].map(ExchangeId);
    side.machine.schedule(&mut waiting);
    assert_eq!(waiting.map(|id| id.0), [4, 8, 0]);
}
