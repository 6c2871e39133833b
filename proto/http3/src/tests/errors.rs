//! What RFC 9114 calls an error, and which code it asks for: on every stream, whole and cut.

use super::*;

/// The end that these bytes bring about: of the connection, or else of the stream.
fn verdict_from(ready: impl Fn() -> Side, stream: u64, bytes: &[u8], fin: bool) -> String {
    let log = everywhere_from(ready, stream, bytes, fin);
    let close = log.iter().find(|line| line.starts_with("close "));
    let of_stream = || {
        let code = |line: &&String| line.contains(" reset ") || line.contains(" stop ");
        log.iter().find(code)
    };
    close.or_else(of_stream).cloned().unwrap_or_default()
}

fn verdict(stream: u64, bytes: &[u8], fin: bool) -> String {
    verdict_from(Side::ready, stream, bytes, fin)
}

/// RFC 9114 §4.1, §7.1, §7.2, §7.2.8, §4.4.
#[test]
fn frames_on_a_request_stream() {
    let connect = headers(&[(":method", "CONNECT"), (":authority", "a:1")]);
    let trailers = headers(&[("a", "b")]);
    let settings = one(kind::SETTINGS, &[]);
    for (frames, fin, expected) in [
        (vec![get()], true, ""),
        // RFC 9114 §4.1: invalid sequences.
        (vec![data(b"a")], false, "close 105"),
        (vec![data(b"")], false, "close 105"),
        (vec![post(&[]), trailers.clone(), trailers.clone()], false, "close 105"),
        (vec![post(&[]), trailers.clone(), data(b"a")], false, "close 105"),
        (vec![post(&[]), data(b"a"), trailers.clone(), one(0x21, b"x")], true, ""),
        // RFC 9114 §4.4.
        (vec![connect.clone(), data(b"a")], true, ""),
        (vec![connect, trailers], false, "close 105"),
        // RFC 9114 §7.2.3 to §7.2.7.
        (vec![number(kind::CANCEL_PUSH, 0)], false, "close 105"),
        (vec![settings.clone()], false, "close 105"),
        (vec![post(&[]), settings], false, "close 105"),
        (vec![one(kind::PUSH_PROMISE, b"\0")], false, "close 105"),
        (vec![number(kind::GOAWAY, 0)], false, "close 105"),
        (vec![number(kind::MAX_PUSH_ID, 0)], false, "close 105"),
        (vec![one(kind::PRIORITY_UPDATE, b"\0")], false, "close 105"),
        (vec![one(kind::PRIORITY_UPDATE_OF_PUSH, b"\0")], false, "close 105"),
        // RFC 9114 §7.2.8.
        (vec![one(2, b"")], false, "close 105"),
        (vec![one(6, b"")], false, "close 105"),
        (vec![post(&[]), one(8, b"x")], false, "close 105"),
        (vec![one(9, b"")], false, "close 105"),
        // RFC 9114 §9.
        (vec![one(0x0e, b"abc"), get()], true, ""),
        // RFC 9114 §7.1: the stream ends within a frame.
        (vec![vec![1]], true, "close 106"),
        (vec![get()[..5].to_vec()], true, "close 106"),
        (vec![post(&[]), vec![0, 3]], true, "close 106"),
        (vec![post(&[]), vec![0, 3, b'a', b'b']], true, "close 106"),
        (vec![post(&[]), vec![0x21, 3]], true, "close 106"),
        (vec![post(&[]), vec![0x40]], true, "close 106"),
        // RFC 9114 §4.1: there is no request.
        (vec![], true, "0 reset 10d"),
        (vec![one(0x21, b"abc")], true, "0 reset 10d"),
    ] {
        assert_eq!(verdict(0, &frames.concat(), fin), expected, "{frames:?}");
    }
}

