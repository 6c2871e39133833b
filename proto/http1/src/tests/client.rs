//! The client role: alone against scripted bytes, and against the server role.

use trilane_semantics::{Cause, Misuse, Payload};

use super::*;

fn client() -> Side {
    Side::new(Http1::client(Rc::new(Limits::default()), NOW))
}

/// Sends a request; what was written.
fn ask(side: &mut Side, head: &RequestHead, content: Content) -> String {
    side.id = side.machine.request(head, content, &mut side.out).unwrap();
    sent(&mut side.out)
}

fn get() -> RequestHead {
    request("GET", "/x?y", &[("host", "h"), ("x-own", "1")])
}

/// What a client sees of this response to that method, cut at every byte; then the end.
fn answer(method: &str, bytes: &str) -> Vec<String> {
    let run = |pieces: &[&[u8]]| {
        let mut side = client();
        let target = if method == "CONNECT" { "h:1" } else { "/" };
        ask(&mut side, &request(method, target, &[("host", "h")]), Content::None);
        let mut rest = Rest::NeedInput;
        for piece in pieces {
            rest = side.feed(piece);
            if matches!(rest, Rest::Fault(_) | Rest::Closed(_)) {
                break;
            }
        }
        if !matches!(rest, Rest::Fault(_) | Rest::Closed(_)) {
            rest = side.fin();
        }
        side.log.push(format!("{rest:?}"));
        side.log
    };
    let whole = run(&[bytes.as_bytes()]);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.as_bytes().split_at(at);
        assert_eq!(run(&[front, back]), whole, "cut at {at} of {bytes:?}");
    }
    assert_eq!(run(&bytes.as_bytes().chunks(1).collect::<Vec<_>>()), whole, "{bytes:?}");
    whole
}

#[test]
fn requests_as_they_are_written() {
    let text = "GET /x?y HTTP/1.1\r\nhost: h\r\nx-own: 1\r\n";
    for (content, framing) in [
        (Content::None, ""),
        (Content::Exact(7), "content-length: 7\r\n"),
        (Content::Unknown, "transfer-encoding: chunked\r\n"),
        (Content::Tunnel, ""),
    ] {
        assert_eq!(ask(&mut client(), &get(), content), format!("{text}{framing}\r\n"));
    }
    let mut side = client();
    ask(&mut side, &get(), Content::None);
    let second = side.machine.request(&get(), Content::None, &mut side.out);
    assert_eq!(second, Err(Misuse::NotNow));
    // RFC 9112 §3.2: Host is always sent.
    let bare = ask(&mut client(), &request("GET", "http://a/", &[]), Content::None);
    assert_eq!(bare, "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n");
}

