//! Server push (RFC 9113 §8.4), both ends of it.

use trilane_semantics::Method;

use super::*;

fn request(method: &str, target: &str) -> RequestHead {
    RequestHead::new(Method::from_bytes(method.as_bytes()).unwrap(), target).unwrap()
}

/// A server with a request that waits for its answer, and room for so many promises.
fn server(pushes: usize) -> Side {
    let mut side = Side::ready_with(|limits| limits.pushes = pushes);
    assert_eq!(side.feed(get(1)), ["1 GET / None"]);
    side
}

fn promise(side: &mut Side, id: u64, head: &RequestHead) -> (Result<u64, Misuse>, Vec<String>) {
    let (id, log) = side.act(|it, out| it.push(ExchangeId(id), head, out));
    (id.map(|id| id.0), log)
}

const PROMISE: &str = "1 promises 2 :method=GET :scheme=http :path=/x :authority=a";

/// RFC 9113 §6.6, §8.4.1, §8.4.2: promised, answered like others, and over.
#[test]
fn a_promise_is_made_and_kept() {
    let mut side = server(1);
    let head = request("GET", "http://a/x");
    assert_eq!(promise(&mut side, 1, &head), (Ok(2), vec![PROMISE.to_owned()]));
    assert_eq!(side.respond(1, 200, Content::None), ["1 200 content-length=0 end"]);
    assert_eq!(side.respond(2, 200, Content::Exact(3)), ["2 200 content-length=3"]);
    assert_eq!(side.send(2, 3), (0, vec!["2 data 3 end".to_owned()]));
    assert!(side.machine.streams.is_empty());
    // The request of the next promise has the next number; HEAD has no content.
    side.feed(get(3));
    let (id, _) = promise(&mut side, 3, &request("HEAD", "https://a/x"));
    assert_eq!(id, Ok(4));
    assert_eq!(side.respond(4, 200, Content::Exact(9)), ["4 200 content-length=9 end"]);
    // RFC 9113 §5.2: a promised stream has its window.
    side.feed(setting(4, 2));
    assert_eq!(promise(&mut side, 3, &head).0, Ok(6));
    side.respond(6, 200, Content::Exact(3));
    assert_eq!(side.send(6, 3), (1, vec!["6 data 2".to_owned()]));
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 6, 1)), ["6 writable"]);
    // RFC 9113 §8.4.2: the client may not want it.
    assert_eq!(side.feed(number(kind::RST_STREAM, 6, 8)), ["6 reset by peer 8"]);
}

/// RFC 9113 §3.4: our preface goes before a promise too.
#[test]
fn a_promise_can_be_the_first_thing_said() {
    let mut side = Side::new(|limits| limits.pushes = 1);
    side.input = [hello(), get(1)].concat();
    side.poll();
    side.log.clear();
    let (_, log) = promise(&mut side, 1, &request("GET", "http://a/x"));
    assert_eq!(log, ["0 settings", "0 credit 983041", "0 settings ack", PROMISE]);
}

