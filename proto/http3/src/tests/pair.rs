//! Both roles, ours, against each other in memory: any schedule of requests, answers and pieces on any stream, from seeds. What
//! was sent is what arrives, in order, once; no side ever has more in its hands than it asked for, and nothing waits for ever.

use std::collections::{BTreeMap, VecDeque};

use trilane_semantics::{Fields, Method, Part, RequestHead};

use super::any::Dice;
use super::*;

/// How far a stream may be ahead of its reader, in bytes; small enough to stop all the time.
const WINDOW: usize = 300;
/// What a wire takes of a stream.
const CABLE: usize = 90;

/// A message as it should arrive, or did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    head: String,
    content: Vec<u8>,
    trailers: Option<String>,
    is_over: bool,
}

/// What is on its way on a stream.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    fin: bool,
    reset: Option<u64>,
    stop: Option<u64>,
}

/// One end: its machine, what is on the way to it, and its messages.
struct End {
    machine: Http3,
    wires: BTreeMap<u64, Wire>,
    /// What was handed in and not taken.
    kept: BTreeMap<u64, (Vec<u8>, bool)>,
    /// What is to be sent of each exchange, and how it ends.
    outgoing: BTreeMap<u64, (Payload, Option<Fields>)>,
    sent: BTreeMap<u64, Message>,
    came: BTreeMap<u64, Message>,
    held: BTreeMap<u64, usize>,
    /// Requests to answer.
    owed: Vec<u64>,
    /// Exchanges that either side gave up.
    lost: Vec<u64>,
    datagrams: usize,
}

impl End {
    fn new(make: Make) -> Self {
        let mut limits = Limits::default();
        (limits.stream_window, limits.streams, limits.head) = (WINDOW, 6, 280);
        limits.abuse = u32::MAX;
        Self {
            machine: make(Rc::new(limits.usable()), NOW).with_datagrams(),
            wires: BTreeMap::new(),
            kept: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            sent: BTreeMap::new(),
            came: BTreeMap::new(),
            held: BTreeMap::new(),
            owed: Vec::new(),
            lost: Vec::new(),
            datagrams: 0,
        }
    }

    /// Takes up to `n` bytes off a wire, as far as they are wanted, whatever they cut.
    fn receive(&mut self, stream: u64, n: usize, other: &Self, releases: bool) {
        let Some(wire) = self.wires.get_mut(&stream) else { return };
        if let Some(code) = wire.stop.take() {
            self.machine.stopped(stream, code);
        }
        if let Some(code) = wire.reset.take() {
            wire.bytes.clear();
            self.kept.remove(&stream);
            self.machine.reset(stream, code);
        }
        let n = n.min(wire.bytes.len()).min(self.machine.wanted(stream));
        let kept = self.kept.entry(stream).or_default();
        kept.0.extend(wire.bytes.drain(..n));
        kept.1 |= wire.bytes.is_empty() && std::mem::take(&mut wire.fin);
        if self.machine.streams.get(stream).is_none() {
            let room = other.room(stream);
            self.machine.set_room(stream, room);
        }
        self.poll(stream, releases);
        while let Some(stream) = self.machine.revisit() {
            self.poll(stream, releases);
        }
    }

    /// What the wire from us still takes; `self` is the other end of it.
    fn room(&self, stream: u64) -> usize {
        CABLE.saturating_sub(self.wires.get(&stream).map_or(0, |wire| wire.bytes.len()))
    }

