//! The client role: its limits, what others limit, and how it ends.

use trilane_semantics::Fields;

use super::client::{answered, asked, fresh, goaway, head, ready, ready_with, status};
use super::*;

/// RFC 9113 §5.1.2: as many as the server takes, and as we want; each at n-1, n, n+1.
#[test]
fn no_more_requests_than_the_server_takes() {
    let get = head("GET", "/", &[("host", "a")]);
    for (ours, theirs, most) in
        [(128, None, 128), (3, None, 3), (3, Some(2), 2), (2, Some(3), 2), (9, Some(0), 0)]
    {
        let mut side = ready_with(|limits| limits.streams = ours);
        if let Some(theirs) = theirs {
            side.feed(setting(3, theirs));
        }
        for n in 0..=most {
            let (id, log) = side.ask(&get, Content::None);
            assert_eq!(id.is_ok(), n < most, "{n} of {most}");
            assert!(id.is_ok() || log.is_empty(), "nothing is sent");
        }
        if most > 0 {
            side.feed(status(flag::END_STREAM, 1, "204", &[]));
            assert_eq!(side.ask(&get, Content::None).0, Ok(2 * most as u64 + 1));
        }
    }
    // Before it has spoken, what RFC 9113 §6.5.2 asks of it at least.
    let mut side = fresh(|_| ());
    let began = (0..128).filter(|_| side.ask(&get, Content::None).0.is_ok()).count();
    assert_eq!(began, 100);
    // RFC 9113 §5.1.1: numbers are not used twice.
    let mut side = ready();
    side.machine.last[1] = 0x7fff_fffd;
    assert_eq!(side.ask(&get, Content::None).0, Ok(0x7fff_ffff));
    assert_eq!(side.ask(&get, Content::None).0, Err(Misuse::NotNow));
    // The server role begins none, and a client answers none.
    assert_eq!(Side::ready().ask(&get, Content::None).0, Err(Misuse::NotNow));
    let mut side = asked(&["GET", "CONNECT"]);
    for id in [1, 3].map(ExchangeId) {
        let ok = ResponseHead::new(StatusCode::OK);
        let (result, _) = side.act(|it, out| it.respond(id, &ok, Content::None, &stamp(), out));
        assert_eq!(result, Err(Misuse::OutOfOrder));
        let early = ResponseHead::new(StatusCode::EARLY_HINTS);
        let (result, _) = side.act(|it, out| it.interim(id, &early, out));
        assert_eq!(result, Err(Misuse::OutOfOrder));
    }
    // RFC 9113 §8.5: no content before the tunnel.
    let mut body = Payload::from("x");
    let (result, _) = side.act(|it, out| it.send_body(ExchangeId(3), &mut body, 9, out));
    assert_eq!(result, Err(Misuse::OutOfOrder));
    assert_eq!(side.act(|it, out| it.finish(ExchangeId(3), None, out)).0, Err(Misuse::OutOfOrder));
}

/// RFC 8441 §3, §4.
#[test]
fn extended_connect_waits_for_the_setting() {
    let mut websocket = head("CONNECT", "https://a/chat?x", &[]);
    websocket.set_connect_protocol("websocket");
    let mut side = ready();
    assert_eq!(side.ask(&websocket, Content::None).0, Err(Misuse::NotNow));
    side.feed(setting(8, 1));
    let (id, log) = side.ask(&websocket, Content::None);
    let expected = "1 :method=CONNECT :scheme=https :path=/chat?x :authority=a :protocol=websocket";
    assert_eq!((id, log), (Ok(1), vec![expected.to_owned()]));
    assert_eq!(side.feed(status(0, 1, "200", &[])), ["1 200 Tunnel"]);
    assert_eq!(side.send(1, 5), (0, vec!["1 data 5".to_owned()]));
    let (_, log) = side.act(|it, out| it.finish(ExchangeId(1), None, out));
    assert_eq!(log, ["1 data 0 end"]);
    assert_eq!(side.feed(data(flag::END_STREAM, 1, b"hi")), ["1 body hi", "1 over"]);
    assert!(side.machine.streams.is_empty());
}

