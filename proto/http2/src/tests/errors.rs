//! What a peer must not do: RFC 9113's errors of streams and of connections, each row citing its section.

use super::*;

const PROTOCOL: &str = "0 goaway 0 1";

fn goaway(last: u32, code: u32) -> String {
    format!("0 goaway {last} {code}")
}

fn reset(id: u32, code: u32) -> String {
    format!("{id} reset {code}")
}

/// (section, frames, what they come to).
type Rows = Vec<(&'static str, Vec<Vec<u8>>, String)>;

fn check(rows: Rows) {
    for (at, (section, frames, expected)) in rows.into_iter().enumerate() {
        assert_eq!(verdict(&frames), expected, "RFC 9113 {section}, row {at}");
    }
}

#[test]
fn the_preface_is_the_first_thing() {
    for bad in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSX"] {
        let mut side = Side::new(|_| ());
        let log = side.feed(bad);
        assert!(reason(&log, Reason::Preface), "RFC 9113 §3.4: {log:?}");
        assert_eq!(log.last().unwrap(), PROTOCOL);
    }
    for first in [one(kind::PING, 0, 0, &[0; 8]), get(1), one(kind::SETTINGS, flag::ACK, 0, &[])] {
        let mut side = Side::new(|_| ());
        let log = side.feed([PREFACE, &first].concat());
        assert!(reason(&log, Reason::Preface), "RFC 9113 §3.4: {log:?}");
    }
}

#[test]
fn frames_have_their_form() {
    let over = |kind, stream| {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, kind, 0, stream, 16_385);
        bytes
    };
    check(vec![
        ("§4.2", vec![over(kind::DATA, 1)], goaway(0, 6)),
        ("§4.2", vec![over(kind::HEADERS, 1)], goaway(0, 6)),
        ("§4.2", vec![over(200, 0)], goaway(0, 6)),
        ("§4.3", vec![one(kind::HEADERS, 5, 1, b"\xff")], goaway(1, 9)),
        ("§5.5", vec![one(200, 0xff, 0, b"x"), get(1)], String::new()),
        (
            "§5.5",
            vec![one(kind::HEADERS, 1, 1, &block(POST)), one(200, 0, 0, b"")],
            PROTOCOL.into(),
        ),
        ("§6.1", vec![data(0, 0, b"")], PROTOCOL.into()),
        ("§6.1", vec![post(1, &[]), data(flag::PADDED, 1, &[1])], goaway(1, 1)),
        ("§6.1", vec![post(1, &[]), data(flag::PADDED, 1, &[])], goaway(1, 6)),
        ("§6.2", vec![one(kind::HEADERS, 4, 0, &block(POST))], PROTOCOL.into()),
        ("§6.2", vec![one(kind::HEADERS, 0xc, 1, &[9, 0x82])], PROTOCOL.into()),
        ("§6.2", vec![one(kind::HEADERS, 0x2c, 1, &[0, 0, 0, 0])], goaway(0, 6)),
        ("§6.3", vec![one(kind::PRIORITY, 0, 0, &[0; 5])], PROTOCOL.into()),
        ("§6.3", vec![post(1, &[]), one(kind::PRIORITY, 0, 1, &[0; 4])], reset(1, 6)),
        ("§6.3", vec![one(kind::PRIORITY, 0, 1, &[0; 4])], goaway(0, 6)),
        ("§6.3", vec![one(kind::PRIORITY, 0, 1, &[0; 5]), get(3)], String::new()),
        ("§6.4", vec![number(kind::RST_STREAM, 0, 0)], PROTOCOL.into()),
        ("§6.4", vec![number(kind::RST_STREAM, 1, 0)], PROTOCOL.into()),
        ("§6.4", vec![post(1, &[]), one(kind::RST_STREAM, 0, 1, &[0; 3])], goaway(1, 6)),
        ("§6.5", vec![one(kind::SETTINGS, 0, 1, &[])], PROTOCOL.into()),
        ("§6.5", vec![one(kind::SETTINGS, 0, 0, &[0; 5])], goaway(0, 6)),
        ("§6.5", vec![one(kind::SETTINGS, flag::ACK, 0, &[0; 6])], goaway(0, 6)),
        ("§6.5.2", vec![setting(2, 2)], PROTOCOL.into()),
        ("§6.5.2", vec![setting(4, 1 << 31)], goaway(0, 3)),
        ("§6.5.2", vec![setting(5, 16_383)], PROTOCOL.into()),
        ("§6.7", vec![one(kind::PING, 0, 1, &[0; 8])], PROTOCOL.into()),
        ("§6.7", vec![one(kind::PING, 0, 0, &[0; 7])], goaway(0, 6)),
        ("§6.8", vec![one(kind::GOAWAY, 0, 1, &[0; 8])], PROTOCOL.into()),
        ("§6.8", vec![one(kind::GOAWAY, 0, 0, &[0; 7])], goaway(0, 6)),
        ("§6.10", vec![one(kind::CONTINUATION, 4, 1, &[])], PROTOCOL.into()),
        ("§8.4", vec![one(kind::PUSH_PROMISE, 4, 1, &[0; 4])], PROTOCOL.into()),
        ("9218 §7.1", vec![one(kind::PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1])], PROTOCOL.into()),
        ("9218 §7.1", vec![one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0])], goaway(0, 6)),
        ("9218 §7.1", vec![one(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 2])], PROTOCOL.into()),
    ]);
}