/// RFC 9204 §2.2, §4.5.
#[test]
fn sections_that_cannot_be_decompressed() {
    for section in [
        &b""[..],
        // The prefix alone: a section without a line, which is a head without anything.
        b"\0",
        // An index past the static table; one into a table that does not exist; a literal that is cut.
        b"\0\0\xff\x24",
        b"\0\0\x80",
        b"\0\0\x51\x05/",
    ] {
        assert_eq!(verdict(0, &one(kind::HEADERS, section), false), "close 200", "{section:?}");
        let trailers = [post(&[]), one(kind::HEADERS, section)].concat();
        assert_eq!(verdict(0, &trailers, false), "close 200", "{section:?}");
    }
}

/// RFC 9114 §4.1.2, §4.2, §4.3.
#[test]
fn malformed_requests_are_answered() {
    let with = |more: &[(&str, &str)]| headers(&[POST, more].concat());
    for (bytes, fin, status) in [
        (headers(&[]), true, Reason::PseudoField),
        (headers(&[(":method", "GET"), (":scheme", "https"), (":path", "/")]), true, Reason::Host),
        (with(&[(":status", "200")]), true, Reason::PseudoField),
        (with(&[(":method", "GET")]), true, Reason::PseudoField),
        (with(&[("a", "b"), (":path", "/")]), true, Reason::PseudoField),
        (with(&[("Upper", "x")]), true, Reason::FieldLine),
        (with(&[("a", " x")]), true, Reason::FieldLine),
        (with(&[("connection", "close")]), true, Reason::ConnectionField),
        (with(&[("transfer-encoding", "chunked")]), true, Reason::ConnectionField),
        (with(&[("te", "gzip")]), true, Reason::ConnectionField),
        (with(&[("host", "b")]), true, Reason::Host),
        (with(&[("expect", "x")]), false, Reason::Expectation),
        (with(&[("content-length", "x")]), false, Reason::ContentLength),
        ([with(&[("content-length", "1")]), data(b"ab")].concat(), false, Reason::ContentLength),
        ([with(&[("content-length", "3")]), data(b"ab")].concat(), true, Reason::ContentLength),
        (
            [with(&[("content-length", "3")]), data(b"ab"), headers(&[])].concat(),
            true,
            Reason::ContentLength,
        ),
        (
            [with(&[("content-length", "3")]), data(b"ab"), headers(&[])].concat(),
            false,
            Reason::ContentLength,
        ),
        ([post(&[]), headers(&[(":path", "/")])].concat(), true, Reason::PseudoField),
        ([post(&[]), headers(&[("A", "x")])].concat(), true, Reason::FieldLine),
    ] {
        let log = everywhere(0, &bytes, fin);
        assert!(reason(&log, status), "{status:?}: {log:?}");
        assert!(!log.iter().any(|line| line.contains("close")), "{log:?}");
        // It is answered, and then ends for that reason, if it has not ended.
        let mut side = Side::ready();
        side.come(0, &bytes, fin);
        let fault = side.turn();
        assert!(reason(&fault, status), "{fault:?}");
        let mut end = side.respond(0, 400, Content::None);
        end.extend(side.turn());
        let is_soft = status == Reason::Expectation;
        let code = if is_soft { "0 stop 100" } else { "0 stop 10e" };
        let expected = ["0 400 content-length=0", "0 fin", code];
        assert_eq!(end, expected[..if fin { 2 } else { 3 }], "{status:?}");
        assert!(side.machine.streams.is_empty());
    }
}

