//! Machines driven directly, recorded, and replayed from the bytes of a file.

use std::cell::RefCell;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use trilane_semantics::{
    Closed, Content, Event, ExchangeId, Input, Instant, Limits, Machine, Next, Outbox, Payload,
    Protocol, ResponseHead, Scope, Stamp, StatusCode,
};

use crate::{Beginning, Depth, Plan, Recordable, Recorded, Recorder, Recording};

mod http1;
mod plans;

const NOW: Instant = Instant::from_nanos(7_000);

type Kept = Rc<RefCell<Vec<Recording>>>;

/// A recorder by that plan, and what it has kept.
fn recorder(plan: Plan) -> (Recorder, Kept) {
    let kept = Kept::default();
    let place = Rc::clone(&kept);
    (Recorder::new(Arc::new(plan), move |recording| place.borrow_mut().push(recording)), kept)
}

/// Everything is recorded and kept.
fn all() -> Plan {
    Plan::new().sample(NonZero::<u32>::MIN)
}

fn beginning<'a>(protocol: Protocol, limits: &'a Limits) -> Beginning<'a> {
    let peer = Some(([127, 0, 0, 1], 5).into());
    let (is_client, has_datagrams) = (false, false);
    Beginning { protocol, is_client, limits, has_datagrams, peer, when: 5, now: NOW, chance: 0 }
}

/// A recorded machine, a peer that is told nothing, and handlers that answer at once.
struct Side<M: Recordable> {
    machine: Recorded<M>,
    now: Instant,
    rest: Vec<u8>,
    out: Outbox<M::Stream>,
}

impl<M: Recordable<Stream = ()>> Side<M> {
    fn new(machine: Recorded<M>) -> Self {
        Self { machine, now: NOW, rest: Vec::new(), out: Outbox::new() }
    }

    /// Bytes come, in one piece; how it has ended, if it has.
    fn come(&mut self, bytes: &[u8], fin: bool) -> Option<Closed> {
        self.rest.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.rest);
        let mut input = Input::new((), &bytes, fin);
        let mut closed = None;
        loop {
            match self.machine.poll_event(self.now, &mut input) {
                Ok(Next::Event(Event::Request { id, content: Content::None, .. })) => {
                    self.answer(id)
                }
                Ok(Next::Event(Event::End { id })) => self.answer(id),
                Ok(Next::Event(Event::Body { id, data })) => self.machine.release(id, data.len()),
                Ok(Next::Event(_)) => {}
                Ok(Next::Closed(it)) => {
                    closed = Some(it);
                    break;
                }
                Ok(Next::NeedInput | Next::Paused(_)) => break,
                Err(fault) => {
                    if fault.scope == Scope::Connection
                        && let Some(id) = self.machine.refused()
                    {
                        self.answer(id);
                    }
                }
            }
        }
        self.rest = input.bytes().to_vec();
        self.machine.flush(self.now, &mut self.out);
        self.out.clear(0);
        if let Some(closed) = closed {
            self.machine.ended(closed);
        }
        closed
    }

    fn answer(&mut self, id: ExchangeId) {
        let mut head = ResponseHead::new(StatusCode::OK);
        head.fields.append("set-cookie", "id=secret; Path=/").unwrap();
        let stamp = Stamp::new("Sat, 21 Nov 2026 22:00:00 GMT", "trilane");
        let mut body = Payload::from("hello");
        let length = Content::Exact(body.len() as u64);
        let _ = self.machine.respond(id, &head, length, &stamp, &mut self.out);
        let _ = self.machine.send_body(id, &mut body, usize::MAX, &mut self.out);
        let _ = self.machine.finish(id, None, &mut self.out);
    }
}

/// The only recording that was kept, as it comes out of its file.
fn only(kept: &Kept) -> Recording {
    let kept = kept.take();
    assert_eq!(kept.len(), 1);
    let read = Recording::read(&kept[0].to_bytes()).unwrap();
    assert_eq!(read, kept[0]);
    read
}

/// Replays it, and says the steps.
fn replays(recording: &Recording) -> Vec<String> {
    let mut said = Vec::new();
    let report = recording.replay(|line| said.push(line.to_owned()));
    assert_eq!(report.difference, None, "{said:#?}");
    said
}

fn depth(bytes: usize) -> Depth {
    Depth { bytes, ..Depth::default() }
}
