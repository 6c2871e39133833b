//! The client against servers that a test plays: what is asked, and what is made of the answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{
    Address, AskError, AskFailure, BodyError, ConnectionInfo, DialError, Error, Exchange, Frame,
    Incoming, Outgoing, Remote, Speak, TraceContext, current::enter,
};
use trilane_semantics::{
    Cause, Effect, Fields, Instant, Method, Protocol, RequestHead, ResponseHead, StatusCode,
};

use super::case::{Case, failed, response, text, whole};
use super::world::{answer, over};
use crate::{Client, Failure, RequestBuilder};

#[test]
fn what_is_asked() {
    let case = Case::with(|it| it.user_agent("us"));
    let client = &case.client;
    let tail = "accept: */*|user-agent: us|host: a";
    for (request, expected) in [
        (client.get("http://a"), format!("get /|{tail}")),
        (client.head("http://a:8080/x?y"), format!("head /x?y|{tail}:8080")),
        (
            client.get("http://u:p@a/x").query(&[("q", "a b&c"), ("r", "ä")]),
            format!("get /x?q=a+b%26c&r=%c3%a4|authorization: basic dtpw|{tail}"),
        ),
        (
            client.delete("http://a/").bearer("t"),
            format!("delete /|authorization: bearer t|{tail}"),
        ),
        (
            client.get("http://a/").header("x-own", "1").header("x-own", "2"),
            format!("get /|x-own: 1|x-own: 2|{tail}"),
        ),
        (
            client.get("http://a/").header("user-agent", "me").header("Host", "b"),
            "get /|user-agent: me|host: b|accept: */*".to_owned(),
        ),
        // What belongs to the connection is not for users to say.
        (
            client.get("http://a/").header("connection", "x").header("content-length", "7"),
            format!("get /|{tail}"),
        ),
        (client.request(Method::OPTIONS, "http://a/"), format!("options /|{tail}")),
    ] {
        let (text, body) = case.told(request);
        assert_eq!((text, whole(body)), (expected, vec![]));
    }
}

