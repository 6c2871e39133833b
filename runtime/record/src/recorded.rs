//! A machine whose calls are noted, and what comes out of them. It does what the machine does.

use std::borrow::Cow;
use std::fmt;

use trilane_http1::Http1;
use trilane_http2::Http2;
use trilane_http3::Http3;
use trilane_semantics::{
    Closed, Content, Event, ExchangeId, Fault, Fields, Input, Instant, Machine, Misuse, Next,
    Outbox, Part, Payload, Protocol, RequestHead, ResponseHead, Stamp,
};

use crate::outcome;
use crate::step::Step;
use crate::stream::Stream;
use crate::tape::Tape;

/// Memory for what one call has to send that is kept, in bytes.
const KEEP: usize = 4 << 10;

/// A machine that can be recorded.
pub trait Recordable: Machine<Stream: Stream> + fmt::Debug {
    /// Where it is as good as new but for its count of exchanges: that count.
    fn rested(&self) -> Option<u64> {
        None
    }
}

impl Recordable for Http1 {
    fn rested(&self) -> Option<u64> {
        self.rested()
    }
}

impl Recordable for Http2 {}
impl Recordable for Http3 {}

/// What was noted of a connection, all of it.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) tape: Tape,
    pub(crate) began: Instant,
    /// Exchanges before what was noted.
    pub(crate) exchanges: u64,
    pub(crate) closed: Option<Closed>,
}

type Done = Box<dyn FnOnce(Noted)>;

/// A machine whose calls are noted.
pub struct Recorded<M: Recordable> {
    machine: M,
    /// What one call has to send.
    fresh: Outbox<M::Stream>,
    /// Until it is over.
    noted: Option<Noted>,
    timer: Option<Instant>,
    done: Option<Done>,
}

impl<M: Recordable> Recorded<M> {
    /// `machine` is new, at the time of the tape, but for that many exchanges. Who waits for what was noted is told when it is dropped.
    pub(crate) fn new(machine: M, tape: Tape, exchanges: u64, done: Option<Done>) -> Self {
        let began = tape.now();
        let noted = Some(Noted { tape, began, exchanges, closed: None });
        Self { machine, fresh: Outbox::new(), noted, timer: None, done }
    }

    fn tape(&mut self) -> Option<&mut Tape> {
        self.noted.as_mut().map(|noted| &mut noted.tape)
    }

    /// What was noted so far.
    pub(crate) fn steps(&self) -> &[u8] {
        self.noted.as_ref().map(|noted| noted.tape.steps()).unwrap_or_default()
    }

    /// It is over: what was noted is all.
    pub(crate) fn seal(&mut self) {
        if let Some(tape) = self.tape() {
            tape.finish();
        }
    }

    /// Notes a call.
    fn note(&mut self, step: &Step<'_>, outcome: &str) {
        if let Some(tape) = self.tape() {
            tape.note(step, outcome);
        }
    }

    /// Notes a call that may have sent something, and passes that on.
    fn pass(
        &mut self,
        step: &Step<'_>,
        result: Result<(), Misuse>,
        has_content: bool,
        out: &mut Outbox<M::Stream>,
    ) {
        if let Some(noted) = &mut self.noted {
            let secrets = noted.tape.secrets;
            let outcome = outcome::called(result, &self.fresh, has_content, secrets);
            noted.tape.note(step, &outcome);
        }
        for (stream, part) in self.fresh.drain() {
            match part {
                Part::Framing(bytes) => out.framing(stream, |into| into.extend_from_slice(bytes)),
                Part::Payload(payload) => out.payload(stream, payload),
                Part::Datagram(bytes) => out.datagram(stream, |into| into.extend_from_slice(bytes)),
                Part::Command(command) => out.command(stream, command),
            }
        }
        self.fresh.clear(KEEP);
    }

    /// Forgets what was, if much was noted, and the machine is as it was at the beginning: what comes is worth more.
    fn look_back(&mut self, now: Instant) {
        let Some(noted) = &mut self.noted else { return };
        if let Some(exchanges) = self.machine.rested()
            && (noted.tape.is_long() || noted.tape.is_full())
        {
            noted.tape.begin_anew(now);
            (noted.began, noted.exchanges) = (now, exchanges);
            self.timer = None;
        }
    }
}

