//! What the toy HTTP/2 machine proves of the contract.

use std::task::{Context, Waker};

use super::*;

struct Peer {
    world: World,
    connection: Connection<Toy>,
}

impl Peer {
    fn new() -> Self {
        Self { world: World::new(), connection: World::connect(Toy::default()) }
    }

    fn send(&mut self, frames: &[Vec<u8>]) -> Vec<String> {
        self.send_bytes(&frames.concat())
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> Vec<String> {
        let received = Received::copied(bytes);
        self.connection.receive(&self.world.host, self.world.now(), (), received, false);
        self.settle()
    }

    /// What was sent back, a line a frame.
    fn settle(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        for (_, act) in self.world.settle(&mut self.connection) {
            let Act::Bytes(piece) = act else { panic!("a command over TCP: {act:?}") };
            bytes.extend(piece);
        }
        let mut input = Input::new((), &bytes, false);
        let mut lines = Vec::new();
        while let Some((kind, flags, id, payload)) = take(&mut input) {
            let end = if flags & END_STREAM != 0 { " end" } else { "" };
            lines.push(match kind {
                DATA => format!("{id} data {}{end}", String::from_utf8_lossy(payload)),
                HEADERS if payload.starts_with(b"\x07:status") => {
                    format!("{id} {}{end}", String::from_utf8_lossy(&payload[9..12]))
                }
                HEADERS => format!("{id} trailers{end}"),
                kind => format!("{id} {} {}", name(kind), payload[3]),
            });
        }
        assert!(input.is_empty(), "half a frame was sent");
        lines
    }
}

fn name(kind: u8) -> &'static str {
    match kind {
        RST_STREAM => "reset",
        GOAWAY => "goaway",
        WINDOW_UPDATE => "credit",
        _ => "unknown",
    }
}

fn one(kind: u8, flags: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, kind, flags, id, payload);
    bytes
}

fn post(id: u64, path: &str) -> Vec<u8> {
    one(HEADERS, 0, id, &toy::section(&[(":method", "POST"), (":path", path)]))
}

fn get(id: u64, path: &str) -> Vec<u8> {
    one(HEADERS, END_STREAM, id, &toy::section(&[(":method", "GET"), (":path", path)]))
}

fn data(id: u64, text: &str) -> Vec<u8> {
    one(DATA, 0, id, text.as_bytes())
}

fn end(id: u64) -> Vec<u8> {
    one(DATA, END_STREAM, id, b"")
}

#[test]
fn two_streams_interleave_in_both_directions() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(&[post(1, "/echo"), post(3, "/echo")]), ["1 200", "3 200"]);
    let sent = peer.send(&[data(1, "a"), data(3, "b"), data(1, "c")]);
    assert_eq!(sent, ["1 data a", "1 data c", "3 data b", "1 credit 2", "3 credit 1"]);
    assert_eq!(peer.send(&[data(3, "d"), end(3)]), ["3 data d", "3 data  end"]);
    assert_eq!(peer.send(&[end(1)]), ["1 data  end"]);
    assert_eq!(peer.world.over(), ["/echo complete", "/echo complete"]);
    assert!(peer.connection.is_idle());
}

#[test]
fn cuts_at_every_byte_change_nothing() {
    let frames = [post(1, "/echo"), post(3, "/hold"), data(3, "b"), data(1, "a"), end(1), end(3)];
    for cut in 0..=frames.concat().len() {
        let mut peer = Peer::new();
        peer.world.open_gate();
        let bytes = frames.concat();
        let mut sent = peer.send_bytes(&bytes[..cut]);
        sent.extend(peer.send_bytes(&bytes[cut..]));
        sent.retain(|line| !line.contains("credit"));
        sent.sort();
        let expected = ["1 200", "1 data  end", "1 data a", "3 200", "3 data  end", "3 data b"];
        assert_eq!(sent, expected, "{cut}");
    }
}

#[test]
fn answers_come_out_of_order() {
    let mut peer = Peer::new();
    let sent = peer.send(&[get(1, "/slow"), get(3, "/early")]);
    assert_eq!(sent, ["3 403", "3 data no", "3 data  end"]);
    peer.world.open_gate();
    assert_eq!(peer.settle(), ["1 200", "1 data slow", "1 data  end"]);
    assert_eq!(peer.world.over(), ["/early complete", "/slow complete"]);
}

#[test]
fn a_closed_window_stops_one_stream_until_it_opens() {
    let mut peer = Peer::new();
    let b = "b".repeat(BIG);
    let window = |id, n| one(WINDOW_UPDATE, 0, id, &[0, 0, 0, n]);
    let sent = peer.send(&[get(1, "/big"), get(3, "/early")]);
    let first = format!("1 data {}", &b[..WINDOW]);
    assert_eq!(sent, ["1 200", &first, "3 403", "3 data no", "3 data  end"]);
    // One byte short of the rest, then the last byte.
    let rest = BIG - WINDOW;
    let sent = peer.send(&[window(1, rest as u8 - 1)]);
    assert_eq!(sent, [format!("1 data {}", &b[..rest - 1])]);
    assert_eq!(peer.send(&[window(1, 1)]), ["1 data b", "1 data  end"]);
    assert_eq!(peer.send(&[window(1, 1)]), [""; 0]);
}

