//! A scripted client: carries out one plan after the other over the simulated network, and judges what came.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::Instant;

use crate::answer::Parser;
use crate::pipe::{Arrival, Link};
use crate::plan::{End, Kind, Op, Plan, Reading};
use crate::recorder::Tally;
use crate::rng::Rng;
use crate::server::Server;
use crate::trace::Trace;
use crate::world::Caller;

/// How many of a thousand connections are over TLS.
pub(crate) const SECURE: u64 = 150;

/// One client.
#[derive(Debug)]
pub struct Client {
    rng: Rng,
    /// Requests still to be made.
    todo: usize,
    call: Option<Call>,
    /// When it connects next.
    connects: Instant,
    kinds: Vec<Kind>,
    tally: Tally,
    answered: u64,
}

/// One connection.
#[derive(Debug)]
struct Call {
    key: u64,
    link: Rc<RefCell<Link>>,
    plan: Plan,
    ops: VecDeque<Op>,
    /// How much of the first operation's bytes is written.
    written: usize,
    pause: Option<Instant>,
    parser: Parser,
    reading: Reading,
    read_at: Instant,
    end: Option<End>,
}

impl Client {
    /// A client that will make about `todo` requests, on connections of these kinds in turn, then of any.
    #[must_use]
    pub fn new(mut rng: Rng, todo: usize, kinds: Vec<Kind>) -> Self {
        let connects = Instant::from_nanos(rng.range(1, 2_000_000_000));
        let (tally, answered) = (Tally::default(), 0);
        Self { rng, todo, call: None, connects, kinds, tally, answered }
    }

    fn connect(&mut self, now: Instant, server: &mut Server, trace: &Trace) -> bool {
        if self.todo == 0 || self.connects > now {
            return false;
        }
        let kind = self.kinds.pop().unwrap_or_else(|| match self.rng.per_mille(600) {
            true => self.rng.pick(&[Kind::KeepAlive, Kind::Pipelining]),
            false => self.rng.pick(Kind::ALL),
        });
        let plan = Plan::new(kind, &mut self.rng);
        self.todo = self.todo.saturating_sub(plan.asks.len().max(1));
        let mut link = Link::new(plan.cuts, &mut self.rng);
        if self.rng.per_mille(SECURE) {
            link = link.secure("http/1.1");
        }
        let link = Rc::new(RefCell::new(link));
        let Some(key) = server.accept(Rc::clone(&link)) else {
            self.todo = 0;
            return true;
        };
        trace.note(now, key, format!("{kind:?} {:?}", plan.cuts));
        let ops = plan.ops.iter().cloned().collect();
        let parser = Parser::new(plan.heads());
        self.call = Some(Call {
            key,
            link,
            plan,
            ops,
            written: 0,
            pause: None,
            parser,
            reading: Reading::Eagerly,
            read_at: now,
            end: None,
        });
        true
    }

    /// Judges a connection, and closes it.
    fn conclude(&mut self, now: Instant, excused: bool, trace: &Trace) {
        let Some(mut call) = self.call.take() else { return };
        let end = call.end.unwrap_or(End::Ours);
        call.parser.end();
        call.link.borrow_mut().client_leaves(now);
        let kind = call.plan.kind;
        match call.plan.wrong(&call.parser, end, excused) {
            Some(wrong) => trace.fail(now, call.key, format!("{kind:?}: {wrong}")),
            None => trace.note(now, call.key, format!("{kind:?} done, {end:?}")),
        }
        *self.tally.entry(format!("client {kind:?}")).or_default() += 1;
        for answer in &call.parser.answers {
            *self.tally.entry(format!("status {}", answer.status)).or_default() += 1;
        }
        self.answered += call.parser.complete() as u64;
        self.connects = now + Duration::from_millis(self.rng.range(0, 300));
    }
}

impl Caller for Client {
    fn is_done(&self) -> bool {
        self.todo == 0 && self.call.is_none()
    }

    fn next(&self) -> Option<Instant> {
        let Some(call) = &self.call else {
            return (self.todo > 0).then_some(self.connects);
        };
        let arrival = match call.reading {
            Reading::Never => None,
            _ => call.link.borrow().client_next().map(|due| due.max(call.read_at)),
        };
        let arrival = Instant::earliest(call.link.borrow().client_shakes_next(), arrival);
        Instant::earliest(call.pause, arrival)
    }

    fn step(&mut self, now: Instant, server: &mut Server, trace: &Trace) -> bool {
        let Some(call) = &mut self.call else { return self.connect(now, server, trace) };
        let mut is_busy = call.link.borrow_mut().client_shakes(now);
        is_busy |= call.read(now);
        while call.end.is_none() && call.act(now) {
            is_busy = true;
        }
        if call.end.is_some() {
            self.conclude(now, server.is_draining(), trace);
            return true;
        }
        is_busy
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

impl Call {
    /// Reads what has come. Whether anything had.
    fn read(&mut self, now: Instant) -> bool {
        let mut is_busy = false;
        while self.end.is_none() && self.reading != Reading::Never && self.read_at <= now {
            let arrival = self.link.borrow_mut().client_reads(now);
            match arrival {
                None => break,
                Some(Arrival::Bytes(bytes)) => self.parser.feed(&bytes),
                Some(Arrival::Fin) => self.end = Some(End::Fin),
                Some(Arrival::Reset) => self.end = Some(End::Reset),
            }
            is_busy = true;
            if let Reading::Slowly(pause) = self.reading {
                self.read_at = now + pause;
            }
        }
        is_busy
    }

    /// Does the next operation, or a part of it. Whether anything was done.
    fn act(&mut self, now: Instant) -> bool {
        let Some(op) = self.ops.front() else {
            self.end = Some(End::Ours);
            return true;
        };
        let is_done = match op {
            Op::Send(bytes) => {
                let written = self.link.borrow_mut().client_writes(now, &bytes[self.written..]);
                self.written += written;
                if self.written < bytes.len() {
                    return written > 0;
                }
                true
            }
            Op::Await(n) => self.parser.complete() >= *n,
            Op::SendIfContinued(bytes) => {
                if self.parser.interims.contains(&100) {
                    let send = Op::Send(bytes.clone());
                    self.ops[0] = send;
                    return true;
                }
                !self.parser.answers.is_empty()
            }
            Op::AwaitBytes(n) => self.parser.received >= *n,
            Op::AwaitEnd => false,
            Op::Pause(duration) => {
                let until = *self.pause.get_or_insert(now + *duration);
                until <= now
            }
            Op::Read(reading) => {
                self.reading = *reading;
                true
            }
            Op::HalfClose => {
                self.link.borrow_mut().client_ends(now);
                true
            }
            Op::Leave => {
                self.end = Some(End::Ours);
                true
            }
            Op::Reset => {
                self.link.borrow_mut().client_resets(now);
                self.end = Some(End::Ours);
                true
            }
        };
        if is_done {
            (self.written, self.pause) = (0, None);
            self.ops.pop_front();
        }
        is_done
    }
}
