//! A toy HTTP/2 machine over the real connection: the contract carries multiplexing. Frames are RFC 9113 §4.1's,
//! field sections are not HPACK's. No SETTINGS, no connection window. Deleted when proto/http2 comes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use trilane_connection::{Connection, Goal, Received};
use trilane_semantics::{
    Cause, Closed, Content, Event, ExchangeId, Fault, Fields, Input, Instant, Machine, Misuse,
    Next, Outbox, Payload, Protocol, Reason, RequestHead, ResponseHead, Stamp,
};

use crate::toy::{self, Act, BIG, World};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
/// Send and receive window of every stream.
const WINDOW: usize = 40;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Toy {
    streams: BTreeMap<u64, Stream>,
    events: VecDeque<Event<'static>>,
    /// Frames owed: small and bounded by the number of streams.
    owed: Vec<u8>,
    last: u64,
    draining: bool,
    failed: Option<Closed>,
}

#[derive(Debug)]
struct Stream {
    window: usize,
    wants_window: bool,
    unreleased: usize,
    credit: usize,
    received: bool,
    deadline: Option<Instant>,
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, id: u64, payload: &[u8]) {
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&(id as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// Takes a whole frame: kind, flags, stream, payload.
fn take<'b>(input: &mut Input<'b>) -> Option<(u8, u8, u64, &'b [u8])> {
    let &[a, b, c, kind, flags, s0, s1, s2, s3] = input.bytes().first_chunk()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let payload = input.bytes().get(9..9 + length)?;
    input.take(9 + length);
    Some((kind, flags, u32::from_be_bytes([s0, s1, s2, s3]).into(), payload))
}

impl Toy {
    fn on_headers(&mut self, now: Instant, id: u64, ends: bool, block: &[u8]) -> Result<(), Fault> {
        let fault = |reason| Fault::exchange(ExchangeId(id), reason);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.received = true;
            let fields = toy::read_trailers(block).map_err(fault)?;
            self.events.push_back(Event::Trailers { id: ExchangeId(id), fields });
            self.events.push_back(Event::End { id: ExchangeId(id) });
            return Ok(());
        }
        if self.draining {
            frame(&mut self.owed, RST_STREAM, 0, id, &7u32.to_be_bytes());
            return Ok(());
        }
        self.last = id;
        let stream = Stream {
            window: WINDOW,
            wants_window: false,
            unreleased: 0,
            credit: 0,
            received: ends,
            deadline: (!ends).then(|| now + BODY_TIMEOUT),
        };
        self.streams.insert(id, stream);
        let head = toy::request(block, Protocol::Http2).map_err(fault)?;
        let content = if ends { Content::None } else { Content::Unknown };
        self.events.push_back(Event::Request { id: ExchangeId(id), head, content });
        Ok(())
    }

    fn on_data<'b>(
        &mut self,
        now: Instant,
        id: u64,
        ends: bool,
        data: &'b [u8],
    ) -> Result<Option<Event<'b>>, Fault> {
        // A stream that we gave up: its last frames were on their way.
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
        stream.unreleased += data.len();
        stream.received = ends;
        stream.deadline = (!ends).then(|| now + BODY_TIMEOUT);
        if stream.unreleased > WINDOW {
            self.failed = Some(Closed::lingering(Cause::Fault(Reason::Frame)));
            return Err(Fault::connection(Reason::Frame));
        }
        if ends {
            self.events.push_back(Event::End { id: ExchangeId(id) });
        }
        Ok((!data.is_empty()).then_some(Event::Body { id: ExchangeId(id), data }))
    }

    /// Our half is complete. RFC 9113 §8.1: after an early answer, NO_ERROR asks for the rest not to be sent.
    fn sent_all(&mut self, id: u64, out: &mut Outbox) {
        if self.streams.remove(&id).is_some_and(|stream| !stream.received) {
            out.framing((), |bytes| frame(bytes, RST_STREAM, 0, id, &[0; 4]));
        }
    }
}

impl Machine for Toy {
    type Stream = ();

    const MULTIPLEXES: bool = true;