impl<M: Recordable> Drop for Recorded<M> {
    fn drop(&mut self) {
        if let (Some(mut noted), Some(done)) = (self.noted.take(), self.done.take()) {
            noted.tape.finish();
            done(noted);
        }
    }
}

impl<M: Recordable> fmt::Debug for Recorded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorded").field(&self.machine).finish()
    }
}

impl<M: Recordable> Machine for Recorded<M> {
    type Stream = M::Stream;
    const PROTOCOL: Protocol = M::PROTOCOL;
    const MULTIPLEXES: bool = M::MULTIPLEXES;

    fn poll_event<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b, M::Stream>,
    ) -> Result<Next<'b>, Fault> {
        self.look_back(now);
        let (stream, bytes, fin) = (input.stream().number(), input.bytes(), input.is_fin());
        if let Some(tape) = self.tape() {
            tape.tell(now);
            tape.show(stream, bytes);
        }
        let said = self.machine.poll_event(now, input);
        if let Some(tape) = self.tape() {
            let content = match &said {
                Ok(Next::Event(Event::Body { data, .. })) => {
                    let at = (data.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize);
                    at.map(|at| (at, data.len()))
                }
                _ => None,
            };
            let taken = bytes.len() - input.bytes().len();
            let outcome = outcome::polled(&said, tape.secrets);
            tape.polled((stream, bytes, fin), taken, content, &outcome);
        }
        said
    }

    fn reset(&mut self, stream: M::Stream, code: u64) {
        self.machine.reset(stream, code);
        self.note(&Step::Reset { stream: stream.number(), code }, "");
    }

    fn stopped(&mut self, stream: M::Stream, code: u64) {
        self.machine.stopped(stream, code);
        self.note(&Step::Stopped { stream: stream.number(), code }, "");
    }

    fn set_room(&mut self, stream: M::Stream, room: usize) {
        self.machine.set_room(stream, room);
        self.note(&Step::Room { stream: stream.number(), room: room as u64 }, "");
    }

    fn revisit(&mut self) -> Option<M::Stream> {
        let stream = self.machine.revisit();
        // That there is none is asked for all the time, and changes nothing.
        if let Some(stream) = stream {
            self.note(&Step::Revisit, &stream.number().to_string());
        }
        stream
    }

    fn datagram<'b>(
        &mut self,
        datagram: &'b [u8],
    ) -> Result<Option<(ExchangeId, &'b [u8])>, Fault> {
        let result = self.machine.datagram(datagram);
        let outcome = match &result {
            Ok(Some((id, data))) => format!("datagram {} {}", id.0, data.len()),
            Ok(None) => String::new(),
            Err(fault) => outcome::fault(fault),
        };
        self.note(&Step::Datagram(datagram.into()), &outcome);
        result
    }

    fn send_datagram(
        &mut self,
        id: ExchangeId,
        data: &[u8],
        out: &mut Outbox<M::Stream>,
    ) -> Result<(), Misuse> {
        let result = self.machine.send_datagram(id, data, &mut self.fresh);
        self.pass(&Step::SendDatagram { id: id.0, data: data.into() }, result, false, out);
        result
    }

    fn unseen(&self) -> usize {
        self.machine.unseen()
    }

    fn passed_by(&mut self, now: Instant, n: usize) -> Option<ExchangeId> {
        if let Some(tape) = self.tape() {
            tape.tell(now);
        }
        let id = self.machine.passed_by(now, n);
        self.note(&Step::PassedBy(n as u64), &id.map_or(String::new(), |id| id.0.to_string()));
        id
    }

    fn sends_bare(&self, id: ExchangeId) -> bool {
        self.machine.sends_bare(id)
    }

    fn refused(&mut self) -> Option<ExchangeId> {
        let id = self.machine.refused();
        self.note(&Step::Refused, &id.map_or(String::new(), |id| id.0.to_string()));
        id
    }

    fn respond(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        content: Content,
        stamp: &Stamp,
        out: &mut Outbox<M::Stream>,
    ) -> Result<(), Misuse> {
        let result = self.machine.respond(id, head, content, stamp, &mut self.fresh);
        let (date, server) = (stamp.date(), stamp.server());
        let head = Cow::Borrowed(head);
        self.pass(&Step::Respond { id: id.0, head, content, date, server }, result, false, out);
        result
    }

    fn interim(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        out: &mut Outbox<M::Stream>,
    ) -> Result<(), Misuse> {
        let result = self.machine.interim(id, head, &mut self.fresh);
        self.pass(&Step::Interim { id: id.0, head: Cow::Borrowed(head) }, result, false, out);
        result
    }

    fn proceed(&mut self, id: ExchangeId, out: &mut Outbox<M::Stream>) {
        self.machine.proceed(id, &mut self.fresh);
        self.pass(&Step::Proceed(id.0), Ok(()), false, out);
    }

    fn request(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox<M::Stream>,
    ) -> Result<ExchangeId, Misuse> {
        let result = self.machine.request(head, content, &mut self.fresh);
        let step = Step::Request { head: Cow::Borrowed(head), content };
        self.pass(&step, result.map(drop), false, out);
        result
    }

    fn cut(&mut self) {
        self.machine.cut();
        self.note(&Step::Cut, "");
    }

    fn capacity(&self) -> usize {
        self.machine.capacity()
    }

    fn knows_peer(&self) -> bool {
        self.machine.knows_peer()
    }

    fn push(
        &mut self,
        id: ExchangeId,
        head: &RequestHead,
        out: &mut Outbox<M::Stream>,
    ) -> Result<ExchangeId, Misuse> {
        let result = self.machine.push(id, head, &mut self.fresh);
        let step = Step::Push { id: id.0, head: Cow::Borrowed(head) };
        self.pass(&step, result.map(drop), false, out);
        result
    }

    fn send_body(
        &mut self,
        id: ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox<M::Stream>,
    ) -> Result<(), Misuse> {
        let (length, in_memory) = (body.len() as u64, body.is_in_memory());
        let result = self.machine.send_body(id, body, room, &mut self.fresh);
        let step = Step::SendBody { id: id.0, length, in_memory, room: room as u64 };
        self.pass(&step, result, true, out);
        result
    }

    fn finish(
        &mut self,
        id: ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox<M::Stream>,
    ) -> Result<(), Misuse> {
        let result = self.machine.finish(id, trailers, &mut self.fresh);
        let step = Step::Finish { id: id.0, trailers: trailers.map(Cow::Borrowed) };
        self.pass(&step, result, false, out);
        result
    }

    fn release(&mut self, id: ExchangeId, n: usize) {
        self.machine.release(id, n);
        self.note(&Step::Release { id: id.0, bytes: n as u64 }, "");
    }

    fn cancel(&mut self, id: ExchangeId, out: &mut Outbox<M::Stream>) {
        self.machine.cancel(id, &mut self.fresh);
        self.pass(&Step::Cancel(id.0), Ok(()), false, out);
    }

    fn wanted(&self, stream: M::Stream) -> usize {
        self.machine.wanted(stream)
    }

    fn sendable(&mut self, id: ExchangeId) -> usize {
        let room = self.machine.sendable(id);
        self.note(&Step::Sendable(id.0), &room.to_string());
        room
    }

    fn schedule(&mut self, waiting: &mut [ExchangeId]) {
        let numbers = |ids: &[ExchangeId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
        let step = Step::Schedule(numbers(waiting));
        self.machine.schedule(waiting);
        if !waiting.is_empty() {
            self.note(&step, &format!("{:?}", numbers(waiting)));
        }
    }

    fn drain(&mut self) {
        self.machine.drain();
        self.note(&Step::Drain, "");
    }

    fn flush(&mut self, now: Instant, out: &mut Outbox<M::Stream>) {
        if let Some(tape) = self.tape() {
            tape.tell(now);
        }
        self.machine.flush(now, &mut self.fresh);
        let timer = self.machine.poll_timeout();
        if std::mem::replace(&mut self.timer, timer) != timer {
            let outcome = timer.map_or("off".to_owned(), |at| at.since(now).as_nanos().to_string());
            self.note(&Step::Timer, &outcome);
        }
        self.pass(&Step::Flush, Ok(()), false, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        if let Some(tape) = self.tape() {
            tape.tell(now);
        }
        let result = self.machine.handle_timeout(now);
        self.note(&Step::Timeout, &result.as_ref().err().map(outcome::fault).unwrap_or_default());
        result
    }

    fn ended(&mut self, closed: Closed) {
        if let Some(noted) = &mut self.noted {
            noted.closed = Some(closed);
        }
    }
}
