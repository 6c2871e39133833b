//! The machine driven directly: bytes of streams in, events and frames out, whole and cut at every byte.

use std::collections::BTreeMap;
use std::rc::Rc;

use trilane_qpack::{Decoded, Decoder, Encoder, Field};
use trilane_semantics::{
    Command, Content, Effect, Event, ExchangeId, Input, Instant, Limits, Machine, Misuse, NameRef,
    Next, Outbox, Payload, Piece, Reason, ResponseHead, Scope, Stamp, StatusCode,
};

use crate::frame::{self, Frame, kind};
use crate::{Http3, varint};

mod any;
mod client;
mod content;
mod errors;
mod floods;
mod lifetime;
mod pair;
mod qpack;
mod requests;

const NOW: Instant = Instant::from_nanos(1_000_000_000);
/// What the transport takes of a stream, unless a test says otherwise, in bytes.
const ROOM: usize = 1 << 20;
/// The client's control stream, its encoder's and its decoder's.
const CONTROL: u64 = 2;
const ENCODER: u64 = 6;
const DECODER: u64 = 10;

fn stamp() -> Stamp {
    Stamp::new("d", "")
}

fn one(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, kind, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

fn number(kind: u64, number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_number(&mut bytes, kind, number);
    bytes
}

/// A section without a reference to the dynamic table.
fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(0);
    encoder.begin(0, &mut bytes);
    for (name, value) in fields {
        let name = match name.as_bytes() {
            other if other.iter().any(u8::is_ascii_uppercase) || name.starts_with(':') => {
                NameRef::Other(other)
            }
            other => NameRef::new(other),
        };
        encoder.field(&mut bytes, Field { name, value: value.as_bytes(), sensitive: true });
    }
    encoder.end(&mut bytes);
    bytes
}

fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    one(kind::HEADERS, &section(fields))
}

const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")];
const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")];

fn get() -> Vec<u8> {
    headers(GET)
}

fn post(more: &[(&str, &str)]) -> Vec<u8> {
    headers(&[POST, more].concat())
}

fn data(payload: &[u8]) -> Vec<u8> {
    one(kind::DATA, payload)
}

/// How a client's control stream begins, with no settings.
fn hello() -> Vec<u8> {
    [&[0][..], &one(kind::SETTINGS, &[])].concat()
}

type Make = fn(Rc<Limits>, Instant) -> Http3;

/// A machine, its input, what happened, and what it sent.
struct Side {
    machine: Http3,
    inputs: BTreeMap<u64, (Vec<u8>, bool)>,
    now: Instant,
    log: Vec<String>,
    decoder: Decoder,
    /// What was sent on each stream and is no whole frame; and how much of a DATA frame is missing.
    wire: BTreeMap<u64, (Vec<u8>, u64)>,
    /// Content is released as it comes.
    releases: bool,
    room: usize,
}

impl Side {
    /// Either role, to which nothing has come, and which has said nothing.
    fn of(machine: Make, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self {
            machine: machine(Rc::new(limits.usable()), NOW),
            inputs: BTreeMap::new(),
            now: NOW,
            log: Vec::new(),
            decoder: Decoder::new(0, 0),
            wire: BTreeMap::new(),
            releases: true,
            room: ROOM,
        }
    }

    /// A server whose streams are open, as the client's are.
    fn ready() -> Self {
        Self::ready_with(|_| ())
    }