/// RFC 9113 §6.8, §8.7: what was not processed can be asked again.
#[test]
fn what_a_goaway_leaves_out_is_told() {
    let log = answered(&["GET"; 4], &[goaway(3, 0), status(flag::END_STREAM, 1, "204", &[])]);
    assert_eq!(log, ["5 reset by peer 0, undone", "7 reset by peer 0, undone", "1 204 None"]);
    // In two steps: the first says nothing about streams.
    let mut side = asked(&["GET"; 2]);
    assert_eq!(side.feed(goaway(i32::MAX as u32, 0)), [""; 0]);
    assert_eq!(side.ask(&head("GET", "/", &[]), Content::None).0, Err(Misuse::NotNow));
    assert_eq!(side.feed(goaway(1, 11)), ["3 reset by peer 11, undone"]);
    // What was on its way for it is ignored.
    assert_eq!(side.feed(number(kind::RST_STREAM, 3, 7)), [""; 0]);
    let log = side.feed(status(flag::END_STREAM, 1, "204", &[]));
    assert_eq!(log, ["1 204 None", "closed peer", "0 goaway 0 0"]);
    // What was answered was processed, whatever the number.
    let log = answered(&["GET"; 2], &[status(0, 3, "200", &[]), goaway(0, 0)]);
    assert_eq!(log[1..3], ["1 reset by peer 0, undone", "3 reset by peer 0"]);
    // RFC 9113 §8.7: REFUSED_STREAM says the same of one; other codes do not, nor does it after a head.
    for (code, head, expected) in [
        (7, vec![], "1 reset by peer 7, undone"),
        (8, vec![], "1 reset by peer 8"),
        (7, status(0, 1, "200", &[]), "1 reset by peer 7"),
        (7, status(0, 1, "103", &[]), "1 reset by peer 7, undone"),
    ] {
        let log = answered(&["GET"], &[head, number(kind::RST_STREAM, 1, code)]);
        assert_eq!(log.last().unwrap(), expected);
    }
}

/// RFC 9113 §5.2, §6.9: windows, both ways.
#[test]
fn content_waits_for_the_windows_of_a_server() {
    let mut side = ready();
    side.feed(setting(4, 10));
    let (id, _) = side.ask(&head("POST", "/", &[("host", "a")]), Content::Exact(25));
    assert_eq!(id, Ok(1));
    assert_eq!(side.send(1, 25), (15, vec!["1 data 10".to_owned()]));
    // RFC 9113 §6.9.2: a setting changes the windows of all streams, also below nothing.
    assert_eq!(side.feed(setting(4, 5)), ["0 settings ack"]);
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 1, 5)), [""; 0]);
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 1, 5)), ["1 writable"]);
    assert_eq!(side.send(1, 15), (10, vec!["1 data 5".to_owned()]));
    assert_eq!(side.feed(setting(4, 100)), ["1 writable", "0 settings ack"]);
    assert_eq!(side.send(1, 10), (0, vec!["1 data 10 end".to_owned()]));
    assert_eq!(side.feed(status(flag::END_STREAM, 1, "204", &[])), ["1 204 None"]);

    // What comes counts, until it is released.
    let mut side = ready_with(|limits| limits.stream_window = 100);
    side.releases = false;
    assert!(side.ask(&head("GET", "/", &[("host", "a")]), Content::None).0.is_ok());
    side.feed(status(0, 1, "200", &[]));
    side.feed(data(0, 1, &[b'x'; 100]));
    side.act(|it, _| it.release(ExchangeId(1), 60));
    assert_eq!(side.turn(), ["1 credit 60"]);
    let log = side.feed(data(0, 1, &[b'x'; 61]));
    assert_eq!(log, ["1 fault FlowControl", "1 reset 3"]);
    // What had come, and what came too much, is the connection's again.
    assert_eq!(side.machine.inflow.total(), 1 << 20);
    // The same for the connection (RFC 9113 §5.2.1).
    let mut side = fresh(|limits| limits.connection_window = 65_535);
    side.feed(one(kind::SETTINGS, 0, 0, &[]));
    side.releases = false;
    assert!(side.ask(&head("GET", "/", &[("host", "a")]), Content::None).0.is_ok());
    side.feed(status(0, 1, "200", &[]));
    for _ in 0..4 {
        side.feed(data(0, 1, &[b'x'; 16_383]));
    }
    assert!(!reason(&side.feed(data(0, 1, &[b'x'; 3])), Reason::FlowControl));
    let log = side.feed(data(0, 1, b"x"));
    assert!(reason(&log, Reason::FlowControl) && log.contains(&"0 goaway 0 3".to_owned()));
}

