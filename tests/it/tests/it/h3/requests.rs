//! Request streams: which frames come in which order, and how streams end (RFC 9114 §4.1, §7).

use super::Row;
use super::frames::{
    code, data, frame, get, headers, integers, kind, post, pseudo, settings, varint,
};
use super::peer::Expected;

pub(super) fn rows() -> Vec<Row> {
    let all = [plain(), unexpected(), order(), cut(), ends(), unknown(), sizes()];
    all.into_iter().flatten().collect()
}

fn trailers() -> Vec<u8> {
    headers(&[("x-sum", "1")])
}

fn content(of: &'static str, frames: &[Vec<u8>], expected: &[u8]) -> Row {
    let bytes = [post(&[]), frames.concat()].concat();
    Row::new(of).fin(0, &bytes).expect(Expected::Content(0, expected.to_vec())).alive()
}

/// What every server takes.
fn plain() -> Vec<Row> {
    let reserved = || frame(kind::RESERVED, b"");
    let bytes = [post(&[]), data(b"te"), data(b"st"), trailers()].concat();
    let byte = bytes
        .iter()
        .fold(Row::new("9114 §4.1 a byte at a time"), |row, byte| row.send(0, &[*byte]));
    let mut not_fewest = vec![0x40, 1, 0x80, 0, 0];
    let section = super::frames::section(&pseudo("GET", "/plaintext"));
    not_fewest.push(section.len() as u8);
    not_fewest.extend(section);
    vec![
        Row::new("9114 §4.1 GET").fin(0, &get("/plaintext")).answer(0),
        Row::new("9114 §4.1 the end behind the frame")
            .send(0, &get("/plaintext"))
            .fin(0, b"")
            .answer(0),
        Row::new("9114 §4.1 HEAD").fin(0, &headers(&pseudo("HEAD", "/plaintext"))).answer(0),
        content("9114 §4.1 POST without content", &[], b""),
        content("9114 §4.1 POST", &[data(b"test")], b"test"),
        content("9114 §7.2.1 several DATA", &[data(b"te"), data(b""), data(b"st")], b"test"),
        content("9114 §7.2.1 empty DATA", &[data(b""), data(b"")], b""),
        content("9114 §4.1 trailers", &[data(b"test"), trailers()], b"test"),
        content("9114 §4.1 trailers without content", &[trailers()], b""),
        content("9114 §7.2.8 reserved ones between", &[reserved(), data(b"x"), reserved()], b"x"),
        byte.fin(0, b"").expect(Expected::Content(0, b"test".to_vec())).alive(),
        Row::new("9000 §16 a type and a length not in the fewest bytes")
            .fin(0, &not_fewest)
            .answer(0),
        Row::new("9114 §4.1 streams in any order")
            .fin(8, &get("/plaintext"))
            .expect(Expected::Answer(8, 200))
            .fin(0, &get("/plaintext"))
            .expect(Expected::Answer(0, 200))
            .fin(4, &get("/plaintext"))
            .answer(4),
        Row::new("9114 §4.1 streams beside each other")
            .send(0, &post(&[]))
            .send(4, &post(&[]))
            .fin(4, &data(b"four"))
            .expect(Expected::Content(4, b"four".to_vec()))
            .fin(0, &data(b"nought"))
            .expect(Expected::Content(0, b"nought".to_vec()))
            .alive(),
    ]
}