    fn ready_with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut side = Self::of(Http3::server, change);
        let log = side.feed(CONTROL, hello());
        assert_eq!(log[..2], ["3 settings", "15 fin"], "{log:?}");
        side
    }

    /// Bytes come; what happened, and what was sent at the end of the turn.
    fn feed(&mut self, stream: u64, bytes: impl AsRef<[u8]>) -> Vec<String> {
        self.come(stream, bytes.as_ref(), false);
        self.turn()
    }

    /// The same, and the end of the stream.
    fn end(&mut self, stream: u64, bytes: impl AsRef<[u8]>) -> Vec<String> {
        self.come(stream, bytes.as_ref(), true);
        self.turn()
    }

    fn turn(&mut self) -> Vec<String> {
        self.flush();
        std::mem::take(&mut self.log)
    }

    /// Bytes come, and are handed in.
    fn come(&mut self, stream: u64, bytes: &[u8], fin: bool) {
        let is_new = !self.inputs.contains_key(&stream);
        let input = self.inputs.entry(stream).or_default();
        input.0.extend_from_slice(bytes);
        input.1 |= fin;
        if is_new {
            self.machine.set_room(stream, self.room);
        }
        self.poll(stream);
        while let Some(stream) = self.machine.revisit() {
            self.poll(stream);
        }
    }

    fn poll(&mut self, stream: u64) {
        let (bytes, fin) = self.inputs.get(&stream).cloned().unwrap_or_default();
        let mut input = Input::new(stream, &bytes, fin);
        let mut fin = fin;
        loop {
            match self.machine.poll_event(self.now, &mut input) {
                Ok(Next::Event(event)) => {
                    note(&mut self.log, self.releases, &mut self.machine, event);
                }
                Ok(Next::NeedInput) => {
                    fin &= !input.is_empty();
                    break;
                }
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
                }
            }
        }
        self.inputs.insert(stream, (input.bytes().to_vec(), fin));
    }

    /// A command, and what it sent.
    fn act<T>(&mut self, act: impl FnOnce(&mut Http3, &mut Outbox<u64>) -> T) -> (T, Vec<String>) {
        let mut out = Outbox::new();
        let result = act(&mut self.machine, &mut out);
        self.sent(&out);
        (result, std::mem::take(&mut self.log))
    }

    fn respond(&mut self, id: u64, status: u16, content: Content) -> Vec<String> {
        let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
        self.respond_with(id, &head, content)
    }

    fn respond_with(&mut self, id: u64, head: &ResponseHead, content: Content) -> Vec<String> {
        let (result, log) =
            self.act(|machine, out| machine.respond(ExchangeId(id), head, content, &stamp(), out));
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

    fn finish(&mut self, id: u64) -> Vec<String> {
        let (result, log) = self.act(|machine, out| machine.finish(ExchangeId(id), None, out));
        assert_eq!(result, Ok(()));
        log
    }

    fn flush(&mut self) {
        let mut out = Outbox::new();
        self.machine.flush(self.now, &mut out);
        self.sent(&out);
    }

    /// Logs frames and commands, a line each.
    fn sent(&mut self, out: &Outbox<u64>) {
        for (stream, piece) in out.entries() {
            match piece {
                Piece::Bytes(bytes) => {
                    self.wire.entry(stream).or_default().0.extend_from_slice(bytes);
                    self.frames(stream);
                }
                Piece::Command(Command::Fin) => {
                    let left = self.wire.get(&stream).map_or(0, |(_, left)| *left);
                    assert_eq!(left, 0, "the stream ends within a frame");
                    self.log.push(format!("{stream} fin"));
                }
                Piece::Command(Command::Reset(code)) => {
                    self.log.push(format!("{stream} reset {code:x}"));
                }
                Piece::Command(Command::StopSending(code)) => {
                    self.log.push(format!("{stream} stop {code:x}"));
                }
                Piece::Command(Command::Close(code)) => self.log.push(format!("close {code:x}")),
                Piece::Command(Command::Prioritize(priority)) => {
                    let i = if priority.incremental { " i" } else { "" };
                    self.log.push(format!("{stream} priority {}{i}", priority.urgency));
                }
                Piece::Datagram(bytes) => self.log.push(format!("{stream} datagram {bytes:?}")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Logs the whole frames of a stream, and the content that came.
    fn frames(&mut self, stream: u64) {
        let (mut bytes, mut left) = self.wire.remove(&stream).unwrap_or_default();
        // Types are not logged, nor what QPACK says.
        if stream & 2 != 0 && stream & !1 != 2 {
            return;
        }
        if stream & 2 != 0 && bytes.first() == Some(&0) {
            bytes.remove(0);
        }
        loop {
            if left > 0 && !bytes.is_empty() {
                let goes = bytes.len().min(left as usize);
                bytes.drain(..goes);
                left -= goes as u64;
                self.log.push(format!("{stream} data {goes}"));
                continue;
            }
            let Some(frame) = Frame::read(&bytes) else { break };
            if frame.kind == kind::DATA {
                bytes.drain(..frame.header);
                left = frame.length;
                continue;
            }
            let payload = frame.payload(&bytes).expect("half a frame was sent").to_vec();
            bytes.drain(..frame.header + payload.len());
            if let Some(line) = self.line(stream, frame, &payload) {
                self.log.push(line);
            }
        }
        assert!(bytes.is_empty(), "half a frame was sent");
        self.wire.insert(stream, (bytes, left));
    }

    fn line(&mut self, stream: u64, frame: Frame, payload: &[u8]) -> Option<String> {
        Some(match frame.kind {
            kind::HEADERS => {
                let mut text = format!("{stream}");
                let decoded = self.decoder.decode(stream, payload, |field| {
                    let [name, value] =
                        [field.name.as_bytes(), field.value].map(String::from_utf8_lossy);
                    text.push_str(&format!(" {name}={value}"));
                    Ok::<_, ()>(())
                });
                assert_eq!(decoded, Ok(Decoded::Whole));
                text.replace(":status=", "").replace(" date=d", "")
            }
            kind::SETTINGS => format!("{stream} settings"),
            kind::GOAWAY => format!("{stream} goaway {}", varint::whole(payload).unwrap()),
            // What is reserved.
            other if (other - 0x21) % 0x1f == 0 => return None,
            other => format!("{stream} type {other}"),
        })
    }
}

fn note(log: &mut Vec<String>, releases: bool, machine: &mut Http3, event: Event<'_>) {
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
            format!("{} reset by peer {code:x}{undone}", id.0)
        }
        Event::Writable { id } => format!("{} writable", id.0),
        other => format!("{other:?}"),
    };
    log.push(line);
}

/// What happens to these bytes on a stream, its end behind them if `fin`, at the end of it all: whole, cut at every byte, and byte
/// by byte; the end with the last byte, and alone.
fn everywhere_from(ready: impl Fn() -> Side, stream: u64, bytes: &[u8], fin: bool) -> Vec<String> {
    let run = |pieces: &[&[u8]], is_late: bool| {
        let mut side = ready();
        let last = pieces.len() - 1;
        let is_closed = |side: &Side| side.log.iter().any(|line| line.starts_with("closed"));
        for (at, piece) in pieces.iter().enumerate() {
            side.come(stream, piece, fin && at == last && !is_late);
            if is_closed(&side) {
                break;
            }
        }
        if fin && is_late && !is_closed(&side) {
            side.come(stream, &[], true);
        }
        side.turn()
    };
    let whole = run(&[bytes], false);
    for at in 0..bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(whole, run(&[front, back], false), "cut at {at}");
    }
    let single: Vec<&[u8]> = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(1).collect() };
    assert_eq!(whole, run(&single, false), "byte by byte");
    whole
}

fn everywhere(stream: u64, bytes: &[u8], fin: bool) -> Vec<String> {
    everywhere_from(Side::ready, stream, bytes, fin)
}

/// The reason of a fault that was logged.
fn reason(log: &[String], reason: Reason) -> bool {
    log.iter().any(|line| line.ends_with(&format!("fault {reason:?}")))
}
