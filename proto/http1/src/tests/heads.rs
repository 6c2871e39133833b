//! Heads: what is accepted and what is refused, each with its section.

use super::*;

const SAME: fn(&mut Limits) = |_| ();

#[test]
fn a_request_is_read_however_it_is_cut() {
    let log = everywhere("GET /a?b HTTP/1.1\r\nHost: h\r\nX-Own:\t v \r\nEmpty:\r\n\r\n", SAME);
    let head = r#"GET /a?b HTTP/1.1 {"host": "h", "x-own": "v", "empty": ""} None"#;
    assert_eq!(log[0], head);
    assert_eq!(log[1], r#"Closed(Closed { cause: Peer, linger: No })"#);
}

/// RFC 9112 §2.2: one empty line before the request line is skipped, a second one is not.
#[test]
fn one_empty_line_is_skipped() {
    let log = everywhere(
        "\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
        SAME,
    );
    assert_eq!(log.len(), 3);
    assert_eq!(
        verdict("\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n", SAME).as_deref(),
        Some("RequestLine")
    );
    assert!(everywhere("\r\n", SAME)[0].contains("cause: Peer"));
    assert_eq!(verdict("\r", SAME).as_deref(), Some("Incomplete"));
}

#[test]
fn sixteen_pipelined_requests_are_sixteen_events() {
    let log = everywhere("GET / HTTP/1.1\r\nhost: h\r\n\r\n".repeat(16), SAME);
    assert_eq!(log.len(), 17);
}

#[test]
fn bad_heads_are_refused() {
    // (section, head, reason)
    let table: &[(&str, &str, &str)] = &[
        ("9112 2.2 bare LF", "GET / HTTP/1.1\nhost: h\r\n\r\n", "BareLineFeed"),
        ("9112 2.2 bare LF", "GET / HTTP/1.1\r\nhost: h\n\r\n", "BareLineFeed"),
        ("9112 2.2 bare LF", "GET / HTTP/1.1\r\nhost: h\r\n\n", "BareLineFeed"),
        ("9112 2.2 bare LF", "\nGET / HTTP/1.1\r\nhost: h\r\n\r\n", "BareLineFeed"),
        ("9112 2.2 bare CR", "GET / HTTP/1.1\r\nhost: h\rx: y\r\n\r\n", "BareCarriageReturn"),
        ("9112 2.2 bare CR", "GET /\r HTTP/1.1\r\nhost: h\r\n\r\n", "BareCarriageReturn"),
        ("9112 2.2 bare CR", "\rGET / HTTP/1.1\r\nhost: h\r\n\r\n", "BareCarriageReturn"),
        ("9112 2.2 bare CR", "GET / HTTP/1.1\r\nhost: h\r\r\n\r\n", "BareCarriageReturn"),
        ("9112 2.2 space first", "GET / HTTP/1.1\r\n host: h\r\n\r\n", "FoldedField"),
        ("9112 2.3 version", "GET / HTTP/2.0\r\nhost: h\r\n\r\n", "Version"),
        ("9112 2.3 version", "GET / HTTP/1.2\r\nhost: h\r\n\r\n", "Version"),
        ("9112 2.3 version", "GET / HTTP/0.9\r\n\r\n", "Version"),
        ("9112 2.3 version", "GET / http/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 2.3 version", "GET / HTTP/11\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3 no version", "GET /\r\n\r\n", "RequestLine"),
        ("9112 3 spaces", "GET  / HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3 spaces", "GET /  HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3 spaces", "GET / HTTP/1.1 \r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3 spaces", " GET / HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3 tab", "GET\t/ HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3.1 method", "G(T / HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3.2 space", "GET /a b HTTP/1.1\r\nhost: h\r\n\r\n", "RequestLine"),
        ("9112 3.2 fragment", "GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2 bytes", "GET /\u{e9} HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2 control", "GET /\u{1} HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.1 form", "GET a/b HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.2 scheme", "GET ftp://h/ HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 4.2.4 userinfo", "GET http://u@h/ HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.3 CONNECT", "CONNECT / HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.3 CONNECT", "CONNECT http://h:1/ HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 9.3.6 port", "CONNECT h HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 9.3.6 port", "CONNECT h: HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 9.3.6 port", "CONNECT [::1] HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 9.3.6 port", "CONNECT h:65536 HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9110 9.3.6 port", "CONNECT h:0 HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.3 not CONNECT", "GET h:80 HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2.4 asterisk", "GET * HTTP/1.1\r\nhost: h\r\n\r\n", "Target"),
        ("9112 3.2 Host", "GET / HTTP/1.1\r\n\r\n", "Host"),
        ("9112 3.2 Host", "GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n", "Host"),
        ("9112 3.2 Host", "GET / HTTP/1.0\r\nhost: h\r\nhost: h\r\n\r\n", "Host"),
        ("9112 3.2 Host", "GET / HTTP/1.1\r\nhost: h/x\r\n\r\n", "Host"),
        ("9112 3.2 Host", "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", "Host"),
        ("9112 3.2 Host", "GET http://h/ HTTP/1.1\r\nhost:\r\n\r\n", "Host"),
        ("9112 5.1 colon", "GET / HTTP/1.1\r\nhost : h\r\n\r\n", "FieldLine"),
        ("9112 5 colon", "GET / HTTP/1.1\r\nhost: h\r\nnothing\r\n\r\n", "FieldLine"),
        ("9110 5.1 name", "GET / HTTP/1.1\r\nhost: h\r\n: x\r\n\r\n", "FieldLine"),
        ("9110 5.1 name", "GET / HTTP/1.1\r\nhost: h\r\na(b: x\r\n\r\n", "FieldLine"),
        ("9110 5.5 NUL", "GET / HTTP/1.1\r\nhost: h\r\na: x\0\r\n\r\n", "FieldLine"),
        ("9110 5.5 control", "GET / HTTP/1.1\r\nhost: h\r\na: x\u{b}y\r\n\r\n", "FieldLine"),
        ("9110 5.5 control", "GET / HTTP/1.1\r\nhost: h\r\na: x\u{7f}\r\n\r\n", "FieldLine"),
        ("9112 5.2 fold", "GET / HTTP/1.1\r\nhost: h\r\na: x\r\n y\r\n\r\n", "FoldedField"),
        ("9112 5.2 fold", "GET / HTTP/1.1\r\nhost: h\r\na:\r\n\ty\r\n\r\n", "FoldedField"),
        ("9112 8 cut", "GET / HTTP/1.1\r\nhost: h\r\n", "Incomplete"),
        ("9110 10.1.1", "POST / HTTP/1.1\r\nhost: h\r\nexpect: tea\r\n\r\n", "Expectation"),
    ];
    for (section, head, reason) in table {
        assert_eq!(verdict(head, SAME).as_deref(), Some(*reason), "{section}: {head:?}");
    }
}

/// RFC 9112 §6.1, §6.3; RFC 9110 §8.6.
#[test]
fn ambiguous_framing_is_refused() {
    let table: &[(&str, &str)] = &[
        ("content-length: 5\r\ntransfer-encoding: chunked", "Framing"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "Framing"),
        ("transfer-encoding: chunked, chunked", "Framing"),
        ("transfer-encoding: chunked, gzip", "Framing"),
        ("transfer-encoding: ,chunked", "Framing"),
        ("transfer-encoding:", "Framing"),
        ("transfer-encoding: gzip, chunked", "TransferCoding"),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked", "TransferCoding"),
        ("transfer-encoding: gzip", "TransferCoding"),
        ("transfer-encoding: identity", "TransferCoding"),
        ("transfer-encoding: xchunked", "TransferCoding"),
        ("transfer-encoding: chunked;q=1", "TransferCoding"),
        ("content-length: +5", "Framing"),
        ("content-length: -1", "Framing"),
        ("content-length: 0x5", "Framing"),
        ("content-length: 5 5", "Framing"),
        ("content-length:", "Framing"),
        ("content-length: 5, 5", "Framing"),
        ("content-length: 5\r\ncontent-length: 5", "Framing"),
        ("content-length: 5\r\ncontent-length: 6", "Framing"),
        ("content-length: 18446744073709551616", "Framing"),
    ];
    for (lines, reason) in table {
        let head = format!("POST / HTTP/1.1\r\nhost: h\r\n{lines}\r\n\r\n");
        assert_eq!(verdict(head, SAME).as_deref(), Some(*reason), "{lines}");
    }
    // RFC 9112 §6.1: no transfer coding in HTTP/1.0.
    let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(verdict(old, SAME).as_deref(), Some("Framing"));
    let connect = "CONNECT h:1 HTTP/1.1\r\nhost: h:1\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(verdict(connect, SAME).as_deref(), Some("Framing"));
    let most = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 18446744073709551615\r\n\r\n";
    assert_eq!(verdict(most, SAME).as_deref(), Some("Incomplete"));
}

/// RFC 9112 §3.2: the forms, and the Host field that goes with them.
#[test]
fn good_heads_are_accepted() {
    for head in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost:\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nhost: other\r\n\r\n",
        "OPTIONS HTTPS://a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n",
        "BREW /pot HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\nexpect: tea\r\n\r\n",
    ] {
        assert_eq!(verdict(head, SAME), None, "{head:?}");
    }
}

