//! What a control stream may say: SETTINGS, GOAWAY, pushes, priorities.

use super::Row;
use super::frames::{code, data, frame, get, integers, kind, settings, uni};
use super::peer::{CONTROL, Expected};

pub(super) fn rows() -> Vec<Row> {
    let all = [first(), values(), others(), goaway(), pushes(), priorities(), reserved()];
    all.into_iter().flatten().collect()
}

/// A control stream that says this after its SETTINGS.
fn says(of: &'static str, bytes: &[u8]) -> Row {
    Row::new(of).send(CONTROL, bytes)
}

/// A control stream that says this in place of SETTINGS.
fn begins(of: &'static str, bytes: &[u8]) -> Row {
    Row::bare(of).send(CONTROL, &[&integers(&[uni::CONTROL]), bytes].concat())
}

/// RFC 9114 §6.2.1, §7.2.4: SETTINGS come first, and once.
fn first() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        frame(kind::DATA, b"x"),
        frame(kind::HEADERS, b"\0\0"),
        frame(kind::GOAWAY, &[0]),
        frame(kind::MAX_PUSH_ID, &[0]),
        frame(kind::CANCEL_PUSH, &[0]),
        frame(kind::RESERVED, b""),
        frame(kind::UNKNOWN, b"x"),
        frame(kind::PRIORITY_UPDATE, &[0]),
    ]
    .iter()
    .map(|bytes| {
        begins("9114 §6.2.1 something before SETTINGS", bytes).closes(code::MISSING_SETTINGS)
    })
    .collect();
    let hello = [integers(&[uni::CONTROL]), settings(&[(6, 100_000)])].concat();
    let byte = hello
        .iter()
        .fold(Row::bare("9114 §7.2.4 a byte at a time"), |row, byte| row.send(CONTROL, &[*byte]));
    rows.extend([
        Row::bare("9114 §7.2.4 a server's SETTINGS wait for nobody's").expect(Expected::Settings),
        Row::bare("9114 §7.2.4.2 a request before SETTINGS").fin(0, &get("/plaintext")).answer(0),
        says("9114 §7.2.4 a second SETTINGS", &settings(&[])).closes(code::FRAME_UNEXPECTED),
        begins("9114 §7.2.4 none of them", &settings(&[])).alive(),
        byte.alive(),
    ]);
    rows
}

/// RFC 9114 §7.2.4, §7.2.4.1: what they may say.
fn values() -> Vec<Row> {
    let with = |of, all: &[(u64, u64)]| begins(of, &settings(all));
    let raw = |of, payload: &[u8]| begins(of, &frame(kind::SETTINGS, payload));
    let mut rows: Vec<Row> = [2, 3, 4, 5]
        .map(|id| with("9114 §7.2.4.1 a setting of HTTP/2", &[(id, 1)]).closes(code::SETTINGS))
        .into();
    rows.extend([
        with("9114 §7.2.4 twice", &[(6, 1000), (6, 1000)]).closes(code::SETTINGS),
        with("9114 §7.2.4 twice", &[(1, 0), (7, 0), (1, 0)]).closes(code::SETTINGS),
        with("9114 §7.2.4 not known", &[(0x4242, 1)]).alive(),
        with("9114 §7.2.4.1 reserved", &[(0x21, 1), (0x1f * 9 + 0x21, 1 << 61)]).alive(),
        with("9114 §7.2.4.2 as large as can be", &[(6, (1 << 62) - 1)]).alive(),
        with("9204 §5 as large as can be", &[(1, (1 << 62) - 1), (7, (1 << 62) - 1)]).alive(),
        with("9297 §2.1.1 neither 0 nor 1", &[(0x33, 2)]).closes(code::SETTINGS),
        with("9220 §3 what a client may say", &[(8, 1)]).alive(),
        raw("9114 §7.1 an identifier without a value", &[6]).closes(code::FRAME),
        raw("9114 §7.1 half an identifier", &[0x40]).closes(code::FRAME),
        raw("9114 §7.1 half a value", &[6, 0x80, 0]).closes(code::FRAME),
        raw("9000 §16 not in the fewest bytes", &[0x40, 6, 0x80, 0, 0x40, 0]).alive(),
    ]);
    rows
}

/// RFC 9114 §7, table 1: what has no place on a control stream.
fn others() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        ("9114 §7.2.1 DATA", data(b"x")),
        ("9114 §7.2.1 DATA", data(b"")),
        ("9114 §7.2.2 HEADERS", get("/plaintext")),
        ("9114 §7.2.5 PUSH_PROMISE", frame(kind::PUSH_PROMISE, b"\0\0\0")),
    ]
    .map(|(of, bytes)| says(of, &bytes).closes(code::FRAME_UNEXPECTED))
    .into();
    rows.extend([2, 6, 8, 9].map(|kind| {
        says("9114 §7.2.8 a frame of HTTP/2", &frame(kind, b"")).closes(code::FRAME_UNEXPECTED)
    }));
    rows
}