#[test]
fn windows_have_their_bounds() {
    let most = i32::MAX as u32;
    let update = |stream, n| number(kind::WINDOW_UPDATE, stream, n);
    check(vec![
        ("§6.9", vec![update(0, 0)], PROTOCOL.into()),
        ("§6.9", vec![post(1, &[]), update(1, 0)], reset(1, 1)),
        ("§6.9", vec![one(kind::WINDOW_UPDATE, 0, 0, &[0; 3])], goaway(0, 6)),
        ("§6.9.1", vec![update(0, most - 65_535)], String::new()),
        ("§6.9.1", vec![update(0, most - 65_534)], goaway(0, 3)),
        ("§6.9.1", vec![post(1, &[]), update(1, most - 65_535)], String::new()),
        ("§6.9.1", vec![post(1, &[]), update(1, most - 65_534)], reset(1, 3)),
        ("§6.9.2", vec![post(1, &[]), update(1, 1), setting(4, most)], goaway(1, 3)),
        ("§5.1", vec![update(1, 1)], PROTOCOL.into()),
    ]);
}

#[test]
fn frames_come_in_the_states_that_have_them() {
    check(vec![
        ("§5.1 idle", vec![data(0, 1, b"x")], PROTOCOL.into()),
        ("§5.1 half-closed", vec![get(1), data(0, 1, b"x")], reset(1, 5)),
        ("§5.1 half-closed", vec![get(1), get(1)], reset(1, 5)),
        (
            "§5.1 closed",
            vec![post(1, &[]), number(kind::RST_STREAM, 1, 8), data(0, 1, b"x")],
            reset(1, 5),
        ),
        ("§5.1.1 even", vec![get(2)], PROTOCOL.into()),
        ("§5.1.1 lower", vec![get(5), get(3)], goaway(5, 1)),
        (
            "§5.3.1",
            vec![one(kind::HEADERS, 0x25, 1, &[&[0, 0, 0, 1, 0], &block(POST)[..]].concat())],
            { reset(1, 1) },
        ),
        ("§5.3.1", vec![post(1, &[]), one(kind::PRIORITY, 0, 1, &[0, 0, 0, 1, 0])], reset(1, 1)),
        ("§8.1", vec![post(1, &[]), headers(0, 1, &[("x", "1")])], String::new()),
    ]);
    // After its own RST_STREAM (RFC 9113 §5.1): STREAM_CLOSED.
    let mut side = Side::ready();
    side.feed([post(1, &[]), number(kind::RST_STREAM, 1, 8)].concat());
    assert_eq!(side.feed(data(0, 1, b"x")), ["1 reset 5"]);
    // After both have ended (RFC 9113 §5.1): an error of the connection.
    for late in [data(0, 1, b"x"), get(1)] {
        let mut side = Side::ready();
        side.feed(get(1));
        assert_eq!(side.respond(1, 204, Content::None), ["1 204 end"]);
        let log = side.feed(late);
        assert_eq!(log, ["connection fault StreamClosed", "closed stream_closed", "0 goaway 1 5"]);
    }
    // PRIORITY that has not its form is an error of its stream, were it an ended one (RFC 9113 §6.3).
    let mut side = Side::ready();
    side.feed(get(1));
    side.respond(1, 204, Content::None);
    assert_eq!(side.feed(one(kind::PRIORITY, 0, 1, &[0; 4])), ["1 reset 6"]);
    // What may still come then (RFC 9113 §5.1).
    let mut side = Side::ready();
    side.feed(get(1));
    side.respond(1, 204, Content::None);
    let may = [number(kind::WINDOW_UPDATE, 1, 1), number(kind::RST_STREAM, 1, 0)].concat();
    assert_eq!(side.feed(may), [""; 0]);
}