/// RFC 9114 §6.2.1, §7.2.4, §7.2.7, §7.2.3, §5.2; RFC 9218 §7.2.
#[test]
fn frames_on_the_control_stream() {
    let settings = one(kind::SETTINGS, &[]);
    let push = |n| number(kind::MAX_PUSH_ID, n);
    let goaway = |n| number(kind::GOAWAY, n);
    for (frames, fin, expected) in [
        (vec![settings.clone()], false, ""),
        (vec![settings.clone(), one(0x21, b"abc"), one(0x0b, b"")], false, ""),
        // RFC 9114 §6.2.1: first of all.
        (vec![goaway(0)], false, "close 10a"),
        (vec![one(0x21, b"")], false, "close 10a"),
        (vec![data(b"")], false, "close 10a"),
        // RFC 9114 §7.2.4: and once.
        (vec![settings.clone(), settings.clone()], false, "close 105"),
        (vec![one(kind::SETTINGS, &[6])], false, "close 106"),
        (vec![one(kind::SETTINGS, &[6, 1, 6, 1])], false, "close 109"),
        (vec![one(kind::SETTINGS, &[2, 1])], false, "close 109"),
        (vec![one(kind::SETTINGS, &[8, 2])], false, "close 109"),
        (vec![one(kind::SETTINGS, &[0x21; 5000])], false, "close 107"),
        (vec![settings.clone(), data(b"a")], false, "close 105"),
        (vec![settings.clone(), get()], false, "close 105"),
        (vec![settings.clone(), one(kind::PUSH_PROMISE, b"\0")], false, "close 105"),
        (vec![settings.clone(), one(2, b"")], false, "close 105"),
        (vec![settings.clone(), one(6, b"")], false, "close 105"),
        (vec![settings.clone(), one(8, b"")], false, "close 105"),
        (vec![settings.clone(), one(9, b"")], false, "close 105"),
        // RFC 9114 §7.2.7: it may grow.
        (vec![settings.clone(), push(1), push(1), push(5)], false, ""),
        (vec![settings.clone(), push(5), push(4)], false, "close 108"),
        (vec![settings.clone(), push(5), number(kind::CANCEL_PUSH, 1)], false, "close 108"),
        (vec![settings.clone(), one(kind::MAX_PUSH_ID, b"")], false, "close 106"),
        (vec![settings.clone(), one(kind::MAX_PUSH_ID, b"\0\0")], false, "close 106"),
        (vec![settings.clone(), one(kind::GOAWAY, b"\x40")], false, "close 106"),
        // RFC 9114 §5.2: of a push, and it never grows.
        (vec![settings.clone(), goaway(5), goaway(6)], false, "close 108"),
        // RFC 9218 §7.2.
        (vec![settings.clone(), one(kind::PRIORITY_UPDATE, b"\0u=1")], false, ""),
        (vec![settings.clone(), one(kind::PRIORITY_UPDATE, b"")], false, "close 106"),
        (vec![settings.clone(), one(kind::PRIORITY_UPDATE, b"\x01u=1")], false, "close 108"),
        (vec![settings.clone(), one(kind::PRIORITY_UPDATE, b"\x02u=1")], false, "close 108"),
        (vec![settings.clone(), one(kind::PRIORITY_UPDATE_OF_PUSH, b"\0u=1")], false, "close 108"),
        // RFC 9114 §6.2.1: it MUST NOT be closed.
        (vec![settings.clone()], true, "close 104"),
        (vec![settings, one(0x21, b"abc")[..3].to_vec()], true, "close 104"),
        (vec![], true, "close 104"),
    ] {
        let bytes = [vec![0], frames.concat()].concat();
        let ready = || Side::of(Http3::server, |_| ());
        assert_eq!(verdict_from(ready, CONTROL, &bytes, fin), expected, "{frames:?}");
    }
}

/// RFC 9114 §6.2, §6.2.1, §6.2.2; RFC 9204 §4.2.
#[test]
fn unidirectional_streams() {
    for (first, second, fin, expected) in [
        // It may end before its type came, and have a type that means nothing.
        (&b""[..], &b""[..], true, ""),
        (b"\x40", b"", true, ""),
        (b"\x21", b"", true, ""),
        (b"\x21abc", b"", false, "14 stop 103"),
        (b"\x52\x34", b"", true, ""),
        // A client MUST NOT push.
        (b"\x01", b"", false, "close 103"),
        // One of each.
        (b"\0", b"", false, "close 103"),
        (b"\x02", b"\x02", false, "close 103"),
        (b"\x03", b"\x03", false, "close 103"),
        (b"\x02", b"\x03", false, ""),
        // They MUST NOT be closed.
        (b"\x02", b"", true, "close 104"),
        (b"\x03", b"", true, "close 104"),
        // RFC 9204 §4.3, §4.4, §6: instructions that cannot be.
        (b"\x02\x3f\xff\xff\x7f", b"", false, "close 201"),
        (b"\x03\x80", b"", false, "close 202"),
        (b"\x03\x01", b"", false, "close 202"),
        (b"\x03\0", b"", false, "close 202"),
    ] {
        let ready = || {
            let mut side = Side::ready();
            side.feed(18, second);
            side
        };
        let log = everywhere_from(ready, 14, first, fin);
        let end = log.iter().find(|line| line.contains("close ") || line.contains(" stop "));
        assert_eq!(end.cloned().unwrap_or_default(), expected, "{first:?}");
        // What was sent away is read past, and its end is nobody's.
        let mut side = Side::ready();
        side.feed(14, b"\x21");
        assert_eq!(side.machine.wanted(14), usize::MAX);
        assert!(side.end(14, b"\0anything").is_empty());
    }
}

