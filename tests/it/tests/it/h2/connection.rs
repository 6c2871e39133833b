//! RFC 9113 §3, §4, §6, §7: the preface, the form of frames, and each type's own rules.

use super::Row;
use super::frames::{
    PREFACE, code, data, flag, frame, get, headers, kind, number, ping, post, settings, window,
};
use super::generic::{GET, priority};
use super::peer::Expected;

const PROTOCOL: &[u32] = &[code::PROTOCOL];
const SIZE: &[u32] = &[code::FRAME_SIZE];
const FLOW: &[u32] = &[code::FLOW_CONTROL];

pub(super) fn rows() -> Vec<Row> {
    let all = [starting(), format(), blocks(), carrying(), control(), windows(), changes()];
    all.into_iter().flatten().collect()
}

/// §3.4.
fn starting() -> Vec<Row> {
    let bare = |bytes: &[u8]| Row::bare("9113 §3.4").send(bytes);
    let second = |bytes: &[u8]| bare(&[PREFACE, bytes].concat()).expect(Expected::Settings);
    vec![
        bare(&[PREFACE, &settings(&[(4, 65_535)])].concat()).expect(Expected::Settings).alive(),
        bare(b"INVALID CONNECTION PREFACE\r\n\r\n").expect(Expected::Settings).goaway(PROTOCOL),
        bare(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").expect(Expected::Settings).goaway(PROTOCOL),
        second(&ping(b"too soon")).goaway(PROTOCOL),
        second(&headers(1, 1, GET)).goaway(PROTOCOL),
        second(&frame(kind::SETTINGS, flag::ACK, 0, b"")).goaway(PROTOCOL),
    ]
}

/// §4.1, §4.2, §5.5.
fn format() -> Vec<Row> {
    let row = |of, bytes: Vec<u8>| Row::new(of).send(&bytes);
    let body = |n| [post(1, "/test/collect", &[]), data(1, 1, &vec![b'x'; n])].concat();
    let unknown = |flags| frame(kind::UNKNOWN, flags, 0, b"anything");
    let begun = || frame(kind::HEADERS, 1, 1, &GET[..5]);
    vec![
        row("9113 §4.1 an unknown type", unknown(0)).alive(),
        row("9113 §4.1 flags without a meaning", frame(kind::PING, 0x16, 0, b"flagged."))
            .expect(Expected::Pong(*b"flagged."))
            .alive(),
        row("9113 §4.1 the reserved bit", frame(kind::PING, 0, 1 << 31, b"reserved"))
            .expect(Expected::Pong(*b"reserved"))
            .alive(),
        row("9113 §4.2 DATA of 2^14 bytes", body(1 << 14)).answer(1),
        row("9113 §4.2 DATA of one more", body((1 << 14) + 1)).goaway(SIZE),
        row("9113 §4.2 HEADERS of one more", headers(1, 1, &[0; (1 << 14) + 1])).goaway(SIZE),
        row("9113 §4.2 one more of what nobody knows", frame(0x70, 0, 0, &[0; (1 << 14) + 1]))
            .goaway(SIZE),
        row("9113 §5.5 an unknown type, all flags", unknown(0xff)).alive(),
        row("9113 §5.5 within a field block", [begun(), unknown(0)].concat()).goaway(PROTOCOL),
        row("9113 §5.5 an unknown setting", settings(&[(0xfafa, u32::MAX)]))
            .expect(Expected::SettingsAck)
            .alive(),
    ]
}

/// §4.3, §6.2, §6.10: field blocks are in one piece.
fn blocks() -> Vec<Row> {
    let begun = || Row::new("9113 §4.3").send(&frame(kind::HEADERS, 1, 1, &GET[..5]));
    let go_on = |flags, block: &[u8]| frame(kind::CONTINUATION, flags, 1, block);
    let rest = || go_on(flag::END_HEADERS, &GET[5..]);
    let alone = |of, bytes: Vec<u8>| Row::new(of).send(&bytes).goaway(PROTOCOL);
    vec![
        Row::new("9113 §4.3 a block that is none")
            .send(&headers(1, 1, b"\x40\x05ab"))
            .goaway(&[code::COMPRESSION]),
        begun().send(&frame(kind::PRIORITY, 0, 1, &priority(0, 15))).goaway(PROTOCOL),
        begun().send(&headers(1, 3, GET)).goaway(PROTOCOL),
        begun().send(&go_on(0, b"")).send(&data(0, 1, b"x")).goaway(PROTOCOL),
        begun().send(&frame(kind::CONTINUATION, 4, 3, &GET[5..])).goaway(PROTOCOL),
        begun().send(&ping(b"whatever")).goaway(PROTOCOL),
        alone("9113 §6.2 on stream 0", headers(1, 0, GET)),
        alone("9113 §6.2 too much padding", headers(9, 1, &[&[21], GET].concat())),
        alone("9113 §6.10 on stream 0", [frame(1, 1, 1, b""), frame(9, 4, 0, GET)].concat()),
        alone("9113 §6.10 after END_HEADERS", [headers(0, 1, GET), rest()].concat()),
        alone(
            "9113 §6.10 after END_HEADERS of another one",
            [frame(kind::HEADERS, 0, 1, &GET[..5]), rest(), rest()].concat(),
        ),
        alone(
            "9113 §6.10 after DATA",
            [post(1, "/test/collect", &[]), data(0, 1, b"x"), rest()].concat(),
        ),
        alone("9113 §6.10 out of nowhere", rest()),
    ]
}

/// §6.1, §6.3, §6.4: what belongs to a stream.
fn carrying() -> Vec<Row> {
    let row = |of, bytes: Vec<u8>| Row::new(of).send(&bytes);
    let open = || post(1, "/test/collect", &[]);
    let held = || get(1, "/test/wait");
    let on_open = |of, bytes: Vec<u8>| row(of, [open(), bytes].concat());
    vec![
        row("9113 §6.1 on stream 0", data(1, 0, b"test")).goaway(PROTOCOL),
        row("9113 §6.1 on a stream that has ended", [held(), data(1, 1, b"test")].concat())
            .reset(1, &[code::STREAM_CLOSED]),
        on_open("9113 §6.1 padding as long as the payload", data(9, 1, b"\x05test"))
            .goaway(PROTOCOL),
        on_open("9113 §6.1 padding of nothing", data(9, 1, b"")).goaway(SIZE),
        row("9113 §6.3 on stream 0", frame(kind::PRIORITY, 0, 0, &priority(0, 15)))
            .goaway(PROTOCOL),
        row("9113 §6.3 of 4 bytes", [held(), frame(kind::PRIORITY, 0, 1, &[0; 4])].concat())
            .reset(1, SIZE),
        row("9113 §6.3 of 6 bytes", [held(), frame(kind::PRIORITY, 0, 1, &[0; 6])].concat())
            .reset(1, SIZE),
        row("9113 §6.3 of 4 bytes, when all is over", get(1, "/plaintext"))
            .expect(Expected::Answer(1, 200))
            .send(&frame(kind::PRIORITY, 0, 1, &[0; 4]))
            .reset(1, SIZE),
        row("9113 §6.4 on stream 0", number(kind::RST_STREAM, 0, 8)).goaway(PROTOCOL),
        row("9113 §6.4 on an idle stream", number(kind::RST_STREAM, 1, 8)).goaway(PROTOCOL),
        on_open("9113 §6.4 of 3 bytes", frame(kind::RST_STREAM, 0, 1, &[0; 3])).goaway(SIZE),
        on_open(
            "9113 §7 an unknown code",
            [number(kind::RST_STREAM, 1, 0xff), get(3, "/json")].concat(),
        )
        .answer(3),
        row("9113 §8.4 a client that pushes", frame(kind::PUSH_PROMISE, 4, 1, b"\0\0\0\x02"))
            .goaway(PROTOCOL),
    ]
}

/// §6.5, §6.7, §6.8, and RFC 9218 §7.1: what belongs to the connection.
fn control() -> Vec<Row> {
    let row = |of, bytes: Vec<u8>| Row::new(of).send(&bytes);
    let set = |id, value| row("9113 §6.5.2", settings(&[(id, value)]));
    let update = |stream, payload: &[u8]| frame(kind::PRIORITY_UPDATE, 0, stream, payload);
    vec![
        row("9113 §6.5 an ACK that says something", frame(kind::SETTINGS, 1, 0, &[0; 6]))
            .goaway(SIZE),
        row("9113 §6.5 on a stream", frame(kind::SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 1]))
            .goaway(PROTOCOL),
        row("9113 §6.5 of 3 bytes", frame(kind::SETTINGS, 0, 0, &[0; 3])).goaway(SIZE),
        set(2, 2).goaway(PROTOCOL),
        set(4, 1 << 31).goaway(FLOW),
        set(5, 16_383).goaway(PROTOCOL),
        set(5, 1 << 24).goaway(PROTOCOL),
        set(3, 0).expect(Expected::SettingsAck).alive(),
        row("8441 §3 ENABLE_CONNECT_PROTOCOL of 2", settings(&[(8, 2)])).goaway(PROTOCOL),
        row("9218 §2.1 NO_RFC7540_PRIORITIES of 2", settings(&[(9, 2)])).goaway(PROTOCOL),
        row("9113 §6.5.3 acknowledged at once", settings(&[(1, 4096)]))
            .expect(Expected::SettingsAck)
            .alive(),
        row("9113 §6.7 answered with what it carries", ping(b"\0\x01\x02\x03\xfc\xfd\xfe\xff"))
            .expect(Expected::Pong(*b"\0\x01\x02\x03\xfc\xfd\xfe\xff"))
            .alive(),
        row("9113 §6.7 an answer is not answered", frame(kind::PING, flag::ACK, 0, b"whatever"))
            .alive(),
        row("9113 §6.7 on a stream", frame(kind::PING, 0, 1, b"whatever")).goaway(PROTOCOL),
        row("9113 §6.7 of 6 bytes", frame(kind::PING, 0, 0, b"\0\0\0\0\0\0")).goaway(SIZE),
        // §5.4.1: the code, and then the end of the transport.
        row("9113 §5.4.1", frame(kind::PING, 0, 3, b"whatever")).goaway(PROTOCOL),
        row("9113 §6.8 on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8])).goaway(PROTOCOL),
        row("9113 §6.8 of 7 bytes", frame(kind::GOAWAY, 0, 0, &[0; 7])).goaway(SIZE),
        row(
            "9113 §7 GOAWAY with an unknown code",
            frame(kind::GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\xff"),
        )
        .goaway(&[code::NO_ERROR]),
        row("9218 §7.1", [get(1, "/slow/20"), update(0, b"\0\0\0\x01u=0, i")].concat()).answer(1),
        row(
            "9218 §7.1 a stream that is to come",
            [update(0, b"\0\0\0\x01u=7"), get(1, "/json")].concat(),
        )
        .answer(1),
        row("9218 §7.1 on a stream", update(1, b"\0\0\0\x01")).goaway(PROTOCOL),
        row("9218 §7.1 of 3 bytes", update(0, b"\0\0\x01")).goaway(SIZE),
        row("9218 §7.1 a stream that is ours", update(0, b"\0\0\0\x02")).goaway(PROTOCOL),
    ]
}

/// §6.9: what a window may be.
fn windows() -> Vec<Row> {
    let most = i32::MAX as u32;
    let row = |of, bytes: Vec<u8>| Row::new(of).send(&bytes);
    let open = |of, bytes: Vec<u8>| row(of, [post(1, "/test/collect", &[]), bytes].concat());
    vec![
        row("9113 §6.9 by 0", window(0, 0)).goaway(PROTOCOL),
        open("9113 §6.9 by 0, on a stream", window(1, 0)).reset(1, PROTOCOL),
        row("9113 §6.9 of 3 bytes", frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1])).goaway(SIZE),
        row("9113 §6.9.1 2^31-1", window(0, most - 65_535)).alive(),
        row("9113 §6.9.1 past it", window(0, most - 65_534)).goaway(FLOW),
        row("9113 §6.9.1 twice the most", [window(0, most), window(0, most)].concat()).goaway(FLOW),
        open("9113 §6.9.1 2^31-1, a stream", window(1, most - 65_535)).alive(),
        open("9113 §6.9.1 past it, a stream", window(1, most - 65_534)).reset(1, FLOW),
        row("9113 §6.9.2 2^31", settings(&[(4, 1 << 31)])).goaway(FLOW),
        open("9113 §6.9.2 a setting that is too much for a stream", window(1, 1))
            .send(&settings(&[(4, most)]))
            .goaway(FLOW),
    ]
}

