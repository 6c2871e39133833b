//! The machine driven directly: bytes in, events and frames out, whole and cut at every byte.

use std::rc::Rc;

use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::{
    Content, Effect, Event, ExchangeId, Input, Instant, Limits, Machine, Misuse, NameRef, Next,
    Outbox, Payload, Piece, Reason, RequestHead, ResponseHead, Scope, Stamp, StatusCode,
};

use crate::frame::{self, Frame, HEADER, flag, kind};
use crate::{Http2, PREFACE};

mod any;
mod client;
mod client_bounds;
mod content;
mod errors;
mod floods;
mod heads;
mod lifetime;
mod order;
mod pair;
mod push;
mod split;

const NOW: Instant = Instant::from_nanos(1_000_000_000);

/// Ten thousand idle connections are a goal.
#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Http2>() <= 1000, "{}", size_of::<Http2>());
}

fn stamp() -> Stamp {
    Stamp::new("d", "")
}

fn one(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, kind, flags, stream, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    one(kind, 0, stream, &number.to_be_bytes())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    one(kind::SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// A block without a reference to any table, so that blocks can be left out.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new();
    encoder.begin(&mut bytes);
    for (name, value) in fields {
        let name = match name.as_bytes() {
            other if other.iter().any(u8::is_ascii_uppercase) || name.starts_with(':') => {
                NameRef::Other(other)
            }
            other => NameRef::new(other),
        };
        encoder.field(&mut bytes, Field { name, value: value.as_bytes(), sensitive: true });
    }
    bytes
}

fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    one(kind::HEADERS, flags | flag::END_HEADERS, stream, &block(fields))
}

const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

fn get(stream: u32) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    headers(flag::END_STREAM, stream, &fields)
}

fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    headers(0, stream, &[POST, more].concat())
}

fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    one(kind::DATA, flags, stream, payload)
}

/// The client's preface, with no settings.
fn hello() -> Vec<u8> {
    [PREFACE, &one(kind::SETTINGS, 0, 0, &[])].concat()
}

type Make = fn(Rc<Limits>, Instant) -> Http2;

/// A machine, its input, what happened, and what it sent.
struct Side {
    machine: Http2,
    input: Vec<u8>,
    fin: bool,
    now: Instant,
    log: Vec<String>,
    decoder: Decoder,
    /// Content is released as it comes.
    releases: bool,
}

impl Side {
    /// A server to which nothing has come.
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        Self::of(Http2::server, change)
    }

    /// Either role.
    fn of(machine: Make, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self {
            machine: machine(Rc::new(limits.usable()), NOW),
            input: Vec::new(),
            fin: false,
            now: NOW,
            log: Vec::new(),
            decoder: Decoder::new(4096),
            releases: true,
        }
    }

    /// A server, past the prefaces.
    fn ready() -> Self {
        Self::ready_with(|_| ())
    }

    fn ready_with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut side = Self::new(change);
        let log = side.feed([hello(), one(kind::SETTINGS, flag::ACK, 0, &[])].concat());
        assert_eq!(log[0], "0 settings", "{log:?}");
        side
    }

    /// Begins a request; its number, and what was sent.
    fn ask(&mut self, head: &RequestHead, content: Content) -> (Result<u64, Misuse>, Vec<String>) {
        let (id, log) = self.act(|machine, out| machine.request(head, content, out));
        (id.map(|id| id.0), log)
    }

    /// Bytes come; what happened, and what was sent at the end of the turn.
    fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Vec<String> {
        self.input.extend_from_slice(bytes.as_ref());
        self.turn()
    }

    fn turn(&mut self) -> Vec<String> {
        self.poll();
        self.flush();
        std::mem::take(&mut self.log)
    }

    fn poll(&mut self) {
        let bytes = std::mem::take(&mut self.input);
        let mut input = Input::new((), &bytes, self.fin);
        loop {
            match self.machine.poll_event(self.now, &mut input) {
                Ok(Next::Event(event)) => {
                    note(&mut self.log, self.releases, &mut self.machine, event)
                }
                Ok(Next::NeedInput) => break,
                Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
                Ok(Next::Closed(closed)) => {
                    self.log.push(format!("closed {}", closed.cause));
                    break;
                }
                Err(fault) => {
                    let scope = match fault.scope {
                        Scope::Connection => "connection".to_owned(),
                        Scope::Exchange(id) => id.0.to_string(),
                    };
                    self.log.push(format!("{scope} fault {:?}", fault.reason));
                    if fault.scope == Scope::Connection {
                        continue;
                    }
                }
            }
        }
        self.input = input.bytes().to_vec();
    }

    /// A command, and what it sent.
    fn act<T>(&mut self, act: impl FnOnce(&mut Http2, &mut Outbox) -> T) -> (T, Vec<String>) {
        let mut out = Outbox::new();
        let result = act(&mut self.machine, &mut out);
        self.sent(&out);
        (result, std::mem::take(&mut self.log))
    }

    fn respond(&mut self, id: u64, status: u16, content: Content) -> Vec<String> {
        let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        let (result, log) =
            self.act(|machine, out| machine.respond(ExchangeId(id), &head, content, &stamp(), out));
        assert_eq!(result, Ok(()));
        log
    }

    /// Sends content; what was not taken, and what was sent.
    fn send(&mut self, id: u64, length: usize) -> (usize, Vec<String>) {
        let mut body = Payload::from(vec![b'x'; length]);
        let (result, log) =
            self.act(|machine, out| machine.send_body(ExchangeId(id), &mut body, usize::MAX, out));
        assert_eq!(result, Ok(()));
        (body.len(), log)
    }

    fn flush(&mut self) {
        let mut out = Outbox::new();
        self.machine.flush(self.now, &mut out);
        self.sent(&out);
    }

    /// Logs frames, a line each.
    fn sent(&mut self, out: &Outbox) {
        let mut bytes = Vec::new();
        for piece in out.pieces() {
            let Piece::Bytes(piece) = piece else { panic!("not bytes: {piece:?}") };
            bytes.extend_from_slice(piece);
        }
        let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(&bytes);
        while let Some(frame) = Frame::read(rest) {
            let payload = &rest[HEADER..HEADER + frame.length];
            rest = &rest[HEADER + frame.length..];
            let line = self.line(frame, payload);
            self.log.push(line);
        }
        assert!(rest.is_empty(), "half a frame was sent");
    }

    fn line(&mut self, frame: Frame, payload: &[u8]) -> String {
        let id = frame.stream;
        let last = |n: usize| u32::from_be_bytes(*payload[n..].first_chunk().unwrap());
        let end = if frame.has(flag::END_STREAM) { " end" } else { "" };
        match frame.kind {
            kind::DATA => format!("{id} data {}{end}", payload.len()),
            kind::HEADERS | kind::PUSH_PROMISE => {
                let mut text = format!("{id}");
                let mut block = payload;
                if frame.kind == kind::PUSH_PROMISE {
                    text.push_str(&format!(" promises {}", last(0)));
                    block = &payload[4..];
                }
                let decoded = self.decoder.decode(block, |field| {
                    let [name, value] =
                        [field.name.as_bytes(), field.value].map(String::from_utf8_lossy);
                    text.push_str(&format!(" {name}={value}"));
                    Ok::<_, ()>(())
                });
                decoded.unwrap();
                text.replace(":status=", "").replace(" date=d", "") + end
            }
            kind::RST_STREAM => format!("{id} reset {}", last(0)),
            kind::SETTINGS if frame.has(flag::ACK) => "0 settings ack".to_owned(),
            kind::SETTINGS => "0 settings".to_owned(),
            kind::PING if frame.has(flag::ACK) => format!("0 pong {}", payload[0]),
            kind::PING => "0 ping".to_owned(),
            kind::GOAWAY => format!("0 goaway {} {}", last(0), last(4)),
            kind::WINDOW_UPDATE => format!("{id} credit {}", last(0)),
            other => format!("{id} type {other}"),
        }
    }
}

