//! Header sections, trailers, interim responses and tunnels.

use super::*;
use trilane_semantics::{Fields, Misuse};

#[test]
fn a_request_is_whole_however_it_is_cut() {
    let block = block(&[POST, &[("x-own", "1")]].concat());
    let (a, b) = block.split_at(7);
    let plain = one(kind::HEADERS, 4, 1, &block);
    // RFC 9113 §6.2: padding and priority; §6.10: more frames.
    let dressed = [&[3, 0x80, 0, 0, 0, 16][..], &block, &[0; 3]].concat();
    let dressed = one(kind::HEADERS, 0x2c, 1, &dressed);
    let several = [
        one(kind::HEADERS, 0, 1, a),
        one(kind::CONTINUATION, 0, 1, b""),
        one(kind::CONTINUATION, 4, 1, b),
    ];
    for head in [plain, dressed, several.concat()] {
        let end = headers(flag::END_STREAM, 1, &[("x-sum", "2")]);
        let log = everywhere(&[head, data(0, 1, b"abc"), end].concat());
        assert_eq!(
            log,
            ["1 POST / Unknown", "1 body abc", "1 trailers {\"x-sum\": \"2\"}", "1 over"]
        );
    }
}

/// RFC 9113 §8.1, and what is no trailer section.
#[test]
fn trailers_end_the_stream() {
    for (flags, fields, why) in [
        (0, &[("x", "1")], Reason::Frame),
        (1, &[(":path", "/")], Reason::PseudoField),
        (1, &[("connection", "x")], Reason::ConnectionField),
    ] {
        let log = everywhere(&[post(1, &[]), headers(flags, 1, fields)].concat());
        assert!(reason(&log, why), "{log:?}");
    }
    // A section without fields is an end and no more.
    let log = everywhere(&[post(1, &[]), one(kind::HEADERS, 5, 1, b"")].concat());
    assert_eq!(log, ["1 POST / Unknown", "1 over"]);
}

#[test]
fn answers_are_written_as_their_request_has_it() {
    for (method, status, content, expected) in [
        ("GET", 200, Content::Exact(3), "1 200 content-length=3"),
        ("GET", 200, Content::Unknown, "1 200"),
        ("GET", 200, Content::None, "1 200 content-length=0 end"),
        ("GET", 204, Content::Exact(3), "1 204 end"),
        ("GET", 205, Content::Exact(3), "1 205 content-length=0 end"),
        ("GET", 304, Content::Unknown, "1 304 end"),
        ("HEAD", 200, Content::Exact(3), "1 200 content-length=3 end"),
        ("HEAD", 200, Content::Unknown, "1 200 end"),
    ] {
        let mut side = Side::ready();
        let mut fields = POST.to_vec();
        fields[0].1 = method;
        side.feed(headers(flag::END_STREAM, 1, &fields));
        assert_eq!(side.respond(1, status, content), [expected], "{method} {status}");
        if expected.ends_with("end") {
            // What the handler made of it goes nowhere.
            assert_eq!(side.send(1, 3), (0, vec![]));
            assert_eq!(side.act(|it, out| it.finish(ExchangeId(1), None, out)).0, Ok(()));
        }
    }
    let mut side = Side::ready();
    side.feed(get(1));
    let head = |status: u16| ResponseHead::new(StatusCode::from_u16(status).unwrap());
    let respond = |side: &mut Side, status| {
        side.act(|it, out| {
            it.respond(ExchangeId(1), &head(status), Content::Unknown, &stamp(), out)
        })
        .0
    };
    // RFC 9113 §8.6: there is no 101.
    assert_eq!(respond(&mut side, 101), Err(Misuse::Status));
    assert_eq!(
        side.act(|it, out| it.interim(ExchangeId(1), &head(101), out)).0,
        Err(Misuse::Status)
    );
    let (_, log) = side.act(|it, out| it.interim(ExchangeId(1), &head(103), out));
    assert_eq!(log, ["1 103"]);
    assert_eq!(respond(&mut side, 200), Ok(()));
    assert_eq!(respond(&mut side, 200), Err(Misuse::OutOfOrder));
    assert_eq!(
        side.act(|it, out| it.interim(ExchangeId(1), &head(103), out)).0,
        Err(Misuse::OutOfOrder)
    );
    side.log.clear();
    let mut fields = Fields::new();
    fields.append("x-sum", "1").unwrap();
    fields.append("connection", "close").unwrap();
    let (_, log) = side.act(|it, out| it.finish(ExchangeId(1), Some(&fields), out));
    assert_eq!(log, ["1 x-sum=1 end"]);
}

