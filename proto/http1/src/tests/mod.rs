//! The machine driven directly: bytes in, events and bytes out, whole and cut at every byte.

use std::rc::Rc;

use trilane_semantics::{
    Closed, Content, Event, ExchangeId, Fields, Input, Instant, Limits, Machine, Next, Outbox,
    Piece, Reason, RequestHead, ResponseHead, Stamp, StatusCode, Why,
};

use crate::Http1;

mod client;
mod content;
mod heads;
mod lifetime;
mod limits;
mod responses;
mod tunnels;

const NOW: Instant = Instant::from_nanos(0);
fn stamp() -> Stamp {
    Stamp::new("Sat, 21 Nov 2026 22:00:00 GMT", "")
}
const DATE: &str = "date: Sat, 21 Nov 2026 22:00:00 GMT\r\n";

/// Ten thousand idle connections are a goal.
#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Http1>() <= 160, "{}", size_of::<Http1>());
}

fn server() -> Http1 {
    Http1::server(Rc::new(Limits::default()), NOW)
}

fn server_with(change: impl FnOnce(&mut Limits)) -> Http1 {
    let mut limits = Limits::default();
    change(&mut limits);
    Http1::server(Rc::new(limits), NOW)
}

/// What is in the outbox; `<fin>` for a half-close.
fn sent(out: &mut Outbox) -> String {
    let mut text = String::new();
    for piece in out.pieces() {
        match piece {
            Piece::Bytes(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
            Piece::File(it) | Piece::Pipe(it) => text.push_str(&format!("<{it:?}>")),
            Piece::Datagram(_) => panic!("HTTP/1.1 has no datagrams"),
            Piece::Command(_) => text.push_str("<fin>"),
        }
    }
    out.clear(0);
    text
}

fn status(code: u16) -> ResponseHead {
    ResponseHead::new(StatusCode::from_u16(code).unwrap())
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.append(*name, value).unwrap();
    }
    fields
}

/// A machine, its input, and what happened.
struct Side {
    machine: Http1,
    input: Vec<u8>,
    fin: bool,
    log: Vec<String>,
    out: Outbox,
    id: ExchangeId,
}

/// Where a side came to rest.
#[derive(Debug, PartialEq)]
enum Rest {
    NeedInput,
    Paused(Why),
    Closed(Closed),
    Fault(Reason),
}

impl Side {
    fn new(machine: Http1) -> Self {
        let (input, log, out) = (Vec::new(), Vec::new(), Outbox::new());
        Self { machine, input, fin: false, log, out, id: ExchangeId(0) }
    }

    fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Rest {
        self.input.extend_from_slice(bytes.as_ref());
        self.poll(NOW)
    }

    fn fin(&mut self) -> Rest {
        self.fin = true;
        self.poll(NOW)
    }

    /// Polls until it is no event; events are logged, bodies released.
    fn poll(&mut self, now: Instant) -> Rest {
        let bytes = std::mem::take(&mut self.input);
        let mut input = Input::new((), &bytes, self.fin);
        let rest = loop {
            match self.machine.poll_event(now, &mut input) {
                Ok(Next::Event(event)) => {
                    let id = note(&mut self.log, event, &mut self.id);
                    self.machine.release(self.id, id);
                }
                Ok(Next::NeedInput) => break Rest::NeedInput,
                Ok(Next::Paused(why)) => break Rest::Paused(why),
                Ok(Next::Closed(closed)) => break Rest::Closed(closed),
                Err(fault) => break Rest::Fault(fault.reason),
            }
        };
        self.input = input.bytes().to_vec();
        rest
    }

    fn respond(&mut self, head: &ResponseHead, content: Content) -> String {
        self.machine.respond(self.id, head, content, &stamp(), &mut self.out).unwrap();
        sent(&mut self.out)
    }

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

/// Appends an event to the log, body slices in a row joined; how many body bytes it had.
fn note(log: &mut Vec<String>, event: Event<'_>, last: &mut ExchangeId) -> usize {
    match event {
        Event::Request { id, head, content } => {
            *last = id;
            log.push(format!("{head:?} {content:?}"));
        }
        Event::Response { head, content, .. } => {
            log.push(format!("{} {:?} {content:?}", head.status.as_u16(), head.fields));
        }
        Event::Interim { head, .. } => log.push(format!("interim {}", head.status.as_u16())),
        Event::Body { data, .. } => {
            assert!(!data.is_empty());
            let text = String::from_utf8_lossy(data);
            match log.last_mut() {
                Some(line) if line.starts_with("body ") => line.push_str(&text),
                _ => log.push(format!("body {text}")),
            }
            return data.len();
        }
        Event::Trailers { fields, .. } => log.push(format!("trailers {fields:?}")),
        Event::End { .. } => log.push("end".to_string()),
        other => log.push(format!("{other:?}")),
    }
    0
}

/// One conversation: every request is answered with an empty 200 once it is complete.
fn conversation(machine: Http1, pieces: &[&[u8]]) -> Vec<String> {
    let mut side = Side::new(machine);
    for (at, piece) in pieces.iter().enumerate() {
        side.fin = at + 1 == pieces.len();
        let mut rest = side.feed(piece);
        while rest == Rest::Paused(Why::Answer) {
            side.respond(&status(200), Content::None);
            rest = side.poll(NOW);
        }
        match rest {
            Rest::NeedInput => (),
            Rest::Fault(reason) => {
                let refused = side.machine.refused().is_some();
                side.log.push(format!("fault {reason:?} refused {refused}"));
                break;
            }
            other => {
                side.log.push(format!("{other:?}"));
                break;
            }
        }
    }
    side.log
}

/// What a server says to these bytes and then the end: whole, cut at every byte, and byte by byte.
fn everywhere(bytes: impl AsRef<[u8]>, change: impl Fn(&mut Limits)) -> Vec<String> {
    let bytes = bytes.as_ref();
    let whole = conversation(server_with(&change), &[bytes, b""]);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        let cut = conversation(server_with(&change), &[front, back, b""]);
        assert_eq!(whole, cut, "cut at {at} of {:?}", String::from_utf8_lossy(bytes));
    }
    let mut single: Vec<&[u8]> = bytes.chunks(1).collect();
    single.push(b"");
    let single = conversation(server_with(&change), &single);
    assert_eq!(whole, single, "byte by byte: {:?}", String::from_utf8_lossy(bytes));
    whole
}

/// The fault that these bytes are, or nothing.
fn verdict(bytes: impl AsRef<[u8]>, change: impl Fn(&mut Limits)) -> Option<String> {
    let log = everywhere(bytes, change);
    let last = log.last().expect("something happened");
    last.strip_prefix("fault ").map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
}

fn request(method: &str, target: &str, lines: &[(&str, &str)]) -> RequestHead {
    let method = method.parse().unwrap();
    let mut head = RequestHead::new(method, target).unwrap();
    for (name, value) in lines {
        head.fields.append(*name, value).unwrap();
    }
    head
}
