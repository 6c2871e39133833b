//! HTTP/2's client role against arbitrary frames of a server and arbitrary commands.
//!
//! Steps: `p` at the front takes promises; `qGET:3` a request of that method, its content `n`one, `u`nknown, or so many bytes;
//! `<bytes` come as they are; `F`, a type, flags, a stream (its low 4 bits) and a payload come as a frame; `s1:200` the head of a
//! response on a stream, `S1:200` with its end; `f` fin; `i3` is the exchange that is meant from now on, `b 5` so much content is sent,
//! `e` it ends, `c` cancel, `r 5` release; `d` drain, `t 5` milliseconds pass. Events come in the order of their exchange, the end
//! stays the end, nothing is taken beyond a window, and what the client writes is what a server accepts.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use trilane_hpack::{Encoder, Field};
use trilane_http2::Http2;
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Limits, Machine, Method, NameRef, Next, Outbox, Payload,
    RequestHead, Scope,
};

use crate::drive::{NOW, sent};
use crate::script::{Script, Step};

/// The window of a stream, in bytes.
const WINDOW: usize = 100;

/// `data` as a script.
pub fn h2_client(data: &[u8]) {
    let mut run = Run::new(data.starts_with(b"p"));
    run.come(4, 0, 0, b"");
    run.poll();
    // A window smaller than the first one holds from then on (RFC 9113 §6.9.3).
    run.come(4, 1, 0, b"");
    for step in Script::new(data).0 {
        run.step(step);
        run.poll();
    }
    run.is_fin = true;
    run.poll();
    assert!(run.is_over, "nothing more comes");
    run.other_side();
}

/// Where a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Content,
    Trailers,
    Over,
}

struct Run {
    machine: Http2,
    now: trilane_semantics::Instant,
    takes_promises: bool,
    input: Vec<u8>,
    is_fin: bool,
    is_over: bool,
    id: ExchangeId,
    /// Exchanges under way, and what of their content is held.
    exchanges: BTreeMap<u64, (Stage, usize)>,
    out: Outbox,
    wire: Vec<u8>,
}

impl Run {
    fn new(takes_promises: bool) -> Self {
        let mut limits = Limits::default();
        (limits.head, limits.field_lines, limits.streams) = (1024, 12, 4);
        (limits.stream_window, limits.pushes) = (WINDOW, if takes_promises { 2 } else { 0 });
        Self {
            machine: Http2::client(Rc::new(limits.usable()), NOW),
            now: NOW,
            takes_promises,
            input: Vec::new(),
            is_fin: false,
            is_over: false,
            id: ExchangeId(1),
            exchanges: BTreeMap::new(),
            out: Outbox::new(),
            wire: Vec::new(),
        }
    }

    /// A frame comes.
    fn come(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        if self.is_fin {
            return;
        }
        let [.., a, b, c] = (payload.len() as u32).to_be_bytes();
        self.input.extend([a, b, c, kind, flags, 0, 0, 0, stream & 15]);
        self.input.extend_from_slice(payload);
    }

    /// The head of a response comes.
    fn status(&mut self, step: Step<'_>, flags: u8) {
        let (stream, status) = step.pair();
        let (mut bytes, mut encoder) = (Vec::new(), Encoder::new());
        encoder.begin(&mut bytes);
        // Without a reference to the table: blocks may be lost with their streams.
        let name = NameRef::Other(b":status");
        encoder.field(&mut bytes, Field { name, value: status, sensitive: true });
        self.come(1, flags, stream.first().copied().unwrap_or_default(), &bytes);
    }

    fn step(&mut self, step: Step<'_>) {
        let id = self.id;
        match step.op {
            b'q' => self.request(step),
            b'<' if !self.is_fin => self.input.extend_from_slice(step.rest),
            b'F' => {
                if let Some((&[kind, flags, stream], payload)) = step.rest.split_first_chunk() {
                    self.come(kind, flags, stream, payload);
                }
            }
            b's' => self.status(step, 4),
            b'S' => self.status(step, 5),
            b'f' => self.is_fin = true,
            b'i' => self.id = ExchangeId(step.number() as u64),
            b'b' => {
                let mut payload = Payload::from(vec![b'b'; step.number().min(20_000)]);
                // Too much, or nothing to send it for: refused, and what fitted was sent.
                let _ = self.machine.send_body(id, &mut payload, 9000, &mut self.out);
            }
            b'e' if self.machine.finish(id, None, &mut self.out).is_ok() => {}
            // Less than was promised gives it up; out of order, it goes on.
            b'c' | b'e' => {
                self.machine.cancel(id, &mut self.out);
                self.exchanges.remove(&id.0);
            }
            b'r' => {
                if let Some((_, held)) = self.exchanges.get_mut(&id.0) {
                    let n = step.number().min(*held);
                    *held -= n;
                    self.machine.release(id, n);
                }
            }
            b'd' => self.machine.drain(),
            b't' => {
                self.now = self.now + Duration::from_millis(step.number() as u64);
                let due = self.machine.poll_timeout().is_some_and(|at| at <= self.now);
                let result = self.machine.handle_timeout(self.now);
                assert!(due || result.is_ok(), "an early call does no harm");
                if let Err(fault) = result {
                    self.on_fault(fault.scope);
                }
            }
            _ => (),
        }
        self.wire.extend(sent(&mut self.out));
    }