/// RFC 9113 §8.1: trailers may come after content whose length was said; RFC 9110 §6.6.2: then the head announces them, or
/// END_STREAM has gone with the last byte.
#[test]
fn trailers_that_were_announced_follow_any_content() {
    let mut trailers = Fields::new();
    trailers.append("x-sum", "1").unwrap();
    let begun = |announced: bool, length| {
        let mut side = Side::ready();
        side.feed(get(1));
        let mut head = ResponseHead::new(StatusCode::OK);
        if announced {
            head.fields.append("trailer", "x-sum").unwrap();
        }
        let respond = |it: &mut Http2, out: &mut Outbox| {
            it.respond(ExchangeId(1), &head, Content::Exact(length), &stamp(), out)
        };
        assert_eq!(side.act(respond).0, Ok(()));
        side
    };
    for (announced, says, last, end) in [
        (true, Some(&trailers), "1 data 3", "1 x-sum=1 end"),
        (true, None, "1 data 3", "1 data 0 end"),
        (false, Some(&trailers), "1 data 3 end", ""),
    ] {
        let mut side = begun(announced, 20_003);
        assert_eq!(side.send(1, 20_000).1.len(), 2);
        assert_eq!(side.send(1, 3), (0, vec![last.to_owned()]));
        let (result, log) = side.act(|it, out| it.finish(ExchangeId(1), says, out));
        assert_eq!((result, log.concat()), (Ok(()), end.to_owned()));
        assert!(side.machine.streams.is_empty());
    }
    // A client's request alike.
    let mut side = Side::of(Http2::client, |_| ());
    let mut head = RequestHead::new(trilane_semantics::Method::POST, "http://a/").unwrap();
    head.fields.append("trailer", "x-sum").unwrap();
    assert_eq!(side.ask(&head, Content::Exact(3)).0, Ok(1));
    assert_eq!(side.send(1, 3), (0, vec!["1 data 3".to_owned()]));
    let (_, log) = side.act(|it, out| it.finish(ExchangeId(1), Some(&trailers), out));
    assert_eq!(log, ["1 x-sum=1 end"]);
    // The length is still what was said, at n-1, n, n+1.
    for (n, expected) in
        [(2, Err(Misuse::ContentLength)), (3, Ok(())), (4, Err(Misuse::ContentLength))]
    {
        for at_once in [true, false] {
            let mut side = begun(true, 3);
            let mut send = |n| {
                let mut body = Payload::from(vec![b'x'; n]);
                side.act(|it, out| it.send_body(ExchangeId(1), &mut body, 9, out)).0
            };
            let pieces: &[usize] = if at_once { &[n] } else { &[n - 1, 1] };
            let sent = pieces.iter().try_for_each(|&n| send(n));
            let end = |it: &mut Http2, out: &mut Outbox| it.finish(ExchangeId(1), None, out);
            assert_eq!(sent.and_then(|()| side.act(end).0), expected, "{n} {at_once}");
        }
    }
}

/// RFC 9113 §4.2, §4.3: a long section goes in frames that everybody takes.
#[test]
fn a_long_head_is_continued() {
    let mut side = Side::ready();
    side.feed(get(1));
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields.append("x-long", "\u{e9}".repeat(20_000)).unwrap();
    let mut out = Outbox::new();
    side.machine.respond(ExchangeId(1), &head, Content::None, &stamp(), &mut out).unwrap();
    let bytes = out.single().unwrap();
    let first = Frame::read(bytes).unwrap();
    assert_eq!((first.length, first.kind, first.flags), (16_384, kind::HEADERS, flag::END_STREAM));
    let second = Frame::read(&bytes[HEADER + 16_384..]).unwrap();
    assert_eq!((second.kind, second.stream), (kind::CONTINUATION, 1));
    let mut block = bytes[HEADER..HEADER + 16_384].to_vec();
    let mut rest = &bytes[HEADER + 16_384..];
    while let Some(frame) = Frame::read(rest) {
        block.extend_from_slice(&rest[HEADER..HEADER + frame.length]);
        rest = &rest[HEADER + frame.length..];
        assert_eq!(frame.has(flag::END_HEADERS), rest.is_empty());
    }
    let mut lines = 0;
    let count = |_: Field<'_>| {
        lines += 1;
        Ok::<_, ()>(())
    };
    side.decoder.decode(&block, count).unwrap();
    assert_eq!(lines, 4);
}