/// Nobody finishes what has nothing to be sent: the connection is free again.
#[test]
fn content_of_no_bytes_is_over_at_once() {
    let mut side = client();
    for _ in 0..2 {
        let post = request("POST", "/", &[("host", "h")]);
        let text = ask(&mut side, &post, Content::Exact(0));
        assert_eq!(text, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(side.machine.capacity(), 0);
        side.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(side.machine.capacity(), 1);
    }
    assert!(matches!(side.fin(), Rest::Closed(_)));
}

/// RFC 9112 §6.3, rule by rule.
#[test]
fn the_length_of_a_response() {
    let peer = "Closed(Closed { cause: Peer, linger: No })";
    let last = "Closed(Closed { cause: LastMessage, linger: No })";
    let log = answer("GET", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(log[1..], ["body hi", "end", peer]);
    let log = answer(
        "GET",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\na: b\r\n\r\n",
    );
    assert_eq!(log[1..], ["body hi", r#"trailers {"a": "b"}"#, "end", peer]);
    let log = answer("GET", "HTTP/1.1 200 OK\r\n\r\nhi");
    assert_eq!(log, ["200 {} Unknown", "body hi", "end", last]);
    assert_eq!(answer("GET", "HTTP/1.0 200\r\n\r\n"), ["200 {} Unknown", "end", last]);
    assert_eq!(answer("GET", "HTTP/1.1 204 \r\n\r\n"), ["204 {} None", peer]);
    let log = answer("GET", "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n");
    assert!(log[0].ends_with(" None") && log[1] == peer);
    let log = answer("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    assert!(log[0].ends_with(" None") && log[1] == peer);
    let log = answer("HEAD", "HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(log[1], last);
    let log = answer("GET", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(log[1], last);
    let log = answer(
        "GET",
        "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 103 b\r\nlink: x\r\n\r\nHTTP/1.1 204 c\r\n\r\n",
    );
    assert_eq!(log, ["interim 100", "interim 103", "204 {} None", peer]);
    assert_eq!(answer("GET", ""), [peer]);
}

#[test]
fn bad_responses_are_refused() {
    for (bytes, reason) in [
        ("HTTP/1.1 20 OK\r\n\r\n", Reason::StatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", Reason::StatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", Reason::StatusLine),
        ("HTTP/1.1 000 OK\r\n\r\n", Reason::StatusLine),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Reason::StatusLine),
        ("SSH-2.0-x\r\n\r\n", Reason::StatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", Reason::Version),
        ("HTTP/1.1 101 OK\r\n\r\n", Reason::StatusLine),
        ("HTTP/1.1 200 OK\n\r\n", Reason::BareLineFeed),
        ("HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", Reason::BareCarriageReturn),
        ("HTTP/1.1 200 OK\r\na : b\r\n\r\n", Reason::FieldLine),
        ("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", Reason::FoldedField),
        ("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", Reason::Framing),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Reason::Framing),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", Reason::TransferCoding),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", Reason::Incomplete),
        ("HTTP/1.1 200 OK\r\n", Reason::Incomplete),
        ("HTTP/1.1 103 x\r\n\r\n", Reason::Incomplete),
    ] {
        let log = answer("GET", bytes);
        assert_eq!(*log.last().unwrap(), format!("Fault({reason:?})"), "{bytes:?}");
    }
}

#[test]
fn between_requests() {
    let mut side = client();
    assert_eq!(side.poll(NOW), Rest::Paused(Why::Request));
    assert_eq!(side.machine.wanted(()), 0);
    assert_eq!(side.fin(), Rest::Closed(Closed::now(Cause::Peer)));
    let mut side = client();
    let closed = Closed::now(Cause::Fault(Reason::StatusLine));
    assert_eq!(side.feed("H"), Rest::Closed(closed));
    let late = side.machine.request(&get(), Content::None, &mut side.out);
    assert_eq!(late, Err(Misuse::NotNow));
    let mut side = client();
    ask(&mut side, &get(), Content::None);
    side.machine.drain();
    side.feed("HTTP/1.1 204 x\r\n\r\n");
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::Drain)));
    let mut side = client();
    ask(&mut side, &get(), Content::Unknown);
    side.machine.cancel(side.id, &mut side.out);
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::Aborted)));
}

/// RFC 9112 §9.3: an early response, and the request goes on.
#[test]
fn a_response_before_the_request_is_complete() {
    let mut side = client();
    ask(&mut side, &get(), Content::Exact(2));
    assert_eq!(side.feed("HTTP/1.1 204 x\r\n\r\n"), Rest::Paused(Why::Request));
    let early = side.machine.request(&get(), Content::None, &mut side.out);
    assert_eq!(early, Err(Misuse::NotNow));
    side.machine.send_body(side.id, &mut Payload::from("hi"), 9, &mut side.out).unwrap();
    side.machine.finish(side.id, None, &mut side.out).unwrap();
    sent(&mut side.out);
    ask(&mut side, &get(), Content::None);
    let mut side = client();
    ask(&mut side, &get(), Content::Exact(2));
    let rest = side.feed("HTTP/1.1 204 x\r\nconnection: close\r\n\r\n");
    assert_eq!(rest, Rest::Closed(Closed::now(Cause::LastMessage)));
}

/// A client and a server, back to back.
struct Pair {
    client: Side,
    server: Side,
}

impl Pair {
    fn new() -> Self {
        Self { client: client(), server: Side::new(server()) }
    }