#[test]
fn limits_of_a_head() {
    let head = "GET /abc HTTP/1.1\r\nhost: h\r\na: b\r\n\r\n";
    let cost = head.len() + 64;
    let too_large = Some("FieldsTooLarge".to_owned());
    for (most, expected) in [(cost - 1, &too_large), (cost, &None), (cost + 1, &None)] {
        assert_eq!(verdict(head, |limits| limits.head = most), *expected);
    }
    for (most, expected) in [(1, &too_large), (2, &None), (3, &None)] {
        assert_eq!(verdict(head, |limits| limits.field_lines = most), *expected);
    }
    let too_long = Some("TargetTooLong".to_owned());
    for (most, expected) in [(3, &too_long), (4, &None), (5, &None)] {
        assert_eq!(verdict(head, |limits| limits.target = most), *expected);
    }
}

/// More lines than are parsed without an allocation.
#[test]
fn field_lines_beyond_the_inline_ones() {
    for count in [127, 128, 129, 300] {
        let mut head = "GET / HTTP/1.1\r\nhost: h\r\n".to_owned();
        head.push_str(&"a: b\r\n".repeat(count - 1));
        head.push_str("\r\n");
        let mut side = Side::new(server_with(|limits| limits.field_lines = 300));
        assert_eq!(side.feed(&head), Rest::Paused(Why::Answer), "{count}");
        let mut side = Side::new(server());
        let fits = count <= 128;
        assert_eq!(side.feed(&head) == Rest::Paused(Why::Answer), fits, "{count}");
    }
}