/// RFC 9114 §6.2.1, RFC 9204 §4.2: closed by a reset, or by asking us to close ours.
#[test]
fn critical_streams_are_not_reset() {
    for (opens, expected) in
        [(&b"\0"[..], true), (b"\x02", true), (b"\x03", true), (b"\x21", false)]
    {
        let mut side = Side::of(Http3::server, |_| ());
        side.feed(CONTROL, opens);
        side.machine.reset(CONTROL, 0);
        side.come(CONTROL, b"", false);
        assert_eq!(side.turn().contains(&"close 104".to_owned()), expected, "{opens:?}");
    }
    for (stream, expected) in [(3, true), (7, true), (11, true), (15, false)] {
        let mut side = Side::ready();
        side.machine.stopped(stream, 0);
        side.come(0, b"", false);
        assert_eq!(side.turn().contains(&"close 104".to_owned()), expected, "{stream}");
    }
}

/// RFC 9297 §2.1.
#[test]
fn datagrams_name_their_stream() {
    let mut side = Side::ready();
    side.feed(8, post(&[]));
    let mut datagram = |bytes: &[u8]| {
        let came = side.machine.datagram(bytes);
        let text = came.map(|it| it.map(|(id, data)| (id.0, data.to_vec())));
        (text.map_err(|fault| fault.scope == Scope::Connection), side.turn())
    };
    assert_eq!(datagram(b"\x02abc"), (Ok(Some((8, b"abc".to_vec()))), vec![]));
    assert_eq!(datagram(b"\x02"), (Ok(Some((8, vec![]))), vec![]));
    assert_eq!(datagram(b"\x00abc"), (Ok(None), vec![]));
    assert_eq!(datagram(b"\xcf\xff\xff\xff\xff\xff\xff\xff").0, Ok(None));
    for bad in [&b""[..], b"\x40", b"\xd0\0\0\0\0\0\0\0"] {
        let mut side = Side::ready();
        assert!(side.machine.datagram(bad).is_err());
        assert_eq!(side.turn(), ["close 33"]);
    }
    // Only while its half is open, either way.
    let mut side = Side::of(Http3::server, |_| ());
    side.machine = side.machine.with_datagrams();
    side.feed(CONTROL, [&[0][..], &one(kind::SETTINGS, b"\x33\x01")].concat());
    side.feed(0, headers(&[(":method", "CONNECT"), (":authority", "a:1")]));
    let send = |side: &mut Side| {
        side.act(|machine, out| machine.send_datagram(ExchangeId(0), b"x", out)).0
    };
    assert_eq!(send(&mut side), Ok(()));
    side.respond(0, 200, Content::Unknown);
    assert!(matches!(side.machine.datagram(b"\0abc"), Ok(Some(_))));
    let mut half = side;
    half.finish(0);
    assert_eq!(send(&mut half), Err(Misuse::NotNow));
    assert!(matches!(half.machine.datagram(b"\0abc"), Ok(Some(_))));
    let mut side = Side::ready();
    side.end(0, post(&[]));
    assert!(matches!(side.machine.datagram(b"\0abc"), Ok(None)));
}
