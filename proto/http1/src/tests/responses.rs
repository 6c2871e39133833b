//! What a server writes.

use trilane_semantics::{Misuse, Payload};

use super::*;

/// A server that has read this request and owes the answer.
fn asked(request: &str) -> Side {
    let mut side = Side::new(server());
    side.feed(request);
    side
}

fn get() -> Side {
    asked("GET / HTTP/1.1\r\nhost: h\r\n\r\n")
}

fn head() -> Side {
    asked("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n")
}

fn old(lines: &str) -> Side {
    asked(&format!("GET / HTTP/1.0\r\n{lines}\r\n"))
}

fn body(side: &mut Side, text: &'static str, room: usize) -> Result<usize, Misuse> {
    let mut payload = Payload::from(text);
    side.machine.send_body(side.id, &mut payload, room, &mut side.out)?;
    Ok(payload.len())
}

fn finish(side: &mut Side) -> Result<(), Misuse> {
    side.machine.finish(side.id, None, &mut side.out)
}

#[test]
fn fields_and_the_stamp() {
    let mut head = status(200);
    head.fields = fields(&[
        ("X-Own", "1"),
        ("content-length", "99"),
        ("transfer-encoding", "gzip"),
        ("connection", "x-own"),
    ]);
    let answer = get().respond(&head, Content::None);
    assert_eq!(answer, format!("HTTP/1.1 200 OK\r\n{DATE}x-own: 1\r\ncontent-length: 0\r\n\r\n"));
    head.fields = fields(&[("date", "mine"), ("server", "mine")]);
    let mut side = get();
    let stamp = Stamp::new(stamp().date(), "ours");
    side.machine.respond(side.id, &head, Content::None, &stamp, &mut side.out).unwrap();
    let answer = "HTTP/1.1 200 OK\r\ndate: mine\r\nserver: mine\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(sent(&mut side.out), answer);
    let mut side = get();
    side.machine.respond(side.id, &status(200), Content::None, &stamp, &mut side.out).unwrap();
    assert!(sent(&mut side.out).contains("\r\nserver: ours\r\n"));
}

/// RFC 9112 §4: a status line with every status.
#[test]
fn status_lines() {
    for code in (200..=999).chain([101, 103]) {
        let mut bytes = Vec::new();
        crate::encode::interim(&mut bytes, &status(code));
        let reason = status(code).status.canonical_reason().unwrap_or_default();
        assert_eq!(bytes, format!("HTTP/1.1 {code} {reason}\r\n\r\n").into_bytes());
    }
}

#[test]
fn counted_content() {
    let mut side = get();
    assert!(side.respond(&status(200), Content::Exact(5)).contains("content-length: 5\r\n"));
    assert_eq!(body(&mut side, "hello", 3), Ok(2));
    assert_eq!(body(&mut side, "lo", 9), Ok(0));
    assert_eq!(side.poll(NOW), Rest::Paused(Why::Answer));
    finish(&mut side).unwrap();
    assert_eq!(sent(&mut side.out), "hello");
    assert_eq!(side.poll(NOW), Rest::NeedInput);
    // More than promised: what fits is sent.
    let mut side = get();
    side.respond(&status(200), Content::Exact(3));
    assert_eq!(body(&mut side, "hello", 9), Err(Misuse::ContentLength));
    assert_eq!(sent(&mut side.out), "hel");
    // Less than promised: the peer sees that it was cut.
    let mut side = get();
    side.respond(&status(200), Content::Exact(3));
    assert_eq!(finish(&mut side), Err(Misuse::ContentLength));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(trilane_semantics::Cause::Aborted)));
    assert_eq!(body(&mut side, "late", 9), Ok(0));
    assert_eq!(sent(&mut side.out), "");
}

/// RFC 9112 §7.1; RFC 9110 §6.5.1: no framing, routing or authentication in trailers.
#[test]
fn chunked_content() {
    let mut side = get();
    let answer = side.respond(&status(200), Content::Unknown);
    assert!(answer.ends_with("transfer-encoding: chunked\r\n\r\n"));
    assert_eq!(body(&mut side, "", 9), Ok(0));
    assert_eq!(body(&mut side, "hello world, hello", 17), Ok(1));
    let trailers = fields(&[("x-sum", "1"), ("Content-Length", "9"), ("authorization", "x")]);
    side.machine.finish(side.id, Some(&trailers), &mut side.out).unwrap();
    assert_eq!(sent(&mut side.out), "11\r\nhello world, hell\r\n0\r\nx-sum: 1\r\n\r\n");
    assert_eq!(side.poll(NOW), Rest::NeedInput);
}

