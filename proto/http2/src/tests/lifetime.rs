//! Settings, pings, drains, timers and ends.

use super::*;
use std::time::Duration;

/// RFC 9113 §3.4: our preface comes first, also before an answer in the same turn.
#[test]
fn our_preface_comes_first() {
    let mut side = Side::new(|limits| limits.connection_window = 65_535);
    side.input = [hello(), get(1)].concat();
    side.poll();
    assert_eq!(std::mem::take(&mut side.log), ["1 GET / None"]);
    assert_eq!(side.respond(1, 204, Content::None), ["0 settings", "0 settings ack", "1 204 end"]);
    assert_eq!(side.turn(), [""; 0]);
    let mut side = Side::new(|_| ());
    assert_eq!(side.turn(), ["0 settings", "0 credit 983041"]);
}

/// The time between two requests begins with the last one's end, also where that comes at once.
#[test]
fn a_busy_connection_is_not_idle() {
    let limits = Limits::default();
    let mut side = Side::ready();
    for n in 0..9 {
        side.now = side.now + limits.idle_timeout / 2;
        assert_eq!(side.machine.handle_timeout(side.now), Ok(()));
        side.input = get(2 * n + 1);
        let bytes = std::mem::take(&mut side.input);
        let mut input = Input::new((), &bytes, false);
        let event = side.machine.poll_event(side.now, &mut input);
        assert!(matches!(event, Ok(Next::Event(Event::Request { .. }))), "{n}: {event:?}");
        // As a handler that is ready does: before anything else is asked.
        side.respond(u64::from(2 * n + 1), 204, Content::None);
        assert_eq!(side.turn(), [""; 0]);
        let idle = side.machine.poll_timeout().unwrap();
        assert_eq!(idle.since(side.now), limits.idle_timeout, "{n}");
    }
}

/// RFC 9113 §6.7: each with its own payload.
#[test]
fn pings_are_answered() {
    let ping = |n: u8| one(kind::PING, 0, 0, &[n; 8]);
    let log = everywhere(&[ping(1), ping(2), one(kind::PING, flag::ACK, 0, &[9; 8])].concat());
    assert_eq!(log, ["0 pong 1", "0 pong 2"]);
}

/// RFC 9113 §6.8: two steps.
#[test]
fn a_drain_finishes_what_was_on_its_way() {
    for answers in [true, false] {
        let mut side = Side::ready();
        side.feed(get(1));
        side.machine.drain();
        assert_eq!(side.turn(), ["0 ping", "0 goaway 2147483647 0"]);
        // It was on its way.
        assert_eq!(side.feed(get(3)), ["3 GET / None"]);
        if answers {
            let pong = one(kind::PING, flag::ACK, 0, &crate::state::DRAIN_PING);
            assert_eq!(side.feed(pong), ["0 goaway 3 0"]);
        } else {
            let at = side.machine.poll_timeout().unwrap();
            assert_eq!(at.since(side.now), Duration::from_secs(1));
            side.now = at;
            assert_eq!(side.machine.handle_timeout(at), Ok(()));
            assert_eq!(side.turn(), ["0 goaway 3 0"]);
        }
        // RFC 9113 §6.8: what comes after is ignored, but the table follows.
        assert_eq!(side.feed([post(5, &[]), data(1, 5, b"x")].concat()), [""; 0]);
        side.respond(1, 204, Content::None);
        side.respond(3, 204, Content::None);
        assert_eq!(side.turn(), ["closed drain", "0 goaway 3 0"]);
    }
    // Nor is it answered where it ends the connection: it was said that it is not.
    let mut side = Side::ready_with(|limits| limits.head = 100);
    side.feed(get(1));
    side.machine.drain();
    side.turn();
    side.feed(one(kind::PING, flag::ACK, 0, &crate::state::DRAIN_PING));
    let long = [one(kind::HEADERS, 0, 3, &[0; 60]), one(kind::CONTINUATION, 0, 3, &[0; 41])];
    let log = side.feed(long.concat());
    assert_eq!(log[..2], ["connection fault FieldsTooLarge", "closed fields_too_large"]);
    assert_eq!(side.machine.refused(), None);
}

#[test]
fn a_peer_that_goes_is_let_go() {
    let mut side = Side::ready();
    assert_eq!(side.feed([get(1), one(kind::GOAWAY, 0, 0, &[0; 8])].concat()), ["1 GET / None"]);
    side.respond(1, 204, Content::None);
    assert_eq!(side.turn(), ["closed peer", "0 goaway 1 0"]);
    // The end of the transport, between two requests or in a frame.
    for rest in [&b""[..], b"\0\0"] {
        let mut side = Side::ready();
        side.fin = true;
        assert_eq!(side.feed(rest), ["closed peer"]);
    }
    let mut side = Side::ready();
    side.feed(get(1));
    side.fin = true;
    assert_eq!(side.feed(b"\0"), [""; 0], "an answer is still owed");
    assert!(side.input.is_empty());
}

