//! The client role against arbitrary server bytes and arbitrary commands.
//!
//! Steps: `qGET:3` a request of that method, its content `n`one, `u`nknown, `t`unnel, or so many bytes; `<bytes` come,
//! `f` fin, `b 5` so much content is sent, `e` it ends, `c` cancel, `d` drain, `t 5` milliseconds pass. Events come in
//! order, the end stays the end, and what the client writes is what a server accepts.

use std::rc::Rc;
use std::time::Duration;

use trilane_http1::Http1;
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Instant, Limits, Machine, Method, Next, Outbox, Payload,
    RequestHead, ResponseHead, Why,
};

use crate::drive::{NOW, sent, server, stamp};
use crate::script::{Script, Step};

/// A method that every server reads, in bytes.
const LONGEST: usize = 16;

/// `data` as a script.
pub fn client(data: &[u8]) {
    let mut run = Run::new();
    for step in Script::new(data).0 {
        run.step(step);
        run.poll();
    }
    run.is_fin = true;
    run.poll();
    run.other_side();
}

/// Where a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No request is under way, or its response has ended.
    None,
    Head,
    Content,
}

struct Run {
    machine: Http1,
    now: Instant,
    input: Vec<u8>,
    is_fin: bool,
    is_over: bool,
    id: ExchangeId,
    stage: Stage,
    out: Outbox,
    wire: Vec<u8>,
    /// A tunnel's bytes are no requests.
    has_tunnel: bool,
}

impl Run {
    fn new() -> Self {
        let mut limits = Limits::default();
        (limits.head, limits.field_lines) = (1024, 12);
        Self {
            machine: Http1::client(Rc::new(limits), NOW),
            now: NOW,
            input: Vec::new(),
            is_fin: false,
            is_over: false,
            id: ExchangeId(0),
            stage: Stage::None,
            out: Outbox::new(),
            wire: Vec::new(),
            has_tunnel: false,
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let id = self.id;
        match step.op {
            b'q' => self.request(step),
            b'<' if !self.is_fin => self.input.extend_from_slice(step.rest),
            b'f' => self.is_fin = true,
            b'b' => {
                let mut payload = Payload::from(vec![b'b'; step.number().min(20_000)]);
                // Too much, or nothing to send it for: refused, and what fitted was sent.
                let _ = self.machine.send_body(id, &mut payload, 9000, &mut self.out);
            }
            b'e' => {
                let _ = self.machine.finish(id, None, &mut self.out);
            }
            b'c' => self.machine.cancel(id, &mut self.out),
            b'd' => self.machine.drain(),
            b't' => {
                self.now = self.now + Duration::from_millis(step.number() as u64);
                let due = self.machine.poll_timeout().is_some_and(|at| at <= self.now);
                let failed = self.machine.handle_timeout(self.now).is_err();
                assert!(due || !failed, "an early call does no harm");
                assert!(self.machine.poll_timeout().is_none_or(|at| at > self.now));
            }
            _ => (),
        }
        self.wire.extend(sent(&mut self.out));
    }

    fn request(&mut self, step: Step<'_>) {
        let (method, content) = step.pair();
        // Longer ones are refused by servers, with reason.
        let Ok(method) = Method::from_bytes(&method[..method.len().min(LONGEST)]) else { return };
        let target = if method == Method::CONNECT { "a:1" } else { "/" };
        let Some(head) = RequestHead::new(method, target) else { return };
        let content = match content {
            [b'u', ..] => Content::Unknown,
            [b't', ..] => Content::Tunnel,
            [b'0'..=b'9', ..] => Content::Exact(Step { op: 0, rest: content }.number() as u64),
            _ => Content::None,
        };
        if let Ok(id) = self.machine.request(&head, content, &mut self.out) {
            assert!(id > self.id && !self.is_over, "a new exchange");
            assert_eq!(self.stage, Stage::None, "one response at a time");
            (self.id, self.stage) = (id, Stage::Head);
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
                Ok(Next::Paused(Why::Request)) => break assert!(!self.is_over),
                Ok(Next::NeedInput) => {
                    assert!(!self.is_over && !self.is_fin, "nothing more comes");
                    assert!(self.machine.wanted(()) > 0);
                    break;
                }
                Ok(Next::Paused(Why::Answer)) => panic!("a client answers nothing"),
                Err(_) => {
                    assert!(!self.is_over && self.machine.refused().is_none());
                    self.is_over = true;
                }
            }
        }
        self.input = input.bytes().to_vec();
    }

    fn on_event(&mut self, event: Event<'_>) {
        let (id, next) = match (event, self.stage) {
            (Event::Interim { id, head }, Stage::Head) => {
                assert!(head.status.is_informational());
                (id, Stage::Head)
            }
            (Event::Response { id, content, .. }, Stage::Head) => {
                self.has_tunnel |= content == Content::Tunnel;
                (id, if content == Content::None { Stage::None } else { Stage::Content })
            }
            (Event::Body { id, data }, Stage::Content) => {
                assert!(!data.is_empty());
                self.machine.release(id, data.len());
                (id, Stage::Content)
            }
            (Event::Trailers { id, .. }, Stage::Content) => (id, Stage::Content),
            (Event::End { id }, Stage::Content) => (id, Stage::None),
            (event, stage) => panic!("{event:?} in {stage:?}"),
        };
        assert_eq!(id, self.id);
        self.stage = next;
    }

    /// A server reads all that was written, as far as it came.
    fn other_side(&self) {
        if self.has_tunnel {
            return;
        }
        let mut machine = server(&Limits::default());
        let (mut input, mut out) = (Input::new((), &self.wire, false), Outbox::new());
        let mut last = ExchangeId(0);
        loop {
            match machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(Event::Request { id, .. })) => last = id,
                Ok(Next::Event(Event::Body { id, data })) => machine.release(id, data.len()),
                Ok(Next::Event(_)) => (),
                Ok(Next::Paused(_)) => {
                    let head = ResponseHead::default();
                    assert!(
                        machine.respond(last, &head, Content::None, &stamp(), &mut out).is_ok()
                    );
                    assert!(machine.finish(last, None, &mut out).is_ok());
                }
                Ok(Next::NeedInput | Next::Closed(_)) => return,
                Err(fault) => {
                    panic!("{fault:?} of {:?}", String::from_utf8_lossy(&self.wire));
                }
            }
        }
    }
}