/// RFC 9110 §10.1.1.
#[test]
fn who_expects_100_gets_it_once() {
    let mut side = Side::ready();
    side.feed(post(1, &[("expect", "100-continue")]));
    assert_eq!(side.act(|it, out| it.proceed(ExchangeId(1), out)).1, ["1 100"]);
    assert_eq!(side.act(|it, out| it.proceed(ExchangeId(1), out)).1, [""; 0]);
    // Content has come, or is none: nobody waits.
    side.feed([post(3, &[("expect", "100-continue")]), data(0, 3, b"x")].concat());
    assert_eq!(side.act(|it, out| it.proceed(ExchangeId(3), out)).1, [""; 0]);
    let log = side.feed(post(5, &[("expect", "200-ok")]));
    assert!(reason(&log, Reason::Expectation), "{log:?}");
    side.respond(5, 417, Content::None);
    assert_eq!(side.turn(), ["5 reset 0"]);
}

/// RFC 9113 §8.5, RFC 8441.
#[test]
fn tunnels_stay_open_both_ways() {
    let connect = headers(0, 1, &[(":method", "CONNECT"), (":authority", "h:443")]);
    let extended: Vec<_> =
        [&[(":method", "CONNECT"), (":protocol", "websocket")], &POST[1..]].concat();
    let mut side = Side::ready();
    let log = side.feed([connect, headers(0, 3, &extended)].concat());
    assert_eq!(log, ["1 CONNECT h:443 Tunnel", "3 CONNECT / Tunnel"]);
    assert_eq!(side.respond(1, 200, Content::Unknown), ["1 200"]);
    assert_eq!(side.feed(data(0, 1, b"up")), ["1 body up"]);
    assert_eq!(side.send(1, 4), (0, vec!["1 data 4".to_owned()]));
    // Our half ends; the other goes on.
    assert_eq!(side.act(|it, out| it.finish(ExchangeId(1), None, out)).1, ["1 data 0 end"]);
    assert_eq!(side.feed(data(1, 1, b"more")), ["1 body more", "1 over"]);
    assert_eq!(side.machine.streams.len(), 1);
    // Refused, it is as any other answer that came early.
    assert_eq!(side.respond(3, 405, Content::None), ["3 405 content-length=0 end"]);
    assert_eq!(side.turn(), ["3 reset 0"]);
    // RFC 9113 §8.5: other frames than DATA are an error of the stream.
    side.feed(headers(0, 5, &[(":method", "CONNECT"), (":authority", "h:443")]));
    side.respond(5, 200, Content::Unknown);
    assert_eq!(side.feed(headers(1, 5, &[("x", "1")])), ["5 reset by peer 1", "5 reset 1"]);
    // RFC 8441 §5: an end that is not in order.
    side.feed(headers(0, 7, &extended));
    side.respond(7, 200, Content::Unknown);
    side.act(|it, out| it.cancel(ExchangeId(7), out));
    assert_eq!(side.turn(), ["7 reset 8"]);
}

