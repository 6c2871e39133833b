//! Unidirectional streams: what types there are, how many of each, and which must not end (RFC 9114 §6.2, RFC 9204 §4.2).

use super::Row;
use super::frames::{code, get, integers, settings, uni};
use super::peer::{CONTROL, Expected};

/// Our unidirectional streams behind the control stream.
const SECOND: u64 = 6;
const THIRD: u64 = 10;

pub(super) fn rows() -> Vec<Row> {
    [kinds(), critical(), unknown()].into_iter().flatten().collect()
}

fn kind(kind: u64) -> Vec<u8> {
    integers(&[kind])
}

fn kinds() -> Vec<Row> {
    let twice = |of, kind: u64| {
        let bytes = integers(&[kind]);
        Row::new(of).send(SECOND, &bytes).send(THIRD, &bytes).closes(code::STREAM_CREATION)
    };
    let control = [kind(uni::CONTROL), settings(&[])].concat();
    vec![
        Row::new("9114 §6.2.1 a second control stream")
            .send(SECOND, &control)
            .closes(code::STREAM_CREATION),
        twice("9204 §4.2 a second encoder stream", uni::ENCODER),
        twice("9204 §4.2 a second decoder stream", uni::DECODER),
        Row::new("9114 §6.2.2 a push stream of a client")
            .send(SECOND, &[kind(uni::PUSH), vec![0]].concat())
            .closes(code::STREAM_CREATION),
        Row::new("9204 §4.2 one of each")
            .send(SECOND, &kind(uni::ENCODER))
            .send(THIRD, &kind(uni::DECODER))
            .alive(),
        Row::bare("9114 §6.2 in any order")
            .send(CONTROL, &kind(uni::DECODER))
            .send(SECOND, &kind(uni::ENCODER))
            .send(THIRD, &control)
            .alive(),
        Row::bare("9000 §16 a type not in the fewest bytes")
            .send(CONTROL, &[&[0x80, 0, 0, 0][..], &settings(&[])].concat())
            .send(SECOND, &[0x40, 2])
            .send(THIRD, &[0xc0, 0, 0, 0, 0, 0, 0, 2])
            .closes(code::STREAM_CREATION),
    ]
}

/// RFC 9114 §6.2.1, RFC 9204 §4.2: they never end.
fn critical() -> Vec<Row> {
    let mut rows = vec![
        Row::new("9114 §6.2.1 the control stream ends")
            .fin(CONTROL, b"")
            .closes(code::CLOSED_CRITICAL),
        Row::new("9114 §6.2.1 the control stream is reset")
            .alive()
            .give_up(CONTROL, code::NO_ERROR)
            .closes(code::CLOSED_CRITICAL),
        Row::bare("9114 §6.2.1 it ends with its type")
            .fin(CONTROL, &kind(uni::CONTROL))
            .closes(code::CLOSED_CRITICAL),
        Row::bare("9114 §6.2.1 it ends with its SETTINGS")
            .fin(CONTROL, &[kind(uni::CONTROL), settings(&[])].concat())
            .closes(code::CLOSED_CRITICAL),
        Row::bare("9114 §6.2.1 it ends in its SETTINGS")
            .fin(CONTROL, &[kind(uni::CONTROL), vec![4]].concat())
            .closes(code::CLOSED_CRITICAL),
    ];
    for (ends, reset, whole, of) in [
        (
            "9204 §4.2 the encoder stream ends",
            "9204 §4.2 the encoder stream is reset",
            "9204 §4.2 the encoder stream is nothing else",
            uni::ENCODER,
        ),
        (
            "9204 §4.2 the decoder stream ends",
            "9204 §4.2 the decoder stream is reset",
            "9204 §4.2 the decoder stream is nothing else",
            uni::DECODER,
        ),
    ] {
        // That it has come is what the answer says.
        let begun = |row: Row| row.send(SECOND, &kind(of)).alive();
        rows.extend([
            begun(Row::new(ends)).fin(SECOND, b"").closes(code::CLOSED_CRITICAL),
            begun(Row::new(reset)).give_up(SECOND, code::NO_ERROR).closes(code::CLOSED_CRITICAL),
            Row::new(whole).fin(SECOND, &kind(of)).closes(code::CLOSED_CRITICAL),
        ]);
    }
    rows
}

/// RFC 9114 §6.2, §6.2.3: what is not known is no error.
fn unknown() -> Vec<Row> {
    let begins = |of, bytes: &[u8]| Row::new(of).send(SECOND, bytes);
    let long = [kind(uni::UNKNOWN), vec![b'x'; 100_000]].concat();
    vec![
        begins("9114 §6.2.3 reserved", &kind(uni::RESERVED)).alive(),
        begins("9114 §6.2.3 reserved, with anything", &[&kind(uni::RESERVED), &b"x"[..]].concat())
            .alive(),
        Row::new("9114 §6.2.3 reserved, and over").fin(SECOND, &kind(uni::RESERVED)).alive(),
        begins("9114 §6.2.3 reserved, and reset", &kind(uni::RESERVED))
            .give_up(SECOND, code::NO_ERROR)
            .alive(),
        begins("9114 §6.2 not known", &kind(uni::UNKNOWN)).alive(),
        begins("9114 §6.2 not known, and long", &long).alive(),
        Row::new("9114 §6.2 without a type").fin(SECOND, b"").alive(),
        Row::new("9114 §6.2 with half a type").fin(SECOND, &[0x40]).alive(),
        begins("9114 §6.2 reset in its type", &[0x40]).give_up(SECOND, code::NO_ERROR).alive(),
        Row::bare("9114 §6.2 a request before all of them")
            .fin(4, &get("/plaintext"))
            .expect(Expected::Answer(4, 200))
            .send(CONTROL, &[kind(uni::CONTROL), settings(&[])].concat())
            .alive(),
    ]
}
