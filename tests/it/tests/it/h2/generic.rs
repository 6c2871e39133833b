//! What every server takes: each frame in its plainest forms, each representation of a field line.

use super::Row;
use super::frames::{PREFACE, block};
use super::frames::{
    code, data, flag, frame, get, headers, integer, kind, literal, ping, post, pseudo, reset,
    settings, string, window,
};
use super::peer::Expected;

/// `GET http://it/plaintext`, without a reference to the dynamic table.
pub(super) const GET: &[u8] = b"\x82\x86\x04\x0a/plaintext\x01\x02it";
/// `custom-key` and `custom-value` in the Huffman code (RFC 7541 §C.4.3), with their lengths.
const KEY: &[u8] = b"\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f";
const VALUE: &[u8] = b"\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";

/// A PRIORITY payload: on that stream, with that weight less one.
pub(super) fn priority(on: u32, weight: u8) -> Vec<u8> {
    [&on.to_be_bytes()[..], &[weight]].concat()
}

fn priority_frame(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    frame(kind::PRIORITY, 0, stream, &priority(on, weight))
}

pub(super) fn rows() -> Vec<Row> {
    [states(), frames(), messages(), lines()].into_iter().flatten().collect()
}

/// Frames that may come in states where others must not.
fn states() -> Vec<Row> {
    let whole = || get(1, "/plaintext");
    let held = || Row::new("9113 §5.1 half-closed (remote)").send(&get(1, "/test/wait"));
    let closed = || {
        Row::new("9113 §5.1 closed: what may still come")
            .send(&whole())
            .expect(Expected::Answer(1, 200))
    };
    vec![
        Row::bare("9113 §3.4 the preface, with its SETTINGS in the same piece")
            .send(&[PREFACE, &settings(&[]), &whole()].concat())
            .expect(Expected::Settings)
            .answer(1),
        Row::new("9113 §6.3 PRIORITY on an idle stream")
            .send(&[priority_frame(1, 0, 255), whole()].concat())
            .answer(1),
        held().send(&window(1, 100)).alive(),
        held().send(&priority_frame(1, 0, 255)).alive(),
        held().send(&reset(1, code::CANCEL)).alive(),
        closed().send(&priority_frame(1, 0, 255)).alive(),
        closed().send(&window(1, 100)).alive(),
        closed().send(&reset(1, code::CANCEL)).alive(),
    ]
}

/// Each type of frame.
fn frames() -> Vec<Row> {
    let open = |of| Row::new(of).send(&post(1, "/test/collect", &[]));
    let dressed = [&[3][..], &priority(0, 15), GET, &[0; 3]].concat();
    let padded = [&[200][..], GET, &[0; 200]].concat();
    let (front, back) = GET.split_at(5);
    let (more, rest) = back.split_at(3);
    let begun = || Row::new("9113 §6.10").send(&frame(kind::HEADERS, flag::END_STREAM, 1, front));
    let go_on = |flags, block: &[u8]| frame(kind::CONTINUATION, flags, 1, block);
    let asks = |of, before: Vec<u8>| Row::new(of).send(&[before, get(1, "/plaintext")].concat());
    vec![
        open("9113 §6.1 DATA").send(&data(1, 1, b"test")).answer(1),
        open("9113 §6.1 more DATA")
            .send(&[data(0, 1, b"te"), data(0, 1, b""), data(1, 1, b"st")].concat())
            .expect(Expected::Data(1, 4))
            .alive(),
        open("9113 §6.1 DATA with padding")
            .send(&data(flag::PADDED | 1, 1, b"\x06test\0\0\0\0\0\0"))
            .expect(Expected::Data(1, 4))
            .alive(),
        Row::new("9113 §6.2 HEADERS").send(&headers(1, 1, GET)).answer(1),
        Row::new("9113 §6.2 with padding").send(&headers(flag::PADDED | 1, 1, &padded)).answer(1),
        Row::new("9113 §6.2 with a priority")
            .send(&headers(flag::PRIORITY | 1, 1, &[&priority(0, 255), GET].concat()))
            .answer(1),
        Row::new("9113 §6.2 with both")
            .send(&headers(flag::PRIORITY | flag::PADDED | 1, 1, &dressed))
            .answer(1),
        asks("9113 §6.3 a weight of 1", priority_frame(1, 0, 0)).answer(1),
        asks("9113 §6.3 a weight of 256", priority_frame(1, 0, 255)).answer(1),
        asks("9113 §6.3 on another stream", priority_frame(1, 3, 15)).answer(1),
        asks("9113 §6.3 exclusive", priority_frame(1, 0x8000_0003, 15)).answer(1),
        asks("9113 §6.3 a higher idle stream opens nothing", priority_frame(5, 0, 15)).answer(1),
        asks("9113 §6.5 SETTINGS", settings(&[(4, 65_535)])).answer(1),
        Row::new("9113 §6.7 PING")
            .send(&ping(b"whatever"))
            .expect(Expected::Pong(*b"whatever"))
            .alive(),
        asks("9113 §6.9 for the connection", window(0, 1)).answer(1),
        open("9113 §6.9 for a stream").send(&[window(1, 1), data(1, 1, b"x")].concat()).answer(1),
        open("9113 §6.4 RST_STREAM")
            .send(&[reset(1, code::CANCEL), get(3, "/plaintext")].concat())
            .answer(3),
        Row::new("9113 §6.8 GOAWAY: what was begun is finished")
            .send(&[get(1, "/slow/20"), frame(kind::GOAWAY, 0, 0, &[0; 8])].concat())
            .expect(Expected::Answer(1, 200))
            .goaway(&[code::NO_ERROR]),
        begun().send(&go_on(flag::END_HEADERS, back)).answer(1),
        begun().send(&go_on(0, more)).send(&go_on(flag::END_HEADERS, rest)).answer(1),
        begun().send(&go_on(0, b"")).send(&go_on(flag::END_HEADERS, back)).answer(1),
    ]
}

