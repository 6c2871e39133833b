//! Requests that are made again: after a connection has ended, and where a redirect leads to.

use trilane_exchange::{AskError, AskFailure, DialError, Incoming, Outgoing, Remote};
use trilane_semantics::{Cause, Effect, Method, Protocol, StatusCode};

use super::case::{Case, failed, lost, response, text, whole};
use super::world::over;
use crate::Failure;

#[test]
fn what_is_made_again() {
    for (method, effect, expected) in [
        (Method::GET, Effect::Unknown, true),
        (Method::PUT, Effect::Unknown, true),
        (Method::DELETE, Effect::Unknown, true),
        (Method::POST, Effect::Unknown, false),
        (Method::POST, Effect::None, true),
    ] {
        let case = Case::new();
        let request = case.client.request(method.clone(), "http://a/").body("content");
        let (mut sent, _, asked) = case.ask(0, request);
        case.world.line(0).desk.end(DialError::Closed(Cause::Peer));
        asked.end(Err(lost(effect)));
        case.world.run();
        assert_eq!(case.world.dials() == 2, expected, "{method} {effect:?}");
        if !expected {
            let error = failed(&mut sent);
            assert!(matches!(error.failure(), Failure::Response(AskFailure::Connection(_))));
            continue;
        }
        case.world.line(1).open(Protocol::Http11, 1);
        case.world.run();
        let (ask, asked) = case.world.line(1).asked();
        assert_eq!(whole(ask.body), b"content");
        case.reply(1, asked, 200, &[]);
        assert_eq!(response(&mut sent).status(), StatusCode::OK);
    }
}

#[test]
fn no_more_than_so_often() {
    let case = Case::with(|it| it.retries(2));
    let mut sent = case.send(case.client.get("http://a/"));
    for number in 0..3 {
        let line = case.world.line(number);
        line.open(Protocol::Http11, 1);
        case.world.run();
        let (_, asked) = line.asked();
        line.desk.end(DialError::Closed(Cause::Peer));
        asked.end(Err(lost(Effect::Unknown)));
        case.world.run();
    }
    assert_eq!((failed(&mut sent).is_connect(), case.world.dials()), (false, 3));
    // Content that was taken is gone, unless it comes back.
    for comes_back in [false, true] {
        let case = Case::new();
        let stream = Outgoing::frames(Incoming::full("x".into()));
        let (mut sent, ask, asked) = case.ask(0, case.client.put("http://a/").body(stream));
        case.world.line(0).desk.end(DialError::Closed(Cause::Peer));
        let request = comes_back.then(|| Box::new((ask.head, ask.body)));
        asked.end(Err(AskError { request, ..lost(Effect::None) }));
        case.world.run();
        assert_eq!((case.world.dials() == 2, over(&mut sent).is_none()), (comes_back, comes_back));
    }
    // A server that resets a stream without a look at it (RFC 9113 §8.7).
    let (mut sent, _, asked) = case.ask(3, case.client.post("http://a/").body("x"));
    case.world.line(3).desk.offer(0, 1);
    asked.end(Err(AskError {
        failure: AskFailure::Reset(7),
        effect: Effect::None,
        is_reused: false,
        request: None,
    }));
    case.world.run();
    let (_, asked) = case.world.line(3).asked();
    case.reply(3, asked, 204, &[]);
    assert_eq!(response(&mut sent).status(), StatusCode::NO_CONTENT);
}

#[test]
fn redirects_are_followed() {
    for (status, method, becomes, keeps) in [
        (301, Method::POST, "get", false),
        (302, Method::PUT, "get", false),
        (303, Method::DELETE, "get", false),
        (303, Method::HEAD, "head", true),
        (301, Method::GET, "get", true),
        (307, Method::POST, "post", true),
        (308, Method::PUT, "put", true),
    ] {
        let case = Case::new();
        let request = case.client.request(method.clone(), "http://a/x").json(&1).bearer("t");
        let (mut sent, _, asked) = case.ask(0, request);
        case.reply(0, asked, status, &[("location", "../y?z#f")]);
        let (ask, asked) = case.world.line(0).asked();
        let told = text(&ask.head);
        assert!(told.starts_with(&format!("{becomes} /y?z|")), "{told}");
        assert!(told.contains("authorization: bearer t"));
        assert_eq!(told.contains("content-type"), keeps, "{status} {method}");
        assert_eq!(whole(ask.body).is_empty(), !keeps);
        case.reply(0, asked, 200, &[]);
        assert_eq!(response(&mut sent).url().to_string(), "http://a/y?z");
    }
}

