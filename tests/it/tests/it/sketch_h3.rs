//! A toy HTTP/3 machine over the real connection: the contract carries many transport streams. Frames are
//! RFC 9114 §7.1's, field sections are not QPACK's. Knows no QUIC. Deleted when proto/http3 comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use trilane_connection::{Connection, Received};
use trilane_semantics::{
    Cause, Closed, Command, Content, Effect, Event, ExchangeId, Fault, Fields, Input, Instant,
    Machine, Misuse, Next, Outbox, Payload, Protocol, Reason, RequestHead, ResponseHead, Stamp,
};

use crate::toy::{self, Act, BIG, World};

const DATA: u64 = 0;
const HEADERS: u64 = 1;
const SETTINGS: u64 = 4;
const GOAWAY: u64 = 7;
const NO_ERROR: u64 = 0x100;
const INTERNAL_ERROR: u64 = 0x102;
const REQUEST_REJECTED: u64 = 0x10b;
/// The peer's control stream, and ours.
const CONTROL: u64 = 2;
const OUR_CONTROL: u64 = 3;
/// How far a stream is read ahead of its reader, in bytes.
const WINDOW: usize = 40;

#[derive(Debug, Default)]
struct Toy {
    streams: BTreeMap<u64, Stream>,
    /// Streams that the peer gave up, with its code.
    resets: VecDeque<(u64, u64)>,
    rejected: BTreeSet<u64>,
    /// The lowest request stream above all that were seen, and those below it that were not: packets overtake.
    next: u64,
    unseen: BTreeSet<u64>,
    control: Control,
    ours: Ours,
    draining: bool,
    failed: Option<Closed>,
}

#[derive(Debug, Default)]
struct Stream {
    headed: bool,
    /// What is missing of a DATA frame, in bytes.
    left: u64,
    unreleased: usize,
    received: bool,
}

#[derive(Debug, Default)]
enum Control {
    #[default]
    Unopened,
    Opened,
    Settled,
}

/// What our control stream has said.
#[derive(Debug, Default, PartialEq, Eq)]
enum Ours {
    #[default]
    Nothing,
    Settings,
    Goaway,
}

/// RFC 9000 §16; four bytes are the longest that a toy needs.
fn put_varint(bytes: &mut Vec<u8>, n: u64) {
    match n {
        0..64 => bytes.push(n as u8),
        64..16_384 => bytes.extend_from_slice(&(n as u16 | 0x4000).to_be_bytes()),
        _ => bytes.extend_from_slice(&(n as u32 | 0x8000_0000).to_be_bytes()),
    }
}

/// A varint, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1usize << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let joined = number.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    Some((joined & (u64::MAX >> (66 - 8 * length)), rest))
}

fn put_frame(bytes: &mut Vec<u8>, kind: u64, payload: &[u8]) {
    put_varint(bytes, kind);
    put_varint(bytes, payload.len() as u64);
    bytes.extend_from_slice(payload);
}

/// The frame in front: its kind, its length, and its header's length. RFC 9114 §7.1.
fn frame(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    let (kind, rest) = varint(bytes)?;
    let (length, rest) = varint(rest)?;
    Some((kind, length, bytes.len() - rest.len()))
}

impl Toy {
    /// The next event of a request stream, or `None` when more must come.
    fn on_request<'b>(&mut self, input: &mut Input<'b, u64>) -> Result<Option<Event<'b>>, Fault> {
        let key = input.stream();
        let id = ExchangeId(key);
        // The default stream is also asked when nothing came on it: that does not open it.
        if input.is_empty() && !input.is_fin() {
            return Ok(None);
        }
        if key >= self.next {
            self.unseen.extend((self.next..=key).step_by(4));
            self.next = key + 4;
        }
        if self.unseen.remove(&key) {
            if self.draining {
                self.rejected.insert(key);
            } else {
                self.streams.insert(key, Stream::default());
            }
        }
        let Some(stream) = self.streams.get_mut(&key).filter(|stream| !stream.received) else {
            input.take(usize::MAX);
            return Ok(None);
        };
        loop {
            if stream.left > 0 && !input.is_empty() {
                let data = input.take(usize::try_from(stream.left).unwrap());
                stream.left -= data.len() as u64;
                stream.unreleased += data.len();
                return Ok(Some(Event::Body { id, data }));
            }
            if input.is_empty() && input.is_fin() && stream.left == 0 {
                stream.received = true;
                // RFC 9114 §4.1.2: a request without a HEADERS frame is malformed.
                let is_request = stream.headed;
                let incomplete = Fault::exchange(id, Reason::Incomplete);
                return if is_request { Ok(Some(Event::End { id })) } else { Err(incomplete) };
            }
            let whole = frame(input.bytes()).filter(|&(kind, length, header)| {
                kind == DATA || length <= (input.bytes().len() - header) as u64
            });
            let Some((kind, length, header)) = whole.filter(|_| stream.left == 0) else {
                // RFC 9114 §7.1: a stream that ends inside a frame is a connection error.
                return if input.is_fin() { Err(self.fail()) } else { Ok(None) };
            };
            input.take(header);
            if kind == DATA {
                stream.left = length;
                continue;
            }
            let payload = input.take(usize::try_from(length).unwrap());
            if kind != HEADERS {
                continue;
            }
            if std::mem::replace(&mut stream.headed, true) {
                let fields = toy::read_trailers(payload).map_err(|r| Fault::exchange(id, r))?;
                return Ok(Some(Event::Trailers { id, fields }));
            }
            stream.received = input.is_fin() && input.is_empty();
            let content = if stream.received { Content::None } else { Content::Unknown };
            let head = toy::request(payload, Protocol::Http3);
            let head = head.map_err(|reason| Fault::exchange(id, reason))?;
            return Ok(Some(Event::Request { id, head, content }));
        }
    }

    fn on_control(&mut self, input: &mut Input<'_, u64>) -> Result<(), Fault> {
        // RFC 9114 §6.2.1: closing the control stream is a connection error.
        if input.is_fin() {
            return Err(self.fail());
        }
        if matches!(self.control, Control::Unopened) && input.take(1) == [0] {
            self.control = Control::Opened;
        }
        while let Some((kind, length, header)) = frame(input.bytes()) {
            let length = header + usize::try_from(length).unwrap();
            match self.control {
                // RFC 9114 §6.2.1: SETTINGS MUST be the first frame.
                Control::Opened if kind != SETTINGS => return Err(self.fail()),
                _ if input.bytes().len() < length => break,
                _ => self.control = Control::Settled,
            }
            input.take(length);
        }
        Ok(())
    }

    fn fail(&mut self) -> Fault {
        self.failed = Some(Closed::now(Cause::Fault(Reason::Frame)));
        Fault::connection(Reason::Frame)
    }

    /// Our half is complete. RFC 9114 §4.1: after an early answer the rest is not asked for.
    fn sent_all(&mut self, id: u64, out: &mut Outbox<u64>) {
        let Some(stream) = self.streams.remove(&id) else { return };
        out.command(id, Command::Fin);
        if !stream.received {
            out.command(id, Command::StopSending(NO_ERROR));
        }
    }
}

