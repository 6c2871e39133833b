//! The replay: a new machine is told what the recorded one was told, and recorded in turn. The two recordings must be the same.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use trilane_http1::Http1;
use trilane_http2::Http2;
use trilane_http3::Http3;
use trilane_semantics::{
    ExchangeId, Input, Instant, Machine, Outbox, Payload, Protocol, Reason, Stamp,
};

use crate::recorded::{Recordable, Recorded};
use crate::recording::{Entry, Recording, Steps};
use crate::secret::Secrets;
use crate::shown::Streams;
use crate::step::Step;
use crate::stream::Stream;
use crate::tape::{Account, Depth, Tape};

/// The most content that a machine was offered in one piece, in bytes.
const MOST: u64 = 1 << 30;

/// How a replay went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many steps it made.
    pub steps: usize,
    /// Why the machine said that the connection is over, if it did: a label, as [`Header::cause`](crate::Header::cause).
    pub verdict: Option<String>,
    /// It is not that of the recording, though that is what the machine has said, or only a machine can say it.
    pub is_other: bool,
    /// It went to the end of the connection: a recording that was cut has none.
    pub is_whole: bool,
    /// Where it was no longer the same.
    pub difference: Option<Difference>,
}

/// The first step that did not go as the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Its number, from 0.
    pub step: usize,
    /// What the recording says.
    pub recorded: String,
    /// What happened.
    pub replayed: String,
}

impl Report {
    /// Whether all went as it was recorded, as far as that was.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.difference.is_none() && !self.is_other
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, recorded, replayed } = self;
        write!(f, "step {step} differs:\n  recorded: {recorded}\n  replayed: {replayed}")
    }
}

impl Recording {
    /// Tells a new machine what the recorded one was told. `tell` hears of each step as it was recorded, in words, once it went the same;
    /// and of the last ones of a connection that had too many.
    pub fn replay(&self, tell: impl FnMut(&str)) -> Report {
        let header = self.header();
        let (limits, began) = (Rc::new(header.limits.clone()), Instant::from_nanos(header.began));
        match (header.protocol, header.is_client) {
            (Protocol::Http2, false) => self.run(Http2::server(limits, began), tell),
            (Protocol::Http2, true) => self.run(Http2::client(limits, began), tell),
            (Protocol::Http3, is_client) => {
                let make = if is_client { Http3::client } else { Http3::server };
                let machine = make(limits, began);
                let datagrams = header.has_datagrams;
                self.run(if datagrams { machine.with_datagrams() } else { machine }, tell)
            }
            (_, true) => self.run(Http1::client(limits, began), tell),
            (_, false) if header.exchanges > 0 => {
                self.run(Http1::server_after(header.exchanges, limits, began), tell)
            }
            (_, false) => self.run(Http1::server(limits, began), tell),
        }
    }

    fn run(&self, machine: impl Recordable, tell: impl FnMut(&str)) -> Report {
        Replay::new(self, machine).run(tell)
    }
}

struct Replay<'a, M: Recordable> {
    recording: &'a Recording,
    machine: Recorded<M>,
    out: Outbox<M::Stream>,
    now: Instant,
    /// Content of any length, as long as the longest that was asked for.
    content: Bytes,
}

impl<'a, M: Recordable> Replay<'a, M> {
    fn new(recording: &'a Recording, machine: M) -> Self {
        let header = recording.header();
        let now = Instant::from_nanos(header.began);
        let depth =
            Depth { bytes: usize::MAX / 2, content: header.has_content, ..Depth::default() };
        let secrets = if header.is_redacted { Secrets::Hidden } else { Secrets::Shown };
        let account = Rc::new(Account { most: usize::MAX, used: Cell::new(0) });
        let tape = Tape::new(depth, secrets, now, account);
        let machine = Recorded::new(machine, tape, header.exchanges, None);
        Self { recording, machine, out: Outbox::new(), now, content: Bytes::new() }
    }

