//! Flow control both ways (RFC 9113 §5.2, §6.9), and content that nobody wants.

use super::*;
use trilane_semantics::Misuse;

#[test]
fn credit_is_given_for_what_was_released() {
    let mut side = Side::ready_with(|limits| limits.stream_window = 10);
    side.releases = false;
    side.feed([post(1, &[]), data(0, 1, b"0123456789")].concat());
    assert_eq!(side.turn(), [""; 0], "nothing was released");
    let release = |side: &mut Side, n| {
        side.machine.release(ExchangeId(1), n);
        side.turn()
    };
    // The peer can send nothing more: it is told of the first byte.
    assert_eq!(release(&mut side, 1), ["1 credit 1"]);
    assert_eq!(release(&mut side, 1), [""; 0], "it has as much still");
    assert_eq!(release(&mut side, 8), ["1 credit 9"]);
    assert_eq!(release(&mut side, 8), [""; 0], "no more than there was");
}

/// RFC 9113 §6.9.3: who has not read yet that its window is small may fill the larger one. From then on the window may be
/// negative (§6.9.2), and what was released counts.
#[test]
fn a_small_window_is_kept_once_it_is_known() {
    let ack = || one(kind::SETTINGS, flag::ACK, 0, &[]);
    let begun = |n: usize| {
        let mut side = Side::new(|limits| limits.stream_window = 100);
        side.releases = false;
        side.feed([hello(), post(1, &[])].concat());
        let frames: Vec<_> = vec![b'x'; n].chunks(16_384).flat_map(|it| data(0, 1, it)).collect();
        let log = side.feed(frames);
        (side, log.last().cloned().unwrap_or_default())
    };
    for (n, fits) in [(65_534, true), (65_535, true), (65_536, false)] {
        assert_eq!(begun(n).1 != "1 reset 3", fits, "{n}");
    }
    assert_eq!(begun(1000).0.feed(ack()), [""; 0], "nothing was released");
    let (mut side, _) = begun(1000);
    side.machine.release(ExchangeId(1), 900);
    assert_eq!(side.turn(), [""; 0], "it has much still");
    // It is at -900.
    assert_eq!(side.feed(ack()), ["1 credit 900"]);
    side.machine.release(ExchangeId(1), 100);
    assert_eq!(side.turn(), ["1 credit 100"]);
    assert_eq!(side.feed(ack()), [""; 0], "another changes nothing");
    let log = side.feed([post(3, &[]), data(0, 1, &[b'x'; 101])].concat());
    assert_eq!(log.last().unwrap(), "1 reset 3");
    assert_eq!(side.feed(data(0, 3, &[b'x'; 101])).last().unwrap(), "3 reset 3");
}

/// RFC 9113 §6.9.1, at n-1, n, n+1.
#[test]
fn windows_are_not_exceeded() {
    for (n, expected) in [(9, ""), (10, ""), (11, "1 reset 3")] {
        let mut side = Side::ready_with(|limits| limits.stream_window = 10);
        side.releases = false;
        let log = side.feed([post(1, &[]), data(0, 1, &vec![b'x'; n])].concat());
        let found = log.iter().find(|line| line.ends_with("reset 3")).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{n}: {log:?}");
    }
    for (n, ends) in [(65_534, false), (65_535, false), (65_536, true)] {
        let mut side = Side::ready_with(|limits| limits.connection_window = 65_535);
        side.releases = false;
        let mut bytes = post(1, &[]);
        for piece in vec![b'x'; n].chunks(16_384) {
            bytes.extend(data(0, 1, piece));
        }
        let log = side.feed(bytes);
        assert_eq!(reason(&log, Reason::FlowControl), ends, "{n}");
    }
}

/// RFC 9113 §6.1: padding counts, and nobody needs to read it.
#[test]
fn padding_is_credited_at_once() {
    let mut side = Side::ready_with(|limits| limits.stream_window = 256);
    side.releases = false;
    let padded = data(flag::PADDED, 1, &[&[255][..], &[0; 255]].concat());
    assert_eq!(
        side.feed([post(1, &[]), padded.clone()].concat()),
        ["1 POST / Unknown", "1 credit 256"]
    );
    let log = everywhere(&[post(1, &[]), data(flag::PADDED, 1, b"\x02abc\0\0"), padded].concat());
    assert_eq!(log, ["1 POST / Unknown", "1 body abc"]);
}