/// RFC 9114 §7, table 1: what has no place on a request stream.
fn unexpected() -> Vec<Row> {
    let frames: [(&'static str, Vec<u8>); 5] = [
        ("9114 §7.2.4 SETTINGS", settings(&[])),
        ("9114 §7.2.6 GOAWAY", frame(kind::GOAWAY, &[0])),
        ("9114 §7.2.3 CANCEL_PUSH", frame(kind::CANCEL_PUSH, &[0])),
        ("9114 §7.2.7 MAX_PUSH_ID", frame(kind::MAX_PUSH_ID, &[0])),
        ("9114 §7.2.5 PUSH_PROMISE", frame(kind::PUSH_PROMISE, b"\0\0\0")),
    ];
    let mut rows = Vec::new();
    for (of, bytes) in &frames {
        let row = |before: &[u8]| {
            Row::new(of).send(0, &[before, bytes].concat()).closes(code::FRAME_UNEXPECTED)
        };
        rows.extend([row(b""), row(&post(&[])), row(&[post(&[]), data(b"x")].concat())]);
    }
    for kind in [2, 6, 8, 9] {
        let row = |before: &[u8]| {
            Row::new("9114 §7.2.8 a frame of HTTP/2")
                .send(0, &[before, &frame(kind, b"")].concat())
                .closes(code::FRAME_UNEXPECTED)
        };
        rows.extend([row(b""), row(&post(&[]))]);
    }
    rows
}

/// RFC 9114 §4.1.
fn order() -> Vec<Row> {
    let row = |of, frames: &[Vec<u8>]| {
        Row::new(of).send(0, &frames.concat()).closes(code::FRAME_UNEXPECTED)
    };
    let done = || [post(&[]), data(b"x"), trailers()].concat();
    vec![
        row("9114 §4.1 DATA first", &[data(b"x")]),
        row("9114 §4.1 empty DATA first", &[data(b"")]),
        row("9114 §4.1 DATA behind a reserved one", &[frame(kind::RESERVED, b""), data(b"x")]),
        row("9114 §4.1 DATA after trailers", &[done(), data(b"x")]),
        row("9114 §4.1 empty DATA after trailers", &[done(), data(b"")]),
        row("9114 §4.1 HEADERS after trailers", &[done(), trailers()]),
        row(
            "9114 §4.1 HEADERS after trailers without content",
            &[post(&[]), trailers(), trailers()],
        ),
        Row::new("9114 §4.1 a reserved one after trailers")
            .fin(0, &[done(), frame(kind::RESERVED, b"x")].concat())
            .answer(0),
    ]
}

/// RFC 9114 §7.1: a frame that is not whole when its stream ends.
fn cut() -> Vec<Row> {
    let row = |of, bytes: &[u8]| Row::new(of).fin(0, bytes).closes(code::FRAME);
    let head = get("/plaintext");
    let posted = post(&[]);
    vec![
        row("9114 §7.1 in a type", &[0x40]),
        row("9114 §7.1 before a length", &[1]),
        row("9114 §7.1 in a length", &[1, 0x40]),
        row("9114 §7.1 in HEADERS", &head[..head.len() - 1]),
        row("9114 §7.1 before a payload", &head[..2]),
        row("9114 §7.1 in DATA", &[&posted[..], &[0, 5, b'x']].concat()),
        row("9114 §7.1 before the payload of DATA", &[&posted[..], &[0, 5]].concat()),
        row(
            "9114 §7.1 in a reserved one",
            &[&posted[..], &integers(&[kind::RESERVED, 5])].concat(),
        ),
        row("9114 §7.1 in trailers", &[&posted[..], &[1, 9, 0]].concat()),
    ]
}

/// RFC 9114 §4.1, §4.1.1.
fn ends() -> Vec<Row> {
    let head = get("/plaintext");
    vec![
        Row::new("9114 §4.1 nothing at all").fin(0, b"").reset(0, code::INCOMPLETE),
        Row::new("9114 §4.1 reserved ones alone")
            .fin(0, &frame(kind::RESERVED, b"x"))
            .reset(0, code::INCOMPLETE),
        Row::new("9114 §4.1.1 given up before a head")
            .send(0, b"")
            .give_up(0, code::CANCELLED)
            .alive(),
        Row::new("9114 §4.1.1 given up in a head")
            .send(0, &head[..9])
            .give_up(0, code::CANCELLED)
            .alive(),
        Row::new("9114 §4.1.1 given up in content")
            .send(0, &[post(&[]), data(b"x")].concat())
            .give_up(0, code::CANCELLED)
            .alive(),
        Row::new("9114 §4.1.1 given up with a code of no meaning (§8)")
            .send(0, &[post(&[]), data(b"x")].concat())
            .give_up(0, 0x4242_4242)
            .alive(),
        Row::new("9114 §4.1.1 given up while its handler waits")
            .send(0, &headers(&pseudo("GET", "/test/wait")))
            .give_up(0, code::CANCELLED)
            .alive(),
        Row::new("9114 §4.1 content that nobody wants")
            .send(0, &headers(&pseudo("POST", "/plaintext")))
            .expect(Expected::Answer(0, 405))
            .expect(Expected::Stopped(0, code::NO_ERROR))
            .alive(),
        Row::new("9114 §4.1 GET with content, all of which comes")
            .fin(0, &[get("/plaintext"), data(b"test")].concat())
            .answer(0),
    ]
}

/// RFC 9114 §7.2.8, §9.
fn unknown() -> Vec<Row> {
    let unknown = |content: &[u8]| frame(kind::UNKNOWN, content);
    let row = |of, frames: &[Vec<u8>]| Row::new(of).fin(0, &frames.concat()).answer(0);
    let mut long = integers(&[kind::UNKNOWN]);
    varint(&mut long, 100_000);
    long.extend(vec![b'x'; 100_000]);
    vec![
        row("9114 §9 before a head", &[unknown(b"x"), get("/plaintext")]),
        row("9114 §9 before a head, empty", &[unknown(b""), get("/plaintext")]),
        row("9114 §9 behind a head", &[get("/plaintext"), unknown(b"x")]),
        row("9114 §9 many", &[unknown(b"").repeat(20), get("/plaintext")]),
        row("9114 §9 long", &[long, get("/plaintext")]),
        content("9114 §9 within content", &[data(b"te"), unknown(b"x"), data(b"st")], b"test"),
        content("9114 §9 behind trailers", &[data(b"x"), trailers(), unknown(b"x")], b"x"),
    ]
}

/// RFC 9114 §4.2.2.
fn sizes() -> Vec<Row> {
    let long = "x".repeat(70_000);
    let many = vec![("x", "y"); 300];
    let with =
        |fields: &[(&str, &str)]| headers(&[&pseudo("GET", "/plaintext")[..], fields].concat());
    let mut promised = integers(&[kind::HEADERS]);
    varint(&mut promised, 1 << 40);
    let row =
        |of, bytes: &[u8]| Row::new(of).send(0, bytes).expect(Expected::Answer(0, 431)).alive();
    vec![
        row("9114 §4.2.2 a long line", &with(&[("x", &long)])),
        row("9114 §4.2.2 many lines", &with(&many)),
        row("9114 §4.2.2 a section as long as nobody waits for", &promised),
        Row::new("9110 §15.5.15 a long target")
            .fin(0, &get(&format!("/{}", "a".repeat(9000))))
            .expect(Expected::Answer(0, 414))
            .alive(),
    ]
}