    fn run(mut self, mut tell: impl FnMut(&str)) -> Report {
        let entries: Vec<_> = self.recording.steps().flatten().collect();
        let is_whole = !self.recording.header().is_truncated;
        let mut report =
            Report { steps: 0, verdict: None, is_other: false, is_whole, difference: None };
        let Some(mut streams) = Streams::of(&entries) else {
            report.difference = Some(impossible(0, "more content than there can be"));
            return report;
        };
        // What the machine has said of its end.
        let mut closing = None;
        // How far the two recordings are known to be the same.
        let mut same = 0;
        for (at, entry) in entries.iter().enumerate() {
            if self.make(&entry.step, &mut streams).is_none() {
                report.difference = Some(impossible(at, &describe(entry)));
                return report;
            }
            let steps = self.machine.steps();
            let recorded = &self.recording.bytes()[same.min(self.recording.bytes().len())..];
            if !recorded.starts_with(&steps[same..]) {
                report.difference = difference(at, recorded, &steps[same..]);
                return report;
            }
            same = steps.len();
            self.out.clear(0);
            report.steps += 1;
            if let Some(verdict) = verdict(entry.outcome) {
                report.verdict.get_or_insert_with(|| verdict.to_owned());
                if entry.outcome.starts_with("closed ") {
                    closing.get_or_insert(verdict);
                }
            }
            if !matches!(entry.step, Step::Clock(_)) {
                let began = Instant::from_nanos(self.recording.header().began);
                tell(&format!("{:>13.6} {}", self.now.since(began).as_secs_f64(), describe(entry)));
            }
        }
        self.tell_tail(&mut tell);
        if !is_whole {
            // It ends in the middle of a call.
            return report;
        }
        self.machine.seal();
        let (recorded, replayed) = (self.recording.bytes(), self.machine.steps());
        if recorded != replayed {
            report.difference = difference(entries.len(), &recorded[same..], &replayed[same..]);
            return report;
        }
        let cause = &*self.recording.header().cause;
        let is_fault = Reason::ALL.iter().any(|reason| reason.label() == cause);
        let is_other = |said: Option<&str>| said != Some(cause);
        report.is_other = is_fault && is_other(report.verdict.as_deref())
            || closing.is_some() && is_other(closing);
        report
    }

    /// Tells of the last steps, which cannot be made: what has led to them is not there.
    fn tell_tail(&self, tell: &mut impl FnMut(&str)) {
        let mut nanos = 0_u64;
        for (at, entry) in self.recording.tail().flatten().enumerate() {
            if at == 0 {
                tell("... what came then was not kept; these were the last steps:");
            }
            match entry.step {
                Step::Clock(more) => nanos = nanos.saturating_add(more),
                _ => tell(&format!("{:>13.6} {}", nanos as f64 / 1e9, describe(&entry))),
            }
        }
    }

    /// Makes one call. `None` if it cannot be made.
    fn make(&mut self, step: &Step<'_>, streams: &mut Streams<'_>) -> Option<()> {
        let (machine, out, now) = (&mut self.machine, &mut self.out, self.now);
        let exchange = |id: &u64| ExchangeId(*id);
        // What a call says is in the new recording.
        match step {
            Step::Clock(nanos) => self.now = now + Duration::from_nanos(*nanos),
            Step::Poll(poll) => {
                let bytes = streams.show(poll.stream, poll.shown)?;
                let mut input = Input::new(M::Stream::of(poll.stream), &bytes, poll.fin);
                let _ = machine.poll_event(now, &mut input);
                streams.take(poll.stream, bytes.len() - input.bytes().len());
            }
            Step::Rest { stream, bytes } => streams.take(*stream, bytes.len()),
            Step::Reset { stream, code } => machine.reset(M::Stream::of(*stream), *code),
            Step::Stopped { stream, code } => machine.stopped(M::Stream::of(*stream), *code),
            Step::Room { stream, room } => machine.set_room(M::Stream::of(*stream), size(*room)),
            Step::Streams(more) => machine.set_streams(*more),
            Step::Revisit => {
                let _ = machine.revisit();
            }
            Step::Datagram(bytes) => {
                let _ = machine.datagram(bytes);
            }
            Step::SendDatagram { id, data } => {
                let _ = machine.send_datagram(exchange(id), data, out);
            }
            Step::PassedBy(bytes) => {
                let _ = machine.passed_by(now, size(*bytes));
            }
            Step::Refused => {
                let _ = machine.refused();
            }
            Step::Respond { id, head, content, date, server } => {
                let stamp = Stamp::new(date, server);
                let _ = machine.respond(exchange(id), head, *content, &stamp, out);
            }
            Step::Interim { id, head } => {
                let _ = machine.interim(exchange(id), head, out);
            }
            Step::Proceed(id) => machine.proceed(exchange(id), out),
            Step::Request { head, content } => {
                let _ = machine.request(head, *content, out);
            }
            Step::Cut => machine.cut(),
            Step::Push { id, head } => {
                let _ = machine.push(exchange(id), head, out);
            }
            Step::SendBody { id, length, in_memory, room } => {
                let mut body = self.content(*length, *in_memory)?;
                let (machine, out) = (&mut self.machine, &mut self.out);
                let _ = machine.send_body(exchange(id), &mut body, size(*room), out);
            }
            Step::Finish { id, trailers } => {
                let _ = machine.finish(exchange(id), trailers.as_deref(), out);
            }
            Step::Release { id, bytes } => machine.release(exchange(id), size(*bytes)),
            Step::Cancel(id) => machine.cancel(exchange(id), out),
            Step::Sendable(id) => {
                let _ = machine.sendable(exchange(id));
            }
            Step::Schedule(ids) => {
                let mut ids: Vec<_> = ids.iter().map(exchange).collect();
                machine.schedule(&mut ids);
            }
            Step::Drain => machine.drain(),
            Step::Flush => machine.flush(now, out),
            Step::Timeout => {
                let _ = machine.handle_timeout(now);
            }
            // It comes with a flush.
            Step::Timer => {}
        }
        Some(())
    }

