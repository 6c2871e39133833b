//! An HTTP/3 machine, what has come to it and what it has sent: what must hold of both roles.
//!
//! Steps of the peer: `<4:bytes` come as they are on a stream, `X4:` bytes in hexadecimal digits, `H4:GET` a head of that method, `S0:200` one of that status, `D4:100` a frame
//! of so much content, `F4:7` a frame of that type with zeros, `f4` the end of a stream, `r4` it is reset, `o4` nothing more is wanted of
//! it, `w4:100` so much can be sent on it. Of the caller: `i4` the exchange that is meant from now on, `a200` the head of an answer, with
//! content, `A200` without, `b 500` so much content is sent, `e` it ends, `p` proceed, `c` cancel, `l 500` release, `q` a request,
//! `g` a datagram, `d` drain, `t 500` milliseconds pass.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use trilane_http3::Http3;
use trilane_qpack::{Encoder, Field};
use trilane_semantics::{
    Command, Content, Event, ExchangeId, Fault, Input, Instant, Limits, Machine, Method, NameRef,
    Next, Outbox, Payload, Piece, RequestHead, ResponseHead, Scope, StatusCode,
};

use crate::drive::{NOW, stamp};
use crate::script::{Script, Step};

/// The window of a stream, in bytes: more than a head.
const WINDOW: usize = 2_000;
/// The largest content of one step, in bytes.
const PIECE: usize = 20_000;

/// The head of a frame, in bytes, at most: it is not counted.
const FRAME: usize = 9;

/// Where what comes of an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Content,
    Trailers,
    Over,
}

/// What has come on a stream.
#[derive(Debug, Default)]
struct Come {
    /// The machine has seen it, and not taken it.
    shown: Vec<u8>,
    /// It wants no more now.
    held: Vec<u8>,
    fin: bool,
}

/// What was sent on a stream.
#[derive(Debug, Default)]
struct Sent {
    bytes: Vec<u8>,
    is_over: bool,
}

pub(crate) struct Side {
    machine: Http3,
    now: Instant,
    is_client: bool,
    /// Streams of the peer.
    inputs: BTreeMap<u64, Come>,
    /// Streams that have ended, whatever way.
    ended: BTreeSet<u64>,
    rooms: BTreeMap<u64, usize>,
    /// What comes of each exchange, and what of its content is held.
    exchanges: BTreeMap<u64, (Stage, usize)>,
    id: ExchangeId,
    out: Outbox<u64>,
    sent: BTreeMap<u64, Sent>,
    is_broken: bool,
    is_over: bool,
    has_closed: bool,
}

impl Side {
    pub(crate) fn new(make: fn(Rc<Limits>, Instant) -> Http3, is_client: bool) -> Self {
        let mut limits = Limits::default();
        (limits.head, limits.heads, limits.field_lines) = (1024, 3072, 12);
        (limits.streams, limits.stream_window) = (4, WINDOW);
        Self {
            machine: make(Rc::new(limits.usable()), NOW).with_datagrams(),
            now: NOW,
            is_client,
            inputs: BTreeMap::new(),
            ended: BTreeSet::new(),
            rooms: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            id: ExchangeId(0),
            out: Outbox::new(),
            sent: BTreeMap::new(),
            is_broken: false,
            is_over: false,
            has_closed: false,
        }
    }

