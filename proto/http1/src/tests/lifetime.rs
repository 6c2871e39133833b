//! How connections persist, end, drain, and run out of time.

use std::time::Duration;

use trilane_semantics::Cause;

use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n";

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// RFC 9112 §9.6: the close option of either side ends the connection after the answer.
#[test]
fn close_is_honoured_both_ways() {
    let mut side = Side::new(server());
    side.feed("GET / HTTP/1.1\r\nhost: h\r\nconnection: x, Close\r\n\r\n");
    assert!(side.respond(&status(200), Content::None).contains("connection: close\r\n"));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::LastMessage)));
    assert_eq!(side.machine.wanted(()), 0);

    let mut side = Side::new(server());
    side.feed([GET, GET].concat());
    let mut head = status(200);
    head.fields = fields(&[("connection", "close")]);
    assert!(side.respond(&head, Content::None).contains("connection: close\r\n"));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::lingering(Cause::LastMessage)));
    assert_eq!(side.take_log().len(), 1);
}

#[test]
fn the_peers_end() {
    let mut side = Side::new(server());
    assert_eq!(side.fin(), Rest::Closed(Closed::now(Cause::Peer)));
    // While the answer is owed: the connection layer decides.
    let mut side = Side::new(server());
    side.feed(GET);
    assert_eq!(side.fin(), Rest::Paused(Why::Answer));
    side.respond(&status(200), Content::None);
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::Peer)));
    // While content is discarded.
    let mut side = Side::new(server());
    side.feed(POST);
    side.respond(&status(200), Content::None);
    assert_eq!(side.fin(), Rest::Closed(Closed::now(Cause::PeerLeft)));
}

/// One last answer to a request that was refused, and none once an answer began.
#[test]
fn refusals() {
    let mut side = Side::new(server());
    side.feed(GET);
    side.respond(&status(200), Content::None);
    assert_eq!(side.machine.refused(), None);
    assert_eq!(side.feed("GET / HTTP/3.0\r\n\r\n"), Rest::Fault(Reason::Version));
    side.id = side.machine.refused().unwrap();
    assert_eq!(side.id, ExchangeId(2));
    assert!(side.respond(&status(505), Content::Exact(2)).contains("connection: close\r\n"));
    assert_eq!(side.machine.refused(), None);
    assert_eq!(side.poll(NOW), Rest::Paused(Why::Answer));
    let mut body = "no".into();
    side.machine.send_body(side.id, &mut body, 9, &mut side.out).unwrap();
    side.machine.finish(side.id, None, &mut side.out).unwrap();
    let closed = Closed::lingering(Cause::Fault(Reason::Version));
    assert_eq!(side.poll(NOW), Rest::Closed(closed));

    // In content, the answer owed.
    let chunked = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut side = Side::new(server());
    side.feed(chunked);
    assert_eq!(side.feed("x"), Rest::Fault(Reason::Chunk));
    assert_eq!(side.machine.refused(), Some(side.id));
    side.respond(&status(400), Content::None);
    let closed = Closed::lingering(Cause::Fault(Reason::Chunk));
    assert_eq!(side.poll(NOW), Rest::Closed(closed));

    // In content, the answer begun.
    let mut side = Side::new(server());
    side.feed(chunked);
    side.respond(&status(200), Content::Unknown);
    assert_eq!(side.feed("x"), Rest::Fault(Reason::Chunk));
    assert_eq!(side.machine.refused(), None);
    assert_eq!(side.poll(NOW), Rest::Closed(closed));
    assert_eq!(side.machine.finish(side.id, None, &mut side.out), Ok(()));
    assert_eq!(sent(&mut side.out), "");
}

#[test]
fn draining() {
    let mut side = Side::new(server());
    side.machine.drain();
    assert_eq!(side.poll(NOW), Rest::NeedInput);
    side.feed([GET, GET].concat());
    assert!(side.respond(&status(200), Content::None).contains("connection: close\r\n"));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::lingering(Cause::Drain)));
}

/// RFC 9112 §8: a chunked message without its last chunk is seen to be incomplete.
#[test]
fn cancelling() {
    let mut side = Side::new(server());
    side.feed(GET);
    side.respond(&status(200), Content::Unknown);
    side.machine.cancel(ExchangeId(9), &mut side.out);
    side.machine.cancel(side.id, &mut side.out);
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::Aborted)));
    assert!(side.out.is_empty());
    // After the answer there is nothing to cancel.
    let mut side = Side::new(server());
    side.feed(POST);
    side.respond(&status(200), Content::None);
    side.machine.cancel(side.id, &mut side.out);
    assert_eq!(side.feed("abcd"), Rest::NeedInput);
    side.machine.cancel(side.id, &mut side.out);
    assert_eq!(side.poll(NOW), Rest::NeedInput);
}