fn note(log: &mut Vec<String>, releases: bool, machine: &mut Http2, event: Event<'_>) {
    let line = match event {
        Event::Request { id, head, content } => {
            format!("{} {} {} {content:?}", id.0, head.method, head.target())
        }
        Event::Response { id, head, content } => {
            let has_some = !head.fields.is_empty();
            let fields = if has_some { format!(" {:?}", head.fields) } else { String::new() };
            format!("{} {}{fields} {content:?}", id.0, head.status.as_str())
        }
        Event::Interim { id, head } => format!("{} interim {}", id.0, head.status.as_str()),
        Event::Promise { id, promised, head } => {
            format!("{} promises {} {} {}", id.0, promised.0, head.method, head.target())
        }
        Event::Body { id, data } => {
            assert!(!data.is_empty());
            if releases {
                machine.release(id, data.len());
            }
            let (front, text) = (format!("{} body ", id.0), String::from_utf8_lossy(data));
            if let Some(line) = log.last_mut().filter(|line| line.starts_with(&front)) {
                line.push_str(&text);
                return;
            }
            format!("{front}{text}")
        }
        Event::Trailers { id, fields } => format!("{} trailers {fields:?}", id.0),
        Event::End { id } => format!("{} over", id.0),
        Event::Reset { id, code, effect } => {
            let undone = if effect == Effect::None { ", undone" } else { "" };
            format!("{} reset by peer {code}{undone}", id.0)
        }
        Event::Writable { id } => format!("{} writable", id.0),
        other => format!("{other:?}"),
    };
    log.push(line);
}

/// What happens to these bytes behind the prefaces, at the end of it all: whole, cut at every byte, and byte by byte.
fn everywhere(bytes: &[u8]) -> Vec<String> {
    everywhere_from(Side::ready, bytes)
}

/// The same for a side that was made ready by `ready`.
fn everywhere_from(ready: impl Fn() -> Side, bytes: &[u8]) -> Vec<String> {
    let run = |pieces: &[&[u8]]| {
        let mut side = ready();
        for piece in pieces {
            side.input.extend_from_slice(piece);
            side.poll();
            if side.log.last().is_some_and(|line| line.starts_with("closed")) {
                break;
            }
        }
        side.flush();
        side.log
    };
    let whole = run(&[bytes]);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(whole, run(&[front, back]), "cut at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(whole, run(&single), "byte by byte");
    whole
}

/// What a sequence of frames comes to, at its end.
fn verdict(frames: &[Vec<u8>]) -> String {
    verdict_of(&everywhere(&frames.concat()))
}

fn verdict_of(log: &[String]) -> String {
    let is_verdict = |line: &&String| {
        line.contains("goaway") || line.contains(" reset ") && !line.contains(" by peer ")
    };
    log.iter().find(is_verdict).cloned().unwrap_or_default()
}

/// The reason of a fault that was logged.
fn reason(log: &[String], reason: Reason) -> bool {
    log.iter().any(|line| line.ends_with(&format!("fault {reason:?}")))
}