#[test]
fn what_is_sent() {
    let case = Case::new();
    let post = || case.client.post("http://a/");
    let own = post().header("content-type", "x/y").json(&[1]);
    for (request, kind, expected) in [
        (post().json(&[("a", 1)]), "content-type: application/json", r#"[["a",1]]"#),
        (own, "content-type: x/y", "[1]"),
        (post().form(&[("a", "b c")]), "content-type: application/x-www-form-urlencoded", "a=b+c"),
        (post().body("text"), "", "text"),
        (post().body(vec![b'x'; 3]), "", "xxx"),
    ] {
        let (text, body) = case.told(request);
        assert!(text.contains(kind), "{text}");
        assert_eq!(String::from_utf8(whole(body)).unwrap(), expected);
    }
    let (_, body) = case.told(post().body(Outgoing::frames(Incoming::empty()).with_length(0)));
    assert!(matches!(body, Outgoing::Stream { length: Some(0), .. }));
}

#[test]
fn what_cannot_be_asked() {
    let case = Case::new();
    let client = &case.client;
    for request in [
        client.get("nonsense"),
        client.get("ftp://a/"),
        client.get("http://a/").header("bad name", "x"),
        client.get("http://a/").header("x", "a\r\nb"),
        client.get("http://a/").bearer("a\nb"),
        client.get("http://a/").basic("a:b", None),
        client.get("http://a/").query(&7),
        client.request(Method::CONNECT, "http://a/"),
        client.get("https://a/"),
    ] {
        let error = failed(&mut case.send(request));
        assert!(error.is_builder() && !error.is_connect(), "{error}");
        assert_eq!(Error::from(error).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(case.world.dials(), 0);
    assert!(Client::builder().default_header("bad name", "").build().is_err());
}

#[test]
fn what_comes_back() {
    let case = Case::new();
    let (mut sent, _, asked) = case.ask(0, case.client.get("http://a/x#y"));
    asked.end(Ok(answer(404, &[("x-own", "1")], b"{\"a\":1}")));
    case.world.line(0).desk.offer(0, 1);
    case.world.run();
    let answered = response(&mut sent);
    assert_eq!((answered.status().as_u16(), answered.header("X-Own")), (404, Some("1")));
    assert_eq!(
        (answered.url().to_string().as_str(), answered.protocol()),
        ("http://a/x", Protocol::Http11)
    );
    assert_eq!(answered.content_length(), Some(7));
    let value: serde_json::Value = case.wait(answered.json()).unwrap();
    assert_eq!(value["a"], 1);
    let next = |content: &[u8]| {
        let mut sent = case.send(case.client.get("http://a/?secret"));
        let (_, asked) = case.world.line(0).asked();
        asked.end(Ok(answer(500, &[], content)));
        case.world.line(0).desk.offer(0, 1);
        case.world.run();
        response(&mut sent)
    };
    assert_eq!(case.wait(next(b"a\xff").text()).unwrap(), "a\u{fffd}");
    assert_eq!(&case.wait(next(b"abc").limit(3).bytes()).unwrap()[..], b"abc");
    let error = case.wait(next(b"abcd").limit(3).bytes()).unwrap_err();
    assert!(matches!(error.failure(), Failure::Body(BodyError::TooLarge)) && error.is_body());
    let error = case.wait(next(b"{").json::<u8>()).unwrap_err();
    assert!(matches!(error.failure(), Failure::Json(_)));
    let error = next(b"").error_for_status().unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    // A query is nobody's business.
    assert_eq!(error.to_string(), "http://a/: the answer is 500 Internal Server Error");
    let told = Error::from(error);
    assert_eq!(
        (told.status().as_u16(), told.code(), told.text()),
        (502, "BAD_GATEWAY", "Bad Gateway")
    );
    assert!(told.internal_text().unwrap().contains("http://a/"));
    assert_eq!(case.world.dials(), 1);
}

#[test]
fn trailers_and_interim_responses() {
    let case = Case::new();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let ear = Rc::clone(&heard);
    let request = case.client.get("http://a/").on_interim(move |head| {
        ear.borrow_mut().push(head.status.as_u16());
    });
    let (mut sent, _, asked) = case.ask(0, request);
    for status in [100, 103] {
        asked.interim(ResponseHead::new(StatusCode::from_u16(status).unwrap()));
        case.world.run();
    }
    let (writer, body) = Incoming::channel(None, u64::MAX);
    let mut answered = answer(200, &[], b"");
    answered.body = body;
    asked.end(Ok(answered));
    case.world.run();
    assert_eq!(*heard.borrow(), [100, 103]);
    let mut trailers = Fields::new();
    trailers.append("x-sum", "1").unwrap();
    writer.push(Frame::Data("ab".into()));
    writer.push(Frame::Trailers(trailers));
    writer.end(Ok(()));
    let mut answered = response(&mut sent);
    let frames = case.wait(async move {
        let mut frames = Vec::new();
        while let Some(frame) = answered.frame().await.unwrap() {
            frames.push(frame);
        }
        frames
    });
    let [Frame::Data(data), Frame::Trailers(fields)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((data.as_ref(), fields.get_str("x-sum")), (&b"ab"[..], Some("1")));
}

#[test]
fn timeouts_name_what_took_too_long() {
    let case = Case::with(|it| it.timeout(Duration::from_secs(7)));
    // No connection.
    let mut sent = case.send(case.client.get("http://a/"));
    case.world.pass(5_000);
    let error = failed(&mut sent);
    assert!(error.is_timeout() && error.is_connect());
    assert_eq!(Error::from(error).status(), StatusCode::GATEWAY_TIMEOUT);
    // No response, says the connection.
    let (mut sent, ask, asked) = case.ask(1, case.client.get("http://a/"));
    assert_eq!(ask.timeout, Duration::from_secs(60));
    asked.end(Err(AskError {
        failure: AskFailure::Timeout,
        effect: Effect::Unknown,
        is_reused: false,
        request: None,
    }));
    case.world.run();
    let error = failed(&mut sent);
    assert!(error.is_timeout() && !error.is_connect());
    // All of it; the request is given up.
    case.world.line(1).desk.offer(0, 1);
    let mut sent = case.send(case.client.get("http://a/").timeout(Duration::from_secs(1)));
    let (_, asked) = case.world.line(1).asked();
    case.world.pass(1_000);
    let error = failed(&mut sent);
    assert!(matches!(error.failure(), Failure::Timeout) && asked.is_gone());
    // Content too.
    case.world.line(1).desk.offer(0, 1);
    let mut sent = case.send(case.client.get("http://a/"));
    let (_, asked) = case.world.line(1).asked();
    let (writer, body) = Incoming::channel(None, u64::MAX);
    let mut slow = answer(200, &[], b"");
    slow.body = body;
    asked.end(Ok(slow));
    case.world.run();
    let mut text = case.world.begin(&case.shard, response(&mut sent).text());
    case.world.pass(6_999);
    assert!(over(&mut text).is_none());
    case.world.pass(1);
    assert!(over(&mut text).unwrap().unwrap_err().is_timeout());
    assert!(!writer.has_reader());
}

#[test]
fn what_nobody_waits_for_is_given_up() {
    let case = Case::new();
    let sent = case.send(case.client.get("http://a/")).abort_on_drop();
    case.world.line(0).open(Protocol::Http11, 1);
    case.world.run();
    let (_, asked) = case.world.line(0).asked();
    assert!(!asked.is_gone());
    drop(sent);
    assert!(asked.is_gone());
}

#[test]
fn places_are_other_sockets_and_protocols() {
    let case = Case::with(|it| it.unix_socket("/run/x").http2_prior_knowledge());
    let _sent = case.send(case.client.get("http://anything/"));
    let line = case.world.line(0);
    assert_eq!(line.dial.remote, Remote::Unix("/run/x".into()));
    assert_eq!(line.dial.speak, Speak::Http2);
}

#[test]
fn the_address_that_was_there_is_tried_first() {
    let to = [1, 2].map(|last| ([127, 0, 0, last], 80).into());
    let case = Case::with(|it| it.resolve("a", to));
    let ask = || case.send(case.client.get("http://a/"));
    let _first = ask();
    case.world.line(0).desk.end(DialError::Closed(Cause::Peer));
    case.world.run();
    case.world.line(1).open(Protocol::Http11, 1);
    case.world.run();
    let _second = ask();
    let tried: Vec<Remote> =
        case.world.dialed.borrow().iter().map(|line| line.dial.remote.clone()).collect();
    assert_eq!(tried, [to[0], to[1], to[1]].map(Remote::Ip));
}

#[test]
fn origins_have_bounds() {
    let case = Case::with(|it| it.origins(2).per_process(3));
    let mut sent = Vec::new();
    for number in 0..3 {
        let (kept, _, asked) =
            case.ask(number, case.client.get(format!("http://127.0.0.{number}/")));
        case.reply(number, asked, 200, &[]);
        sent.push(kept);
    }
    // The first has lost its connection, the others have theirs.
    let wanted: Vec<bool> =
        (0..3).map(|number| case.world.line(number).desk.wanted().is_some()).collect();
    assert_eq!(wanted, [true, false, false]);
}

#[test]
fn a_handlers_trace_goes_on() {
    let of = |propagates: bool, request: &dyn Fn(&Client) -> RequestBuilder| {
        let case = Case::with(|it| it.propagate(propagates));
        let mut head = RequestHead::new(Method::GET, "/").unwrap();
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        head.fields.append("traceparent", trace).unwrap();
        head.fields.append("tracestate", "a=1").unwrap();
        let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
        let exchange = Exchange::new(head, info, case.shard.clone(), Instant::default());
        exchange.note_request_id(b"the-id");
        exchange.set_trace(TraceContext::parse(trace.as_bytes()).unwrap());
        let entered = enter(Some(Rc::new(exchange)));
        let guard = case.shard.spawn(request(&case.client).send()).abort_on_drop();
        drop(entered);
        case.world.run();
        case.world.line(0).open(Protocol::Http11, 1);
        case.world.run();
        let (ask, _asked) = case.world.line(0).asked();
        drop(guard);
        text(&ask.head)
    };
    let get = |client: &Client| client.get("http://127.0.0.1/");
    let told = of(true, &get);
    assert!(told.contains("|traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{told}");
    assert!(!told.contains("00f067aa0ba902b7"), "a span of its own");
    assert!(told.contains("|tracestate: a=1|x-request-id: the-id|"), "{told}");
    let told = of(false, &get);
    assert_eq!(told, "get /|accept: */*|host: 127.0.0.1");
    let told =
        of(true, &|client| get(client).header("traceparent", "own").header("x-request-id", "own"));
    assert_eq!(told.matches("own").count(), 2);
    assert!(!told.contains("tracestate"));
}

#[test]
fn content_is_decoded() {
    let coded = |text: &[u8]| {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut to, text).unwrap();
        to.finish().unwrap()
    };
    let gzip = [("content-encoding", "gzip"), ("content-length", "1")];
    let large = coded(&[b'x'; 65 << 10]);
    for (name, fields, content, expected) in [
        ("", &gzip[..], coded(b"hello"), Ok("hello")),
        ("", &gzip, coded(b"hello")[..20].to_vec(), Err(BodyError::Coding)),
        ("", &gzip, b"nonsense".to_vec(), Err(BodyError::Coding)),
        ("", &gzip, large, Err(BodyError::TooLarge)),
        ("", &[("content-encoding", "own")], b"hello".to_vec(), Ok("hello")),
        ("", &[], b"hello".to_vec(), Ok("hello")),
        // Who says himself what he takes gets it.
        ("accept-encoding", &gzip, b"hello".to_vec(), Ok("hello")),
        ("range", &gzip, b"hello".to_vec(), Ok("hello")),
    ] {
        let case = Case::with(|it| it.decompress(true).content_limit(64 << 10));
        let mut request = case.client.get("http://a/");
        if !name.is_empty() {
            request = request.header(name, "gzip");
        }
        let (mut sent, ask, asked) = case.ask(0, request);
        let accepts = ask.head.fields.get_str("accept-encoding");
        let ours = Some("zstd, br, gzip, deflate").filter(|_| name.is_empty());
        assert_eq!(accepts.filter(|_| name != "accept-encoding"), ours);
        asked.end(Ok(answer(200, fields, &content)));
        case.world.run();
        let answered = response(&mut sent);
        let is_decoded = name.is_empty() && fields.len() == 2;
        assert_eq!(answered.header("content-encoding").is_none(), is_decoded || fields.is_empty());
        assert_eq!(answered.header("content-length").is_none(), is_decoded || fields.len() < 2);
        let mut text = case.world.begin(&case.shard, answered.text());
        let text = over(&mut text).unwrap().map_err(|error| match error.failure() {
            Failure::Body(why) => *why,
            other => panic!("{other:?}"),
        });
        assert_eq!(text.as_deref(), expected.as_ref().map(|it| *it), "{name} {fields:?}");
    }
}