#[test]
fn nothing_ever_comes() {
    let mut side = Side::new(server());
    assert_eq!(side.machine.poll_timeout(), Some(at(15)));
    side.poll(at(14));
    assert_eq!(side.machine.poll_timeout(), Some(at(15)));
    assert_eq!(side.machine.handle_timeout(at(14)), Ok(()));
    assert_eq!(side.poll(at(14)), Rest::NeedInput);
    assert_eq!(side.machine.handle_timeout(at(15)), Ok(()));
    assert_eq!(side.machine.refused(), None);
    assert_eq!(side.poll(at(15)), Rest::Closed(Closed::now(Cause::IdleTimeout)));
    assert_eq!(side.machine.poll_timeout(), None);
}

#[test]
fn a_head_takes_too_long() {
    let mut side = Side::new(server());
    side.input = b"GET".to_vec();
    side.poll(at(10));
    // Counted from the connection's beginning, and not restarted by more bytes.
    assert_eq!(side.machine.poll_timeout(), Some(at(15)));
    side.input.push(b' ');
    side.poll(at(14));
    assert_eq!(side.machine.poll_timeout(), Some(at(15)));
    // Nor by a poll that offers nothing.
    let kept = std::mem::take(&mut side.input);
    assert_eq!(side.poll(at(14)), Rest::NeedInput);
    side.input = kept;
    assert_eq!(side.machine.poll_timeout(), Some(at(15)));
    let fault = side.machine.handle_timeout(at(15)).unwrap_err();
    assert_eq!(fault.reason, Reason::HeadTimeout);
    side.id = side.machine.refused().unwrap();
    assert!(side.respond(&status(408), Content::None).contains("connection: close\r\n"));
    let closed = Closed::lingering(Cause::Fault(Reason::HeadTimeout));
    assert_eq!(side.poll(at(15)), Rest::Closed(closed));
    // The next head counts from its first byte.
    let mut side = Side::new(server());
    side.feed(GET);
    assert_eq!(side.machine.poll_timeout(), None);
    side.respond(&status(200), Content::None);
    side.poll(at(100));
    assert_eq!(side.machine.poll_timeout(), Some(at(175)));
    side.poll(at(120));
    assert_eq!(side.machine.poll_timeout(), Some(at(175)));
    side.input = b"G".to_vec();
    side.poll(at(130));
    assert_eq!(side.machine.poll_timeout(), Some(at(145)));
}

#[test]
fn an_idle_connection_ends() {
    let mut side = Side::new(server());
    side.feed(GET);
    side.respond(&status(200), Content::None);
    side.poll(at(1));
    assert_eq!(side.machine.handle_timeout(at(76)), Ok(()));
    assert_eq!(side.poll(at(76)), Rest::Closed(Closed::now(Cause::IdleTimeout)));
}

#[test]
fn content_stops_coming() {
    let mut side = Side::new(server_with(|limits| limits.body_rate = 0));
    side.feed(POST);
    assert_eq!(side.machine.poll_timeout(), Some(at(30)));
    side.input.push(b'a');
    side.poll(at(20));
    assert_eq!(side.machine.poll_timeout(), Some(at(50)));
    side.poll(at(25));
    assert_eq!(side.machine.poll_timeout(), Some(at(50)));
    let fault = side.machine.handle_timeout(at(50)).unwrap_err();
    assert_eq!(fault.reason, Reason::BodyTimeout);
    assert_eq!(side.machine.refused(), Some(side.id));
}

/// The timer is for the peer: while the caller holds content back it does not run.
#[test]
fn a_slow_reader_is_not_the_peers_fault() {
    let mut machine = server();
    let bytes = [POST, "ab"].concat();
    let mut input = Input::new((), bytes.as_bytes(), false);
    let id = ExchangeId(1);
    while let Ok(Next::Event(_)) = machine.poll_event(NOW, &mut input) {}
    assert_eq!(machine.poll_timeout(), None);
    assert_eq!(machine.handle_timeout(at(99)), Ok(()));
    machine.release(id, 1);
    assert_eq!(machine.poll_timeout(), None);
    machine.release(id, 1);
    assert!(matches!(machine.poll_event(at(100), &mut input), Ok(Next::NeedInput)));
    assert_eq!(machine.poll_timeout(), Some(at(130)));
}

/// Content that the caller held back is not late when the answer comes before its end (found by the simulator).
#[test]
fn what_was_held_back_is_not_late_after_the_answer() {
    for (held, late) in [(0, true), (1, false)] {
        let mut machine = server();
        let head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc";
        let mut input = Input::new((), head, false);
        let mut id = ExchangeId(0);
        while let Ok(Next::Event(event)) = machine.poll_event(NOW, &mut input) {
            if let Event::Body { id: of, data } = event {
                id = of;
                machine.release(id, data.len() - held);
            }
        }
        let far = NOW + Limits::default().body_timeout;
        let _ = machine.poll_event(NOW, &mut input);
        let answered =
            machine.respond(id, &status(200), Content::None, &stamp(), &mut Outbox::new());
        assert_eq!(answered, Ok(()));
        let _ = machine.poll_event(far, &mut Input::new((), b"", false));
        assert_eq!(machine.handle_timeout(far).is_err(), late, "{held}");
    }
}