/// What is late, and how long that takes.
fn late(side: &mut Side) -> (Duration, Vec<String>) {
    let at = side.machine.poll_timeout().unwrap();
    let took = at.since(side.now);
    let early = Instant::from_nanos(at.as_nanos() - 1);
    assert_eq!(side.machine.handle_timeout(early), Ok(()), "early calls do no harm");
    side.now = at;
    if let Err(fault) = side.machine.handle_timeout(at) {
        side.log.push(format!("{:?} fault {:?}", fault.scope, fault.reason));
    }
    (took, side.turn())
}

#[test]
fn the_peer_has_its_time() {
    let limits = Limits::default();
    // A preface, a frame, a header section.
    for start in [
        &PREFACE[..7],
        &hello()[..30],
        &[&hello()[..], &[0, 0]].concat(),
        &[hello(), one(kind::HEADERS, 0, 1, &[])].concat(),
    ] {
        let mut side = Side::new(|_| ());
        side.feed(start);
        let (took, log) = late(&mut side);
        assert_eq!(took, limits.head_timeout);
        assert!(reason(&log, Reason::HeadTimeout), "{log:?}");
    }
    let mut side = Side::ready();
    let (took, log) = late(&mut side);
    assert_eq!(
        (took, log),
        (limits.idle_timeout, vec!["closed idle_timeout".into(), "0 goaway 0 0".into()])
    );
    // While a handler works nobody is late.
    let mut side = Side::ready();
    side.feed(get(1));
    assert_eq!(side.machine.poll_timeout(), None);
}

/// Frames that come whole are no slow ones, wherever they are cut; and nothing but a stream ends the time in which there is none.
#[test]
fn no_cut_makes_anybody_late() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed(post(1, &[]));
    let ping = one(kind::PING, 0, 0, &[0; 8]);
    side.feed(&ping[..9]);
    for _ in 0..20 {
        side.now = side.now + Duration::from_secs(1);
        assert_eq!(side.feed([&ping[9..], &ping[..9]].concat()), ["0 pong 0"]);
        assert_eq!(side.machine.handle_timeout(side.now), Ok(()));
    }
    // A header section has its time as a whole.
    let mut side = Side::ready();
    side.feed(one(kind::HEADERS, 0, 1, &block(POST)));
    side.now = side.now + limits.head_timeout / 2;
    side.feed(&one(kind::CONTINUATION, 0, 1, b"")[..9]);
    assert_eq!(late(&mut side).0, limits.head_timeout / 2);
    // What follows it has its own.
    let mut side = Side::ready();
    side.feed(one(kind::HEADERS, 0, 1, &block(POST)));
    side.now = side.now + limits.head_timeout / 2;
    side.feed([&one(kind::CONTINUATION, 4, 1, b"")[..], &ping[..9]].concat());
    assert_eq!(late(&mut side).0, limits.head_timeout);
    // Half a PING and the other half do not keep a connection.
    let mut side = Side::ready();
    for _ in 0..7 {
        side.now = side.now + Duration::from_secs(10);
        side.feed(&ping[..9]);
        side.feed(&ping[9..]);
    }
    assert_eq!(late(&mut side).0, limits.idle_timeout - Duration::from_secs(70));
}

#[test]
fn content_has_its_time() {
    let limits = Limits::default();
    let mut side = Side::ready();
    side.feed([post(1, &[]), get(3)].concat());
    let (took, log) = late(&mut side);
    assert_eq!(took, limits.body_timeout);
    assert_eq!(log, ["Exchange(ExchangeId(1)) fault BodyTimeout"]);
    side.respond(1, 408, Content::None);
    assert_eq!(side.turn(), ["1 reset 0"]);
    // What the caller holds back is not the peer's time.
    let mut side = Side::ready();
    side.releases = false;
    side.feed([post(1, &[]), data(0, 1, &[b'x'; 8000])].concat());
    let at = side.machine.poll_timeout().unwrap();
    side.now = at;
    assert_eq!(side.machine.handle_timeout(at), Ok(()));
    assert_eq!(side.machine.poll_timeout(), None);
    side.now = at + Duration::from_secs(1000);
    side.turn();
    side.machine.release(ExchangeId(1), 8000);
    assert_eq!(late(&mut side).0, limits.body_timeout);
    // A byte now and then is too slow (data dribble).
    let mut side = Side::ready();
    side.feed(post(1, &[]));
    let mut log = Vec::new();
    for _ in 0..10 {
        side.now = side.now + Duration::from_secs(10);
        side.feed(data(0, 1, b"x"));
        if let Err(fault) = side.machine.handle_timeout(side.now) {
            log.push(fault.reason);
        }
    }
    assert_eq!(log, [Reason::BodyTimeout]);
}

