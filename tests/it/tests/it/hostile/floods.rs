//! What a peer can send that means harm over HTTP/2 (FEATURES X9), one entry an attack, and what must come of it. Each costs us
//! more than its sender unless it has an end; what each frame costs is `trilane-http2`'s `budget`.

use std::time::Duration;

use crate::h2::frames::{
    block, code, data, flag, frame, get, headers, integer, kind, literal, number, ping, post,
    pseudo, reset, settings, string, window,
};

/// How an attack ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection, with GOAWAY and that code.
    Goaway(u32),
    /// It harms nobody: the connection goes on.
    Nothing,
    /// Either, ENHANCE_YOUR_CALM or nothing: it costs what its bytes cost, unless a reader is behind or they are too many.
    Perhaps,
}

/// One attack, behind the prefaces.
pub(super) struct Attack {
    pub(super) what: &'static str,
    /// Sent one after the other, with `pause` after each.
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) pause: Duration,
    pub(super) end: End,
}

const CALM: End = End::Goaway(code::ENHANCE_YOUR_CALM);
/// More than any budget pays for.
const MANY: u32 = 5000;
/// Has no answer for as long as a test takes.
const SLOW: &str = "/slow/60000";
/// `GET http://it/slow/60000`, without a reference to the dynamic table.
const ASK: &[u8] = b"\x82\x86\x04\x0b/slow/60000\x01\x02it";

fn attack(what: &'static str, bytes: Vec<u8>, end: End) -> Attack {
    Attack { what, pieces: vec![bytes], pause: Duration::ZERO, end }
}

/// The same for each of many streams.
fn each(frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    some(MANY, frames)
}

fn some(n: u32, frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..n).flat_map(|n| frames(2 * n + 1)).collect()
}

/// One stream that is held, and the same frame again and again.
fn behind(first: Vec<u8>, again: &[u8]) -> Vec<u8> {
    [first, again.repeat(2 * MANY as usize)].concat()
}

fn held() -> Vec<u8> {
    get(1, SLOW)
}

/// A stream whose content is to come, and whose handler does not ask for it: it is discarded.
fn open() -> Vec<u8> {
    headers(0, 1, &block(&pseudo("GET", SLOW)))
}

/// A request that is malformed as soon as its content comes, and what is said to it cannot be sent.
fn refused() -> Vec<u8> {
    let head = post(1, "/echo", &[("content-length", "1")]);
    [settings(&[(4, 0)]), head, data(0, 1, b"xx")].concat()
}

pub(super) fn attacks() -> Vec<Attack> {
    let all = [resets(), made_to_reset(), blocks(), control(), content(), streams()];
    all.into_iter().flatten().collect()
}

/// Exchanges that are begun and given up (CVE-2023-44487).
fn resets() -> Vec<Attack> {
    let rapid = |id| [headers(1, id, ASK), reset(id, code::CANCEL)].concat();
    let dressed = [&[0, 0, 0, 0, 255][..], ASK].concat();
    let piece = |n: u32| (0..10).flat_map(|k| rapid(20 * n + 2 * k + 1)).collect::<Vec<u8>>();
    vec![
        attack("rapid reset", each(rapid), CALM),
        attack(
            "rapid reset with a priority",
            each(|id| {
                let head = headers(flag::PRIORITY | 1, id, &dressed);
                [head, frame(kind::PRIORITY, 0, id, &dressed[..5]), reset(id, 8)].concat()
            }),
            CALM,
        ),
        Attack {
            what: "rapid reset, paced",
            pieces: (0..40).map(piece).collect(),
            pause: Duration::from_millis(5),
            end: CALM,
        },
        attack(
            "rapid reset of uploads",
            each(|id| [post(id, "/echo", &[]), data(0, id, b"x"), reset(id, 8)].concat()),
            CALM,
        ),
        attack(
            "RST_STREAM when all is over",
            [get(1, "/plaintext"), reset(1, 8).repeat(MANY as usize)].concat(),
            CALM,
        ),
        attack("RST_STREAM on an idle stream", reset(1, 8), End::Goaway(code::PROTOCOL)),
    ]
}

