//! The client role: requests as they are written, and scripted servers, whole and cut at every byte.

use trilane_semantics::{Fields, Method, Protocol};

use super::*;

/// A client to which nothing has come, with limits.
pub(super) fn fresh(change: impl FnOnce(&mut Limits)) -> Side {
    Side::of(Http2::client, change)
}

/// A client, past the prefaces.
pub(super) fn ready_with(change: impl FnOnce(&mut Limits)) -> Side {
    let mut side = fresh(change);
    let log = side.feed([0, flag::ACK].map(|flags| one(kind::SETTINGS, flags, 0, &[])).concat());
    assert_eq!(log, ["0 settings", "0 credit 983041", "0 settings ack"]);
    side
}

pub(super) fn ready() -> Side {
    ready_with(|_| ())
}

pub(super) fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut all = Fields::new();
    for (name, value) in fields {
        all.append(*name, value).unwrap();
    }
    RequestHead::with_fields(method, Protocol::Http2, all, target).unwrap()
}

/// A client that has asked for these things, as streams 1, 3, ...
pub(super) fn asked(methods: &[&str]) -> Side {
    let mut side = ready();
    for (at, method) in methods.iter().enumerate() {
        let target = if *method == "CONNECT" { "a:1" } else { "/" };
        let content = if *method == "POST" { Content::Unknown } else { Content::None };
        let (id, _) = side.ask(&head(method, target, &[("host", "a")]), content);
        assert_eq!(id, Ok(2 * at as u64 + 1));
        assert_eq!(side.turn(), [""; 0]);
    }
    side
}

/// What a client that has asked makes of frames.
pub(super) fn answered(methods: &[&str], frames: &[Vec<u8>]) -> Vec<String> {
    everywhere_from(|| asked(methods), &frames.concat())
}

fn judged(methods: &[&str], frames: &[Vec<u8>]) -> String {
    verdict_of(&answered(methods, frames))
}

pub(super) fn status(flags: u8, stream: u32, status: &str, more: &[(&str, &str)]) -> Vec<u8> {
    headers(flags, stream, &[&[(":status", status)], more].concat())
}