/// RFC 9113 §5.4.2: a client gives up with CANCEL, and what was on its way does no harm.
#[test]
fn a_request_is_given_up() {
    let mut side = asked(&["GET", "POST"]);
    side.act(|it, out| it.cancel(ExchangeId(1), out));
    assert_eq!(side.turn(), ["1 reset 8"]);
    assert_eq!(side.feed(status(0, 1, "200", &[])), [""; 0]);
    assert_eq!(side.feed(data(0, 1, b"late")), [""; 0]);
    // Also when it is too long ago to be remembered: our numbers have no gaps.
    let mut forgetful = ready_with(|limits| limits.streams = 1);
    for id in [1, 3] {
        let (begun, _) = forgetful.ask(&head("GET", "/", &[("host", "a")]), Content::None);
        assert_eq!(begun, Ok(id));
        forgetful.act(|it, out| it.cancel(ExchangeId(id), out));
        assert_eq!(forgetful.turn(), [format!("{id} reset 8")]);
    }
    assert_eq!(forgetful.feed(status(0, 1, "200", &[])), [""; 0]);
    // Less than was promised.
    let (id, _) = side.ask(&head("POST", "/", &[("host", "a")]), Content::Exact(3));
    assert_eq!(id, Ok(5));
    let (result, _) = side.act(|it, out| it.finish(ExchangeId(5), None, out));
    assert_eq!((result, side.turn()), (Err(Misuse::ContentLength), vec!["5 reset 8".to_owned()]));
    // Trailers end a request too.
    let mut trailers = Fields::new();
    trailers.append("a", "b").unwrap();
    let (_, log) = side.act(|it, out| it.finish(ExchangeId(3), Some(&trailers), out));
    assert_eq!(log, ["3 a=b end"]);
}

/// The budget is the same in both roles: what a server makes us do for nothing has its price.
#[test]
fn a_server_that_floods_is_left() {
    type Flood = fn(u32) -> Vec<u8>;
    let floods: [(&str, Flood, u32, Reason); 8] = [
        ("interim", |_| status(0, 1, "103", &[]), 200, Reason::Flood),
        ("settings", |_| setting(4, 9), 200, Reason::Flood),
        ("ping", |_| one(kind::PING, 0, 0, &[0; 8]), 400, Reason::Flood),
        ("empty data", |_| data(0, 3, b""), 1000, Reason::Flood),
        ("unknown", |_| one(0xfa, 0, 0, &[]), 1000, Reason::Flood),
        ("window", |_| number(kind::WINDOW_UPDATE, 0, 1), 2000, Reason::Flood),
        ("goaway", |_| goaway(99, 0), 1000, Reason::Flood),
        ("priority", |n| one(kind::PRIORITY, 0, 2 * n + 1, &[0; 5]), 1000, Reason::Flood),
    ];
    for (name, flood, most, expected) in floods {
        let mut side = asked(&["GET", "GET"]);
        side.feed(status(0, 3, "200", &[]));
        // What came until now had its price too.
        side.machine.budget = trilane_semantics::budget::Budget::new(&Limits::default(), NOW);
        for n in 0..most {
            let log = side.feed(flood(n));
            assert!(!log.iter().any(|line| line.contains("goaway")), "{name} {n} {log:?}");
        }
        assert!(reason(&side.feed(flood(most)), expected), "{name}");
    }
    // Resets: each request of ours that comes to nothing, without an answer in between.
    let mut side = ready();
    let get = head("GET", "/", &[("host", "a")]);
    let mut refused = 0;
    for n in 0.. {
        let Ok(id) = side.ask(&get, Content::None).0 else { break };
        let log = side.feed(number(kind::RST_STREAM, id as u32, 7));
        if reason(&log, Reason::Resets) {
            break;
        }
        refused = n;
    }
    assert_eq!(refused, 198, "and SETTINGS before them");
    // An interim response before each answer is no flood.
    let mut side = ready();
    for _ in 0..1000 {
        let id = side.ask(&get, Content::None).0.unwrap() as u32;
        side.feed([status(0, id, "103", &[]), status(flag::END_STREAM, id, "204", &[])].concat());
    }
    assert!(side.machine.closed.is_none());
    // A header section without an end, and one that is too large.
    let first = one(kind::HEADERS, 0, 1, &block(&[(":status", "200")]));
    let more = |n: usize| vec![one(kind::CONTINUATION, 0, 1, b"\x00\x01a\x01b"); n].concat();
    assert!(!reason(
        &asked(&["GET"]).feed([first.clone(), more(16)].concat()),
        Reason::Continuations
    ));
    assert!(reason(
        &asked(&["GET"]).feed([first.clone(), more(17)].concat()),
        Reason::Continuations
    ));
    let large = one(kind::CONTINUATION, 0, 1, &[0; 16_384]);
    let log = asked(&["GET"]).feed([first, large.repeat(5)].concat());
    assert!(reason(&log, Reason::FieldsTooLarge) && log.contains(&"0 goaway 0 11".to_owned()));
    // One that expands: its stream ends, and the table follows.
    let value = "v".repeat(3000);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new();
    encoder.begin(&mut bytes);
    encoder.status(&mut bytes, StatusCode::OK);
    for _ in 0..60 {
        let name = NameRef::Other(b"bomb");
        encoder.field(&mut bytes, Field { name, value: value.as_bytes(), sensitive: false });
    }
    let log = asked(&["GET", "GET"]).feed(
        [one(kind::HEADERS, flag::END_HEADERS, 1, &bytes), status(flag::END_STREAM, 3, "204", &[])]
            .concat(),
    );
    assert_eq!(log, ["1 fault FieldsTooLarge", "3 204 None", "1 reset 8"]);
}