/// Exchanges that we are made to give up (CVE-2025-8671).
fn made_to_reset() -> Vec<Attack> {
    let most = i32::MAX as u32;
    let asked = |then: fn(u32) -> Vec<u8>| each(move |id| [headers(1, id, ASK), then(id)].concat());
    vec![
        attack("made to reset: a window by 0", asked(|id| window(id, 0)), CALM),
        attack(
            "made to reset: a window past 2^31-1",
            asked(|id| window(id, i32::MAX as u32)),
            CALM,
        ),
        attack("made to reset: DATA after the end", asked(|id| data(0, id, b"x")), CALM),
        attack("made to reset: HEADERS after the end", asked(|id| headers(1, id, ASK)), CALM),
        attack(
            "made to reset: PRIORITY of 4 bytes",
            asked(|id| frame(kind::PRIORITY, 0, id, &[0; 4])),
            CALM,
        ),
        attack(
            "made to reset: PRIORITY on itself",
            asked(|id| frame(kind::PRIORITY, 0, id, &[&id.to_be_bytes()[..], &[0]].concat())),
            CALM,
        ),
        attack(
            "made to reset: more content than was said",
            each(|id| [post(id, "/echo", &[("content-length", "1")]), data(0, id, b"xx")].concat()),
            CALM,
        ),
        attack(
            "made to reset: malformed heads",
            each(|id| headers(1, id, &block(&[(":method", "GET")]))),
            CALM,
        ),
        attack(
            "made to reset: trailers that end nothing",
            each(|id| [post(id, "/echo", &[]), headers(0, id, &block(&[("x", "1")]))].concat()),
            CALM,
        ),
        attack("a window on an idle stream", window(1, most), End::Goaway(code::PROTOCOL)),
    ]
}

/// Header sections: endless, large, and larger than they look.
fn blocks() -> Vec<Attack> {
    let begun = |block: &[u8]| frame(kind::HEADERS, 1, 1, block);
    let more = |block: &[u8]| frame(kind::CONTINUATION, 0, 1, block);
    let lines = |n: usize| block(&[("x", "1")]).repeat(n);
    // A line of 4,000 bytes, which the table keeps, and its number.
    let line = literal(0x40, b"a", &[b'x'; 4000]);
    let bomb = |id, n| headers(1, id, &[ASK, &[0xbe].repeat(n)].concat());
    let learn = headers(1, 1, &[ASK, &line].concat());
    let later = |n: usize| move |id: u32| bomb(id + 2, n);
    // Each of these bytes is more than one zero (RFC 7541 Appendix B).
    let zeros = [&b"\x10\x01x"[..], &integer(0x80, 7, 12_000), &[0; 12_000]].concat();
    let crumb = block(&[("cookie", "a=b")]);
    let with = |id, more: &[u8]| headers(1, id, &[ASK, more].concat());
    let trailers = [post(1, "/echo", &[]), headers(1, 1, &lines(1000))].concat();
    vec![
        attack("CONTINUATION for ever", [begun(b""), more(b"\x90").repeat(10_000)].concat(), CALM),
        attack("CONTINUATION of nothing", [begun(ASK), more(b"").repeat(10_000)].concat(), CALM),
        attack(
            "CONTINUATION in one piece each",
            each(|id| [frame(1, 1, id, ASK), frame(9, 4, id, b""), reset(id, 8)].concat()),
            CALM,
        ),
        attack(
            "a header bomb by size",
            [begun(&[0x40; 16_000]), more(&[0x40; 16_000]).repeat(15)].concat(),
            CALM,
        ),
        attack("a header bomb by count", with(1, &lines(1000)), End::Nothing),
        attack("header bombs by count", each(|id| with(id, &lines(129))), End::Perhaps),
        attack(
            "header bombs by expansion",
            [learn.clone(), each(later(10_000 / 4))].concat(),
            End::Perhaps,
        ),
        // CVE-2026-49975: each of them is within its limit.
        attack("header bombs that are held", [learn, some(120, later(15))].concat(), End::Nothing),
        attack("Huffman bombs that are held", some(120, |id| with(id, &zeros)), End::Nothing),
        attack("a cookie in crumbs", with(1, &crumb.repeat(1000)), End::Nothing),
        attack("cookies in crumbs", each(|id| with(id, &crumb.repeat(129))), End::Perhaps),
        attack("a trailer bomb", trailers, End::Nothing),
        attack(
            "table size updates",
            some(100, |id| {
                [headers(1, id, &[&b"\x20\x3f\xe1\x1f".repeat(4000), ASK].concat()), reset(id, 8)]
                    .concat()
            }),
            End::Goaway(code::COMPRESSION),
        ),
        attack("a block that is none", headers(1, 1, &[0xff; 20]), End::Goaway(code::COMPRESSION)),
        attack(
            "a long name",
            with(1, &[&[0x10][..], &string(&[b'a'; 9000]), &string(b"")].concat()),
            End::Nothing,
        ),
    ]
}

