//! The client role: what is asked, and what comes back (RFC 9114 §4.1, §5.2).

use trilane_semantics::{Fields, Method, RequestHead};

use super::*;

/// The server's control stream.
const THEIRS: u64 = 3;

fn client() -> Side {
    client_with(|_| ())
}

fn client_with(change: impl FnOnce(&mut Limits)) -> Side {
    let mut side = Side::of(Http3::client, change);
    assert_eq!(side.feed(THEIRS, hello()), ["2 settings", "14 fin"]);
    side
}

fn head(method: Method) -> RequestHead {
    RequestHead::new(method, "https://a/x").unwrap()
}

impl Side {
    /// Begins a request, and gives its stream room.
    fn ask(&mut self, head: &RequestHead, content: Content) -> (Result<u64, Misuse>, Vec<String>) {
        let (id, log) = self.act(|machine, out| machine.request(head, content, out));
        if let Ok(id) = id {
            self.machine.set_room(id.0, self.room);
        }
        (id.map(|id| id.0), log)
    }
}

fn response(status: &str, more: &[(&str, &str)]) -> Vec<u8> {
    headers(&[&[(":status", status)], more].concat())
}

/// One that has asked for something.
fn asked(method: Method, content: Content) -> Side {
    let mut side = client();
    assert_eq!(side.ask(&head(method), content).0, Ok(0));
    side
}

#[test]
fn requests_are_written() {
    let mut side = client();
    let line = ":method=GET :scheme=https :path=/x :authority=a";
    let (id, log) = side.ask(&head(Method::GET), Content::None);
    assert_eq!((id, log), (Ok(0), vec![format!("0 {line}"), "0 fin".into()]));
    let (id, log) = side.ask(&head(Method::POST), Content::Exact(5));
    let line = line.replace("GET", "POST");
    assert_eq!((id, log), (Ok(4), vec![format!("4 {line} content-length=5")]));
    assert_eq!(side.send(4, 5), (0, vec!["4 data 5".into(), "4 fin".into()]));
    assert_eq!(side.ask(&head(Method::POST), Content::Unknown).0, Ok(8));
    assert_eq!(side.send(8, 5).1, ["8 data 5"]);
    let mut trailers = Fields::new();
    trailers.append("x-sum", "1").unwrap();
    let (result, log) =
        side.act(|machine, out| machine.finish(ExchangeId(8), Some(&trailers), out));
    assert_eq!((result, log), (Ok(()), vec!["8 x-sum=1".into(), "8 fin".into()]));
    assert_eq!(side.ask(&head(Method::GET), Content::Tunnel).0, Err(Misuse::NotNow));
}

#[test]
fn what_a_response_looks_like() {
    let ok = response("200", &[]);
    for (method, bytes, fin, expected) in [
        (Method::GET, ok.clone(), true, &["0 200 None"][..]),
        (
            Method::GET,
            [ok.clone(), data(b"ab")].concat(),
            true,
            &["0 200 Unknown", "0 body ab", "0 over"],
        ),
        (
            Method::GET,
            [
                response("103", &[]),
                response("100", &[]),
                ok.clone(),
                data(b"a"),
                headers(&[("a", "b")]),
            ]
            .concat(),
            true,
            &[
                "0 interim 103",
                "0 interim 100",
                "0 200 Unknown",
                "0 body a",
                "0 trailers {\"a\": \"b\"}",
                "0 over",
            ],
        ),
        (
            Method::HEAD,
            response("200", &[("content-length", "7")]),
            true,
            &["0 200 {\"content-length\": \"7\"} None"],
        ),
        (
            Method::GET,
            response("304", &[("content-length", "7")]),
            true,
            &["0 304 {\"content-length\": \"7\"} None"],
        ),
        (
            Method::HEAD,
            [ok.clone(), data(b"a")].concat(),
            false,
            &["0 200 Exact(0)", "0 fault ContentLength", "0 stop 10e"],
        ),
        (Method::GET, response("101", &[]), false, &["0 fault StatusLine", "0 stop 10e"]),
        (Method::GET, headers(&[]), false, &["0 fault PseudoField", "0 stop 10e"]),
        (
            Method::GET,
            response("103", &[]),
            true,
            &["0 interim 103", "0 fault Incomplete", "0 stop 10e"],
        ),
        (Method::GET, vec![], true, &["0 fault Incomplete", "0 stop 10e"]),
        (
            Method::GET,
            [response("200", &[("content-length", "3")]), data(b"ab")].concat(),
            true,
            &[
                "0 200 {\"content-length\": \"3\"} Exact(3)",
                "0 body ab",
                "0 fault ContentLength",
                "0 stop 10e",
            ],
        ),
        // RFC 9114 §4.1, §7.1, §7.2.5, §7.2.8.
        (Method::GET, data(b"a"), false, &["connection fault Frame", "closed frame", "close 105"]),
        (
            Method::GET,
            one(kind::PUSH_PROMISE, b"\0"),
            false,
            &["connection fault Frame", "closed frame", "close 108"],
        ),
        (Method::GET, one(6, b""), false, &["connection fault Frame", "closed frame", "close 105"]),
        (
            Method::GET,
            ok[..2].to_vec(),
            true,
            &["connection fault FrameSize", "closed frame_size", "close 106"],
        ),
    ] {
        let log = everywhere_from(|| asked(method.clone(), Content::None), 0, &bytes, fin);
        assert_eq!(log, expected, "{method} {bytes:?}");
    }
}

