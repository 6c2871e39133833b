//! Conversations of many streams at once, answered as they go: however the bytes are cut, the same is said and the same is sent.

use super::*;
use std::collections::BTreeMap;
use trilane_semantics::Fields;

/// Header sections with a table, one after the other.
struct Sections(Encoder);

impl Sections {
    fn block(&mut self, lines: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.begin(&mut bytes);
        for (name, value) in lines {
            let name = match name.strip_prefix(':') {
                Some(_) => NameRef::Other(name.as_bytes()),
                None => NameRef::new(name.as_bytes()),
            };
            self.0.field(&mut bytes, Field::new(name, value.as_bytes()));
        }
        bytes
    }

    fn request(&mut self, id: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(&[POST, more].concat());
        one(kind::HEADERS, flags | flag::END_HEADERS, id, &block)
    }
}

/// Everything that happens on the way in, each line with what was said of it; and everything that was sent.
fn converse(bytes: &[u8], ends: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut limits = Limits::default();
    (limits.stream_window, limits.streams) = (300, 6);
    let mut machine = Http2::server(Rc::new(limits.usable()), NOW);
    let (mut log, mut out, mut at) = (Vec::new(), Outbox::new(), 0);
    let mut waiting = BTreeMap::new();
    for &end in ends {
        let mut input = Input::new((), &bytes[at..end], false);
        loop {
            match machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(event)) => {
                    answer(&mut machine, &event, &mut waiting, &mut out);
                    note(&mut log, true, &mut machine, event);
                }
                Ok(Next::NeedInput) => break,
                Ok(Next::Closed(closed)) => {
                    log.push(format!("closed {}", closed.cause));
                    break;
                }
                Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
                Err(fault) => log.push(format!("{fault:?}")),
            }
        }
        if log.last().is_some_and(|line| line.starts_with("closed")) {
            break;
        }
        at = end - input.bytes().len();
    }
    machine.flush(NOW, &mut out);
    let mut sent = Vec::new();
    for piece in out.pieces() {
        let Piece::Bytes(piece) = piece else { panic!("not bytes: {piece:?}") };
        sent.extend_from_slice(piece);
    }
    (log, sent)
}

/// Some are answered when they come, some at their end with trailers, and every fourth never.
fn answer(
    machine: &mut Http2,
    event: &Event<'_>,
    waiting: &mut BTreeMap<u64, Payload>,
    out: &mut Outbox,
) {
    let ok = ResponseHead::new(StatusCode::OK);
    match *event {
        Event::Request { id, .. } if matches!(id.0 % 8, 1 | 5) => {
            machine.respond(id, &ok, Content::Exact(500), &stamp(), out).unwrap();
            waiting.insert(id.0, vec![b'x'; 500].into());
        }
        Event::End { id } if id.0 % 8 == 3 => {
            machine.respond(id, &ok, Content::Unknown, &stamp(), out).unwrap();
            waiting.insert(id.0, vec![b'y'; 90].into());
        }
        Event::Reset { id, .. } => drop(waiting.remove(&id.0)),
        Event::Writable { .. } => (),
        _ => return,
    }
    for (&id, body) in waiting.iter_mut().filter(|(_, body)| !body.is_empty()) {
        machine.send_body(ExchangeId(id), body, usize::MAX, out).unwrap();
        if body.is_empty() {
            let mut trailers = Fields::new();
            trailers.append(NameRef::new(b"x-sum"), b"1").unwrap();
            machine.finish(ExchangeId(id), Some(&trailers), out).unwrap();
        }
    }
}

/// Uploads, downloads, priorities and credit, all mixed; sections in pieces, padded, with a table.
fn ordinary() -> Vec<u8> {
    let mut it = Sections(Encoder::new());
    let long = it.block(&[POST, &[("user-agent", "split/1"), ("x-long", "abcdefgh")]].concat());
    let (front, back) = long.split_at(long.len() / 2);
    [
        hello(),
        setting(4, 100),
        one(kind::HEADERS, 0, 1, front),
        one(kind::CONTINUATION, flag::END_HEADERS, 1, back),
        it.request(3, 0, &[("user-agent", "split/1"), ("content-length", "6")]),
        data(0, 1, b"one"),
        data(0, 3, b"two"),
        it.request(5, flag::END_STREAM, &[("user-agent", "split/1"), ("priority", "u=1, i")]),
        data(flag::PADDED, 1, b"\x04more\0\0\0\0"),
        one(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x03u=7"),
        one(kind::PING, 0, 0, b"12345678"),
        data(flag::END_STREAM, 3, b"too"),
        number(kind::WINDOW_UPDATE, 1, 250),
        setting(4, 200),
        one(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &it.block(&[("x-sum", "7")])),
        number(kind::WINDOW_UPDATE, 1, 400),
        number(kind::WINDOW_UPDATE, 0, 9),
        it.request(7, 0, &[("expect", "100-continue")]),
        number(kind::RST_STREAM, 7, 8),
        it.request(9, flag::END_STREAM, &[("user-agent", "split/1")]),
        one(kind::GOAWAY, 0, 0, &[0; 8]),
    ]
    .concat()
}

/// Mistakes that end their streams, beside others that go on; and one at last that ends the connection.
fn faulty() -> Vec<u8> {
    let mut it = Sections(Encoder::new());
    [
        hello(),
        setting(4, 100),
        it.request(1, 0, &[("x-first", "line")]),
        it.request(3, flag::END_STREAM, &[("te", "gzip")]),
        data(0, 1, &[b'a'; 290]),
        it.request(5, 0, &[("content-length", "2")]),
        data(flag::END_STREAM, 5, b"abc"),
        it.request(7, flag::END_STREAM, &[("x-first", "line")]),
        number(kind::WINDOW_UPDATE, 7, 0),
        it.request(11, 0, &[("x-second", "line")]),
        data(0, 11, &[b'b'; 301]),
        data(0, 11, b"late"),
        data(flag::END_STREAM, 1, b"end"),
        it.request(13, flag::END_STREAM, &[("x-second", "line")]),
        one(kind::CONTINUATION, flag::END_HEADERS, 13, b""),
        it.request(15, flag::END_STREAM, &[]),
    ]
    .concat()
}

#[test]
fn a_conversation_is_the_same_however_it_is_cut() {
    for (bytes, lines) in [(ordinary(), 16), (faulty(), 12)] {
        let all = bytes.len();
        let whole = converse(&bytes, &[all]);
        assert!(whole.0.len() >= lines, "{:#?}", whole.0);
        for at in 0..all {
            assert_eq!(converse(&bytes, &[at, all]), whole, "cut at {at}");
        }
        let singles: Vec<usize> = (0..=all).collect();
        assert_eq!(converse(&bytes, &singles), whole, "byte by byte");
        for (step, from) in [(2, 0), (2, 1), (7, 3), (64, 5)] {
            let mut ends: Vec<usize> = (from..all).step_by(step).collect();
            ends.push(all);
            assert_eq!(converse(&bytes, &ends), whole, "every {step}");
        }
    }
}
