//! Both roles, ours, against each other in memory: any schedule of requests, answers, promises and pieces, from seeds. What was
//! sent is what arrives, in order, once; and no side ever has more in its hands than it gave credit for.

use std::collections::BTreeMap;

use trilane_semantics::{Fields, Method};

use super::any::Dice;
use super::*;

/// Windows of this world, small enough to close all the time.
const WINDOW: usize = 300;

/// A message as it should arrive, or did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    head: String,
    content: Vec<u8>,
    trailers: Option<String>,
    is_over: bool,
}

/// One end: its machine, what is on the way to it, and its messages.
struct End {
    machine: Http2,
    wire: Vec<u8>,
    /// What is to be sent of each exchange, and how it ends.
    outgoing: BTreeMap<u64, (Payload, Option<Fields>)>,
    /// What was sent, and what arrived, by exchange.
    sent: BTreeMap<u64, Message>,
    came: BTreeMap<u64, Message>,
    /// Content that came and is not released.
    held: BTreeMap<u64, usize>,
    /// Exchanges that began when our settings were not known yet: they have the window that is there without any.
    early: Vec<u64>,
    /// Requests to answer, promises made.
    owed: Vec<u64>,
    promises: BTreeMap<u64, String>,
    /// Exchanges that either side gave up.
    lost: Vec<u64>,
}

impl End {
    fn new(make: Make) -> Self {
        let mut limits = Limits::default();
        (limits.stream_window, limits.streams, limits.pushes) = (WINDOW, 6, 2);
        limits.abuse = u32::MAX;
        Self {
            machine: make(Rc::new(limits.usable()), NOW),
            wire: Vec::new(),
            outgoing: BTreeMap::new(),
            sent: BTreeMap::new(),
            came: BTreeMap::new(),
            held: BTreeMap::new(),
            early: Vec::new(),
            owed: Vec::new(),
            promises: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Takes up to `n` bytes off the wire, whatever they cut.
    fn receive(&mut self, n: usize, kept: &mut Vec<u8>, releases: bool) {
        kept.extend(self.wire.drain(..n.min(self.wire.len())));
        let bytes = std::mem::take(kept);
        let mut input = Input::new((), &bytes, false);
        loop {
            match self.machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(event)) => self.note(event, releases),
                Ok(Next::NeedInput) => break,
                other => panic!("{other:?}"),
            }
        }
        *kept = input.bytes().to_vec();
    }

    fn note(&mut self, event: Event<'_>, releases: bool) {
        let is_new = |came: &BTreeMap<u64, Message>, id: u64| assert!(!came.contains_key(&id));
        match event {
            Event::Request { id, head, content } => {
                is_new(&self.came, id.0);
                let head = format!("{} {}", head.method, head.target());
                let is_over = content == Content::None;
                self.came.insert(id.0, Message { head, is_over, ..Message::default() });
                self.owed.push(id.0);
                if !self.machine.is_read {
                    self.early.push(id.0);
                }
            }
            Event::Response { id, head, content } => {
                is_new(&self.came, id.0);
                let is_over = content == Content::None;
                let head = head.status.as_str().to_owned();
                self.came.insert(id.0, Message { head, is_over, ..Message::default() });
            }
            Event::Promise { promised, head, .. } => {
                let is_new = self.promises.insert(promised.0, head.target().to_owned());
                assert_eq!(is_new, None);
            }
            Event::Body { id, data } => {
                let message = self.came.get_mut(&id.0).unwrap();
                assert!(!message.is_over);
                message.content.extend_from_slice(data);
                if releases {
                    self.machine.release(id, data.len());
                    return;
                }
                let held = self.held.entry(id.0).or_default();
                *held += data.len();
                let most = if self.early.contains(&id.0) { 65_535 } else { WINDOW };
                assert!(*held <= most, "more than there was credit for");
            }
            Event::Trailers { id, fields } => {
                self.came.get_mut(&id.0).unwrap().trailers = Some(format!("{fields:?}"));
            }
            Event::End { id } => {
                let was_over =
                    std::mem::replace(&mut self.came.get_mut(&id.0).unwrap().is_over, true);
                assert!(!was_over);
            }
            Event::Reset { id, .. } => self.give_up(id.0),
            Event::Writable { .. } | Event::Interim { .. } => (),
            other => panic!("{other:?}"),
        }
    }

