//! Answers.

use super::*;

fn answer(policy: &Policy, lines: &[&str]) -> Vec<String> {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields = fields(lines);
    let front = self::head("GET /api/x", &["Host: a.example"]);
    let upstream = upstream(Protocol::Http11);
    super::super::response(&mut head, &front, (&Bridge::None, upstream), policy).unwrap();
    super::lines(&head.fields)
}

/// RFC 9110 §7.6.1; RFC 7838 §3.
#[test]
fn what_is_about_the_connection_stays_behind() {
    let policy = policy()
        .set_response_field("X-Frame-Options", "DENY")
        .remove_response_field("x-powered-by");
    let got = answer(
        &policy,
        &[
            "Server: s",
            "Connection: close, x-hop",
            "X-Hop: 1",
            "Keep-Alive: 5",
            "Transfer-Encoding: chunked",
            "Alt-Svc: h3=\":443\"",
            "Upgrade: h2c",
            "X-Powered-By: x",
            "X-Frame-Options: ALLOW",
            "Via: 1.0 b",
            "ETag: \"x\"",
        ],
    );
    let expected =
        ["server: s", "via: 1.0 b", "etag: \"x\"", "via: 1.1 us", "x-frame-options: DENY"];
    assert_eq!(got, expected);
    let quiet = super::policy().keep_server(false).response_via(false);
    assert_eq!(answer(&quiet, &["Server: s", "Trailer: x"]), ["trailer: x"]);
    let names = (0..17).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields = fields(&[&format!("Connection: {names}")]);
    let front = self::head("GET /", &["Host: a"]);
    let (bridge, upstream) = (Bridge::None, upstream(Protocol::Http11));
    let result = super::super::response(&mut head, &front, (&bridge, upstream), &policy);
    assert_eq!(result, Err(BadAnswer::Fields));
}

#[test]
fn the_length_is_told_apart() {
    for (line, expected) in [
        ("Content-Length: 12", Ok(Some(12))),
        ("X-Own: 1", Ok(None)),
        ("Content-Length: 1, 1", Err(BadAnswer::Fields)),
    ] {
        let mut head = ResponseHead::new(StatusCode::OK);
        head.fields = fields(&[line]);
        let front = self::head("HEAD /", &["Host: a"]);
        let upstream = upstream(Protocol::Http2);
        let result =
            super::super::response(&mut head, &front, (&Bridge::None, upstream), &policy());
        assert_eq!(result, expected, "{line}");
        assert!(result.is_err() || !head.fields.contains("content-length"));
    }
}

#[test]
fn paths_go_the_way_back() {
    let policy = policy().response_via(false).path("/api", "/v2");
    for (came, expected) in [
        ("location: /v2/x?y#z", "location: /api/x?y#z"),
        ("location: /v2", "location: /api"),
        ("location: /v2?q", "location: /api?q"),
        ("location: /v20", "location: /v20"),
        ("location: /x?u=http://a.example/v2", "location: /x?u=http://a.example/v2"),
        ("location: http://a.example/v2/x", "location: /api/x"),
        ("location: HTTP://A.example/v2/x", "location: /api/x"),
        ("location: https://a.example/v2/x", "location: https://a.example/v2/x"),
        ("location: http://b.example/v2/x", "location: http://b.example/v2/x"),
        ("location: //a.example/v2/x", "location: //a.example/v2/x"),
        ("location: x", "location: x"),
        ("content-location: /v2/", "content-location: /api/"),
        ("set-cookie: a=b; path=/v2; Secure", "set-cookie: a=b; Path=/api; Secure"),
        ("set-cookie: a=b;PATH = /v2/x ;Secure", "set-cookie: a=b; Path=/api/x;Secure"),
        ("set-cookie: path=/v2; Path=/", "set-cookie: path=/v2; Path=/"),
        ("set-cookie: a=b", "set-cookie: a=b"),
    ] {
        assert_eq!(answer(&policy, &[came]), [expected], "{came}");
    }
    let stripped = super::policy().response_via(false).path("/api", "/");
    for (came, expected) in [
        ("location: /", "location: /api/"),
        ("location: http://a.example", "location: /api"),
        ("location: /x", "location: /api/x"),
        ("set-cookie: a=b; Path=/", "set-cookie: a=b; Path=/api"),
    ] {
        assert_eq!(answer(&stripped, &[came]), [expected], "{came}");
    }
    let added = super::policy().response_via(false).path("/", "/v2");
    assert_eq!(answer(&added, &["location: /v2"]), ["location: /"]);
    assert_eq!(answer(&added, &["set-cookie: a=b; Path=/v2"]), ["set-cookie: a=b; Path=/"]);
    // Several cookies, and what stands between them, stay in their order.
    let many =
        ["set-cookie: a=1; Path=/v2", "etag: x", "set-cookie: b=2", "set-cookie: c=3; Path=/v2/c"];
    let expected = [
        "etag: x",
        "set-cookie: b=2",
        "set-cookie: a=1; Path=/api",
        "set-cookie: c=3; Path=/api/c",
    ];
    assert_eq!(answer(&policy, &many), expected);
}

/// RFC 9110 §15.2.
#[test]
fn interim_answers_are_passed_on() {
    for (status, expected) in [(100, false), (101, false), (102, true), (103, true)] {
        let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        head.fields = fields(&["Link: </a.css>; rel=preload", "Connection: x", "X: 1"]);
        assert_eq!(super::super::interim(&mut head, &policy()), expected, "{status}");
        assert!(!expected || lines(&head.fields) == ["link: </a.css>; rel=preload"]);
    }
}