/// §6.9.1, §6.9.2, §6.5.3: windows that keep content back, and change under way.
fn changes() -> Vec<Row> {
    let first =
        |of, window| Row::new(of).send(&settings(&[(4, window)])).expect(Expected::SettingsAck);
    let asked = |of, window| first(of, window).send(&get(1, "/plaintext"));
    vec![
        asked("9113 §6.9.1 no more than there is room for", 1).expect(Expected::Data(1, 1)).alive(),
        Row::new("9113 §6.5.3 in their order")
            .send(&settings(&[(4, 100), (4, 1)]))
            .expect(Expected::SettingsAck)
            .send(&get(1, "/plaintext"))
            .expect(Expected::Data(1, 1))
            .alive(),
        asked("9113 §6.9.2 streams that are there change too", 0)
            .send(&settings(&[(4, 1)]))
            .expect(Expected::Data(1, 1))
            .alive(),
        asked("9113 §6.9.2 below 0", 3)
            .expect(Expected::Data(1, 3))
            .send(&settings(&[(4, 2)]))
            .expect(Expected::SettingsAck)
            .send(&window(1, 2))
            .expect(Expected::Data(1, 1))
            .alive(),
        asked("9113 §6.9 the rest, when there is room", 0)
            .send(&window(1, 100))
            .expect(Expected::Data(1, 13))
            .alive(),
    ]
}