/// RFC 9113 §8.1.1: what is malformed is answered, then reset as a PROTOCOL_ERROR; nobody else is disturbed.
#[test]
fn a_malformed_request_is_one_streams_error() {
    let mut upper = POST.to_vec();
    upper.push(("X-Own", "1"));
    for (fields, why) in [
        (&[(":method", "GET")][..], Reason::PseudoField),
        (&upper[..], Reason::FieldLine),
        (&[POST, &[("connection", "close")]].concat()[..], Reason::ConnectionField),
        (&[POST, &[("content-length", "1")]].concat()[..], Reason::ContentLength),
    ] {
        let mut side = Side::ready();
        let bytes = [get(1), headers(flag::END_STREAM, 3, fields), get(5)].concat();
        let log = side.feed(bytes);
        let fault = format!("3 fault {why:?}");
        assert_eq!(log, ["1 GET / None", &fault, "5 GET / None"]);
        assert_eq!(side.respond(3, 400, Content::None), ["3 400 content-length=0 end"]);
        assert_eq!(side.turn(), ["3 reset 1"]);
        assert_eq!(side.respond(5, 204, Content::None), ["5 204 end"]);
    }
}

#[test]
fn content_is_as_long_as_its_head_says() {
    let five = || post(1, &[("content-length", "5")]);
    let log = everywhere(&[five(), data(0, 1, b"abc"), data(1, 1, b"de")].concat());
    assert_eq!(log, ["1 POST / Exact(5)", "1 body abcde", "1 over"]);
    for (frames, section) in [
        (vec![five(), data(1, 1, b"abcd")], "too little"),
        (vec![five(), data(0, 1, b"abcdef")], "too much"),
        (vec![five(), data(0, 1, b"abcd"), headers(1, 1, &[("x", "1")])], "trailers"),
    ] {
        let log = everywhere(&frames.concat());
        assert!(reason(&log, Reason::ContentLength), "RFC 9113 §8.1.1 {section}: {log:?}");
    }
    // What follows the mistake is read, and nobody's.
    let mut side = Side::ready();
    side.feed([five(), data(0, 1, b"abcdef")].concat());
    assert_eq!(
        side.feed([data(0, 1, b"x"), headers(1, 1, &[("x", "1")]), get(3)].concat()),
        ["3 GET / None"]
    );
    side.respond(1, 400, Content::None);
    assert_eq!(side.turn(), ["1 reset 1"]);
}

/// RFC 9113 §5.4.2: a stream SHOULD NOT be reset more than once, whatever still comes on it.
#[test]
fn a_stream_is_reset_once() {
    let mut side = Side::ready();
    let bad = one(kind::PRIORITY, 0, 1, &[0; 4]);
    let log = side.feed([post(1, &[]), bad.clone(), bad.clone()].concat());
    assert_eq!(log, ["1 POST / Unknown", "1 reset by peer 6", "1 reset 6"]);
    assert_eq!(side.feed(bad), [""; 0]);
}