/// Limits: too much is answered, and the connection goes on as long as its table can be kept.
#[test]
fn a_section_that_is_too_large_is_answered() {
    let long = "x".repeat(900);
    for (head, fits) in [(1099, false), (1100, true), (1101, true)] {
        let mut side = Side::ready_with(|limits| limits.head = head);
        // The pseudo-fields cost 43, 43, 38 and 43.
        let log = side.feed(post(1, &[("a", &long)]));
        let expected = if fits { "1 POST / Unknown" } else { "1 fault FieldsTooLarge" };
        assert_eq!(log, [expected], "{head}");
    }
    // A block that is longer than its section may be is not waited for (RFC 9113 §10.5.1).
    let mut side = Side::ready_with(|limits| limits.head = 100);
    let log = side.feed(
        [one(kind::HEADERS, 0, 1, &[0; 60]), one(kind::CONTINUATION, 0, 1, &[0; 41])].concat(),
    );
    assert_eq!(log, ["connection fault FieldsTooLarge", "0 goaway 1 11"]);
    assert_eq!(side.machine.refused(), Some(ExchangeId(1)));
    assert_eq!(side.respond(1, 431, Content::None), ["1 431 content-length=0 end"]);
    assert_eq!(side.turn(), ["closed fields_too_large", "1 reset 0"]);
}

/// RFC 9113 §8.1.1: a line that makes a request malformed does so each time that the table brings it again, also after it was
/// let through where nobody looked.
#[test]
fn a_bad_line_stays_bad() {
    // `a: b`, `c: \0` and `te: gzip` go into the table; the numbers of the last two are 63 and 62.
    let request = |stream, lines: &[u8]| {
        let block = [b"\x82\x87\x84\x41\x01a", lines].concat();
        one(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &block)
    };
    let mut side = Side::ready_with(|limits| limits.streams = 1);
    assert_eq!(side.feed(request(1, b"\x40\x01a\x01b")), ["1 GET / None"]);
    // It is one stream too many, so nobody looks at its lines.
    let lines = b"\x40\x01c\x01\0\x40\x02te\x04gzip";
    assert_eq!(side.feed(request(3, lines)), ["3 reset 7"]);
    side.respond(1, 204, Content::None);
    for (stream, line, reason) in
        [(5, 0xbe, "ConnectionField"), (7, 0xbe, "ConnectionField"), (9, 0xbf, "FieldLine")]
    {
        // `:authority` has moved the others by one each time.
        let line = line + (stream - 1) as u8 / 2 - 1;
        let log = side.feed(request(stream, &[line]));
        assert_eq!(log[0], format!("{stream} fault {reason}"), "{line:x}");
        side.respond(stream.into(), 400, Content::None);
    }
}

/// The same bytes are another request when the table has changed in between (RFC 7541 §2.3.3), and an error when what they name
/// has gone, or has to go first (§4.2, §6.3).
#[test]
fn the_same_block_means_what_the_table_says() {
    let request = |stream, block: &[u8]| {
        one(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, block)
    };
    let adding = |path: u8| [b"\x82\x87\x41\x01a\x44\x02/", &[path][..]].concat();
    // `:path` and `:authority` from the table.
    let again = b"\x82\x87\xbe\xbf";
    let mut side = Side::ready();
    let mut stream = 1;
    let mut ask = |side: &mut Side, block: &[u8]| {
        let log = side.feed(request(stream, block));
        side.respond(stream.into(), 204, Content::None);
        stream += 2;
        log
    };
    for path in [b'x', b'y'] {
        assert_eq!(ask(&mut side, &adding(path)).len(), 1);
        for _ in 0..4 {
            let log = ask(&mut side, again);
            assert!(log[0].ends_with(&format!("GET /{} None", path as char)), "{log:?}");
        }
    }
    // A smaller table is an empty one.
    ask(&mut side, b"\x20\x3f\xe1\x1f\x82\x87\x84\x01\x01a");
    let log = side.feed(request(99, again));
    assert_eq!(log[0], "connection fault Compression");
}

/// RFC 7541 §4.2: the smallest size is said, also where one frame says a small one and then a large one.
#[test]
fn the_smallest_table_is_told() {
    for [first, last] in [[0, 4096], [100, 8192], [4096, 100]] {
        let mut side = Side::ready();
        let both = [setting(1, first), setting(1, last)].map(|it| it[HEADER..].to_vec()).concat();
        side.feed([one(kind::SETTINGS, 0, 0, &both), get(1)].concat());
        // As the peer has it, which insists on it (RFC 9113 §4.3.1).
        for size in [first, last] {
            side.decoder.set_max_table_size(size as usize);
        }
        side.respond(1, 200, Content::None);
    }
}