/// What was not released when a stream ends is given back to the connection.
#[test]
fn no_credit_is_lost_with_a_stream() {
    let full = |id, n| {
        let mut bytes = post(id, &[]);
        vec![b'x'; n].chunks(16_384).for_each(|piece| bytes.extend(data(0, id, piece)));
        bytes
    };
    type End = fn(&mut Side) -> Vec<String>;
    let ends: [End; 3] = [
        |side| side.feed(number(kind::RST_STREAM, 1, 8)),
        |side| side.act(|it, out| it.cancel(ExchangeId(1), out)).1,
        |side| side.respond(1, 403, Content::None),
    ];
    for end in ends {
        let mut side = Side::ready_with(|limits| limits.connection_window = 65_535);
        side.releases = false;
        side.feed(full(1, 65_535));
        let mut log = end(&mut side);
        log.extend(side.turn());
        assert!(log.contains(&"0 credit 65535".to_owned()), "{log:?}");
        // And what comes for it later too.
        let log = side.feed(data(0, 1, &[0; 9]));
        assert!(!reason(&log, Reason::FlowControl));
        side.feed(full(3, 65_526));
        assert!(side.machine.closed.is_none());
    }
}

#[test]
fn content_waits_for_the_windows() {
    let mut side = Side::ready();
    // RFC 9113 §6.9.2: windows may be small from the start, and change under way.
    side.feed([setting(4, 10), get(1)].concat());
    side.respond(1, 200, Content::Exact(100));
    assert_eq!(side.send(1, 100), (90, vec!["1 data 10".to_owned()]));
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 1, 5)), ["1 writable"]);
    assert_eq!(side.send(1, 90), (85, vec!["1 data 5".to_owned()]));
    // Less than was sent already: the window is negative.
    assert_eq!(side.feed(setting(4, 0)), ["0 settings ack"]);
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 1, 9)), [""; 0]);
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 1, 2)), ["1 writable"]);
    assert_eq!(side.send(1, 85), (84, vec!["1 data 1".to_owned()]));
    assert_eq!(side.feed(setting(4, 1000)), ["1 writable", "0 settings ack"]);
    assert_eq!(side.send(1, 84), (0, vec!["1 data 84 end".to_owned()]));
    assert!(side.machine.streams.is_empty());
}

/// RFC 9113 §6.5.3: a peer relies on its settings from their acknowledgement on, so nothing that they allow goes before that: no
/// content within a larger window, and no update to a larger table.
#[test]
fn settings_are_acknowledged_before_they_are_used() {
    let poll = |side: &mut Side, bytes: &[u8]| {
        side.input = bytes.to_vec();
        side.poll();
        side.log.clear();
    };
    let mut side = Side::ready();
    let wide = [setting(4, 70_000), number(kind::WINDOW_UPDATE, 0, 9000)].concat();
    poll(&mut side, &[wide, get(1)].concat());
    let mut log = side.respond(1, 200, Content::Exact(70_000));
    log.extend(side.send(1, 70_000).1);
    assert_eq!(log[..2], ["0 settings ack", "1 200 content-length=70000"]);
    assert_eq!(side.turn(), [""; 0], "once is enough");
    // Between two pieces, and before trailers.
    side.feed([get(3), setting(4, 5)].concat());
    side.respond(3, 200, Content::Unknown);
    assert_eq!(side.send(3, 9).1, ["3 data 5"]);
    poll(&mut side, &setting(4, 70_000));
    assert_eq!(side.send(3, 4).1, ["0 settings ack", "3 data 4"]);
    poll(&mut side, &setting(1, 0));
    let mut fields = trilane_semantics::Fields::new();
    fields.append("x-sum", "1").unwrap();
    let (_, log) = side.act(|it, out| it.finish(ExchangeId(3), Some(&fields), out));
    assert_eq!(log, ["0 settings ack", "3 x-sum=1 end"]);
}

#[test]
fn the_connections_window_is_shared() {
    let mut side = Side::ready();
    side.feed([setting(4, 1 << 20), get(1), get(3)].concat());
    side.respond(1, 200, Content::Unknown);
    side.respond(3, 200, Content::Unknown);
    let (left, log) = side.send(1, 70_000);
    assert_eq!((left, log.len()), (70_000 - 65_535, 4), "in frames of 16,384: {log:?}");
    assert_eq!(side.send(3, 5), (5, vec![]));
    let opened = side.feed(number(kind::WINDOW_UPDATE, 0, 4468));
    assert_eq!(opened, ["1 writable", "3 writable"]);
    assert_eq!(side.send(1, 4465), (0, vec!["1 data 4465".to_owned()]));
    assert_eq!(side.send(3, 5), (2, vec!["3 data 3".to_owned()]));
    assert_eq!(side.feed(number(kind::WINDOW_UPDATE, 0, 2)), ["3 writable"]);
    assert_eq!(side.send(3, 2), (0, vec!["3 data 2".to_owned()]));
}