    fn give_up(&mut self, id: u64) {
        self.outgoing.remove(&id);
        self.held.remove(&id);
        self.owed.retain(|owed| *owed != id);
        self.lost.push(id);
    }

    /// What follows a head that was sent.
    fn follow(&mut self, id: u64, head: String, content: Content, dice: &mut Dice) {
        let mut message = Message { head, ..Message::default() };
        let length = match content {
            Content::Exact(length) => length as usize,
            Content::Unknown => dice.roll(1500) as usize,
            Content::None | Content::Tunnel => 0,
        };
        message.content = (0..length).map(|_| dice.roll(256) as u8).collect();
        message.is_over = true;
        let mut trailers = None;
        if content == Content::Unknown && dice.roll(3) == 0 {
            let mut fields = Fields::new();
            fields.append("x-sum", "1").unwrap();
            message.trailers = Some(format!("{fields:?}"));
            trailers = Some(fields);
        }
        if content != Content::None {
            self.outgoing.insert(id, (Payload::from(message.content.clone()), trailers));
        }
        self.sent.insert(id, message);
    }

    /// Sends some more of one exchange.
    fn send(&mut self, id: u64, room: usize, out: &mut Outbox) {
        let Some((body, trailers)) = self.outgoing.get_mut(&id) else { return };
        assert_eq!(self.machine.send_body(ExchangeId(id), body, room, out), Ok(()));
        if body.is_empty() {
            assert_eq!(self.machine.finish(ExchangeId(id), trailers.as_ref(), out), Ok(()));
            self.outgoing.remove(&id);
        }
    }

    fn release(&mut self, id: u64, n: usize) {
        let Some(held) = self.held.get_mut(&id) else { return };
        let n = n.min(*held);
        *held -= n;
        self.machine.release(ExchangeId(id), n);
    }
}

fn content(dice: &mut Dice) -> Content {
    match dice.roll(3) {
        0 => Content::None,
        1 => Content::Exact(u64::from(dice.roll(1500)) + 1),
        _ => Content::Unknown,
    }
}

struct World {
    client: End,
    server: End,
    /// What either end has not taken.
    kept: [Vec<u8>; 2],
    dice: Dice,
}

impl World {
    fn new(seed: u64) -> Self {
        let (client, server) = (End::new(Http2::client), End::new(Http2::server));
        Self { client, server, kept: [Vec::new(), Vec::new()], dice: Dice(seed) }
    }

    /// What either end has sent goes on the wire, with what it owes.
    fn flush(&mut self, [mut client, mut server]: [Outbox; 2]) {
        self.client.machine.flush(NOW, &mut client);
        self.server.machine.flush(NOW, &mut server);
        put(&client, &mut self.server.wire);
        put(&server, &mut self.client.wire);
    }

    fn ask(&mut self, out: &mut Outbox) {
        let target = format!("http://a/{}", self.dice.roll(1000));
        let content = content(&mut self.dice);
        let method = if content == Content::None { Method::GET } else { Method::POST };
        let head = RequestHead::new(method, &target).unwrap();
        if let Ok(id) = self.client.machine.request(&head, content, out) {
            let head = format!("{} {}", head.method, head.path());
            self.client.follow(id.0, head, content, &mut self.dice);
        }
    }

    fn answer(&mut self, out: &mut Outbox) {
        if self.server.owed.is_empty() {
            return;
        }
        let at = self.dice.roll(self.server.owed.len() as u32) as usize;
        let id = ExchangeId(self.server.owed[at]);
        match self.dice.roll(4) {
            0 => {
                let hints = ResponseHead::new(StatusCode::EARLY_HINTS);
                assert_eq!(self.server.machine.interim(id, &hints, out), Ok(()));
            }
            1 => {
                let head = RequestHead::new(Method::GET, "http://a/promised").unwrap();
                if let Ok(id) = self.server.machine.push(id, &head, out) {
                    self.server.promises.insert(id.0, "/promised".to_owned());
                    self.server.owed.push(id.0);
                }
            }
            // What is over only when all of the request has come: the early end of it is another test's.
            _ if self.server.came.get(&id.0).is_none_or(|it| it.is_over) => {
                self.server.owed.swap_remove(at);
                let content = content(&mut self.dice);
                let head = ResponseHead::new(StatusCode::OK);
                assert_eq!(self.server.machine.respond(id, &head, content, &stamp(), out), Ok(()));
                self.server.follow(id.0, "200".to_owned(), content, &mut self.dice);
            }
            _ => (),
        }
    }