/// A window that stays closed ends its stream (zero-window hold).
#[test]
fn a_window_is_not_waited_for_for_ever() {
    let mut side = Side::ready();
    side.feed([setting(4, 0), get(1)].concat());
    side.respond(1, 200, Content::Exact(5));
    assert_eq!(side.send(1, 5).0, 5);
    let (took, log) = late(&mut side);
    assert_eq!(took, Limits::default().write_timeout);
    assert_eq!(log, ["Exchange(ExchangeId(1)) fault WindowTimeout"]);
    side.act(|it, out| it.cancel(ExchangeId(1), out));
    assert_eq!(side.turn(), ["1 reset 8"]);
    assert!(side.machine.closed.is_none());
}

/// Who only asks whether content could go waits as if it had offered some: it is told, and it is late at the same time.
#[test]
fn who_asks_for_a_window_is_told() {
    for (stream, connection) in [(0, 65_535), (9, 0)] {
        let mut side = Side::ready();
        side.feed([setting(4, 65_535), get(1), get(3)].concat());
        for id in [1, 3] {
            side.respond(id, 200, Content::Unknown);
        }
        side.send(3, 65_535 - connection);
        side.feed(setting(4, stream));
        assert_eq!(side.machine.sendable(ExchangeId(1)), 0);
        side.now = side.now + Duration::from_secs(9);
        let mut out = Outbox::new();
        // Asking again, or offering nothing, changes nothing.
        assert_eq!(side.machine.sendable(ExchangeId(1)), 0);
        side.machine.send_body(ExchangeId(1), &mut Payload::new(), 9, &mut out).unwrap();
        let limit = Limits::default().write_timeout;
        let due = side.machine.poll_timeout().unwrap();
        assert_eq!(due.since(side.now) + Duration::from_secs(9), limit);
        let opens = if connection == 0 { number(8, 0, 5) } else { number(8, 1, 5) };
        assert_eq!(side.feed(opens), ["1 writable"]);
        assert_eq!(side.machine.sendable(ExchangeId(1)), 5);
        assert_eq!(side.machine.sendable(ExchangeId(7)), usize::MAX, "it is gone");
    }
}

/// Found by the simulator: who waits for the connection's window while others have their turn is not late, as long as that
/// window opens; when nothing goes any more, everybody is.
#[test]
fn the_turns_of_others_are_no_time_of_the_peer() {
    let mut side = Side::ready();
    side.feed([setting(4, 1 << 20), get(1), get(3)].concat());
    for id in [1, 3] {
        side.respond(id, 200, Content::Unknown);
        side.send(id, 100_000);
    }
    let step = Limits::default().write_timeout - Duration::from_secs(1);
    for _ in 0..5 {
        side.now = side.now + step;
        assert_eq!(side.machine.handle_timeout(side.now), Ok(()));
        side.machine.now = side.now;
        side.machine.outflow.change(9).unwrap();
        assert_eq!(side.machine.next_writable(), Some(1));
        assert_eq!(side.send(1, 1000).1, ["1 data 9"]);
    }
    let (early, log) = late(&mut side);
    assert_eq!(log, [""; 0], "it only looks again");
    let (took, log) = late(&mut side);
    assert_eq!(early + took, Limits::default().write_timeout);
    assert!(log[0].ends_with("fault WindowTimeout"), "{log:?}");
}

/// A tunnel through which nothing goes.
#[test]
fn a_tunnel_has_its_time() {
    let mut side = Side::ready();
    side.feed(headers(0, 1, &[(":method", "CONNECT"), (":authority", "h:443")]));
    assert_eq!(side.machine.poll_timeout(), None);
    side.respond(1, 200, Content::Unknown);
    side.now = side.now + Duration::from_secs(9);
    side.feed(data(0, 1, b"x"));
    let limits = Limits::default();
    let first = side.machine.poll_timeout().unwrap();
    side.now = first;
    assert_eq!(side.machine.handle_timeout(first), Ok(()), "something went through it");
    let (took, log) = late(&mut side);
    assert_eq!(took, Duration::from_secs(9));
    assert_eq!(log, ["Exchange(ExchangeId(1)) fault BodyTimeout"]);
    assert!(limits.tunnel_timeout > took);
}