    fn poll_event<'b>(&mut self, now: Instant, input: &mut Input<'b>) -> Result<Next<'b>, Fault> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Next::Event(event));
            }
            if let Some(closed) = self.failed {
                return Ok(Next::Closed(closed));
            }
            if self.streams.is_empty() && (self.draining || input.is_fin()) {
                let cause = if self.draining { Cause::Drain } else { Cause::Peer };
                return Ok(Next::Closed(Closed::lingering(cause)));
            }
            let Some((kind, flags, id, payload)) = take(input) else { return Ok(Next::NeedInput) };
            let ends = flags & END_STREAM != 0;
            match kind {
                DATA => {
                    if let Some(event) = self.on_data(now, id, ends, payload)? {
                        return Ok(Next::Event(event));
                    }
                }
                HEADERS => self.on_headers(now, id, ends, payload)?,
                RST_STREAM if self.streams.remove(&id).is_some() => {
                    let code = payload.iter().fold(0, |code, &byte| code << 8 | u64::from(byte));
                    return Ok(Next::Event(Event::Reset { id: ExchangeId(id), code }));
                }
                WINDOW_UPDATE => {
                    let Some(stream) = self.streams.get_mut(&id) else { continue };
                    stream.window += usize::from(payload[3]);
                    if std::mem::take(&mut stream.wants_window) {
                        return Ok(Next::Event(Event::Writable { id: ExchangeId(id) }));
                    }
                }
                _ => (),
            }
        }
    }

    fn refused(&mut self) -> Option<ExchangeId> {
        None
    }

    fn respond(
        &mut self,
        ExchangeId(id): ExchangeId,
        head: &ResponseHead,
        content: Content,
        _: &Stamp,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        let ends = content == Content::None;
        let flags = if ends { END_STREAM } else { 0 };
        out.framing((), |bytes| frame(bytes, HEADERS, flags, id, &toy::response(head)));
        if ends {
            self.sent_all(id, out);
        }
        Ok(())
    }

    fn interim(&mut self, _: ExchangeId, _: &ResponseHead, _: &mut Outbox) -> Result<(), Misuse> {
        Ok(())
    }

    fn proceed(&mut self, _: ExchangeId, _: &mut Outbox) {}

    fn request(
        &mut self,
        _: &RequestHead,
        _: Content,
        _: &mut Outbox,
    ) -> Result<ExchangeId, Misuse> {
        Err(Misuse::NotNow)
    }

    fn send_body(
        &mut self,
        ExchangeId(id): ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let data = body.split_to(room.min(stream.window));
        stream.window -= data.len();
        stream.wants_window = !body.is_empty() && stream.window == 0;
        if !data.is_empty() {
            out.framing((), |bytes| frame(bytes, DATA, 0, id, data.as_ref()));
        }
        Ok(())
    }

    fn finish(
        &mut self,
        ExchangeId(id): ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox,
    ) -> Result<(), Misuse> {
        let (kind, payload) = match trailers {
            Some(fields) => (HEADERS, toy::trailers(fields)),
            None => (DATA, Vec::new()),
        };
        out.framing((), |bytes| frame(bytes, kind, END_STREAM, id, &payload));
        self.sent_all(id, out);
        Ok(())
    }

    fn release(&mut self, ExchangeId(id): ExchangeId, n: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.unreleased -= n;
            stream.credit += n;
        }
    }

    fn cancel(&mut self, ExchangeId(id): ExchangeId, out: &mut Outbox) {
        if self.streams.remove(&id).is_some() {
            out.framing((), |bytes| frame(bytes, RST_STREAM, 0, id, &2u32.to_be_bytes()));
        }
    }

    fn wanted(&self, (): ()) -> usize {
        usize::MAX
    }

    fn drain(&mut self) {
        if !std::mem::replace(&mut self.draining, true) {
            frame(&mut self.owed, GOAWAY, 0, 0, &(self.last as u32).to_be_bytes());
        }
    }

    fn flush(&mut self, _: Instant, out: &mut Outbox) {
        for (&id, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.credit > 0) {
            let n = std::mem::take(&mut stream.credit) as u32;
            if !stream.received {
                frame(&mut self.owed, WINDOW_UPDATE, 0, id, &n.to_be_bytes());
            }
        }
        out.framing((), |bytes| bytes.append(&mut self.owed));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.streams.values().filter_map(|stream| stream.deadline).min()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault> {
        let is_late = |stream: &Stream| stream.deadline.is_some_and(|deadline| deadline <= now);
        let late = self.streams.iter_mut().find(|(_, stream)| is_late(stream));
        late.map_or(Ok(()), |(&id, stream)| {
            stream.deadline = None;
            Err(Fault::exchange(ExchangeId(id), Reason::BodyTimeout))
        })
    }
}

#[path = "sketch_h2_tests.rs"]
mod tests;
