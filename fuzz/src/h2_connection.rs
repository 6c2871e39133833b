//! A whole HTTP/2 connection, server role: machine, connection and handlers of every kind, under arbitrary operations.
//!
//! Steps of the client: `g late/5` GET of a route, `p collect` POST that stays open, `h head/x` HEAD; on the stream that a number
//! names: `b 1,500` so much content, `e 1,5` the same and the end, `l 1` trailers, `r 1` reset, `u 1,500` credit, `y 1,3` its
//! urgency; of the connection: `U 500` credit, `i 100` a stream's window, `a 100` the size of its table, `k` PING, `n` GOAWAY,
//! `o 2,5` a frame of that type, with zeros, on stream 1. Of the world: `t 5` milliseconds pass, `w` the peer takes nothing by itself
//! any more, or again, `s 5` it takes so many bytes, `c` frames come byte by byte from now on, `d` drain, `x` the drain's deadline,
//! `f` fin, `z` the transport fails.
//!
//! No panic; the rule of use and bounded memory (`transport`); what is sent keeps every rule of a reader that shares nothing with
//! ours: windows, one answer a stream, order; every request that begins ends, and every answer is that of its stream.

use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::Limits;
use trilane_sim::h2::pack::plain;
use trilane_sim::h2::peer::Peer;
use trilane_sim::h2::wire::{self, PREFACE, flag, frame, kind, number, setting};

use crate::connection::{Handlers, quietly};
use crate::script::{Script, Step};
use crate::transport::{Speaks, Transport};

/// The largest content of one step, in bytes.
const PIECE: usize = 16_384;

/// `data` as a script.
pub fn h2_connection(data: &[u8]) {
    quietly();
    let handlers = Rc::new(Handlers::default());
    let limits = limits();
    let peer = Peer::new((limits.connection_window, limits.stream_window));
    let transport = Transport::new(Rc::clone(&handlers) as _, limits, Speaks::Http2);
    let mut run = Run { transport, peer, last: 0, seen: 0, is_single: false };
    run.peer.say(&[]);
    run.write([PREFACE, &wire::settings(&[])].concat());
    for step in Script::new(data).0 {
        run.step(step);
        if run.transport.is_over {
            break;
        }
        run.transport.settle();
        run.read();
    }
    run.transport.end();
    run.read();
    assert_eq!(run.peer.error, None);
    let Run { transport, peer, .. } = run;
    drop(transport);
    handlers.judge_ends();
    for (id, stream) in &peer.streams {
        let number = stream.answer.field("x-n");
        assert!(number.is_none_or(|n| n == id.to_string()), "an answer to another request");
    }
}

/// Small, so that short scripts reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.target, limits.head, limits.field_lines) = (128, 2 << 10, 16);
    (limits.body, limits.send_queue) = (64 << 10, 16 << 10);
    (limits.stream_window, limits.connection_window) = (8 << 10, 65_535);
    (limits.streams, limits.abuse, limits.events_a_turn) = (8, 300, 16);
    limits
}

struct Run {
    transport: Transport,
    peer: Peer,
    /// The last stream that was begun.
    last: u32,
    /// What of the transport's bytes was read.
    seen: usize,
    is_single: bool,
}