/// RFC 9114 §5.2, §7.2.6.
fn goaway() -> Vec<Row> {
    let goaway = |id: u64| frame(kind::GOAWAY, &integers(&[id]));
    vec![
        Row::new("9114 §5.2 what was begun is finished")
            .fin(0, &get("/slow/200"))
            .alive()
            .send(CONTROL, &goaway(0))
            .expect(Expected::Answer(0, 200)),
        Row::new("9114 §5.2 with a push id that grows")
            .fin(0, &get("/test/wait"))
            .alive()
            .send(CONTROL, &[goaway(1), goaway(2)].concat())
            .closes(code::ID),
        Row::new("9114 §5.2 with one that shrinks")
            .fin(0, &get("/slow/200"))
            .alive()
            .send(CONTROL, &[goaway(9), goaway(9), goaway(2)].concat())
            .expect(Expected::Answer(0, 200)),
        says("9114 §7.2.6 without an identifier", &frame(kind::GOAWAY, b"")).closes(code::FRAME),
        says("9114 §7.2.6 with more than one", &frame(kind::GOAWAY, &[0, 0])).closes(code::FRAME),
        says("9114 §7.2.6 with half of one", &frame(kind::GOAWAY, &[0x40])).closes(code::FRAME),
    ]
}

/// RFC 9114 §7.2.3, §7.2.7: clients that would take pushes, which this server never makes over HTTP/3.
fn pushes() -> Vec<Row> {
    let most = |id: u64| frame(kind::MAX_PUSH_ID, &integers(&[id]));
    let cancel = |id: u64| frame(kind::CANCEL_PUSH, &integers(&[id]));
    vec![
        says("9114 §7.2.7 MAX_PUSH_ID", &most(5)).alive(),
        says("9114 §7.2.7 more, and as much again", &[most(5), most(9), most(9)].concat()).alive(),
        says("9114 §7.2.7 less", &[most(5), most(4)].concat()).closes(code::ID),
        says("9114 §7.2.7 nothing in it", &frame(kind::MAX_PUSH_ID, b"")).closes(code::FRAME),
        says("9114 §7.2.7 too much", &frame(kind::MAX_PUSH_ID, &[1, 1])).closes(code::FRAME),
        says("9114 §7.2.3 above the most", &cancel(0)).closes(code::ID),
        says("9114 §7.2.3 never promised", &[most(5), cancel(3)].concat()).closes(code::ID),
        says("9114 §7.2.3 nothing in it", &frame(kind::CANCEL_PUSH, b"")).closes(code::FRAME),
    ]
}

/// RFC 9218 §7.2.
fn priorities() -> Vec<Row> {
    let update = |kind, id: u64, value: &[u8]| frame(kind, &[&integers(&[id]), value].concat());
    let request = |id, value| update(kind::PRIORITY_UPDATE, id, value);
    vec![
        says("9218 §7.2 of a request to come", &request(0, b"u=1, i")).alive(),
        Row::new("9218 §7.2 of a request that waits")
            .fin(0, &get("/slow/30"))
            .send(CONTROL, &request(0, b"u=7"))
            .answer(0),
        Row::new("9218 §7.2 of a request that was answered")
            .fin(0, &get("/plaintext"))
            .expect(Expected::Answer(0, 200))
            .send(CONTROL, &request(0, b"u=0"))
            .alive(),
        says("9218 §7.2 a value that says nothing", &request(0, b"!!")).alive(),
        says("9218 §7.2 no value", &request(0, b"")).alive(),
        says("9218 §7.2 of a server's stream", &request(1, b"u=1")).closes(code::ID),
        says("9218 §7.2 of a control stream", &request(2, b"u=1")).closes(code::ID),
        says("9218 §7.2 of a server's own", &request(3, b"u=1")).closes(code::ID),
        says("9218 §7.2 nothing in it", &frame(kind::PRIORITY_UPDATE, b"")).closes(code::FRAME),
        says("9218 §7.2 of a push nobody may make", &update(kind::PRIORITY_UPDATE_PUSH, 0, b"u=1"))
            .closes(code::ID),
        Row::new("9218 §7.2 on a request stream")
            .send(0, &[get("/test/wait"), request(0, b"u=1")].concat())
            .closes(code::FRAME_UNEXPECTED),
        Row::new("9218 §7.2 of a push, on a request stream")
            .send(0, &[get("/test/wait"), update(kind::PRIORITY_UPDATE_PUSH, 0, b"")].concat())
            .closes(code::FRAME_UNEXPECTED),
        Row::new("9218 §4 the field")
            .fin(0, &super::messages::get_with(&[("priority", "u=5, i, x=\"y\"")]))
            .answer(0),
        Row::new("9218 §4 a field that says nothing")
            .fin(0, &super::messages::get_with(&[("priority", "u=9;;")]))
            .answer(0),
    ]
}

/// RFC 9114 §7.2.8, §9.
fn reserved() -> Vec<Row> {
    vec![
        says("9114 §7.2.8 reserved", &frame(kind::RESERVED, b"anything")).alive(),
        says("9114 §9 not known", &frame(kind::UNKNOWN, &[b'x'; 5000])).alive(),
        says("9114 §9 not known, and empty", &frame(kind::UNKNOWN, b"")).alive(),
        says("9114 §9 not known, in pieces", &integers(&[kind::UNKNOWN, 9]))
            .send(CONTROL, b"anything")
            .send(CONTROL, &[&b"x"[..], &frame(kind::MAX_PUSH_ID, &[1])].concat())
            .alive(),
    ]
}