    fn step(&mut self, asks: bool) {
        let mut outs = [Outbox::new(), Outbox::new()];
        match self.dice.roll(8) {
            0 if asks => self.ask(&mut outs[0]),
            0 | 1 => self.answer(&mut outs[1]),
            2 | 3 => {
                let n = self.dice.roll(3000) as usize;
                let releases = self.dice.roll(2) == 0;
                self.server.receive(n, &mut self.kept[0], releases);
                self.client.receive(n / 2, &mut self.kept[1], releases);
            }
            4 | 5 => {
                let room = 1 + self.dice.roll(400) as usize;
                for (end, out) in [&mut self.client, &mut self.server].into_iter().zip(&mut outs) {
                    let ids: Vec<_> = end.outgoing.keys().copied().collect();
                    if !ids.is_empty() {
                        let at = self.dice.roll(ids.len() as u32) as usize;
                        end.send(ids[at], room, out);
                    }
                }
            }
            6 => {
                for end in [&mut self.client, &mut self.server] {
                    let ids: Vec<_> = end.held.keys().copied().collect();
                    let n = self.dice.roll(400) as usize;
                    ids.into_iter().for_each(|id| end.release(id, n));
                }
            }
            _ if asks && self.dice.roll(16) == 0 => {
                let end = if self.dice.roll(2) == 0 { &mut self.client } else { &mut self.server };
                if let Some(&id) = end.outgoing.keys().next() {
                    end.machine.cancel(ExchangeId(id), &mut outs[0]);
                    end.give_up(id);
                }
            }
            _ => (),
        }
        self.flush(outs);
    }

    /// What was sent is what arrived, but for what was given up.
    fn check(&self, seed: u64) {
        let ends = [(&self.client, &self.server), (&self.server, &self.client)];
        for (from, to) in ends {
            for (id, sent) in &from.sent {
                if !from.lost.contains(id) && !to.lost.contains(id) {
                    assert_eq!(Some(sent), to.came.get(id), "seed {seed}, exchange {id}");
                }
            }
        }
        // A promise that goes with a request that was given up is refused.
        for (id, promise) in &self.server.promises {
            let is_same = self.client.promises.get(id) == Some(promise);
            assert!(is_same || self.server.lost.contains(id), "seed {seed}, promise {id}");
        }
        assert!(self.client.promises.keys().all(|id| self.server.promises.contains_key(id)));
        for end in [&self.client, &self.server] {
            assert!(end.machine.streams.is_empty(), "seed {seed}: {:?}", end.machine.streams);
            assert_eq!(end.machine.inflow.total(), 1 << 20, "seed {seed}");
        }
    }
}

fn put(out: &Outbox, wire: &mut Vec<u8>) {
    for piece in out.pieces() {
        let Piece::Bytes(piece) = piece else { panic!("not bytes: {piece:?}") };
        wire.extend_from_slice(piece);
    }
}

#[test]
fn what_is_sent_arrives() {
    let most = if cfg!(debug_assertions) { 150 } else { 3000 };
    let (mut exchanges, mut promises, mut lost) = (0, 0, 0);
    for seed in 0..most {
        let mut world = World::new(seed);
        for _ in 0..600 {
            world.step(true);
        }
        // What is under way comes to its end.
        for _ in 0..20_000 {
            world.step(false);
            let is_quiet = |end: &End| end.machine.streams.is_empty() && end.wire.is_empty();
            if is_quiet(&world.client) && is_quiet(&world.server) {
                break;
            }
        }
        world.check(seed);
        exchanges += world.client.sent.len();
        promises += world.client.promises.len();
        lost += world.client.lost.len() + world.server.lost.len();
    }
    assert!(
        exchanges > 20 * most as usize && promises > 3 * most as usize,
        "{exchanges} {promises}"
    );
    assert!(lost > most as usize, "{lost}");
}
