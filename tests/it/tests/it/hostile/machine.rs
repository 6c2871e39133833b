//! The table against the machine alone: whole, and cut at every byte. The machine decides what is a request and
//! what is refused; which status a handler gives is not its business.

use std::fmt::Write as _;
use std::rc::Rc;

use trilane::{Limits, StatusCode};
use trilane_http1::Http1;
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Instant, Machine, Next, Outbox, ResponseHead, Stamp, Why,
};

use super::{Row, limits, rows};

/// What the machine made of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// 200 for a request that was accepted, as it came, or the status of a fault.
    statuses: Vec<u16>,
    is_open: bool,
    /// Everything else that happened, so that two outcomes can be compared.
    log: String,
}

/// One server that answers each request when it is complete.
struct Side {
    machine: Http1,
    outcome: Outcome,
    input: Vec<u8>,
    /// A request is complete but for its content.
    is_waiting: bool,
    is_over: bool,
}

const NOW: Instant = Instant::from_nanos(0);

impl Side {
    fn new() -> Self {
        let mut all = Limits::default();
        limits(&mut all);
        let machine = Http1::server(Rc::new(all), NOW);
        let outcome = Outcome { is_open: true, ..Outcome::default() };
        Self { machine, outcome, input: Vec::new(), is_waiting: false, is_over: false }
    }

    fn feed(&mut self, bytes: &[u8], fin: bool) {
        if self.is_over {
            return;
        }
        self.input.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.input);
        let mut input = Input::new((), &held, fin);
        let mut id = ExchangeId(0);
        loop {
            match self.machine.poll_event(NOW, &mut input) {
                Ok(Next::Event(event)) => id = self.note(event),
                Ok(Next::NeedInput) => break,
                Ok(Next::Paused(Why::Answer)) => self.answer(id),
                Ok(Next::Paused(Why::Request)) => panic!("a client's word"),
                Ok(Next::Closed(_)) => {
                    self.end();
                    return;
                }
                Err(fault) => {
                    if self.is_waiting {
                        self.outcome.statuses.pop();
                    }
                    if self.machine.refused().is_some() {
                        self.outcome.statuses.push(fault.reason.status().as_u16());
                    }
                    self.end();
                    return;
                }
            }
        }
        self.input = input.bytes().to_vec();
    }

    fn end(&mut self) {
        (self.is_over, self.outcome.is_open) = (true, false);
    }

    fn note(&mut self, event: Event<'_>) -> ExchangeId {
        let log = &mut self.outcome.log;
        match event {
            Event::Request { id, head, content } => {
                self.outcome.statuses.push(200);
                self.is_waiting = !matches!(content, Content::None | Content::Tunnel);
                write!(log, "[{head:?} {content:?}]").unwrap();
                id
            }
            Event::Body { id, data } => {
                log.push_str(&String::from_utf8_lossy(data));
                self.machine.release(id, data.len());
                id
            }
            Event::Trailers { id, fields } => {
                write!(log, "{fields:?}").unwrap();
                id
            }
            Event::End { id } => {
                self.is_waiting = false;
                id
            }
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, id: ExchangeId) {
        let (stamp, mut out) = (Stamp::new("Sat, 21 Nov 2026 22:00:00 GMT", ""), Outbox::new());
        let head = ResponseHead::new(StatusCode::OK);
        self.machine.respond(id, &head, Content::None, &stamp, &mut out).unwrap();
    }
}

fn run(pieces: &[&[u8]], half_closes: bool) -> Outcome {
    let mut side = Side::new();
    for piece in pieces {
        side.feed(piece, false);
    }
    if half_closes {
        side.feed(b"", true);
    }
    side.outcome
}

fn check(row: &Row) {
    let (bytes, fin) = (&row.bytes[..], row.expected.half_closes);
    let whole = run(&[bytes], fin);
    let expected = &row.expected;
    assert_eq!(
        whole.statuses.len(),
        expected.answers.len(),
        "{} gave {:?}",
        row.text(),
        whole.statuses
    );
    for (got, answer) in whole.statuses.iter().zip(&expected.answers) {
        let fits = answer.statuses.contains(got) || *got == 200 && answer.is_handlers;
        assert!(fits, "{} gave {:?}", row.text(), whole.statuses);
    }
    // What a handler answers may close too.
    if expected.is_open || !expected.answers.iter().any(|answer| answer.is_handlers) {
        assert_eq!(whole.is_open, expected.is_open, "{}", row.text());
    }
    // A long row is cut where something changes, and here and there.
    let step = if bytes.len() > 1500 { 97 } else { 1 };
    for at in (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(40)..=bytes.len()) {
        let (front, back) = bytes.split_at(at);
        assert_eq!(run(&[front, back], fin), whole, "cut at {at}: {}", row.text());
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(&single, fin), whole, "byte by byte: {}", row.text());
}

#[test]
fn the_machine_says_the_same_however_the_bytes_are_cut() {
    rows().iter().for_each(check);
}