/// Frames of the connection's own.
fn control() -> Vec<Attack> {
    let flood = |what, again: &[u8]| attack(what, behind(held(), again), CALM);
    let all: Vec<(u16, u32)> = (0..2700).map(|n| (n % 7 + 0xf000, 1)).collect();
    let blocked = some(100, |id| get(id, "/bytes/1000000"));
    let toggle = [settings(&[(4, 0)]), settings(&[(4, 1)])].concat();
    let tables = [settings(&[(1, 0)]), settings(&[(1, 4096)])].concat();
    let update = |id: u32| [&id.to_be_bytes()[..], b"u=0, i"].concat();
    vec![
        flood("SETTINGS", &settings(&[(1, 4096)])),
        attack("SETTINGS with many parameters", settings(&all).repeat(300), CALM),
        flood("SETTINGS of nothing", &settings(&[])),
        flood("acknowledgements of nothing", &frame(kind::SETTINGS, flag::ACK, 0, b"")),
        attack(
            "windows that open and close",
            [settings(&[(4, 0)]), blocked, toggle.repeat(1000)].concat(),
            CALM,
        ),
        flood("tables that grow and shrink", &tables),
        flood("PING", &ping(b"whatever")),
        flood("answers to no PING", &frame(kind::PING, flag::ACK, 0, b"whatever")),
        flood("a window of the connection", &window(0, 1)),
        flood("a window of a stream", &window(1, 1)),
        attack(
            "a window of a stream that has ended",
            [get(1, "/plaintext"), window(1, 1).repeat(10_000)].concat(),
            CALM,
        ),
        flood("PRIORITY", &frame(kind::PRIORITY, 0, 3, &[0; 5])),
        flood("PRIORITY_UPDATE", &frame(kind::PRIORITY_UPDATE, 0, 0, &update(1))),
        flood("PRIORITY_UPDATE of idle streams", &frame(kind::PRIORITY_UPDATE, 0, 0, &update(999))),
        flood("frames that nobody knows", &frame(kind::UNKNOWN, 0xff, 1, b"")),
        attack(
            "large frames that nobody knows",
            frame(kind::UNKNOWN, 0, 0, &[0; 16_384]).repeat(1200),
            CALM,
        ),
        flood("GOAWAY", &frame(kind::GOAWAY, 0, 0, &[0; 8])),
        attack(
            "a frame of 16 MiB",
            [b"\xff\xff\xff\0\0\0\0\0\x01".to_vec(), vec![0; 1 << 20]].concat(),
            End::Goaway(code::FRAME_SIZE),
        ),
        attack(
            "a push by the client",
            [held(), frame(kind::PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2], ASK].concat())].concat(),
            End::Goaway(code::PROTOCOL),
        ),
        attack("a window past 2^31-1", window(0, i32::MAX as u32), End::Goaway(code::FLOW_CONTROL)),
    ]
}

/// DATA, and windows that hold it back.
fn content() -> Vec<Attack> {
    let flood = |what, again: &[u8]| attack(what, behind(open(), again), CALM);
    let read =
        |what, again: &[u8]| attack(what, behind(post(1, "/upload", &[]), again), End::Perhaps);
    let dribble = [settings(&[(4, 0)]), get(1, "/bytes/1000000")].concat();
    let early = |again: &[u8]| behind(post(1, "/plaintext", &[]), again);
    vec![
        flood("DATA of nothing", &data(0, 1, b"")),
        flood("DATA of padding", &data(flag::PADDED, 1, &[&[255][..], &[0; 255]].concat())),
        attack("DATA of a byte", behind(open(), &data(0, 1, b"x")), End::Nothing),
        read("DATA of a byte that is read", &data(0, 1, b"x")),
        read("DATA of a byte that is read, padded", &data(flag::PADDED, 1, b"\x02x\0\0")),
        attack("a window that opens by a byte", behind(dribble, &window(1, 1)), CALM),
        attack("DATA of a byte for a refused stream", behind(refused(), &data(0, 1, b"x")), CALM),
        attack("HEADERS for a refused stream", behind(refused(), &headers(0, 1, ASK)), CALM),
        attack("DATA of a byte after the answer", early(&data(0, 1, b"x")), CALM),
        attack(
            "DATA for streams that we have reset",
            behind([held(), window(1, 0)].concat(), &data(0, 1, b"x")),
            CALM,
        ),
        attack(
            "large answers to a window of 0",
            [settings(&[(4, 0)]), some(128, |id| get(id, "/bytes/100000000"))].concat(),
            End::Nothing,
        ),
    ]
}

/// Streams: too many, tunnels, and numbers.
fn streams() -> Vec<Attack> {
    let plain = block(&[(":method", "CONNECT"), (":authority", "it:1")]);
    let extended = [&pseudo("CONNECT", "/"), &[(":protocol", "websocket")][..]].concat();
    let extended = block(&extended);
    vec![
        attack("more streams than are allowed", each(|id| headers(1, id, ASK)), CALM),
        attack("CONNECT", some(500, |id| headers(0, id, &plain)), End::Nothing),
        attack("extended CONNECT", some(500, |id| headers(0, id, &extended)), End::Nothing),
        attack(
            "no number is left",
            [get(0x7fff_ffff, "/plaintext"), get(1, "/plaintext")].concat(),
            End::Goaway(code::PROTOCOL),
        ),
        attack("an even number", number(kind::HEADERS, 2, 0), End::Goaway(code::PROTOCOL)),
    ]
}