    fn request(&mut self, step: Step<'_>) {
        let (method, content) = step.pair();
        let Ok(method) = Method::from_bytes(method) else { return };
        let target = if method == Method::CONNECT { "a:1" } else { "https://a/" };
        let Some(head) = RequestHead::new(method, target) else { return };
        let content = match content {
            [b'u', ..] => Content::Unknown,
            [b'0'..=b'9', ..] => Content::Exact(Step { op: 0, rest: content }.number() as u64),
            _ => Content::None,
        };
        if let Ok(id) = self.machine.request(&head, content, &mut self.out) {
            assert!(!self.is_over && id.0 % 2 == 1);
            let was_known = self.exchanges.insert(id.0, (Stage::Head, 0));
            assert!(was_known.is_none(), "a new exchange");
            self.id = id;
        }
    }

    fn poll(&mut self) {
        let bytes = std::mem::take(&mut self.input);
        let mut input = Input::new((), &bytes, self.is_fin);
        let mut polls = 4 * bytes.len() + 20;
        loop {
            polls -= 1;
            assert!(polls > 0, "the machine makes no progress");
            match self.machine.poll_event(self.now, &mut input) {
                Ok(Next::Event(event)) => {
                    assert!(!self.is_over, "after the end: {event:?}");
                    self.on_event(event);
                }
                Ok(Next::Closed(_)) => {
                    self.is_over = true;
                    assert_eq!(self.machine.wanted(()), 0);
                    break;
                }
                Ok(Next::NeedInput) => {
                    assert!(!self.is_over && !self.is_fin, "nothing more comes");
                    break;
                }
                Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
                Err(fault) => {
                    assert!(!self.is_over && self.machine.refused().is_none());
                    self.on_fault(fault.scope);
                }
            }
        }
        self.input = input.bytes().to_vec();
        self.machine.flush(self.now, &mut self.out);
        self.wire.extend(sent(&mut self.out));
    }

    fn on_fault(&mut self, scope: Scope) {
        match scope {
            Scope::Connection => self.is_over = true,
            Scope::Exchange(id) => {
                assert!(self.exchanges.remove(&id.0).is_some(), "a fault of {id:?}, which is over");
            }
        }
        if self.is_over {
            // Its end is still to be told, once.
            assert!(matches!(
                self.machine.poll_event(self.now, &mut Input::new((), b"", false)),
                Ok(Next::Closed(_))
            ));
        }
    }

    fn on_event(&mut self, event: Event<'_>) {
        let (id, from, to): (_, &[Stage], _) = match event {
            Event::Interim { id, head } => {
                assert!(head.status.is_informational());
                (id, &[Stage::Head], Stage::Head)
            }
            Event::Response { id, content, .. } => {
                let to = if content == Content::None { Stage::Over } else { Stage::Content };
                (id, &[Stage::Head], to)
            }
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
            Event::Writable { id } => {
                assert!(self.exchanges.contains_key(&id.0));
                return;
            }
            Event::Reset { id, .. } => {
                assert!(self.exchanges.remove(&id.0).is_some(), "{id:?} is over");
                return;
            }
            Event::Promise { id, promised, .. } => {
                assert!(self.takes_promises && promised.0 % 2 == 0);
                assert!(self.exchanges.contains_key(&id.0));
                assert_eq!(self.exchanges.insert(promised.0, (Stage::Head, 0)), None);
                return;
            }
            other => panic!("a client has no {other:?}"),
        };
        let Some((stage, _)) = self.exchanges.get_mut(&id.0) else { panic!("{id:?} is over") };
        assert!(from.contains(stage), "{to:?} after {stage:?}");
        *stage = to;
    }

    /// A server reads all that was written; of promises it would know nothing.
    fn other_side(&self) {
        if self.takes_promises {
            return;
        }
        let mut limits = Limits::default();
        (limits.stream_window, limits.connection_window) = (i32::MAX as usize, i32::MAX as usize);
        (limits.streams, limits.abuse) = (1 << 14, u32::MAX);
        let mut machine = Http2::server(Rc::new(limits.usable()), NOW);
        let (mut input, mut out) = (Input::new((), &self.wire, false), Outbox::new());
        loop {
            match machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(Event::Body { id, data })) => machine.release(id, data.len()),
                Ok(Next::Event(_)) => (),
                Ok(_) => return,
                // A method that it does not know.
                Err(fault) => assert!(fault.scope != Scope::Connection, "{fault:?}"),
            }
            machine.flush(NOW, &mut out);
            out.clear(0);
        }
    }
}