    fn poll(&mut self, stream: u64, releases: bool) {
        let (bytes, mut fin) = self.kept.remove(&stream).unwrap_or_default();
        let mut input = Input::new(stream, &bytes, fin);
        loop {
            match self.machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(event)) => self.note(event, releases),
                Ok(Next::NeedInput) => break,
                other => panic!("{stream} {other:?}"),
            }
        }
        fin &= !input.is_empty();
        self.kept.insert(stream, (input.bytes().to_vec(), fin));
    }

    fn note(&mut self, event: Event<'_>, releases: bool) {
        let begin = |came: &mut BTreeMap<u64, Message>, id: u64, head: String, content: Content| {
            let is_over = content == Content::None;
            let was = came.insert(id, Message { head, is_over, ..Message::default() });
            assert_eq!(was, None);
        };
        match event {
            Event::Request { id, head, content } => {
                let head = format!("{} {}", head.method, head.target());
                begin(&mut self.came, id.0, head, content);
                self.owed.push(id.0);
            }
            Event::Response { id, head, content } => {
                begin(&mut self.came, id.0, head.status.as_str().to_owned(), content);
            }
            Event::Body { id, data } => {
                let message = self.came.get_mut(&id.0).unwrap();
                assert!(!message.is_over);
                message.content.extend_from_slice(data);
                if releases {
                    return self.machine.release(id, data.len());
                }
                let held = self.held.entry(id.0).or_default();
                *held += data.len();
                assert!(*held <= WINDOW, "more than was asked for");
            }
            Event::Trailers { id, fields } => {
                self.came.get_mut(&id.0).unwrap().trailers = Some(format!("{fields:?}"));
            }
            Event::End { id } => {
                let message = self.came.get_mut(&id.0).unwrap();
                assert!(!std::mem::replace(&mut message.is_over, true));
            }
            Event::Reset { id, .. } => self.lost.push(id.0),
            Event::Writable { .. } => (),
            other => panic!("{other:?}"),
        }
    }

    /// Puts what is in the outbox on the wires to `other`.
    fn put(&mut self, out: &mut Outbox<u64>, other: &mut Self) {
        self.machine.flush(NOW, out);
        let mut touched = Vec::new();
        for (stream, part) in out.drain() {
            let wire = other.wires.entry(stream).or_default();
            match part {
                Part::Framing(bytes) => wire.bytes.extend(bytes),
                Part::Payload(payload) => wire.bytes.extend(payload.as_ref()),
                Part::Command(Command::Fin) => wire.fin = true,
                Part::Command(Command::Reset(code)) => {
                    *wire = Wire { reset: Some(code), ..Wire::default() };
                }
                Part::Command(Command::StopSending(code)) => wire.stop = Some(code),
                Part::Command(Command::Prioritize(_)) => (),
                Part::Command(command) => panic!("{command:?}"),
                Part::Datagram(bytes) => {
                    let came = other.machine.datagram(bytes).unwrap();
                    other.datagrams += usize::from(came.is_some_and(|(_, data)| data == b"ping"));
                }
            }
            touched.push(stream);
        }
        for stream in touched {
            self.machine.set_room(stream, other.room(stream));
        }
    }

    /// Sends something of an exchange, and its end.
    fn send(&mut self, id: u64, room: usize, out: &mut Outbox<u64>) {
        let Some((body, trailers)) = self.outgoing.get_mut(&id) else { return };
        self.machine.send_body(ExchangeId(id), body, room, out).unwrap();
        if body.is_empty() {
            self.machine.finish(ExchangeId(id), trailers.as_ref(), out).unwrap();
            self.outgoing.remove(&id);
        }
    }
}

fn body(dice: &mut Dice) -> (Content, Vec<u8>, Option<Fields>) {
    let bytes: Vec<u8> = (0..dice.roll(1000)).map(|n| n as u8).collect();
    let mut trailers = Fields::new();
    trailers.append("x-sum", dice.roll(5).to_string()).unwrap();
    match dice.roll(4) {
        0 => (Content::None, Vec::new(), None),
        1 => (Content::Exact(bytes.len() as u64), bytes, None),
        2 => (Content::Unknown, bytes, None),
        _ => (Content::Unknown, bytes, Some(trailers)),
    }
}

fn message(head: String, bytes: &[u8], trailers: &Option<Fields>) -> Message {
    let trailers = trailers.as_ref().map(|fields| format!("{fields:?}"));
    Message { head, content: bytes.to_vec(), trailers, is_over: true }
}

fn ask(client: &mut End, dice: &mut Dice, out: &mut Outbox<u64>) {
    let (content, bytes, trailers) = body(dice);
    let target = format!("https://a/{}", dice.roll(5));
    let mut head = RequestHead::new(Method::POST, &target).unwrap();
    head.fields.append("user-agent", "the same each time").unwrap();
    let Ok(id) = client.machine.request(&head, content, out) else { return };
    let path = head.path().to_owned();
    client.sent.insert(id.0, message(format!("POST {path}"), &bytes, &trailers));
    if content != Content::None {
        client.outgoing.insert(id.0, (Payload::from(bytes), trailers));
    }
}

