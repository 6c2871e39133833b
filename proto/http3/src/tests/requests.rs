//! Requests and answers as they should be (RFC 9114 §4.1).

use super::*;

#[test]
fn a_get_is_answered() {
    let mut side = Side::of(Http3::server, |_| ());
    assert_eq!(side.end(0, get())[0], "0 GET / None");
    assert_eq!(side.respond(0, 200, Content::Exact(3)), ["0 200 content-length=3"]);
    assert_eq!(side.send(0, 3), (0, vec!["0 data 3".into(), "0 fin".into()]));
    assert!(side.finish(0).is_empty());
    assert!(side.machine.streams.is_empty());
    // All that was said of the stream is in order, and nothing is left.
    assert!(side.turn().is_empty());
}

#[test]
fn what_a_request_looks_like() {
    for (bytes, fin, expected) in [
        (get(), true, &["0 GET / None"][..]),
        ([get(), data(b"abc")].concat(), true, &["0 GET / Unknown", "0 body abc", "0 over"]),
        (post(&[]), false, &["0 POST / Unknown"]),
        (
            [post(&[("content-length", "3")]), data(b"ab"), data(b"c")].concat(),
            true,
            &["0 POST / Exact(3)", "0 body abc", "0 over"],
        ),
        (
            [post(&[]), data(b"a"), headers(&[("etag", "x")])].concat(),
            true,
            &["0 POST / Unknown", "0 body a", "0 trailers {\"etag\": \"x\"}", "0 over"],
        ),
        // Trailers without a field say no more than the end.
        (
            [post(&[]), data(b"a"), headers(&[])].concat(),
            true,
            &["0 POST / Unknown", "0 body a", "0 over"],
        ),
        // RFC 9114 §9: what is not known is passed over, wherever it stands.
        (
            [one(0x21, b"xyz"), post(&[]), one(0x40, b""), data(b"a"), one(0x21, b"z")].concat(),
            true,
            &["0 POST / Unknown", "0 body a", "0 over"],
        ),
    ] {
        assert_eq!(everywhere(0, &bytes, fin), expected);
    }
}

#[test]
fn streams_go_their_own_ways() {
    let mut side = Side::ready();
    // RFC 9000 §2.1: they may come in any order.
    assert_eq!(side.feed(8, post(&[])), ["8 POST / Unknown"]);
    assert_eq!(side.end(0, get()), ["0 GET / None"]);
    assert_eq!(side.feed(8, &data(b"abcdef")[..4]), ["8 body ab"]);
    assert_eq!(side.respond(0, 204, Content::None), ["0 204", "0 fin"]);
    assert_eq!(side.end(4, get()), ["4 GET / None"]);
    assert_eq!(side.end(8, b"cdef"), ["8 body cdef", "8 over"]);
    assert_eq!(side.respond(8, 200, Content::None), ["8 200 content-length=0", "8 fin"]);
    assert_eq!(side.respond(4, 200, Content::Unknown), ["4 200"]);
    assert_eq!(side.send(4, 70_000).1, ["4 data 70000"]);
    assert_eq!(side.finish(4), ["4 fin"]);
    assert!(side.machine.streams.is_empty());
}

/// A head that comes again is the same; one that is cut or refused is never kept.
#[test]
fn heads_that_come_again() {
    let mut side = Side::ready();
    for n in 0..5 {
        let id = 12 * n;
        assert_eq!(side.end(id, get()), [format!("{id} GET / None")]);
        assert!(reason(&side.end(id + 4, headers(&[])), Reason::PseudoField));
        assert_eq!(side.feed(id + 8, get()), [format!("{} GET / Unknown", id + 8)]);
        for id in [id, id + 4, id + 8] {
            side.respond(id, 200, Content::None);
        }
    }
}

#[test]
fn whoever_says_nothing_has_the_time_of_a_head() {
    let limits = Limits::default();
    let mut mute = Http3::server(Rc::new(limits.clone()), NOW);
    assert_eq!(mute.poll_timeout(), Some(NOW + limits.head_timeout));
    mute.handle_timeout(NOW + limits.head_timeout).unwrap();
    let next = mute.poll_event(NOW + limits.head_timeout, &mut Input::new(0, &[], false)).unwrap();
    assert!(matches!(next, Next::Closed(_)), "{next:?}");
}
