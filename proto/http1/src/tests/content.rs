//! Content: counted, chunked, discarded, and the Expect field.

use super::*;

const HEAD: &str = "POST / HTTP/1.1\r\nhost: h\r\n";

fn chunked(body: &str) -> String {
    format!("{HEAD}transfer-encoding: chunked\r\n\r\n{body}")
}

fn same(_: &mut Limits) {}

#[test]
fn counted_content_is_passed_on() {
    let log =
        everywhere(format!("{HEAD}content-length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n"), same);
    assert_eq!(log[0], r#"POST / HTTP/1.1 {"host": "h", "content-length": "5"} Exact(5)"#);
    assert_eq!(log[1..3], ["body hello", "end"]);
    assert_eq!(log[3], "GET / HTTP/1.0 {} None");
    let log = everywhere(format!("{HEAD}content-length: 0\r\n\r\n"), same);
    assert!(log[0].ends_with(" None"));
    // RFC 9112 §8: fewer bytes than announced.
    let cut = verdict(format!("{HEAD}content-length: 5\r\n\r\nhell"), same);
    assert_eq!(cut.as_deref(), Some("Incomplete"));
}

/// RFC 9112 §7.1, §7.1.1, §7.1.2.
#[test]
fn chunks_extensions_and_trailers() {
    let body =
        "5\r\nhello\r\n0006 ;a=\"b;c\" ; d\r\n world\r\nA\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n";
    let log = everywhere(chunked(body), same);
    assert!(log[0].ends_with(" Unknown"));
    assert_eq!(log[1..4], ["body hello world0123456789", r#"trailers {"x-sum": "1"}"#, "end"]);
    let log = everywhere(chunked("0\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n"), same);
    assert_eq!((log[1].as_str(), log.len()), ("end", 4));
}

#[test]
fn bad_chunks_are_refused() {
    for (body, reason) in [
        ("x\r\n", "Chunk"),
        ("\r\n", "Chunk"),
        (";a\r\n", "Chunk"),
        ("-1\r\n", "Chunk"),
        ("0x5\r\nhello\r\n", "Chunk"),
        (" 5\r\nhello\r\n", "Chunk"),
        ("5 \r\nhello\r\n", "Chunk"),
        ("5\nhello\r\n", "Chunk"),
        ("5;a\nhello\r\n", "Chunk"),
        ("5\rhello\r\n", "Chunk"),
        ("5;a\rb\r\nhello\r\n", "Chunk"),
        ("5;a\0\r\nhello\r\n", "Chunk"),
        ("5\r\nhelloX\n0\r\n\r\n", "Chunk"),
        ("5\r\nhello\n0\r\n\r\n", "Chunk"),
        ("5\r\nhello\rX0\r\n\r\n", "Chunk"),
        // RFC 9112 §7.1: overflow.
        ("10000000000000000\r\n", "Chunk"),
        ("ffffffffffffffff\r\n", "Incomplete"),
        ("5\r\nhell", "Incomplete"),
        ("5\r\nhello\r\n", "Incomplete"),
        ("0\r\n", "Incomplete"),
        ("0\r\na: b\r\n", "Incomplete"),
        ("0\r\n\n", "BareLineFeed"),
        ("0\r\na: b\n\r\n", "BareLineFeed"),
        ("0\r\na: b\rc\r\n\r\n", "BareCarriageReturn"),
        ("0\r\na : b\r\n\r\n", "FieldLine"),
        ("0\r\na: b\r\n c\r\n\r\n", "FoldedField"),
    ] {
        assert_eq!(verdict(chunked(body), same).as_deref(), Some(reason), "{body:?}");
    }
}

#[test]
fn limits_of_chunks_and_trailers() {
    let body = "5;abc=de\r\nhello\r\n0\r\n\r\n";
    for (most, reason) in [(7, Some("Chunk")), (8, None), (9, None)] {
        let found = verdict(chunked(body), |limits| limits.chunk_line = most);
        assert_eq!(found.as_deref(), reason, "{most}");
    }
    // RFC 9112 §7.1: leading zeros are digits too.
    let zeros = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(40));
    assert_eq!(verdict(chunked(&zeros), same), None);
    // A trailer section has the limits of a head; the head here is smaller.
    let trailer = format!("a: {}\r\n\r\n", "x".repeat(200));
    let cost = trailer.len() + 32;
    for (most, reason) in [(cost - 1, Some("FieldsTooLarge")), (cost, None), (cost + 1, None)] {
        let found = verdict(chunked(&format!("0\r\n{trailer}")), |limits| limits.head = most);
        assert_eq!(found.as_deref(), reason, "{most}");
    }
    for (most, reason) in [(2, Some("FieldsTooLarge")), (3, None), (4, None)] {
        let body = "0\r\na: b\r\nc: d\r\ne: f\r\n\r\n";
        let found = verdict(chunked(body), |limits| limits.field_lines = most);
        assert_eq!(found.as_deref(), reason, "{most}");
    }
}

/// RFC 9110 §10.1.1: 100 (Continue) once, and only if the client waits for it.
#[test]
fn expect_continue() {
    let head = format!("{HEAD}content-length: 2\r\nExpect: 100-Continue\r\n\r\n");
    let mut side = Side::new(server());
    assert_eq!(side.feed(&head), Rest::NeedInput);
    for expected in ["HTTP/1.1 100 Continue\r\n\r\n", ""] {
        side.machine.proceed(side.id, &mut side.out);
        assert_eq!(sent(&mut side.out), expected);
    }
    assert_eq!(side.feed("ab"), Rest::Paused(Why::Answer));
    let answer = side.respond(&status(200), Content::None);
    assert!(!answer.contains("connection"));
    assert_eq!(side.poll(NOW), Rest::NeedInput);

    // Content came before anybody asked.
    let mut side = Side::new(server());
    side.feed(format!("{head}a"));
    side.machine.proceed(side.id, &mut side.out);
    assert_eq!(sent(&mut side.out), "");

    // The answer came instead: nobody knows whether content follows.
    let mut side = Side::new(server());
    side.feed(&head);
    assert!(side.respond(&status(413), Content::None).contains("connection: close\r\n"));
    let Rest::Closed(closed) = side.poll(NOW) else { panic!() };
    assert_eq!(closed, Closed::lingering(trilane_semantics::Cause::LastMessage));

    // RFC 9110 §10.1.1: ignored in HTTP/1.0.
    let mut side = Side::new(server());
    side.feed("POST / HTTP/1.0\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
    side.machine.proceed(side.id, &mut side.out);
    assert_eq!(sent(&mut side.out), "");
}

#[test]
fn content_after_the_answer_is_discarded_up_to_the_limit() {
    for (length, stays) in [(9, true), (10, true), (11, false)] {
        let mut side = Side::new(server_with(|limits| limits.discard = 10));
        side.feed(format!("{HEAD}content-length: {length}\r\n\r\n"));
        side.take_log();
        assert!(!side.respond(&status(200), Content::None).contains("connection"));
        let rest = side.feed("x".repeat(length));
        assert!(side.take_log().is_empty());
        if stays {
            assert_eq!(rest, Rest::NeedInput);
            side.feed("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
            assert_eq!(side.take_log().len(), 1);
        } else {
            let last = Closed::lingering(trilane_semantics::Cause::LastMessage);
            assert_eq!(rest, Rest::Closed(last));
        }
    }
    // Trailers are discarded too.
    let mut side = Side::new(server());
    side.feed(chunked("5\r\nhe"));
    side.take_log();
    side.respond(&status(200), Content::None);
    assert_eq!(side.feed("llo\r\n0\r\na: b\r\n\r\n"), Rest::NeedInput);
    assert!(side.take_log().is_empty());
    assert_eq!(side.machine.wanted(()), usize::MAX);
}