/// RFC 9114 §6.1, §6.2.2, §7.2.3, §7.2.7, §5.2; RFC 9218 §7.2.
#[test]
fn what_a_server_must_not_do() {
    let ready = || Side::of(Http3::client, |_| ());
    let settings = one(kind::SETTINGS, &[]);
    for (stream, bytes, expected) in [
        (1, vec![0], "close 103"),
        (7, vec![1], "close 108"),
        (7, vec![0x21], ""),
        (3, [vec![0], number(kind::GOAWAY, 0)].concat(), "close 10a"),
        (3, [vec![0], settings.clone(), number(kind::MAX_PUSH_ID, 0)].concat(), "close 105"),
        (3, [vec![0], settings.clone(), number(kind::CANCEL_PUSH, 0)].concat(), "close 108"),
        (3, [vec![0], settings.clone(), one(kind::PRIORITY_UPDATE, b"\0")].concat(), "close 105"),
        (3, [vec![0], settings.clone(), number(kind::GOAWAY, 2)].concat(), "close 108"),
    ] {
        let log = everywhere_from(ready, stream, &bytes, false);
        let close = log.iter().find(|line| line.starts_with("close "));
        assert_eq!(close.cloned().unwrap_or_default(), expected, "{stream} {bytes:?}");
    }
    let mut side = asked(Method::GET, Content::None);
    side.feed(THEIRS, number(kind::GOAWAY, 8));
    assert!(side.feed(THEIRS, number(kind::GOAWAY, 4)).is_empty());
    assert_eq!(side.feed(THEIRS, number(kind::GOAWAY, 8))[2], "close 108");
}

/// RFC 9114 §5.2: what was not begun can be asked anew; what was is finished.
#[test]
fn goaway_leaves_out_what_is_above() {
    let mut side = client();
    for id in [0, 4, 8] {
        assert_eq!(side.ask(&head(Method::GET), Content::None).0, Ok(id));
    }
    let log = side.feed(THEIRS, number(kind::GOAWAY, 4));
    let expected =
        ["4 reset by peer 10b, undone", "8 reset by peer 10b, undone", "4 stop 10c", "8 stop 10c"];
    assert_eq!(log, expected);
    assert_eq!(side.ask(&head(Method::GET), Content::None).0, Err(Misuse::NotNow));
    assert_eq!(side.end(0, response("200", &[])), ["0 200 None", "closed peer"]);
}