    /// What both have written reaches the other, a byte at a time.
    fn exchange(&mut self) {
        for _ in 0..2 {
            let Self { client, server } = &mut *self;
            carry(client, server);
            carry(server, client);
        }
    }

    fn ask(&mut self, head: &RequestHead, content: Content) {
        let client = &mut self.client;
        client.id = client.machine.request(head, content, &mut client.out).unwrap();
        self.exchange();
    }

    fn respond(&mut self, head: &ResponseHead, content: Content) {
        let server = &mut self.server;
        server.machine.respond(server.id, head, content, &stamp(), &mut server.out).unwrap();
        self.exchange();
    }
}

fn carry(from: &mut Side, to: &mut Side) {
    let text = sent(&mut from.out);
    let fin = text.ends_with("<fin>");
    for byte in text.trim_end_matches("<fin>").as_bytes() {
        to.feed([*byte]);
    }
    to.fin |= fin;
    to.poll(NOW);
}

fn body(side: &mut Side, text: &'static str) {
    let mut payload = Payload::from(text);
    side.machine.send_body(side.id, &mut payload, usize::MAX, &mut side.out).unwrap();
    assert!(payload.is_empty());
}

fn finish(side: &mut Side, trailers: Option<&Fields>) {
    side.machine.finish(side.id, trailers, &mut side.out).unwrap();
}