/// RFC 9113 §6.5.2, §6.6, §8.4: when none is made.
#[test]
fn a_promise_needs_leave() {
    let head = request("GET", "http://a/x");
    let no = (Err(Misuse::NotNow), vec![]);
    // As we want them: at n-1, n, n+1, and never by default.
    for pushes in 0..3 {
        let mut side = server(pushes);
        for n in 0..=pushes {
            assert_eq!(promise(&mut side, 1, &head).0.is_ok(), n < pushes, "{n} of {pushes}");
        }
        // They do not count against the client's requests, and one that is over makes room.
        assert_eq!(side.feed(get(3)), ["3 GET / None"]);
        if pushes > 0 {
            side.respond(2, 204, Content::None);
            assert!(promise(&mut side, 1, &head).0.is_ok());
        }
    }
    // As the client wants them.
    for (said, most) in
        [(setting(3, 0), 0), (setting(3, 1), 1), (setting(2, 0), 0), (setting(2, 1), 2)]
    {
        let mut side = server(2);
        side.feed(said);
        let made = (0..3).filter(|_| promise(&mut side, 1, &head).0.is_ok()).count();
        assert_eq!(made, most);
    }
    // Only safe methods that can be cached, with an authority.
    for (method, target) in
        [("POST", "http://a/x"), ("OPTIONS", "http://a/x"), ("GET", "/x"), ("CONNECT", "a:1")]
    {
        assert_eq!(promise(&mut server(1), 1, &request(method, target)), no, "{method} {target}");
    }
    // On a request that is under way; RFC 9113 §6.6: and the client's.
    let mut side = server(3);
    assert_eq!(promise(&mut side, 3, &head), no);
    assert_eq!(promise(&mut side, 1, &head).0, Ok(2));
    assert_eq!(promise(&mut side, 2, &head), no);
    side.respond(1, 204, Content::None);
    assert_eq!(promise(&mut side, 1, &head), no);
    // RFC 9113 §5.1.1: numbers are not used twice.
    let mut side = server(3);
    side.machine.last[0] = 0x7fff_fffc;
    assert_eq!(promise(&mut side, 1, &head).0, Ok(0x7fff_fffe));
    assert_eq!(promise(&mut side, 1, &head), no);
    // RFC 9113 §6.8: nor when either side is leaving.
    let mut side = server(3);
    side.machine.drain();
    assert_eq!(promise(&mut side, 1, &head), no);
    let mut side = server(3);
    assert_eq!(promise(&mut side, 1, &head).0, Ok(2));
    assert_eq!(promise(&mut side, 1, &head).0, Ok(4));
    let goaway = one(kind::GOAWAY, 0, 0, &[0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(
        side.feed(goaway),
        ["4 reset by peer 0, undone"].map(|it| it.replace(", undone", ""))
    );
    assert_eq!(promise(&mut side, 1, &head), no);
    // A client promises nothing.
    let mut side = Side::of(Http2::client, |limits| limits.pushes = 9);
    assert_eq!(side.ask(&head, Content::None).0, Ok(1));
    assert_eq!(promise(&mut side, 1, &head), no);
}

/// RFC 9113 §5.1: what a client may send on a promised stream.
#[test]
fn a_client_sends_nothing_on_a_promised_stream() {
    let head = request("GET", "http://a/x");
    let reserved = || {
        let mut side = server(2);
        assert_eq!(promise(&mut side, 1, &head).0, Ok(2));
        side
    };
    let answered = || {
        let mut side = reserved();
        side.respond(2, 200, Content::Unknown);
        side
    };
    for (frame, expected) in [
        (data(0, 2, b"x"), "0 goaway 1 1"),
        (data(0, 4, b"x"), "0 goaway 1 1"),
        (headers(0, 2, &[("a", "b")]), "0 goaway 1 1"),
        (number(kind::RST_STREAM, 4, 8), "0 goaway 1 1"),
        (number(kind::WINDOW_UPDATE, 4, 8), "0 goaway 1 1"),
        (one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 4, b'u']), "0 goaway 1 1"),
        (one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 0, b'u']), "0 goaway 1 1"),
        (one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 2, b'u', b'=', b'1']), ""),
        (number(kind::WINDOW_UPDATE, 2, 8), ""),
        (one(kind::PRIORITY, 0, 2, &[0; 5]), ""),
        (promised(1, 2, &[]), "0 goaway 1 1"),
    ] {
        assert_eq!(verdict_of(&everywhere_from(reserved, &frame)), expected, "{frame:?}");
    }
    assert_eq!(verdict_of(&everywhere_from(answered, &data(0, 2, b"x"))), "2 reset 5");
    // To give promises up costs a client no more than other frames.
    let mut side = reserved();
    for id in (2..=800).step_by(2) {
        assert_eq!(side.feed(number(kind::RST_STREAM, id, 8)).len(), 1);
        assert_eq!(promise(&mut side, 1, &head).0, Ok(u64::from(id) + 2));
    }
}