impl Run {
    fn read(&mut self) {
        self.peer.feed(&self.transport.got[self.seen..]);
        self.seen = self.transport.got.len();
        assert_eq!(self.peer.error, None);
        for _ in 0..std::mem::take(&mut self.peer.unacked) {
            self.write(frame(kind::SETTINGS, flag::ACK, 0, &[]));
        }
        for payload in std::mem::take(&mut self.peer.pings) {
            self.write(frame(kind::PING, flag::ACK, 0, &payload));
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        if self.transport.fin.is_some() {
            return;
        }
        if self.is_single {
            self.transport.waiting.extend(bytes.chunks(1).map(<[u8]>::to_vec));
        } else {
            self.transport.waiting.push_back(bytes);
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let (first, second) = numbers(step);
        // The one that a number names, among those that were begun.
        let id = 2 * (first as u32 % (self.last / 2 + 1)) + 1;
        match step.op {
            b'g' => self.begin("GET", step.rest, flag::END_STREAM),
            b'h' => self.begin("HEAD", step.rest, flag::END_STREAM),
            b'p' => self.begin("POST", step.rest, 0),
            b'b' => self.content(id, second, 0),
            b'e' => self.content(id, second, flag::END_STREAM),
            // On a stream that was not begun it would begin one.
            b'l' if self.last > 0 => {
                let flags = flag::END_HEADERS | flag::END_STREAM;
                self.write(frame(kind::HEADERS, flags, id, &plain(&[("x-sum", "1")])));
            }
            b'r' => {
                if let Some(stream) = self.peer.streams.get_mut(&id) {
                    stream.is_given_up = true;
                }
                self.write(number(kind::RST_STREAM, id, 8));
            }
            b'u' => {
                if let Some(stream) = self.peer.streams.get_mut(&id) {
                    stream.inflow += second as i64;
                }
                self.write(number(kind::WINDOW_UPDATE, id, second as u32));
            }
            b'y' => {
                let urgency = [&id.to_be_bytes()[..], format!("u={second}, i").as_bytes()].concat();
                self.write(frame(kind::PRIORITY_UPDATE, 0, 0, &urgency));
            }
            b'U' => {
                self.peer.inflow += first as i64;
                self.write(number(kind::WINDOW_UPDATE, 0, first as u32));
            }
            b'i' => self.say(setting::INITIAL_WINDOW_SIZE, first),
            b'a' => self.say(setting::HEADER_TABLE_SIZE, first),
            b'k' => self.write(frame(kind::PING, 0, 0, b"fuzz.fuz")),
            b'n' => self.write(wire::goaway(0, 0)),
            b'o' => self.odd(first as u8, second),
            other => self.world(other, first),
        }
    }

    fn world(&mut self, op: u8, n: usize) {
        let transport = &mut self.transport;
        match op {
            b't' => transport.pass(Duration::from_millis(n as u64)),
            b'w' => transport.is_slow = !transport.is_slow,
            b's' => transport.take(n),
            b'c' => self.is_single = true,
            b'd' => transport.drain(),
            b'x' => transport.shut(),
            b'f' => transport.fin = Some(()),
            b'z' => transport.fail(),
            _ => (),
        }
    }

    /// A stream whose answer says its number.
    fn begin(&mut self, method: &str, route: &[u8], flags: u8) {
        let is_plain = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'/';
        let route = route.iter().filter(is_plain).map(|&byte| char::from(byte));
        let path: String = std::iter::once('/').chain(route.take(200)).collect();
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = id;
        self.peer.begin(id, method == "HEAD");
        let number = id.to_string();
        let lines = [
            (":method", method),
            (":scheme", "http"),
            (":path", &path),
            (":authority", "fuzz"),
            ("x-id", &number),
        ];
        let flags = flag::END_HEADERS | flags;
        self.write(frame(kind::HEADERS, flags, id, &plain(&lines)));
    }

    fn content(&mut self, id: u32, n: usize, flags: u8) {
        let n = n % (PIECE + 1);
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.outflow -= n as i64;
        }
        self.peer.outflow -= n as i64;
        self.write(frame(kind::DATA, flags, id, &vec![b'c'; n]));
    }

    fn say(&mut self, id: u16, value: usize) {
        let settings = [(id, value as u32)];
        self.peer.say(&settings);
        self.write(wire::settings(&settings));
    }

    /// A frame that changes nothing of what the reader knows, or ends the connection.
    fn odd(&mut self, kind: u8, length: usize) {
        let is_harmless = !matches!(
            kind,
            kind::DATA | kind::HEADERS | kind::RST_STREAM | kind::SETTINGS | kind::WINDOW_UPDATE
        );
        if is_harmless {
            self.write(frame(kind, 0, 1, &vec![0; length % (PIECE + 2)]));
        }
    }
}

/// The two numbers of a step; 0 is none.
fn numbers(step: Step<'_>) -> (usize, usize) {
    let text = String::from_utf8_lossy(step.rest);
    let mut numbers = text.split(',').map(|part| part.trim().parse::<usize>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0).min(1_000_000);
    (next(), next())
}