#[test]
fn secrets_stay_with_their_origin() {
    let case = Case::new();
    let request = case.client.get("http://a/").bearer("t").header("cookie", "c=1");
    let request = request.header("x-request-id", "i").header("tracestate", "a=1").header("x", "y");
    let (_sent, _, asked) = case.ask(0, request);
    case.reply(0, asked, 302, &[("location", "http://u:p@b/")]);
    case.world.line(1).open(Protocol::Http11, 1);
    case.world.run();
    let (ask, _asked) = case.world.line(1).asked();
    assert_eq!(text(&ask.head), "get /|x: y|accept: */*|host: b");
}

#[test]
fn redirects_that_are_not_followed() {
    let redirected = |case: &Case, status, location: &str| {
        let number = case.world.dials();
        let (sent, _, asked) = case.ask(number, case.client.get("http://a/"));
        case.reply(number, asked, status, &[("location", location)]);
        sent
    };
    let case = Case::with(|it| it.redirects(0));
    assert_eq!(response(&mut redirected(&case, 302, "/x")).status().as_u16(), 302);
    for (status, location) in [(300, "/x"), (304, "/x"), (200, "/x")] {
        let case = Case::new();
        assert_eq!(response(&mut redirected(&case, status, location)).status().as_u16(), status);
    }
    for location in ["ftp://a/", "http://", "mailto:x"] {
        let case = Case::new();
        assert!(failed(&mut redirected(&case, 302, location)).is_redirect(), "{location}");
    }
    let case = Case::with(|it| it.redirects(3));
    let (mut sent, _, mut asked) = case.ask(0, case.client.get("http://a/0"));
    for number in 1..=3 {
        case.reply(0, asked, 302, &[("location", &format!("/{number}"))]);
        (_, asked) = case.world.line(0).asked();
    }
    case.reply(0, asked, 302, &[("location", "/4")]);
    let error = failed(&mut sent);
    assert!(error.is_redirect());
    assert_eq!(error.url().unwrap().path(), "/3");
    // Content that is gone: whoever asked may decide.
    let case = Case::new();
    let stream = Outgoing::frames(Incoming::full("x".into()));
    let (mut sent, _, asked) = case.ask(0, case.client.post("http://a/").body(stream));
    case.reply(0, asked, 307, &[("location", "/x")]);
    assert_eq!(response(&mut sent).status().as_u16(), 307);
}

#[test]
fn tls_has_a_name_and_is_not_left() {
    let connector = trilane_exchange::Connector::new(std::sync::Arc::new(()));
    let own = connector.clone();
    for allows in [false, true] {
        let connector = own.clone();
        let case = Case::with(|it| {
            let it = it.tls(connector).resolve("a.example", [([127, 0, 0, 2], 0).into()]);
            if allows { it.allow_downgrade() } else { it }
        });
        let mut sent = case.send(case.client.get("https://A.example/x"));
        let line = case.world.line(0);
        assert_eq!(line.dial.remote, Remote::Ip(([127, 0, 0, 2], 443).into()));
        assert_eq!(line.dial.tls.as_ref().map(|(_, name)| &**name), Some("a.example"));
        line.open(Protocol::Http2, 10);
        case.world.run();
        let (ask, asked) = line.asked();
        // Else it would be `http` over HTTP/2.
        assert_eq!(ask.head.target(), "https://a.example/x");
        case.reply(0, asked, 302, &[("location", "http://127.0.0.1/")]);
        match allows {
            false => assert!(failed(&mut sent).is_redirect()),
            true => assert!(case.world.line(1).dial.tls.is_none()),
        }
    }
}
