//! RFC 9113 §5: numbers and states of streams.

use super::Row;
use super::frames::{block, code, data, frame, get, headers, kind, number, post, reset, window};
use super::generic::{GET, priority};
use super::peer::Expected;

const PROTOCOL: &[u32] = &[code::PROTOCOL];
const INTERNAL: &[u32] = &[0x2];
const CLOSED: &[u32] = &[code::STREAM_CLOSED];

pub(super) fn rows() -> Vec<Row> {
    [idle(), half_closed(), closed(), numbers(), broken_off()].into_iter().flatten().collect()
}

/// A handler that panics after its head: INTERNAL_ERROR, and the others go on.
fn broken_off() -> Vec<Row> {
    let late = Row::new("9113 §5.4.2 given up by the server").send(&get(1, "/test/late-panic"));
    vec![
        late.expect(Expected::Reset(1, INTERNAL))
            .send(&get(3, "/plaintext"))
            .expect(Expected::Answer(3, 200)),
    ]
}

fn idle() -> Vec<Row> {
    let row = |bytes: Vec<u8>| Row::new("9113 §5.1 idle").send(&bytes).goaway(PROTOCOL);
    vec![
        row(data(1, 1, b"test")),
        row(number(kind::RST_STREAM, 1, code::CANCEL)),
        row(window(1, 100)),
        row(frame(kind::CONTINUATION, 4, 1, GET)),
        row(window(2, 100)),
        row(data(1, 2, b"test")),
    ]
}

/// The client has ended its half, and has no answer yet.
fn half_closed() -> Vec<Row> {
    let row = |bytes: Vec<u8>| {
        Row::new("9113 §5.1 half-closed (remote)").send(&[get(1, "/test/wait"), bytes].concat())
    };
    vec![
        row(data(1, 1, b"test")).reset(1, CLOSED),
        row(headers(1, 1, GET)).reset(1, CLOSED),
        row(frame(kind::CONTINUATION, 4, 1, GET)).goaway(PROTOCOL),
    ]
}

fn closed() -> Vec<Row> {
    let given_up = |bytes: Vec<u8>| {
        Row::new("9113 §5.1 closed: the client has reset it")
            .send(&[post(1, "/test/collect", &[]), reset(1, code::CANCEL), bytes].concat())
    };
    let over = |bytes: Vec<u8>| {
        Row::new("9113 §5.1 closed: both have ended it")
            .send(&get(1, "/plaintext"))
            .expect(Expected::Answer(1, 200))
            .send(&bytes)
    };
    let wrong = || [get(1, "/test/wait"), window(1, 0)].concat();
    let by_us = |bytes: Vec<u8>| {
        Row::new("9113 §5.1 closed: the server has reset it")
            .send(&wrong())
            .expect(Expected::Reset(1, PROTOCOL))
            .send(&bytes)
    };
    vec![
        given_up(data(1, 1, b"test")).reset(1, CLOSED),
        given_up(headers(1, 1, GET)).reset(1, CLOSED),
        given_up(frame(kind::CONTINUATION, 4, 1, &block(&[("x", "1")]))).goaway(PROTOCOL),
        over(data(1, 1, b"test")).goaway(CLOSED),
        over(headers(1, 1, GET)).goaway(CLOSED),
        over(frame(kind::CONTINUATION, 4, 1, &block(&[("x", "1")]))).goaway(PROTOCOL),
        // What was on its way is ignored.
        by_us(data(1, 1, b"test")).alive(),
        by_us(headers(1, 1, GET)).alive(),
        by_us(window(1, 1)).alive(),
        by_us(reset(1, code::CANCEL)).alive(),
    ]
}

/// §5.1.1, §5.1.2; a stream that depends on itself (RFC 7540 §5.3.1).
fn numbers() -> Vec<Row> {
    let row = |of, bytes: Vec<u8>| Row::new(of).send(&bytes);
    let ids = || (0..129u32).map(|n| 2 * n + 1);
    let itself = headers(0x21, 1, &[&priority(1, 15), GET].concat());
    let last = 0x7fff_ffff;
    vec![
        row("9113 §5.1.1 an even number", get(2, "/plaintext")).goaway(PROTOCOL),
        row("9113 §5.1.1 a lower number", [get(5, "/test/wait"), get(3, "/plaintext")].concat())
            .goaway(PROTOCOL),
        row("9113 §5.1.1 the last number", get(last, "/plaintext")).answer(last),
        row("9113 §5.1.1 none is left", get(last, "/plaintext"))
            .expect(Expected::Answer(last, 200))
            .send(&get(1, "/plaintext"))
            .goaway(PROTOCOL),
        row(
            "9113 §5.1.2 one more than is allowed",
            ids().flat_map(|id| get(id, "/test/wait")).collect(),
        )
        .reset(257, &[code::REFUSED_STREAM]),
        row("7540 §5.3.1 HEADERS", itself).reset(1, PROTOCOL),
        row("7540 §5.3.1 PRIORITY", get(1, "/test/wait"))
            .send(&frame(kind::PRIORITY, 0, 1, &priority(1, 15)))
            .reset(1, PROTOCOL),
        row(
            "7540 §5.3.1 PRIORITY of an idle stream",
            frame(kind::PRIORITY, 0, 1, &priority(1, 15)),
        )
        .goaway(PROTOCOL),
    ]
}