#[test]
fn credit_waits_for_the_reader() {
    let mut peer = Peer::new();
    let full = "x".repeat(WINDOW);
    assert_eq!(peer.send(&[post(1, "/hold"), data(1, &full)]), [""; 0]);
    peer.world.open_gate();
    assert_eq!(peer.settle(), [format!("1 credit {WINDOW}")]);
    assert_eq!(peer.send(&[data(1, "y"), end(1)])[0], "1 200");
    // A window is a bound: at it is fine (above), past it is not.
    let mut peer = Peer::new();
    peer.send(&[post(1, "/hold"), data(1, &full), data(1, "y")]);
    assert_eq!(peer.connection.cause(), Some(Cause::Fault(Reason::Frame)));
}

#[test]
fn credit_follows_a_reader_that_is_not_the_handler() {
    let mut peer = Peer::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(peer.send(&[post(1, "/detach"), data(1, "ab")]), [""; 0]);
    for n in 0..3 {
        assert!(peer.world.detached.borrow_mut().poll_frame(&mut cx).is_ready());
        assert_eq!(peer.settle(), ["1 credit 2"], "{n}");
        assert_eq!(peer.send(&[data(1, "cd")]), [""; 0]);
    }
}

#[test]
fn a_reset_disturbs_nobody_else() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(&[get(1, "/slow"), post(3, "/echo"), get(5, "/slow")]), ["3 200"]);
    assert_eq!(peer.send(&[one(RST_STREAM, 0, 1, &[0, 0, 0, 8]), data(3, "a")])[0], "3 data a");
    assert_eq!(peer.send(&[one(RST_STREAM, 0, 3, &[0, 0, 0, 8])]), [""; 0]);
    assert_eq!(peer.world.over(), ["/slow peer_left", "/echo peer_left"]);
    peer.world.open_gate();
    assert_eq!(peer.settle(), ["5 200", "5 data slow", "5 data  end"]);
    // What was on its way to a stream that is gone harms nobody.
    assert_eq!(peer.send(&[data(3, "late")]), [""; 0]);
    assert!(peer.connection.is_idle() && peer.connection.cause().is_none());
}

#[test]
fn an_answer_may_come_before_the_content_ends() {
    let mut peer = Peer::new();
    let sent = peer.send(&[post(1, "/early"), data(1, "abc")]);
    // RFC 9113 §8.1: a server MAY ask the client to stop by RST_STREAM with NO_ERROR.
    assert_eq!(sent, ["1 403", "1 data no", "1 data  end", "1 reset 0"]);
    assert_eq!(peer.send(&[data(1, "def"), end(1), get(3, "/early")])[0], "3 403");
    assert_eq!(peer.world.over(), ["/early complete", "/early complete"]);
}

#[test]
fn trailers_go_both_ways() {
    let mut peer = Peer::new();
    let last = one(HEADERS, END_STREAM, 1, &toy::section(&[("x-sum", "1")]));
    let sent = peer.send(&[post(1, "/echo"), data(1, "a"), last]);
    assert_eq!(sent, ["1 200", "1 data a", "1 trailers end"]);
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(&[get(1, "/slow")]), [""; 0]);
    peer.connection.drain(&peer.world.host, peer.world.now(), Duration::from_secs(1));
    assert_eq!(peer.settle(), ["0 goaway 1"]);
    assert_eq!(peer.send(&[get(3, "/early")]), ["3 reset 7"]);
    assert_eq!((peer.connection.cause(), peer.connection.goal()), (None, Goal::Open));
    peer.world.open_gate();
    assert_eq!(peer.settle(), ["1 200", "1 data slow", "1 data  end"]);
    assert_eq!(peer.connection.cause(), Some(Cause::Drain));
    assert_eq!(peer.connection.goal(), Goal::HalfClose);
}

#[test]
fn a_fault_of_one_exchange_is_its_answer() {
    let mut peer = Peer::new();
    let bad = toy::section(&[(":method", "GET"), (":path", "/echo"), ("x", "a\nb")]);
    let sent = peer.send(&[get(1, "/slow"), one(HEADERS, END_STREAM, 3, &bad), get(5, "/early")]);
    assert_eq!(sent, ["3 400 end", "5 403", "5 data no", "5 data  end"]);
    // In mid-content, when its handler has the head already.
    assert_eq!(peer.send(&[post(7, "/hold"), data(7, "a")]), [""; 0]);
    assert_eq!(peer.send(&[one(HEADERS, END_STREAM, 7, b"\xff")]), ["7 400 end"]);
    peer.world.open_gate();
    assert_eq!(peer.settle(), ["1 200", "1 data slow", "1 data  end"]);
}

#[test]
fn a_timeout_of_one_exchange_is_its_answer() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(&[post(1, "/hold"), get(3, "/slow")]), [""; 0]);
    let at = peer.connection.poll_timeout().unwrap();
    assert_eq!(at.since(peer.world.now()), BODY_TIMEOUT);
    for (step, expected) in [(1, &[][..]), (0, &["1 408 end", "1 reset 0"])] {
        peer.world.pass(at.since(peer.world.now()) - Duration::from_nanos(step));
        peer.connection.timeout(&peer.world.host, peer.world.now());
        assert_eq!(peer.settle(), expected);
    }
    assert_eq!(peer.connection.cause(), None);
    peer.world.open_gate();
    assert_eq!(peer.settle(), ["3 200", "3 data slow", "3 data  end"]);
}

#[test]
fn an_end_of_the_transport_is_the_end_of_all_streams() {
    let mut peer = Peer::new();
    peer.send(&[get(1, "/slow")]);
    peer.connection.receive_end(&peer.world.host, peer.world.now());
    assert_eq!(peer.connection.cause(), Some(Cause::PeerLeft));
    assert_eq!(peer.world.over(), ["/slow peer_left"]);
}