pub(super) fn goaway(last: u32, code: u32) -> Vec<u8> {
    one(kind::GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// RFC 9113 §8.3.1, §8.5, §8.2.2.
#[test]
fn requests_as_they_are_written() {
    let get = "1 :method=GET :scheme=http :path=/x?y :authority=h";
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Content, &'a str);
    let cases: &[Case<'_>] = &[
        ("GET", "/x?y", &[("host", "h"), ("a", "b")], Content::None, &format!("{get} a=b end")),
        ("GET", "/x?y", &[("host", "h")], Content::Unknown, get),
        (
            "GET",
            "/x?y",
            &[("host", "h")],
            Content::Exact(0),
            &format!("{get} content-length=0 end"),
        ),
        ("GET", "/x?y", &[("host", "h")], Content::Exact(7), &format!("{get} content-length=7")),
        (
            "GET",
            "/x?y",
            &[("content-length", "9"), ("host", "h")],
            Content::None,
            &format!("{get} end"),
        ),
        (
            "GET",
            "https://a:1",
            &[("host", "h")],
            Content::None,
            "1 :method=GET :scheme=https :path=/ :authority=a:1 end",
        ),
        (
            "GET",
            "https://a?q=/",
            &[],
            Content::None,
            "1 :method=GET :scheme=https :path=/?q=/ :authority=a end",
        ),
        (
            "GET",
            "http://a/x?q",
            &[],
            Content::None,
            "1 :method=GET :scheme=http :path=/x?q :authority=a end",
        ),
        (
            "OPTIONS",
            "*",
            &[("host", "h")],
            Content::None,
            "1 :method=OPTIONS :scheme=http :path=* :authority=h end",
        ),
        (
            "OPTIONS",
            "http://a",
            &[],
            Content::None,
            "1 :method=OPTIONS :scheme=http :path=* :authority=a end",
        ),
        (
            "OPTIONS",
            "http://a/",
            &[],
            Content::None,
            "1 :method=OPTIONS :scheme=http :path=/ :authority=a end",
        ),
        (
            "OPTIONS",
            "http://a/a",
            &[],
            Content::None,
            "1 :method=OPTIONS :scheme=http :path=/a :authority=a end",
        ),
        ("CONNECT", "a:1", &[("host", "h")], Content::None, "1 :method=CONNECT :authority=a:1"),
        (
            "GET",
            "/x?y",
            &[
                ("host", "h"),
                ("connection", "x"),
                ("keep-alive", "x"),
                ("te", "gzip, trailers"),
                ("upgrade", "x"),
                ("transfer-encoding", "chunked"),
                ("proxy-connection", "x"),
            ],
            Content::None,
            &format!("{get} te=trailers end"),
        ),
        ("GET", "/x?y", &[("host", "h"), ("te", "gzip")], Content::None, &format!("{get} end")),
    ];
    for (method, target, fields, content, expected) in cases {
        let (id, log) = ready().ask(&head(method, target, fields), *content);
        assert_eq!((id, log), (Ok(1), vec![(*expected).to_owned()]));
    }
    // RFC 9113 §3.4: the preface comes first, and a request need not wait for the server's.
    let (id, log) = fresh(|_| ()).ask(&head("GET", "/", &[("host", "h")]), Content::None);
    assert_eq!((id, log[0].as_str(), log.len()), (Ok(1), "0 settings", 3));
    // RFC 9113 §8.6: there is no upgrade.
    let (id, log) = ready().ask(&head("GET", "/", &[("host", "h")]), Content::Tunnel);
    assert_eq!((id, log), (Err(Misuse::NotNow), vec![]));
}

/// RFC 9113 §3.4, §6.5.2, §8.4: what a client says of itself.
#[test]
fn the_preface() {
    for (pushes, expected) in [(0, [0, 0]), (1, [1, 1]), (7, [7, 1])] {
        let mut side = fresh(|limits| limits.pushes = pushes);
        let mut out = Outbox::new();
        side.machine.flush(NOW, &mut out);
        let settings = out.single().unwrap().strip_prefix(PREFACE).unwrap();
        let said = |id: u16| {
            let all = settings[HEADER..].as_chunks::<6>().0;
            all.iter().find(|it| it[..2] == id.to_be_bytes()).map(|it| it[5])
        };
        assert_eq!([said(3), said(2)], expected.map(Some));
        assert_eq!(said(8), None, "RFC 8441 §3: it is for servers to say");
    }
}

/// RFC 9113 §8.1, §8.1.1, §8.5.
#[test]
fn responses_are_read() {
    let end = flag::END_STREAM;
    for (method, frames, expected) in [
        ("GET", vec![status(end, 1, "200", &[])], vec!["1 200 None"]),
        (
            "GET",
            vec![status(0, 1, "200", &[]), data(end, 1, b"hi")],
            vec!["1 200 Unknown", "1 body hi", "1 over"],
        ),
        (
            "GET",
            vec![
                status(0, 1, "200", &[("content-length", "2")]),
                data(0, 1, b"hi"),
                data(end, 1, b""),
            ],
            vec![r#"1 200 {"content-length": "2"} Exact(2)"#, "1 body hi", "1 over"],
        ),
        (
            "GET",
            vec![status(0, 1, "103", &[]), status(0, 1, "100", &[]), status(end, 1, "404", &[])],
            vec!["1 interim 103", "1 interim 100", "1 404 None"],
        ),
        (
            "GET",
            vec![status(0, 1, "200", &[]), data(0, 1, b"hi"), headers(end, 1, &[("a", "b")])],
            vec!["1 200 Unknown", "1 body hi", r#"1 trailers {"a": "b"}"#, "1 over"],
        ),
        (
            "HEAD",
            vec![status(end, 1, "200", &[("content-length", "9")])],
            vec![r#"1 200 {"content-length": "9"} None"#],
        ),
        (
            "HEAD",
            vec![status(0, 1, "200", &[]), data(end, 1, b"")],
            vec!["1 200 Exact(0)", "1 over"],
        ),
        (
            "GET",
            vec![status(end, 1, "304", &[("content-length", "9")])],
            vec![r#"1 304 {"content-length": "9"} None"#],
        ),
        (
            "GET",
            vec![status(0, 1, "204", &[]), headers(end, 1, &[])],
            vec!["1 204 Exact(0)", "1 over"],
        ),
        (
            "CONNECT",
            vec![
                status(0, 1, "200", &[("content-length", "9")]),
                data(0, 1, b"hi"),
                data(end, 1, b""),
            ],
            vec![r#"1 200 {"content-length": "9"} Tunnel"#, "1 body hi", "1 over"],
        ),
        ("CONNECT", vec![status(end, 1, "200", &[])], vec!["1 200 Tunnel", "1 over"]),
        // What was asked for and refused is ended by us.
        ("CONNECT", vec![status(end, 1, "403", &[])], vec!["1 403 None", "1 reset 8"]),
        (
            "CONNECT",
            vec![status(0, 1, "403", &[]), data(end, 1, b"no")],
            vec!["1 403 Unknown", "1 body no", "1 over", "1 reset 8"],
        ),
        // The request goes on.
        ("POST", vec![status(end, 1, "200", &[])], vec!["1 200 None"]),
        (
            "POST",
            vec![status(end, 1, "200", &[]), number(kind::RST_STREAM, 1, 0)],
            vec!["1 200 None", "1 reset by peer 0"],
        ),
    ] {
        assert_eq!(answered(&[method], &frames), expected, "{method} {frames:?}");
    }
    // In any order, and beside each other.
    let frames = [
        status(0, 3, "200", &[]),
        status(0, 1, "404", &[]),
        data(end, 3, b"b"),
        data(end, 1, b"a"),
    ];
    let log = answered(&["GET", "GET"], &frames);
    assert_eq!(log, ["3 200 Unknown", "1 404 Unknown", "3 body b", "3 over", "1 body a", "1 over"]);
}

/// RFC 9113 §8.1.1: malformed responses are errors of their streams. The caller hears why, and the connection goes on.
#[test]
fn malformed_responses_end_their_streams() {
    let end = flag::END_STREAM;
    let ok = |more: &[(&str, &str)]| status(0, 1, "200", more);
    let line = |name: &'static str, value: &'static str| vec![ok(&[(name, value)])];
    for (frames, reason) in [
        (vec![headers(end, 1, &[("a", "b")])], Reason::PseudoField),
        (vec![headers(end, 1, &[])], Reason::PseudoField),
        (vec![headers(end, 1, &[(":status", "200"), (":status", "200")])], Reason::PseudoField),
        (vec![headers(end, 1, &[("a", "b"), (":status", "200")])], Reason::PseudoField),
        (vec![ok(&[(":path", "/")])], Reason::PseudoField),
        (vec![status(end, 1, "20", &[])], Reason::StatusLine),
        (vec![status(end, 1, "101", &[])], Reason::StatusLine),
        (vec![status(end, 1, "abc", &[])], Reason::StatusLine),
        (line("connection", "close"), Reason::ConnectionField),
        (line("transfer-encoding", "chunked"), Reason::ConnectionField),
        (line("te", "trailers"), Reason::ConnectionField),
        (line("A", "b"), Reason::FieldLine),
        (line("a", "b\n"), Reason::FieldLine),
        (vec![status(end, 1, "100", &[])], Reason::Frame),
        (vec![status(end, 1, "103", &[])], Reason::Frame),
        // Content before a head, and after interim ones.
        (vec![data(0, 1, b"x")], Reason::Frame),
        (vec![status(0, 1, "103", &[]), data(end, 1, b"x")], Reason::Frame),
        // Content that is not as long as it should be.
        (vec![status(end, 1, "200", &[("content-length", "1")])], Reason::ContentLength),
        (vec![ok(&[("content-length", "x")])], Reason::ContentLength),
        (vec![ok(&[("content-length", "1")]), data(end, 1, b"")], Reason::ContentLength),
        (vec![ok(&[("content-length", "1")]), data(0, 1, b"xx")], Reason::ContentLength),
        (vec![ok(&[("content-length", "1")]), headers(end, 1, &[])], Reason::ContentLength),
        (vec![status(0, 1, "204", &[]), data(0, 1, b"x")], Reason::ContentLength),
        // Trailers that do not end, and that are none.
        (vec![ok(&[]), headers(0, 1, &[("a", "b")])], Reason::Frame),
        (vec![ok(&[]), headers(end, 1, &[(":status", "200")])], Reason::PseudoField),
        (vec![ok(&[]), headers(end, 1, &[("upgrade", "x")])], Reason::ConnectionField),
        // RFC 9113 §5.3.1.
        (
            vec![one(
                kind::HEADERS,
                end | 4 | flag::PRIORITY,
                1,
                &[&[0, 0, 0, 1, 0], &block(&[(":status", "200")])[..]].concat(),
            )],
            Reason::Frame,
        ),
        // RFC 9113 §6.9.
        (vec![number(kind::WINDOW_UPDATE, 1, 0)], Reason::Frame),
        (vec![one(kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 0])], Reason::Frame),
    ] {
        let after = [frames.concat(), status(end, 3, "204", &[])];
        let log = answered(&["GET", "GET"], &after);
        let count = log.len();
        assert!(log[..count - 2].last().unwrap() == &format!("1 fault {reason:?}"), "{log:?}");
        assert_eq!(log[count - 2..], ["3 204 None", "1 reset 1"], "{reason:?}");
    }
    let log =
        answered(&["HEAD"], &[status(0, 1, "200", &[("content-length", "1")]), data(0, 1, b"x")]);
    assert_eq!(log[1..], ["1 fault ContentLength", "1 reset 1"]);
    // In a tunnel there is DATA only (RFC 9113 §8.5).
    let log = answered(&["CONNECT"], &[status(0, 1, "200", &[]), headers(0, 1, &[("a", "b")])]);
    assert_eq!(log[1..], ["1 fault Frame", "1 reset 1"]);
    // After the end, while the request goes on (RFC 9113 §5.1).
    for late in [data(0, 1, b"x"), headers(0, 1, &[("a", "b")])] {
        let log = answered(&["POST"], &[status(end, 1, "200", &[]), late]);
        assert_eq!(log[1..], ["1 fault StreamClosed", "1 reset 5"]);
    }
    // A window past 2^31-1 (RFC 9113 §6.9.1).
    let log = answered(&["POST"], &[number(kind::WINDOW_UPDATE, 1, i32::MAX as u32)]);
    assert_eq!(log, ["1 fault FlowControl", "1 reset 3"]);
}

/// RFC 9113 §5.4.1: what no client can go on after.
#[test]
fn a_broken_connection_ends() {
    let end = flag::END_STREAM;
    let promise = |stream: u32, promised: u32| {
        let block =
            block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
        one(
            kind::PUSH_PROMISE,
            flag::END_HEADERS,
            stream,
            &[&promised.to_be_bytes(), &block[..]].concat(),
        )
    };
    let mut early_end = status(end, 1, "200", &[]);
    early_end.extend(data(0, 1, b"x"));
    for (frames, code) in [
        // RFC 9113 §5.1.1: streams that nobody began, ours or the server's.
        (status(end, 5, "200", &[]), 1),
        (status(end, 2, "200", &[]), 1),
        (status(end, 0, "200", &[]), 1),
        (data(0, 5, b"x"), 1),
        (data(0, 2, b"x"), 1),
        (data(0, 0, b"x"), 1),
        (number(kind::RST_STREAM, 5, 8), 1),
        (number(kind::RST_STREAM, 2, 8), 1),
        (number(kind::WINDOW_UPDATE, 5, 8), 1),
        (number(kind::WINDOW_UPDATE, 2, 8), 1),
        // RFC 9113 §5.1: after the end of both halves.
        (early_end, 5),
        // RFC 9113 §8.4: a promise that was forbidden.
        (promise(1, 2), 1),
        // RFC 9113 §6.5.2, §6.9.
        (setting(2, 1), 1),
        (setting(4, i32::MAX as u32 + 1), 3),
        (setting(5, 16_383), 1),
        (number(kind::WINDOW_UPDATE, 0, 0), 1),
        (number(kind::WINDOW_UPDATE, 0, i32::MAX as u32), 3),
        (one(kind::SETTINGS, 0, 0, &[0; 5]), 6),
        (one(kind::PING, 0, 0, &[0; 7]), 6),
        (one(kind::GOAWAY, 0, 0, &[0; 7]), 6),
        (one(kind::GOAWAY, 0, 1, &[0; 8]), 1),
        (one(kind::CONTINUATION, flag::END_HEADERS, 1, &[]), 1),
        (one(kind::HEADERS, flag::END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 9),
        // RFC 9218 §7.1: it is for clients.
        (one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1, b'u']), 1),
        ([one(kind::HEADERS, 0, 1, &[]), data(0, 1, b"x")].concat(), 1),
    ] {
        assert_eq!(
            judged(&["GET", "GET"], std::slice::from_ref(&frames)),
            format!("0 goaway 0 {code}"),
            "{frames:?}"
        );
    }
    // RFC 9113 §3.4: the server's preface is SETTINGS, and no acknowledgement.
    for first in [
        status(end, 1, "200", &[]),
        one(kind::SETTINGS, flag::ACK, 0, &[]),
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
    ] {
        let log = fresh(|_| ()).feed(first);
        assert!(log.contains(&"connection fault Preface".to_owned()), "{log:?}");
    }
    let mut side = ready();
    let large = [&[0, 0x40, 1, 0, 0][..], &[0; 4]].concat();
    assert!(reason(&side.feed(large), Reason::FrameSize), "RFC 9113 §4.2");
}
