//! Bounds that hold over many pieces: rates, sums, and what ends a connection that drags on.

use std::time::Duration;

use trilane_semantics::{Cause, Linger};

use super::*;

fn at_millis(millis: u64) -> Instant {
    NOW + Duration::from_millis(millis)
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: h\r\n";

/// A body of 1,000 bytes at `step` bytes every 100 ms; when it fails, in ms.
fn trickle(step: usize) -> Option<u64> {
    let mut side = Side::new(server_with(|limits| {
        (limits.body_rate, limits.body_grace) = (100, Duration::from_millis(500));
    }));
    side.feed(format!("{HEAD}content-length: 1000\r\n\r\n"));
    for turn in 1..=1000 / step as u64 {
        let now = at_millis(100 * turn);
        if let Err(fault) = side.machine.handle_timeout(now) {
            assert_eq!(fault.reason, Reason::BodyTimeout);
            assert_eq!(side.machine.refused(), Some(side.id));
            return Some(100 * turn);
        }
        side.input.extend(vec![b'x'; step]);
        side.poll(now);
    }
    None
}

/// Limits: `body_rate`. 10 bytes every 100 ms are 100 bytes a second.
#[test]
fn content_comes_too_slowly() {
    assert_eq!(trickle(8), Some(2100));
    assert_eq!(trickle(9), Some(4100));
    assert_eq!(trickle(10), None);
    assert_eq!(trickle(11), None);
}

/// A lead is no credit for more than `body_grace`.
#[test]
fn a_fast_beginning_buys_no_slow_end() {
    let mut side = Side::new(server_with(|limits| limits.body_rate = 10));
    side.feed(format!("{HEAD}content-length: 9000\r\n\r\n{}", "x".repeat(8000)));
    assert_eq!(side.machine.poll_timeout(), Some(at_millis(30_000)));
    side.input.push(b'x');
    side.poll(at_millis(20_000));
    assert_eq!(side.machine.poll_timeout(), Some(at_millis(30_100)));
    assert!(side.machine.handle_timeout(at_millis(30_099)).is_ok());
    assert!(side.machine.handle_timeout(at_millis(30_100)).is_err());
}

/// What the handler holds back does not count against the peer's rate.
#[test]
fn a_slow_reader_costs_the_peer_nothing() {
    let mut machine = server();
    let bytes = format!("{HEAD}content-length: 9\r\n\r\nab");
    let mut input = Input::new((), bytes.as_bytes(), false);
    while let Ok(Next::Event(_)) = machine.poll_event(NOW, &mut input) {}
    machine.release(ExchangeId(1), 2);
    assert_eq!(machine.poll_timeout(), None);
    assert!(matches!(machine.poll_event(at_millis(90_000), &mut input), Ok(Next::NeedInput)));
    assert_eq!(machine.poll_timeout(), Some(at_millis(120_000)));
}

/// RFC 9112 §7.1.1: the total length of chunk extensions is limited: here by `head`.
#[test]
fn extensions_of_all_chunks_together() {
    let body = |n: usize| {
        let chunks = format!("1;{}\r\nx\r\n", "e".repeat(n)).repeat(10);
        format!("{HEAD}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    };
    for (each, reason) in [(98, None), (99, None), (100, Some("Chunk"))] {
        let found = verdict(body(each), |limits| limits.head = 1000);
        assert_eq!(found.as_deref(), reason, "{each}");
    }
}

/// RFC 9112 §3: a method longer than any known SHOULD be answered with 501.
#[test]
fn methods_that_nobody_knows() {
    for (length, reason) in [(63, None), (64, None), (65, Some("Method")), (9000, Some("Method"))] {
        let head = format!("{} / HTTP/1.1\r\nhost: h\r\n\r\n", "M".repeat(length));
        assert_eq!(verdict(&head, |_| ()).as_deref(), reason, "{length}");
    }
    // Without waiting for the line's end.
    let mut side = Side::new(server());
    assert_eq!(side.feed("M".repeat(64)), Rest::NeedInput);
    assert_eq!(side.feed("M"), Rest::Fault(Reason::Method));
}

/// A wrong line is refused when it is complete: who sent it may wait for an answer to it.
#[test]
fn what_is_wrong_is_said_at_once() {
    for (start, reason) in [
        ("\x16\x03\x01\x02\0", Reason::RequestLine),
        ("GET /\r\n", Reason::RequestLine),
        ("GET / HTTP/9.1\r\n", Reason::Version),
        ("GET / HTTP/1.1\r\na b\r\n", Reason::FieldLine),
        ("GET / HTTP/1.1\r\n a: b\r\n", Reason::FoldedField),
    ] {
        assert_eq!(Side::new(server()).feed(start), Rest::Fault(reason), "{start:?}");
    }
}

/// RFC 9110 §15.2: interim responses, together as long as a head.
#[test]
fn interim_heads_are_bounded() {
    let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (count, fits) in [(9, true), (10, true), (11, false)] {
        let mut limits = Limits::default();
        limits.head = 10 * hint.len();
        let mut side = Side::new(Http1::client(Rc::new(limits), NOW));
        let head = request("GET", "/", &[]);
        side.machine.request(&head, Content::None, &mut side.out).unwrap();
        let rest = side.feed(hint.repeat(count));
        assert_eq!(rest == Rest::NeedInput, fits, "{count}: {rest:?}");
    }
}

/// RFC 9112 §8: where the end of the connection is the end of the content, a cut is a reset.
#[test]
fn an_answer_without_a_length_is_not_cut_in_silence() {
    let get = "GET / HTTP/1.0\r\n\r\n";
    for (content, linger) in [(Content::Unknown, Linger::Reset), (Content::Exact(9), Linger::No)] {
        let mut side = Side::new(server());
        side.feed(get);
        side.respond(&status(200), content);
        side.machine.cancel(side.id, &mut side.out);
        assert_eq!(side.poll(NOW), Rest::Closed(Closed { cause: Cause::Aborted, linger }));
    }
    // Also where the request's content is what is wrong.
    let mut side = Side::new(server());
    side.feed("POST / HTTP/1.0\r\ncontent-length: 9\r\n\r\n");
    side.respond(&status(200), Content::Unknown);
    side.machine.handle_timeout(at_millis(30_000)).unwrap_err();
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::reset(Cause::Fault(Reason::BodyTimeout))));
}

/// RFC 9110 §15.5.14: an error to content that is larger than what is discarded says that it is the last.
#[test]
fn much_content_that_is_refused() {
    for (length, code, closes) in
        [(10, 413, false), (11, 413, true), (12, 404, true), (12, 200, false)]
    {
        let mut side = Side::new(server_with(|limits| limits.discard = 10));
        side.feed(format!("{HEAD}content-length: {length}\r\n\r\n"));
        let answer = side.respond(&status(code), Content::None);
        assert_eq!(answer.contains("connection: close\r\n"), closes, "{length} {code}");
    }
}

/// Limits: `tunnel_timeout`, counted anew by bytes of either direction.
#[test]
fn a_silent_tunnel_ends() {
    let mut side = Side::new(server());
    side.feed("CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\n\r\n");
    side.respond(&status(200), Content::Tunnel);
    assert_eq!(side.poll(NOW), Rest::NeedInput);
    assert_eq!(side.machine.poll_timeout(), Some(at_millis(300_000)));
    side.input.push(b'x');
    side.poll(at_millis(10_000));
    assert_eq!(side.machine.poll_timeout(), Some(at_millis(310_000)));
    let mut data = "y".into();
    side.machine.send_body(side.id, &mut data, 9, &mut side.out).unwrap();
    side.machine.flush(at_millis(20_000), &mut side.out);
    assert_eq!(side.machine.poll_timeout(), Some(at_millis(320_000)));
    assert_eq!(side.machine.handle_timeout(at_millis(319_999)), Ok(()));
    assert_eq!(side.poll(at_millis(319_999)), Rest::NeedInput);
    assert_eq!(side.machine.handle_timeout(at_millis(320_000)), Ok(()));
    assert_eq!(side.poll(at_millis(320_000)), Rest::Closed(Closed::now(Cause::IdleTimeout)));
}