/// RFC 9113 §9.1: how a connection ends, from the client's side.
#[test]
fn a_client_leaves_and_is_left() {
    // Without requests, at once; with some, after them.
    let mut side = ready();
    side.machine.drain();
    assert_eq!(side.turn(), ["closed drain", "0 goaway 0 0"]);
    let mut side = asked(&["GET"]);
    side.machine.drain();
    assert_eq!(side.turn(), ["0 goaway 0 0"]);
    assert_eq!(side.ask(&head("GET", "/", &[]), Content::None).0, Err(Misuse::NotNow));
    assert_eq!(
        side.feed(status(flag::END_STREAM, 1, "204", &[])),
        ["1 204 None", "closed drain", "0 goaway 0 0"]
    );
    // The server is gone: with nothing under way, and with something.
    for (methods, expected) in [(&[][..], "closed peer"), (&["GET"], "closed peer_left")] {
        let mut side = asked(methods);
        side.fin = true;
        assert_eq!(side.turn()[0], expected);
    }
    // Half a frame is nothing.
    let mut side = asked(&["GET"]);
    side.fin = true;
    assert_eq!(side.feed(&status(0, 1, "200", &[])[..9])[0], "closed peer_left");
}

/// What the peer may take its time for, and what it may not.
#[test]
fn time_passes() {
    use std::time::Duration;
    let later = |side: &mut Side, secs: u64| {
        side.now = side.now + Duration::from_secs(secs);
        let fault = side.machine.handle_timeout(side.now).err();
        (fault.map(|fault| fault.reason), side.turn())
    };
    // The server's preface; for a while, a next request.
    let mut side = fresh(|_| ());
    side.turn();
    assert_eq!(later(&mut side, 15).0, Some(Reason::HeadTimeout));
    let mut side = ready();
    assert_eq!(later(&mut side, 74), (None, vec![]));
    assert_eq!(later(&mut side, 1).1[0], "closed idle_timeout");
    // An answer may take as long as the caller waits; its content may not.
    let mut side = asked(&["GET"]);
    assert_eq!(later(&mut side, 10_000), (None, vec![]));
    side.feed(status(0, 1, "200", &[]));
    assert_eq!(later(&mut side, 29), (None, vec![]));
    assert_eq!(later(&mut side, 1), (Some(Reason::BodyTimeout), vec!["1 reset 8".to_owned()]));
    // A window that does not open.
    let mut side = asked(&["POST"]);
    assert_eq!(side.send(1, 70_000).0, 70_000 - 65_535);
    assert_eq!(later(&mut side, 29), (None, vec![]));
    assert_eq!(later(&mut side, 1), (Some(Reason::WindowTimeout), vec!["1 reset 8".to_owned()]));
}