#[test]
fn content_that_breaks_its_promise() {
    let mut side = Side::ready();
    side.feed([get(1), get(3)].concat());
    side.respond(1, 200, Content::Exact(2));
    let mut body = Payload::from("abc");
    let (result, log) = side.act(|it, out| it.send_body(ExchangeId(1), &mut body, 9, out));
    assert_eq!((result, log), (Err(Misuse::ContentLength), vec!["1 data 2 end".to_owned()]));
    side.respond(3, 200, Content::Exact(2));
    let (result, _) = side.act(|it, out| it.finish(ExchangeId(3), None, out));
    assert_eq!(result, Err(Misuse::ContentLength));
    assert_eq!(side.turn(), ["3 reset 2"]);
    assert_eq!(side.act(|it, out| it.send_body(ExchangeId(9), &mut body, 9, out)).0, Ok(()));
    assert!(body.is_empty(), "nobody's content is taken and forgotten");
}

/// RFC 9113 §8.1: after an early answer NO_ERROR asks for the rest not to be sent; what is on its way harms nobody. Where only
/// a little is missing it is read and discarded: at `Limits::discard`, and at the peer's window.
#[test]
fn an_early_answer_ends_the_stream() {
    let early = |side: &mut Side, length: Option<usize>, came: usize| {
        let length = length.map(|length| length.to_string());
        let fields = length.as_deref().map(|length| [("content-length", length)]);
        let head = post(1, fields.as_ref().map_or(&[][..], |fields| &fields[..]));
        side.feed([head, data(0, 1, &vec![b'a'; came])].concat());
        assert_eq!(side.respond(1, 403, Content::None), ["1 403 content-length=0 end"]);
        side.turn()
    };
    for (missing, ends) in [(9, false), (10, false), (11, true)] {
        let mut side = Side::ready_with(|limits| limits.discard = 10);
        let log = early(&mut side, Some(missing + 1), 1);
        assert_eq!(log, if ends { vec!["1 reset 0"] } else { vec![] }, "{missing} are missing");
        let rest = [data(0, 1, b"b"), headers(1, 1, &[("x", "1")]), number(kind::RST_STREAM, 1, 8)];
        if ends {
            assert_eq!(side.feed(rest.concat()), [""; 0]);
        } else {
            assert_eq!(side.feed(data(1, 1, &vec![b'b'; missing])), [""; 0]);
        }
        assert!(side.machine.closed.is_none() && side.machine.streams.is_empty());
    }
    // It has no more credit than it had: then it must be told.
    for (n, expected) in [(9, ""), (10, "1 reset 0"), (11, "1 reset 3")] {
        let mut side = Side::ready_with(|limits| limits.stream_window = 10);
        early(&mut side, None, 0);
        assert_eq!(side.feed(data(0, 1, &vec![b'b'; n])).concat(), expected, "{n}");
    }
    // Nobody is held up by what is not read to its end.
    let mut side = Side::ready();
    side.releases = false;
    early(&mut side, None, 5);
    assert_eq!(side.machine.inflow.total(), Limits::default().connection_window as u32);
    let at = side.machine.poll_timeout().unwrap();
    assert_eq!(at.since(side.now), Limits::default().linger_timeout);
    side.now = at;
    assert_eq!(side.machine.handle_timeout(at), Ok(()));
    assert_eq!(side.turn(), ["1 reset 0"]);
    // RFC 9110 §10.1.1: who waits for us has nothing on its way.
    let mut side = Side::ready();
    side.feed(post(1, &[("expect", "100-continue")]));
    side.respond(1, 403, Content::None);
    assert_eq!(side.turn(), ["1 reset 0"]);
}

/// RFC 9113 §8.1, §8.1.1: what comes after an early answer must still be a message, and may be given up.
#[test]
fn content_that_nobody_wants_is_still_checked() {
    let five = || post(1, &[("content-length", "5")]);
    let trailers = |flags| headers(flags, 1, &[("x", "1")]);
    for (frames, expected) in [
        (vec![data(0, 1, b"abc"), data(1, 1, b"de")], ""),
        (vec![data(0, 1, b"abcde"), trailers(1)], ""),
        (vec![data(0, 1, b"abc"), number(kind::RST_STREAM, 1, 8)], ""),
        (vec![data(1, 1, b"abc")], "1 reset 1"),
        (vec![data(0, 1, b"abc"), data(0, 1, b"def")], "1 reset 1"),
        (vec![data(0, 1, b"abc"), trailers(1)], "1 reset 1"),
        (vec![data(0, 1, b"abcde"), trailers(0)], "1 reset 1"),
    ] {
        let mut side = Side::ready();
        side.feed(five());
        side.respond(1, 403, Content::None);
        let log = side.feed(frames.concat());
        assert_eq!(log.concat(), expected, "{frames:?}");
        assert!(side.machine.closed.is_none() && side.machine.streams.is_empty());
    }
    // The end of the transport does not wait for it.
    let mut side = Side::ready();
    side.feed(five());
    side.respond(1, 403, Content::None);
    side.fin = true;
    assert_eq!(side.turn(), ["closed peer"]);
}