/// Requests of each kind.
fn messages() -> Vec<Row> {
    let head = block(&pseudo("HEAD", "/plaintext"));
    let trailers = headers(flag::END_STREAM, 1, &block(&[("x-sum", "1")]));
    vec![
        Row::new("9113 §8.1 GET").send(&get(1, "/plaintext")).expect(Expected::Data(1, 13)).alive(),
        Row::new("9113 §8.1 HEAD").send(&headers(flag::END_STREAM, 1, &head)).answer(1),
        Row::new("9113 §8.1 POST")
            .send(&[post(1, "/test/collect", &[]), data(1, 1, b"test")].concat())
            .expect(Expected::Data(1, 4))
            .alive(),
        Row::new("9113 §8.1 POST with trailers")
            .send(&[post(1, "/test/collect", &[]), data(0, 1, b"test"), trailers].concat())
            .expect(Expected::Data(1, 4))
            .alive(),
    ]
}

/// RFC 7541 §6: each representation, with names of the table and new ones, plain and in the Huffman code.
fn lines() -> Vec<Row> {
    let row = |of, line: &[u8]| Row::new(of).send(&headers(1, 1, &[GET, line].concat()));
    let mut rows = vec![
        // `accept-encoding: gzip, deflate` is line 16 of the static table.
        row("7541 §6.1 indexed", b"\x90").answer(1),
        Row::new("7541 §6.3 a size update")
            .send(&headers(1, 1, &[b"\x20", GET].concat()))
            .answer(1),
        Row::new("7541 §4.2 two size updates, the last to the most")
            .send(&headers(1, 1, &[b"\x20\x3f\xe1\x1f", GET].concat()))
            .answer(1),
    ];
    // A new name, and that of line 58, `user-agent`, behind each of the prefixes.
    for (of, first, bits) in [
        ("7541 §6.2.1 with indexing", 0x40, 6),
        ("7541 §6.2.2 without indexing", 0, 4),
        ("7541 §6.2.3 never indexed", 0x10, 4),
    ] {
        let named = integer(first, bits, 58);
        rows.extend([
            row(of, &literal(first, b"custom-key", b"custom-value")).answer(1),
            row(of, &[&[first], KEY, VALUE].concat()).answer(1),
            row(of, &[&named[..], &string(b"custom-value")].concat()).answer(1),
            row(of, &[&named[..], VALUE].concat()).answer(1),
        ]);
    }
    // What was indexed is found by the next block of another stream.
    let learn = headers(1, 1, &[GET, &literal(0x40, b"custom-key", b"custom-value")].concat());
    let named = headers(1, 3, &[GET, b"\xbe"].concat());
    rows.push(
        Row::new("7541 §2.3.2 one table for all streams").send(&learn).send(&named).answer(3),
    );
    rows
}