    /// Content of that length.
    fn content(&mut self, length: u64, in_memory: bool) -> Option<Payload> {
        if !in_memory {
            // Nothing is read.
            return Some(Payload::from_file(Rc::new(std::io::stdin()), 0, size(length)));
        }
        if length > MOST {
            return None;
        }
        if self.content.len() < size(length) {
            self.content = vec![0; size(length)].into();
        }
        Some(self.content.slice(..size(length)).into())
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Why the connection is over, if it is.
fn verdict(outcome: &str) -> Option<&str> {
    let (what, rest) = outcome.split_once(' ')?;
    match what {
        "closed" => rest.split(' ').next(),
        // Those of an exchange say of which.
        "fault" if !rest.contains(' ') => Some(rest),
        _ => None,
    }
}

fn impossible(step: usize, recorded: &str) -> Difference {
    Difference { step, recorded: recorded.to_owned(), replayed: "cannot be done".to_owned() }
}

/// The first step in which the two are not the same.
fn difference(at: usize, recorded: &[u8], replayed: &[u8]) -> Option<Difference> {
    let words = |entry: Option<Option<Entry<'_>>>| match entry {
        Some(Some(entry)) => describe(&entry),
        _ => "nothing".to_owned(),
    };
    let (mut recorded, mut replayed) = (Steps::of(recorded), Steps::of(replayed));
    loop {
        let (one, other) = (recorded.next(), replayed.next());
        let bytes = |entry: &Option<Option<Entry<'_>>>| match entry {
            Some(Some(entry)) => Some(entry.bytes.to_vec()),
            _ => None,
        };
        if bytes(&one) != bytes(&other) || one.is_none() {
            return Some(Difference { step: at, recorded: words(one), replayed: words(other) });
        }
    }
}

/// A step and what came out of it, in words.
fn describe(entry: &Entry<'_>) -> String {
    let step = match &entry.step {
        Step::Poll(poll) => {
            let fin = if poll.fin { " fin" } else { "" };
            let taken = (poll.before.len() + poll.after.len()) as u64 + poll.content;
            format!("poll stream {} shown {}{fin} taken {taken}", poll.stream, poll.shown)
        }
        Step::Rest { stream, bytes } => format!("left of stream {stream}: {} bytes", bytes.len()),
        Step::Respond { id, head, content, .. } => {
            format!("respond {id} {} {content:?} {:?}", head.status.as_u16(), head.fields)
        }
        Step::Datagram(bytes) => format!("datagram of {} bytes", bytes.len()),
        Step::SendDatagram { id, data } => format!("send datagram {id} of {} bytes", data.len()),
        Step::Finish { id, trailers } => {
            let trailers = trailers.as_ref().map(Cow::as_ref);
            trailers
                .map_or_else(|| format!("finish {id}"), |fields| format!("finish {id} {fields:?}"))
        }
        Step::SendBody { id, length, room, .. } => {
            let room = if *room >= *length { String::new() } else { format!(", room for {room}") };
            format!("send {length} bytes of {id}{room}")
        }
        Step::Timer if entry.outcome == "off" => "no timer".to_owned(),
        Step::Timer => format!("the timer is set in {} ns", entry.outcome),
        step => format!("{step:?}").to_lowercase(),
    };
    match entry.outcome {
        "" => step,
        _ if matches!(entry.step, Step::Timer) => step,
        outcome => format!("{step} -> {}", outcome.trim_start()),
    }
}