#[test]
fn every_case_against_the_server_role() {
    let mut pair = Pair::new();
    let head = |method, target| request(method, target, &[("host", "h")]);
    // GET, with an interim response.
    pair.ask(&head("GET", "/"), Content::None);
    let server = &mut pair.server;
    server.machine.interim(server.id, &status(103), &mut server.out).unwrap();
    pair.respond(&status(200), Content::Exact(2));
    body(&mut pair.server, "hi");
    finish(&mut pair.server, None);
    pair.exchange();
    let log = pair.client.take_log();
    assert_eq!(
        (log[0].as_str(), &log[2..]),
        ("interim 103", &["body hi".into(), "end".into()][..])
    );
    // HEAD.
    pair.ask(&head("HEAD", "/"), Content::None);
    pair.respond(&status(200), Content::Exact(2));
    finish(&mut pair.server, None);
    assert!(pair.client.take_log()[0].ends_with(r#""content-length": "2"} None"#));
    // POST, counted; the answer chunked.
    pair.server.take_log();
    pair.ask(&head("POST", "/"), Content::Exact(2));
    body(&mut pair.client, "ab");
    finish(&mut pair.client, None);
    pair.exchange();
    assert_eq!(pair.server.take_log()[1..], ["body ab", "end"]);
    pair.respond(&status(200), Content::Unknown);
    for text in ["one", "two"] {
        body(&mut pair.server, text);
        pair.exchange();
    }
    finish(&mut pair.server, None);
    pair.exchange();
    assert_eq!(pair.client.take_log()[1..], ["body onetwo", "end"]);
    // POST, chunked, with trailers.
    pair.ask(&head("POST", "/"), Content::Unknown);
    body(&mut pair.client, "abc");
    finish(&mut pair.client, Some(&fields(&[("x-sum", "1")])));
    pair.exchange();
    let log = pair.server.take_log();
    assert_eq!(log[1..], ["body abc", r#"trailers {"x-sum": "1"}"#, "end"]);
    pair.respond(&status(204), Content::None);
    assert!(pair.client.take_log()[0].ends_with(" None"));
    // CONNECT.
    pair.ask(&head("CONNECT", "h:443"), Content::Tunnel);
    pair.respond(&status(200), Content::Tunnel);
    assert!(pair.client.take_log()[0].ends_with(" Tunnel"));
    pair.server.take_log();
    for _ in 0..2 {
        let Pair { client: from, server: to } = &mut pair;
        from.id = ExchangeId(5);
        body(from, "raw");
        finish(from, None);
        carry(from, to);
        assert_eq!(to.take_log(), ["body raw", "end"]);
        std::mem::swap(from, to);
    }
    for side in [&mut pair.client, &mut pair.server] {
        assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(Cause::TunnelEnd)));
    }
}

/// RFC 9110 §7.8: 101, then raw bytes both ways.
#[test]
fn an_upgrade_against_the_server_role() {
    let mut pair = Pair::new();
    let lines = [("host", "h"), ("connection", "upgrade"), ("upgrade", "x")];
    pair.ask(&request("GET", "/", &lines), Content::Tunnel);
    let mut early = Payload::from("early");
    let client = &mut pair.client;
    client.machine.send_body(client.id, &mut early, 9, &mut client.out).unwrap();
    assert_eq!(early.len(), 5);
    let mut head = status(101);
    head.fields = fields(&lines[1..]);
    pair.respond(&head, Content::Tunnel);
    body(&mut pair.client, "ping");
    body(&mut pair.server, "pong");
    pair.exchange();
    assert_eq!(pair.server.take_log()[1..], ["body ping"]);
    assert_eq!(pair.client.take_log()[1..], ["body pong"]);
}

/// Content that went by without being looked at is content that came.
#[test]
fn content_that_nobody_sees() {
    const CONTENT: &str = "hello world";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", CONTENT.len());
    for from in 0..=CONTENT.len() {
        for to in from..=CONTENT.len() {
            let mut side = client();
            // Twice: the connection goes on.
            for _ in 0..2 {
                ask(&mut side, &get(), Content::None);
                assert_eq!(side.machine.unseen(), 0);
                side.feed(&head);
                side.feed(&CONTENT[..from]);
                let rest = if from < CONTENT.len() { CONTENT.len() - from } else { 0 };
                assert_eq!(side.machine.unseen(), rest);
                if from < to {
                    let id = side.machine.passed_by(NOW, to - from);
                    assert_eq!(id, Some(side.id));
                    side.machine.release(side.id, to - from);
                }
                assert_eq!(side.machine.unseen(), CONTENT.len() - to);
                let rest = side.feed(&CONTENT[to..]);
                assert_eq!(rest, Rest::Paused(Why::Request));
                assert_eq!(side.machine.unseen(), 0);
                assert_eq!(side.take_log().last().unwrap(), "end");
            }
        }
    }
    // RFC 9112 §8: the end in the middle.
    let mut side = client();
    ask(&mut side, &get(), Content::None);
    side.feed(&head);
    side.machine.passed_by(NOW, CONTENT.len() - 1);
    assert_eq!(side.fin(), Rest::Fault(Reason::Incomplete));
    assert_eq!(side.machine.unseen(), 0);
}

/// Only what has a length, and nothing in between.
#[test]
fn content_that_must_be_seen() {
    for head in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe",
        "HTTP/1.1 200 OK\r\n\r\nhe",
        "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let mut side = client();
        ask(&mut side, &get(), Content::None);
        side.feed(head);
        assert_eq!((side.machine.unseen(), side.machine.passed_by(NOW, 1)), (0, None), "{head:?}");
    }
}

/// The peer has its time from what went by on, and until then it is the reader's.
#[test]
fn time_runs_for_content_that_nobody_sees_too() {
    let mut limits = Limits::default();
    limits.body_rate = 0;
    let mut side = Side::new(Http1::client(Rc::new(limits), NOW));
    ask(&mut side, &get(), Content::None);
    side.feed("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    let timeout = Limits::default().body_timeout;
    assert_eq!(side.machine.poll_timeout(), Some(NOW + timeout));
    let later = NOW + timeout / 2;
    side.machine.passed_by(later, 4);
    assert_eq!(side.machine.poll_timeout(), None);
    side.machine.release(side.id, 4);
    side.poll(later);
    assert_eq!(side.machine.poll_timeout(), Some(later + timeout));
}

#[test]
fn what_goes_out_bare() {
    for (content, is_bare) in
        [(Content::Exact(9), true), (Content::Unknown, false), (Content::None, false)]
    {
        let mut side = client();
        ask(&mut side, &get(), content);
        assert_eq!(side.machine.sends_bare(side.id), is_bare, "{content:?}");
        assert!(!side.machine.sends_bare(ExchangeId(9)));
    }
}