/// RFC 9114 §4.1.1.
#[test]
fn resets_say_what_was_done() {
    for (code, undone) in [(0x10b, ", undone"), (0x10c, ""), (0x102, "")] {
        let mut side = asked(Method::POST, Content::Unknown);
        side.machine.reset(0, code);
        assert_eq!(
            side.feed(0, b""),
            [format!("0 reset by peer {code:x}{undone}"), "0 reset 10c".into()]
        );
    }
    // Part of it came.
    let mut side = asked(Method::GET, Content::None);
    side.feed(0, response("200", &[]));
    side.machine.reset(0, 0x10b);
    assert_eq!(side.feed(0, b""), ["0 reset by peer 10b"]);
    // Only the rest of the request is not wanted.
    let mut side = asked(Method::POST, Content::Unknown);
    side.machine.stopped(0, 0x100);
    assert!(side.feed(0, b"").is_empty());
    assert_eq!(side.send(0, 100), (0, vec![]));
    assert!(side.finish(0).is_empty());
    assert_eq!(
        side.end(0, [response("200", &[]), data(b"a")].concat()),
        ["0 200 Unknown", "0 body a", "0 over"]
    );
    assert!(side.machine.streams.is_empty());
    // We give up.
    let mut side = asked(Method::POST, Content::Unknown);
    let ((), _) = side.act(|machine, out| machine.cancel(ExchangeId(0), out));
    assert_eq!(side.turn(), ["0 reset 10c", "0 stop 10c"]);
    assert!(side.feed(0, response("200", &[])).is_empty());
}

#[test]
fn no_more_is_asked_than_is_taken() {
    let mut side = client_with(|limits| limits.streams = 2);
    let get = head(Method::GET);
    side.ask(&get, Content::None).0.unwrap();
    side.ask(&get, Content::None).0.unwrap();
    assert_eq!(side.ask(&get, Content::None).0, Err(Misuse::NotNow), "too many at once");
    side.end(0, response("200", &[]));
    assert_eq!(side.ask(&get, Content::None).0, Err(Misuse::NotNow), "the transport takes no more");
    side.machine.set_streams(1);
    assert_eq!(side.ask(&get, Content::None).0, Ok(8));
    side.end(4, response("200", &[]));
    assert_eq!(side.ask(&get, Content::None).0, Err(Misuse::NotNow));
    // RFC 9220 §3: only if the server has said so.
    let mut side = client();
    let mut connect = head(Method::CONNECT);
    connect.set_connect_protocol("websocket");
    assert_eq!(side.ask(&connect, Content::Tunnel).0, Err(Misuse::NotNow));
    let mut side = Side::of(Http3::client, |_| ());
    side.feed(THEIRS, [&[0][..], &one(kind::SETTINGS, &[8, 1])].concat());
    let (id, log) = side.ask(&connect, Content::Tunnel);
    assert_eq!(id, Ok(0));
    assert!(log[0].contains(":protocol=websocket"), "{log:?}");
    assert_eq!(side.feed(0, response("200", &[])), ["0 200 Tunnel"]);
    assert_eq!(side.send(0, 5).1, ["0 data 5"]);
    // A server asks nothing.
    let mut side = Side::ready();
    assert_eq!(side.ask(&get, Content::None).0, Err(Misuse::NotNow));
}

#[test]
fn a_client_drains_in_one_step() {
    let mut side = asked(Method::GET, Content::None);
    side.machine.drain();
    assert_eq!(side.turn(), ["2 goaway 0"]);
    assert_eq!(side.ask(&head(Method::GET), Content::None).0, Err(Misuse::NotNow));
    assert_eq!(side.end(0, response("200", &[])), ["0 200 None", "closed drain"]);
}

/// RFC 9114 §4.1: who asks for no more of a request may take its time for the answer.
#[test]
fn nobody_waits_for_room_that_is_not_used() {
    let mut side = client();
    side.room = 10;
    assert_eq!(side.ask(&head(Method::POST), Content::Exact(100)).0, Ok(0));
    assert_eq!(side.send(0, 100).0, 90);
    side.machine.stopped(0, 0x100);
    side.feed(0, b"");
    side.now = side.now + Limits::default().write_timeout;
    assert_eq!(side.machine.handle_timeout(side.now), Ok(()));
    assert_eq!(side.end(0, response("200", &[])), ["0 200 None"]);
}

/// Any number of interim responses may come before the one that is waited for.
#[test]
fn interim_responses_have_an_end() {
    let mut side = asked(Method::GET, Content::None);
    let log = side.feed(0, response("100", &[]).repeat(201));
    assert_eq!(log.iter().filter(|line| line.contains("interim")).count(), 200);
    assert_eq!(log.last().unwrap(), "close 107");
}