/// RFC 9110 §9.3.2: HEAD has the fields of GET and no content.
#[test]
fn answers_to_head() {
    for content in [Content::None, Content::Exact(5), Content::Unknown] {
        let expected = get().respond(&status(200), content);
        let mut side = head();
        assert_eq!(side.respond(&status(200), content), expected);
        if content != Content::None {
            assert_eq!(body(&mut side, "hello", 1), Ok(0));
        }
        finish(&mut side).unwrap();
        assert_eq!(sent(&mut side.out), "");
        assert_eq!(side.poll(NOW), Rest::NeedInput);
    }
}

/// RFC 9110 §8.6: no Content-Length in 204; §15.4.5: no content in 304; §15.3.6: nor in 205.
#[test]
fn answers_without_content() {
    for (code, framing) in [(204, ""), (304, ""), (205, "content-length: 0\r\n")] {
        for content in [Content::None, Content::Exact(5), Content::Unknown] {
            let mut side = get();
            let answer = side.respond(&status(code), content);
            assert!(answer.ends_with(&format!("{DATE}{framing}\r\n")), "{answer}");
            let _ = body(&mut side, "hello", 9);
            finish(&mut side).unwrap();
            assert_eq!(sent(&mut side.out), "");
            assert_eq!(side.poll(NOW), Rest::NeedInput);
        }
    }
}

/// RFC 9112 §9.3, §6.1: HTTP/1.0 persists on request, and never sees chunks or interim responses.
#[test]
fn answers_to_http_1_0() {
    let mut side = old("");
    assert!(side.respond(&status(200), Content::None).contains("connection: close\r\n"));
    assert_eq!(side.poll(NOW), Rest::Closed(Closed::now(trilane_semantics::Cause::LastMessage)));

    let mut side = old("connection: Keep-Alive\r\n");
    side.machine.interim(side.id, &status(103), &mut side.out).unwrap();
    assert_eq!(sent(&mut side.out), "");
    assert!(side.respond(&status(200), Content::None).contains("connection: keep-alive\r\n"));
    assert_eq!(side.poll(NOW), Rest::NeedInput);

    let mut side = old("connection: keep-alive\r\n");
    let answer = side.respond(&status(200), Content::Unknown);
    assert!(answer.ends_with("connection: close\r\n\r\n"), "{answer}");
    body(&mut side, "hello", 9).unwrap();
    finish(&mut side).unwrap();
    assert_eq!(sent(&mut side.out), "hello");
    let last = Closed::lingering(trilane_semantics::Cause::LastMessage);
    assert_eq!(side.poll(NOW), Rest::Closed(last));
}

#[test]
fn interim_answers() {
    let mut side = get();
    let mut hints = status(103);
    hints.fields = fields(&[("link", "</a>; rel=preload")]);
    for _ in 0..2 {
        side.machine.interim(side.id, &hints, &mut side.out).unwrap();
    }
    let text = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
    assert_eq!(sent(&mut side.out), text.repeat(2));
    for code in [101, 200] {
        let wrong = side.machine.interim(side.id, &status(code), &mut side.out);
        assert_eq!(wrong, Err(Misuse::Status));
    }
    let wrong = side.machine.respond(side.id, &hints, Content::None, &stamp(), &mut side.out);
    assert_eq!(wrong, Err(Misuse::Status));
    let wrong =
        side.machine.respond(side.id, &status(200), Content::Tunnel, &stamp(), &mut side.out);
    assert_eq!(wrong, Err(Misuse::Status));
    side.respond(&status(200), Content::Unknown);
    let late = side.machine.interim(side.id, &hints, &mut side.out);
    assert_eq!(late, Err(Misuse::OutOfOrder));
}

#[test]
fn misuse_sends_nothing() {
    let mut side = get();
    assert_eq!(body(&mut side, "x", 1), Err(Misuse::OutOfOrder));
    assert_eq!(finish(&mut side), Err(Misuse::OutOfOrder));
    let other = ExchangeId(side.id.0 + 1);
    let wrong = side.machine.respond(other, &status(200), Content::None, &stamp(), &mut side.out);
    assert_eq!(wrong, Err(Misuse::OutOfOrder));
    assert!(side.out.is_empty());
    side.respond(&status(200), Content::None);
    assert_eq!(finish(&mut side), Ok(()));
    let twice = side.machine.respond(side.id, &status(200), Content::None, &stamp(), &mut side.out);
    assert_eq!(twice, Err(Misuse::OutOfOrder));
    let wrong = side.machine.request(&request("GET", "/", &[]), Content::None, &mut side.out);
    assert_eq!(wrong, Err(Misuse::NotNow));
    assert!(side.out.is_empty());
}

/// RFC 9110 §15.5.22: a 426 says what to upgrade to, and that it is a connection option.
#[test]
fn upgrade_required() {
    let mut head = status(426);
    head.fields = fields(&[("upgrade", "h2c")]);
    assert!(get().respond(&head, Content::None).contains("connection: upgrade\r\n"));
    let closing = old("").respond(&head, Content::None);
    assert!(closing.contains("connection: close, upgrade\r\n"));
}