fn answer(server: &mut End, dice: &mut Dice, out: &mut Outbox<u64>) {
    if server.owed.is_empty() {
        return;
    }
    let id = server.owed.swap_remove(dice.roll(server.owed.len()));
    let (content, bytes, trailers) = body(dice);
    let status = [200, 404, 500][dice.roll(3)];
    let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
    head.fields.append("x-kind", "the same each time").unwrap();
    server.machine.respond(ExchangeId(id), &head, content, &stamp(), out).unwrap();
    server.sent.insert(id, message(status.to_string(), &bytes, &trailers));
    if content != Content::None {
        server.outgoing.insert(id, (Payload::from(bytes), trailers));
    }
}

fn step(ends: &mut [End; 2], dice: &mut Dice, calm: bool) {
    let mut out = Outbox::new();
    let which = dice.roll(2);
    let [client, server] = ends;
    let (me, other) = if which == 0 { (client, server) } else { (server, client) };
    let pick = |dice: &mut Dice, ids: Vec<u64>| ids.get(dice.roll(ids.len().max(1))).copied();
    match dice.roll(if calm { 9 } else { 12 }) {
        0 => answer(me, dice, &mut out),
        1 | 2 => {
            let ids = me.outgoing.keys().copied().collect();
            if let Some(id) = pick(dice, ids) {
                let room = [usize::MAX, 1, 50][dice.roll(3)];
                me.send(id, room, &mut out);
            }
        }
        3 => {
            for (id, held) in std::mem::take(&mut me.held) {
                me.machine.release(ExchangeId(id), held);
            }
        }
        4..9 => {
            let ids = me.wires.keys().copied().collect();
            if let Some(stream) = pick(dice, ids) {
                let (n, releases) = ([1, 20, 1000][dice.roll(3)], dice.roll(2) == 0);
                me.receive(stream, n, other, releases);
                let room = me.room(stream);
                other.machine.set_room(stream, room);
            }
        }
        9 if which == 0 => ask(me, dice, &mut out),
        10 => {
            let ids = me.came.keys().copied().collect();
            if let Some(id) = pick(dice, ids) {
                let _ = me.machine.send_datagram(ExchangeId(id), b"ping", &mut out);
            }
        }
        11 if dice.roll(10) == 0 => {
            let ids = me.machine.streams.iter().map(|stream| stream.id).collect();
            if let Some(id) = pick(dice, ids) {
                me.machine.cancel(ExchangeId(id), &mut out);
                me.outgoing.remove(&id);
                me.owed.retain(|&owed| owed != id);
                me.lost.push(id);
            }
        }
        _ => (),
    }
    me.put(&mut out, other);
}

#[test]
fn what_is_sent_arrives() {
    let (mut whole, mut datagrams) = (0, 0);
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let mut ends = [End::new(Http3::client), End::new(Http3::server)];
        ends[0].machine.set_streams(30);
        for _ in 0..1500 {
            step(&mut ends, &mut dice, false);
        }
        // Everything comes to its end, whatever the order.
        for _ in 0..6000 {
            step(&mut ends, &mut dice, true);
        }
        let lost: Vec<u64> = ends.iter().flat_map(|end| end.lost.iter().copied()).collect();
        for (from, to) in [(0, 1), (1, 0)] {
            for (id, sent) in &ends[from].sent {
                let came = ends[to].came.get(id);
                let is_cut =
                    came.is_some_and(|it| !it.is_over && sent.content.starts_with(&it.content));
                if lost.contains(id) || is_cut && to == 1 && ends[1].sent.contains_key(id) {
                    // Given up, or answered before it was whole.
                    continue;
                }
                assert_eq!(came, Some(sent), "seed {seed}: {from} {id}");
                whole += 1;
            }
            assert!(ends[from].machine.streams.is_empty(), "seed {seed}: {from}");
            assert_eq!(ends[from].machine.heads, 0);
            assert!(ends[from].machine.closed.is_none());
            datagrams += ends[from].datagrams;
        }
    }
    assert!(whole > 400, "{whole}");
    assert!(datagrams > 20, "{datagrams}");
}