    /// Does all of it, and looks at what came of it.
    pub(crate) fn run(mut self, data: &[u8]) {
        let control = if self.is_client { 3 } else { 2 };
        self.come(control, &[0, 4, 0]);
        for step in Script::new(data).0 {
            self.step(step);
            while let Some(stream) = self.machine.revisit() {
                self.poll(stream);
            }
            self.machine.flush(self.now, &mut self.out);
            self.look();
            assert!(!self.is_broken || self.has_closed, "a broken connection is closed");
        }
        for (stream, sent) in &self.sent {
            check(*stream, sent);
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let (id, n) = (self.id, step.number());
        // Callers know only what they were told, and do nothing after the end.
        let is_theirs = b"aAbepcl".contains(&step.op);
        if is_theirs && !self.exchanges.contains_key(&id.0) || self.is_over || self.is_broken {
            return;
        }
        let stream = (n as u64).min(63);
        let (_, rest) = step.pair();
        let after = Step { op: 0, rest }.number();
        match step.op {
            b'<' => self.come(stream, rest),
            b'X' => self.come(stream, &Step::hex(rest)),
            b'H' => self.head(stream, &[(":method", rest), (":scheme", b"https"), (":path", b"/")]),
            b'S' => self.head(stream, &[(":status", rest)]),
            b'D' => self.come(stream, &frame(0, after.min(PIECE))),
            b'F' => self.come(stream, &frame(after as u64, 3)),
            b'f' if self.ended.insert(stream) => {
                self.inputs.entry(stream).or_default().fin = true;
                self.poll(stream);
            }
            b'r' if self.ended.insert(stream) => {
                self.inputs.remove(&stream);
                self.machine.reset(stream, 0x10c);
                self.poll(stream);
            }
            b'o' => {
                self.machine.stopped(stream, 0x10c);
                self.poll(stream);
            }
            b'w' => {
                self.rooms.insert(stream, after);
                self.machine.set_room(stream, after);
            }
            b'i' => self.id = ExchangeId(n as u64),
            b'a' | b'A' => {
                let content = if step.op == b'a' { Content::Unknown } else { Content::None };
                if let Ok(status) = StatusCode::from_u16(n as u16) {
                    let head = ResponseHead::new(status);
                    // Out of order it is refused.
                    let _ = self.machine.respond(id, &head, content, &stamp(), &mut self.out);
                }
            }
            b'b' => self.content(n.min(PIECE)),
            b'e' => drop(self.machine.finish(id, None, &mut self.out)),
            b'p' if !self.is_client => self.machine.proceed(id, &mut self.out),
            b'c' => {
                self.machine.cancel(id, &mut self.out);
                self.exchanges.remove(&id.0);
            }
            b'l' => {
                if let Some((_, held)) = self.exchanges.get_mut(&id.0) {
                    let n = n.min(*held);
                    *held -= n;
                    self.machine.release(id, n);
                    self.poll(id.0);
                }
            }
            b'q' if self.is_client => self.request(rest),
            b'g' => {
                if let Err(fault) = self.machine.datagram(step.rest) {
                    return self.on_fault(fault);
                }
                let _ = self.machine.send_datagram(id, step.rest, &mut self.out);
            }
            b'd' => self.machine.drain(),
            b't' => {
                self.now = self.now + Duration::from_millis(n as u64);
                let is_due = self.machine.poll_timeout().is_some_and(|at| at <= self.now);
                let result = self.machine.handle_timeout(self.now);
                assert!(is_due || result.is_ok(), "an early call does no harm");
                if let Err(fault) = result {
                    self.on_fault(fault);
                }
                self.poll(0);
            }
            _ => (),
        }
    }

    fn request(&mut self, method: &[u8]) {
        let Ok(method) = Method::from_bytes(method) else { return };
        let target = if method == Method::CONNECT { "a:1" } else { "https://a/" };
        let Some(head) = RequestHead::new(method, target) else { return };
        if let Ok(id) = self.machine.request(&head, Content::Unknown, &mut self.out) {
            assert!(!self.is_over && id.0 % 4 == 0);
            assert_eq!(self.exchanges.insert(id.0, (Stage::Head, 0)), None, "a new exchange");
            self.id = id;
        }
    }

    /// Content is sent: no more of it than there is room for.
    fn content(&mut self, n: usize) {
        let room = self.rooms.get(&self.id.0).copied().unwrap_or_default();
        let before = self.out.len();
        // Out of order it is refused, and for who wants nothing it is thrown away.
        let mut payload = Payload::from(vec![b'b'; n]);
        let _ = self.machine.send_body(self.id, &mut payload, PIECE, &mut self.out);
        let queued = self.out.len() - before;
        assert!(queued <= room + FRAME, "{queued} were queued, and there is room for {room}");
        if let Some(room) = self.rooms.get_mut(&self.id.0) {
            *room = room.saturating_sub(queued);
        }
    }

    fn head(&mut self, stream: u64, lines: &[(&str, &[u8])]) {
        let (mut section, mut encoder) = (Vec::new(), Encoder::new(0));
        encoder.begin(0, &mut section);
        for (name, value) in lines {
            let name = NameRef::Other(name.as_bytes());
            encoder.field(&mut section, Field { name, value, sensitive: true });
        }
        encoder.end(&mut section);
        let mut bytes = frame(1, section.len());
        bytes.truncate(bytes.len() - section.len());
        self.come(stream, &[bytes, section].concat());
    }

    /// Bytes come, as far as the machine wants them.
    fn come(&mut self, stream: u64, bytes: &[u8]) {
        if !self.ended.contains(&stream) && !self.is_over {
            self.inputs.entry(stream).or_default().held.extend_from_slice(bytes);
            self.poll(stream);
        }
    }

    /// Shows the machine what it wants of a stream, until it wants no more.
    fn poll(&mut self, stream: u64) {
        let mut come = self.inputs.remove(&stream).unwrap_or_default();
        loop {
            let wanted = self.machine.wanted(stream).min(come.held.len());
            come.shown.extend(come.held.drain(..wanted));
            let is_all = come.fin && come.held.is_empty();
            let mut input = Input::new(stream, &come.shown, is_all);
            self.show(&mut input);
            let left = input.bytes().len();
            come.shown.drain(..come.shown.len() - left);
            if is_all && left == 0 {
                come.fin = false;
            }
            if self.is_over || come.held.is_empty() || self.machine.wanted(stream) == 0 {
                break;
            }
        }
        self.inputs.insert(stream, come);
    }

    fn show(&mut self, input: &mut Input<'_, u64>) {
        let mut polls = 4 * input.bytes().len() + 50;
        loop {
            polls -= 1;
            assert!(polls > 0, "the machine makes no progress");
            match self.machine.poll_event(self.now, input) {
                Ok(Next::Event(event)) => {
                    assert!(!self.is_over && !self.is_broken, "after the end: {event:?}");
                    self.on_event(event);
                }
                Ok(Next::NeedInput) => {
                    assert!(!self.is_over, "the end stays the end");
                    return;
                }
                Ok(Next::Closed(_)) => {
                    self.is_over = true;
                    return;
                }
                Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
                Err(fault) => {
                    assert!(!self.is_over && !self.is_broken, "after the end: {fault:?}");
                    self.on_fault(fault);
                }
            }
        }
    }

    fn on_fault(&mut self, fault: Fault) {
        match fault.scope {
            Scope::Connection => self.is_broken = true,
            Scope::Exchange(id) => {
                // A server may still answer it.
                self.exchanges.entry(id.0).or_insert((Stage::Over, 0)).0 = Stage::Over;
            }
        }
    }

    fn on_event(&mut self, event: Event<'_>) {
        let open = |content| if content == Content::None { Stage::Over } else { Stage::Content };
        let (id, from, to): (_, &[Stage], _) = match event {
            Event::Request { id, content, .. } => {
                assert!(!self.is_client);
                assert_eq!(self.exchanges.insert(id.0, (open(content), 0)), None, "a new one");
                return;
            }
            Event::Interim { id, .. } => (id, &[Stage::Head], Stage::Head),
            Event::Response { id, content, .. } => (id, &[Stage::Head], open(content)),
            Event::Body { id, data } => {
                assert!(!data.is_empty());
                if let Some((_, held)) = self.exchanges.get_mut(&id.0) {
                    *held += data.len();
                    assert!(*held <= WINDOW, "more than the window");
                }
                (id, &[Stage::Content], Stage::Content)
            }
            Event::Trailers { id, .. } => (id, &[Stage::Content], Stage::Trailers),
            Event::End { id } => (id, &[Stage::Content, Stage::Trailers], Stage::Over),
            Event::Reset { id, .. } => {
                if let Some((stage, _)) = self.exchanges.get_mut(&id.0) {
                    *stage = Stage::Over;
                }
                return;
            }
            Event::Writable { id } => {
                assert!(self.exchanges.contains_key(&id.0));
                return;
            }
            other => panic!("HTTP/3 has no {other:?}"),
        };
        let Some((stage, _)) = self.exchanges.get_mut(&id.0) else { panic!("{id:?} is over") };
        assert!(from.contains(stage), "{to:?} after {stage:?}");
        *stage = to;
    }

    /// Reads what was sent: nothing after the end of a stream, or of all.
    fn look(&mut self) {
        for (stream, piece) in self.out.entries() {
            let sent = self.sent.entry(stream).or_default();
            match piece {
                Piece::Bytes(bytes) => {
                    assert!(!sent.is_over && !self.has_closed, "bytes after the end of {stream}");
                    sent.bytes.extend_from_slice(bytes);
                }
                Piece::Command(Command::Fin | Command::Reset(_)) => {
                    assert!(!std::mem::replace(&mut sent.is_over, true), "{stream} ends twice");
                }
                Piece::Command(Command::Close(_)) => {
                    assert!(!std::mem::replace(&mut self.has_closed, true), "closes twice");
                }
                _ => (),
            }
        }
        self.out.clear(0);
    }
}

/// What was sent on a stream is frames that have a place there (RFC 9114 §7.2).
fn check(stream: u64, sent: &Sent) {
    let mut bytes = &sent.bytes[..];
    if stream & 2 != 0 {
        // What QPACK says is looked at elsewhere, and what is reserved says nothing.
        if bytes.first() != Some(&0) {
            return;
        }
        bytes = &bytes[1..];
    }
    let mut is_first = true;
    while let (Some(kind), Some(length)) = (varint(&mut bytes), varint(&mut bytes)) {
        let Some((_, rest)) = bytes.split_at_checked(length as usize) else { return };
        bytes = rest;
        let is_reserved = kind >= 0x21 && (kind - 0x21) % 0x1f == 0;
        let has_place = match kind {
            4 => stream & 2 != 0 && is_first,
            7 | 0xd | 0xf_0700 => stream & 2 != 0 && !is_first,
            0 => stream & 2 == 0 && !is_first,
            1 => stream & 2 == 0,
            _ => is_reserved,
        };
        assert!(has_place, "a frame of type {kind} on stream {stream}");
        is_first &= is_reserved;
    }
}

/// A frame of zeros.
fn frame(kind: u64, length: usize) -> Vec<u8> {
    let mut bytes = (kind.min(1 << 20) as u32 | 0x8000_0000).to_be_bytes().to_vec();
    bytes.extend((length as u32 | 0x8000_0000).to_be_bytes());
    bytes.resize(bytes.len() + length, 0);
    bytes
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let length = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let number = number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some(number & ((1 << (8 * length - 2)) - 1))
}