impl Machine for Toy {
    type Stream = u64;

    const MULTIPLEXES: bool = true;

    fn reset(&mut self, stream: u64, code: u64) {
        self.resets.push_back((stream, code));
    }

    fn poll_event<'b>(
        &mut self,
        _: Instant,
        input: &mut Input<'b, u64>,
    ) -> Result<Next<'b>, Fault> {
        let reset = self.resets.pop_front();
        if let Some((id, code)) = reset.filter(|(id, _)| self.streams.remove(id).is_some()) {
            return Ok(Next::Event(Event::Reset {
                id: ExchangeId(id),
                code,
                effect: Effect::Unknown,
            }));
        }
        if let Some(closed) = self.failed {
            return Ok(Next::Closed(closed));
        }
        if self.draining && self.streams.is_empty() {
            return Ok(Next::Closed(Closed::now(Cause::Drain)));
        }
        if input.stream() == CONTROL {
            self.on_control(input)?;
        } else if let Some(event) = self.on_request(input)? {
            return Ok(Next::Event(event));
        }
        Ok(Next::NeedInput)
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
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        out.framing(id, |bytes| put_frame(bytes, HEADERS, &toy::response(head)));
        if content == Content::None {
            self.sent_all(id, out);
        }
        Ok(())
    }

    fn interim(
        &mut self,
        _: ExchangeId,
        _: &ResponseHead,
        _: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        Ok(())
    }

    fn proceed(&mut self, _: ExchangeId, _: &mut Outbox<u64>) {}

    fn request(
        &mut self,
        _: &RequestHead,
        _: Content,
        _: &mut Outbox<u64>,
    ) -> Result<ExchangeId, Misuse> {
        Err(Misuse::NotNow)
    }

    fn send_body(
        &mut self,
        ExchangeId(id): ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        let data = body.split_to(room);
        if !data.is_empty() && self.streams.contains_key(&id) {
            out.framing(id, |bytes| put_frame(bytes, DATA, data.as_ref()));
        }
        Ok(())
    }

    fn finish(
        &mut self,
        ExchangeId(id): ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox<u64>,
    ) -> Result<(), Misuse> {
        if let Some(fields) = trailers {
            out.framing(id, |bytes| put_frame(bytes, HEADERS, &toy::trailers(fields)));
        }
        self.sent_all(id, out);
        Ok(())
    }

    fn release(&mut self, ExchangeId(id): ExchangeId, n: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.unreleased -= n;
        }
    }

    fn cancel(&mut self, ExchangeId(id): ExchangeId, out: &mut Outbox<u64>) {
        if self.streams.remove(&id).is_some() {
            out.command(id, Command::Reset(INTERNAL_ERROR));
            out.command(id, Command::StopSending(INTERNAL_ERROR));
        }
    }

    fn wanted(&self, stream: u64) -> usize {
        self.streams.get(&stream).map_or(WINDOW, |stream| WINDOW - stream.unreleased.min(WINDOW))
    }

    fn drain(&mut self) {
        self.draining = true;
    }

    fn flush(&mut self, _: Instant, out: &mut Outbox<u64>) {
        if self.ours == Ours::Nothing {
            self.ours = Ours::Settings;
            out.framing(OUR_CONTROL, |bytes| {
                put_varint(bytes, 0);
                put_frame(bytes, SETTINGS, b"");
            });
        }
        if self.draining && self.ours == Ours::Settings {
            self.ours = Ours::Goaway;
            let mut id = Vec::new();
            put_varint(&mut id, self.next);
            out.framing(OUR_CONTROL, |bytes| put_frame(bytes, GOAWAY, &id));
        }
        for id in std::mem::take(&mut self.rejected) {
            out.command(id, Command::Reset(REQUEST_REJECTED));
            out.command(id, Command::StopSending(REQUEST_REJECTED));
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) -> Result<(), Fault> {
        Ok(())
    }
}

#[path = "sketch_h3_tests.rs"]
mod tests;