/// A PUSH_PROMISE of a GET, with more fields.
fn promised(stream: u32, id: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    of(stream, id, &[&get, more].concat())
}

fn of(stream: u32, id: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let payload = [&id.to_be_bytes(), &block(fields)[..]].concat();
    one(kind::PUSH_PROMISE, flag::END_HEADERS, stream, &payload)
}

/// A client that takes so many promises, and has asked for something.
fn client(pushes: usize) -> Side {
    let mut side = Side::of(Http2::client, |limits| limits.pushes = pushes);
    assert_eq!(side.ask(&request("GET", "http://a/"), Content::None).0, Ok(1));
    side.feed(one(kind::SETTINGS, 0, 0, &[]));
    side
}

fn seen(pushes: usize, frames: &[Vec<u8>]) -> Vec<String> {
    everywhere_from(|| client(pushes), &frames.concat())
}

/// RFC 9113 §8.4.1, §8.4.2.
#[test]
fn a_promise_is_taken() {
    let ok = |id, flags| headers(flags, id, &[(":status", "200")]);
    let end = flag::END_STREAM;
    let frames = [promised(1, 2, &[("x", "y")]), ok(1, end), ok(2, 0), data(end, 2, b"hi")];
    let told = "1 promises 2 GET /x";
    assert_eq!(seen(1, &frames), [told, "1 200 None", "2 200 Unknown", "2 body hi", "2 over"]);
    let head =
        of(1, 2, &[(":method", "HEAD"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]);
    let length = headers(end, 2, &[(":status", "200"), ("content-length", "9")]);
    assert_eq!(seen(1, &[head, length])[1], r#"2 200 {"content-length": "9"} None"#);
    // In pieces, and with padding.
    let all = promised(1, 2, &[])[HEADER..].to_vec();
    let mut first =
        one(kind::PUSH_PROMISE, flag::PADDED, 1, &[&[3][..], &all[..7], &[0; 3]].concat());
    first.extend(one(kind::CONTINUATION, flag::END_HEADERS, 1, &all[7..]));
    assert_eq!(seen(1, &[first]), [told]);
    // Given up by either side.
    let mut side = client(1);
    side.feed(promised(1, 2, &[]));
    side.act(|it, out| it.cancel(ExchangeId(2), out));
    assert_eq!(side.turn(), ["2 reset 8"]);
    assert_eq!(side.feed(ok(2, end)), [""; 0]);
    assert_eq!(
        seen(1, &[promised(1, 2, &[]), number(kind::RST_STREAM, 2, 2)]),
        [told, "2 reset by peer 2"]
    );
    // Numbers may be left out, and are not used any more then.
    let log = seen(3, &[promised(1, 6, &[]), promised(1, 8, &[])]);
    assert_eq!(log, ["1 promises 6 GET /x", "1 promises 8 GET /x"]);
}

/// RFC 9113 §5.1.2, §6.6, §8.4: what is not taken, one stream each.
#[test]
fn a_promise_is_refused() {
    // As many as we want, at n-1, n, n+1.
    for (count, refused) in [(1, 0), (2, 0), (3, 1)] {
        let frames: Vec<_> = (1..=count).map(|n| promised(1, 2 * n, &[])).collect();
        let log = seen(2, &frames);
        assert_eq!(
            log.iter().filter(|line| line.ends_with(" reset 7")).count(),
            refused,
            "{log:?}"
        );
    }
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    for fields in [
        vec![(":method", "POST"), get[1], get[2], get[3]],
        vec![(":method", "OPTIONS"), get[1], get[2], get[3]],
        vec![(":method", "CONNECT"), (":authority", "a:1")],
        get[..3].to_vec(),
        get[1..].to_vec(),
        [&get[..], &[("content-length", "1")]].concat(),
        [&get[..], &[("connection", "x")]].concat(),
        [&get[..], &[("A", "x")]].concat(),
        [&get[..], &[(":status", "200")]].concat(),
    ] {
        // The next one is taken: the table has followed.
        let log = seen(2, &[of(1, 2, &fields), promised(1, 4, &[])]);
        assert_eq!(log, ["1 promises 4 GET /x", "2 reset 1"], "{fields:?}");
    }
    // With a request that was given up meanwhile.
    let mut side = client(1);
    side.act(|it, out| it.cancel(ExchangeId(1), out));
    side.turn();
    assert_eq!(side.feed(promised(1, 2, &[])), ["2 reset 8"]);
    // Refusing is not free.
    let mut side = client(0);
    side.machine.limits = client(1).machine.limits;
    let ends = (1..400)
        .map(|n| side.feed(promised(1, 2 * n, &[])))
        .position(|log| reason(&log, Reason::Resets));
    assert_eq!(ends, Some(200), "one is taken, and SETTINGS before them");
    // RFC 9113 §6.8: after our GOAWAY, they are ignored.
    let mut side = client(1);
    side.machine.drain();
    side.turn();
    assert_eq!(side.feed(promised(1, 2, &[])), [""; 0]);
    assert_eq!(side.feed(headers(flag::END_STREAM, 2, &[(":status", "200")])), [""; 0]);
}

/// RFC 9113 §5.1, §6.6: what ends the connection.
#[test]
fn a_promise_out_of_place() {
    let ok = |id| headers(flag::END_STREAM, id, &[(":status", "200")]);
    let promise = || promised(1, 2, &[]);
    for frames in [
        vec![promised(0, 2, &[])],
        vec![promised(3, 2, &[])],
        vec![promised(1, 0, &[])],
        vec![promised(1, 1, &[])],
        vec![promised(1, 3, &[])],
        vec![promised(2, 4, &[])],
        vec![promise(), promised(2, 4, &[])],
        vec![promise(), promise()],
        vec![promised(1, 4, &[]), promise()],
        vec![ok(1), promise()],
        // RFC 9113 §5.1: reserved (remote).
        vec![promise(), data(0, 2, b"x")],
        vec![promise(), number(kind::WINDOW_UPDATE, 2, 1)],
        vec![ok(2)],
        vec![promised(1, 4, &[]), ok(2)],
        vec![one(kind::PUSH_PROMISE, flag::PADDED | 4, 1, &[9, 0, 0, 0, 2])],
        vec![one(kind::PUSH_PROMISE, 0, 1, &[0, 0, 0, 2]), data(0, 1, b"x")],
    ] {
        let last = if frames[0] == promise() {
            2
        } else if frames[0] == promised(1, 4, &[]) {
            4
        } else {
            0
        };
        let last = if frames[0][..4] == [0, 0, 4, 5] { 2 } else { last };
        assert_eq!(verdict_of(&seen(2, &frames)), format!("0 goaway {last} 1"), "{frames:?}");
    }
    // The request goes on, but its answer is complete.
    let mut side = Side::of(Http2::client, |limits| limits.pushes = 1);
    assert_eq!(side.ask(&request("POST", "http://a/"), Content::Unknown).0, Ok(1));
    side.feed([one(kind::SETTINGS, 0, 0, &[]), ok(1)].concat());
    assert!(reason(&side.feed(promise()), Reason::Frame));
    for payload in [&[][..], &[0, 0, 0]] {
        let frame = one(kind::PUSH_PROMISE, flag::END_HEADERS, 1, payload);
        assert_eq!(verdict_of(&seen(2, &[frame])), "0 goaway 0 6");
    }
    assert_eq!(verdict_of(&seen(0, &[promise()])), "0 goaway 0 1");
}
