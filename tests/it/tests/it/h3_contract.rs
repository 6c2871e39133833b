//! HTTP/3 over the real connection: the contract carries many transport streams. Knows no QUIC; `Peer` is what a transport does.

use std::collections::BTreeMap;
use std::time::Duration;

use trilane_connection::{Connection, Received};
use trilane_http3::Http3;
use trilane_qpack::{Decoded, Decoder, Encoder, Field};
use trilane_semantics::{Cause, Command, Limits, NameRef, Reason};

use crate::toy::{Act, BIG, World};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// The peer's control stream, and ours.
const CONTROL: u64 = 2;
const OUR_CONTROL: u64 = 3;

/// The peer, and what a QUIC stage does: it holds what came until the connection wants it.
struct Peer {
    world: World,
    connection: Connection<Http3>,
    held: BTreeMap<u64, (Vec<u8>, bool)>,
    /// What came of a frame that is not whole, by stream; and its content that is missing.
    came: BTreeMap<u64, (Vec<u8>, usize)>,
    /// How much a stream takes, in bytes.
    room: usize,
}

impl Peer {
    /// A peer that has sent its SETTINGS, and has ours.
    fn new() -> Self {
        Self::under(|_| ())
    }

    fn under(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let world = World::under(limits.usable());
        let connection =
            World::connect(Http3::server(std::rc::Rc::clone(world.host.limits()), world.now()));
        let (held, came) = (BTreeMap::new(), BTreeMap::new());
        let mut peer = Self { world, connection, held, came, room: 1 << 20 };
        let control = [vec![0], one(SETTINGS, b"")].concat();
        assert_eq!(peer.send(CONTROL, &control, false), ["3 settings"]);
        peer
    }

    fn send(&mut self, stream: u64, bytes: &[u8], fin: bool) -> Vec<String> {
        let is_something = fin || !bytes.is_empty();
        if is_something && !self.came.contains_key(&stream) {
            self.came.insert(stream, Default::default());
            self.connection.set_room(stream, self.room);
        }
        let held = self.held.entry(stream).or_default();
        held.0.extend_from_slice(bytes);
        held.1 |= fin;
        self.turn()
    }

    /// Reads what is wanted of every stream, until that is nothing.
    fn turn(&mut self) -> Vec<String> {
        let mut lines = self.settle();
        loop {
            let (connection, host) = (&self.connection, &self.world.host);
            let n = |stream, held: &Vec<u8>| held.len().min(connection.wanted(host, stream));
            let found = self.held.iter().find_map(|(&stream, (bytes, _))| {
                Some(n(stream, bytes)).filter(|&n| n > 0 || bytes.is_empty()).map(|n| (stream, n))
            });
            let Some((stream, n)) = found else { return lines };
            let (mut bytes, fin) = self.held.remove(&stream).unwrap();
            let rest = bytes.split_off(n);
            let (fin_now, received) = (fin && rest.is_empty(), Received::copied(&bytes));
            let now = self.world.now();
            self.connection.receive(&self.world.host, now, stream, received, fin_now);
            if !rest.is_empty() {
                self.held.insert(stream, (rest, fin));
            }
            lines.extend(self.settle());
        }
    }

    /// What was sent back, a line a frame.
    fn settle(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (stream, act) in self.world.settle(&mut self.connection) {
            match act {
                // What QPACK says, and what means nothing.
                _ if stream & 2 != 0 && stream != OUR_CONTROL => (),
                Act::Bytes(bytes) => self.frames(stream, &bytes, &mut lines),
                Act::Command(Command::Fin) => lines.push(format!("{stream} fin")),
                Act::Command(Command::Reset(code)) => {
                    lines.push(format!("{stream} reset {code:x}"))
                }
                Act::Command(Command::StopSending(code)) => {
                    lines.push(format!("{stream} stop {code:x}"));
                }
                Act::Command(Command::Close(code)) => lines.push(format!("close {code:x}")),
                Act::Command(other) => panic!("{other:?}"),
            }
        }
        lines
    }

    fn frames(&mut self, stream: u64, bytes: &[u8], lines: &mut Vec<String>) {
        let (came, missing) = self.came.entry(stream).or_default();
        if stream == OUR_CONTROL && came.is_empty() && bytes.first() == Some(&0) {
            came.extend_from_slice(&bytes[1..]);
        } else {
            came.extend_from_slice(bytes);
        }
        loop {
            if *missing > 0 && !came.is_empty() {
                let text: Vec<u8> = came.drain(..came.len().min(*missing)).collect();
                *missing -= text.len();
                lines.push(format!("{stream} data {}", String::from_utf8_lossy(&text)));
                continue;
            }
            let Some((kind, length, header)) = frame(came) else { break };
            let payload: Vec<u8> = match kind {
                0 => {
                    came.drain(..header);
                    *missing = length;
                    continue;
                }
                _ => came.drain(..header + length).skip(header).collect(),
            };
            match kind {
                1 => lines.push(format!("{stream} {}", read(&payload))),
                4 => lines.push(format!("{stream} settings")),
                7 => lines.push(format!("{stream} goaway {}", varint(&payload).unwrap().0)),
                _ => (),
            }
        }
    }

    fn reset(&mut self, stream: u64) -> Vec<String> {
        let (host, now) = (&self.world.host, self.world.now());
        self.connection.receive_reset(host, now, stream, 0x10c);
        self.settle()
    }
}

/// RFC 9000 §16.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = 1usize << (bytes.first()? >> 6);
    let joined = bytes.get(..length)?.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
    Some((joined & (u64::MAX >> (66 - 8 * length)), length))
}

/// The frame in front: its type, its length, and its header's length.
fn frame(bytes: &[u8]) -> Option<(u64, usize, usize)> {
    let (kind, at) = varint(bytes)?;
    let (length, more) = varint(&bytes[at..])?;
    Some((kind, length as usize, at + more))
}

/// The status of a section, or that it is none of an answer.
fn read(section: &[u8]) -> String {
    let mut status = "trailers".to_owned();
    let decoded = Decoder::new(0, 0).decode(0, section, |field| {
        if field.name.as_bytes() == b":status" {
            status = String::from_utf8_lossy(field.value).into_owned();
        }
        Ok::<_, ()>(())
    });
    assert_eq!(decoded, Ok(Decoded::Whole));
    status
}

fn one(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 | 0x4000).to_be_bytes();
    [&[kind][..], &length, payload].concat()
}

fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(0), Vec::new());
    encoder.begin(0, &mut bytes);
    for (name, value) in fields {
        let name = NameRef::Other(name.as_bytes());
        encoder.field(&mut bytes, Field::new(name, value.as_bytes()));
    }
    encoder.end(&mut bytes);
    one(HEADERS, &bytes)
}

fn head(path: &str) -> Vec<u8> {
    section(&[(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "a")])
}

/// A section that is a head to nobody.
fn wrong() -> Vec<u8> {
    section(&[("A", "b")])
}

fn data(text: &str) -> Vec<u8> {
    one(DATA, text.as_bytes())
}

#[test]
fn two_streams_interleave_in_both_directions() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(4, &head("/echo"), false), ["4 200"]);
    assert_eq!(peer.send(0, &head("/echo"), false), ["0 200"]);
    assert_eq!(peer.send(4, &data("a"), false), ["4 data a"]);
    assert_eq!(peer.send(0, &data("b"), true), ["0 data b", "0 fin"]);
    assert_eq!(peer.send(4, &data("c"), true), ["4 data c", "4 fin"]);
    assert_eq!(peer.world.over(), ["/echo complete", "/echo complete"]);
    assert_eq!(peer.send(4, &head("/echo"), true), [""; 0], "it is over");
    assert!(peer.connection.is_idle(), "the end of a stream that is over is forgotten");
}

#[test]
fn partial_frames_are_kept_a_stream() {
    let first = [head("/hold"), data("first")].concat();
    let second = [head("/hold"), one(0x21, b"grease"), data("second")].concat();
    for cut in 0..=first.len() {
        let mut peer = Peer::new();
        peer.world.open_gate();
        let mut sent = peer.send(0, &first[..cut], false);
        sent.extend(peer.send(4, &second[..cut], false));
        sent.extend(peer.send(0, &first[cut..], true));
        sent.extend(peer.send(4, &second[cut..], true));
        let expected = ["0 200", "0 data first", "0 fin", "4 200", "4 data second", "4 fin"];
        assert_eq!(sent, expected, "{cut}");
        assert!(peer.connection.is_idle());
    }
}

#[test]
fn the_end_of_a_request_is_not_the_peers_leaving() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/slow"), true), [""; 0]);
    assert_eq!(peer.send(4, &head("/slow"), false), [""; 0]);
    assert_eq!(peer.send(4, b"", true), [""; 0]);
    let big = format!("8 data {}", "b".repeat(BIG));
    assert_eq!(peer.send(8, &head("/big"), true), ["8 200", &big, "8 fin"]);
    assert_eq!(peer.connection.cause(), None);
    peer.world.open_gate();
    let sent = peer.turn();
    assert_eq!(sent, ["0 200", "0 data slow", "0 fin", "4 200", "4 data slow", "4 fin"]);
    assert!(peer.connection.is_idle());
}

#[test]
fn a_reset_disturbs_nobody_else() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/echo"), false), ["0 200"]);
    let partial = &data("never whole")[..5];
    assert_eq!(peer.send(0, &partial[..1], false), [""; 0]);
    assert_eq!(peer.send(4, &head("/echo"), false), ["4 200"]);
    assert_eq!(peer.reset(0), ["0 reset 10c"]);
    assert_eq!(peer.world.over(), ["/echo peer_left"]);
    assert_eq!(peer.send(4, &data("a"), true), ["4 data a", "4 fin"]);
    assert!(peer.connection.is_idle(), "half a frame of a stream that is gone is forgotten");
}

#[test]
fn our_reset_is_two_commands() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/echo"), false), ["0 200"]);
    assert_eq!(peer.send(0, &wrong(), false), ["0 reset 10e", "0 stop 10e"]);
    assert_eq!(peer.world.over(), ["/echo aborted"]);
    // Without an answer yet, the answer is the status.
    assert_eq!(peer.send(4, &wrong(), true), ["4 400", "4 fin"]);
    assert_eq!(peer.connection.cause(), None);
}

#[test]
fn an_answer_may_come_before_the_content_ends() {
    let mut peer = Peer::new();
    let sent = peer.send(0, &[head("/early"), data("abc")].concat(), false);
    // A little is read on, and nobody is asked to stop.
    assert_eq!(sent, ["0 403", "0 data no", "0 fin"]);
    assert_eq!(peer.send(0, &data("def"), true), [""; 0]);
    assert!(peer.connection.is_idle());
}

#[test]
fn trailers_go_both_ways() {
    let mut peer = Peer::new();
    let last = section(&[("x-sum", "1")]);
    let sent = peer.send(0, &[head("/echo"), data("a"), last].concat(), true);
    assert_eq!(sent, ["0 200", "0 data a", "0 trailers", "0 fin"]);
}

/// Content waits in the transport while its reader does not take it.
#[test]
fn no_more_is_read_than_is_wanted() {
    const WINDOW: usize = 1000;
    for n in [WINDOW - 1, WINDOW, WINDOW + 1] {
        let mut peer = Peer::under(|limits| {
            (limits.stream_window, limits.head) = (WINDOW, WINDOW - 16);
        });
        assert_eq!(peer.send(0, &[head("/hold"), data("")].concat(), false), [""; 0]);
        let full = "x".repeat(n);
        let body = data(&full);
        assert_eq!(peer.send(0, &body[..body.len() - n], false), [""; 0]);
        assert_eq!(peer.send(0, full.as_bytes(), true), [""; 0]);
        assert_eq!(peer.held.contains_key(&0), n > WINDOW);
        // A stream that is not read holds up no other.
        assert_eq!(peer.send(4, &head("/early"), true)[0], "4 403");
        peer.world.open_gate();
        assert_eq!(peer.turn(), ["0 200", &format!("0 data {full}"), "0 fin"]);
    }
}

/// However slow its reader: what waits in the connection is not read beside what the machine gave on.
#[test]
fn what_waits_is_counted_once() {
    let mut peer =
        Peer::under(|limits| (limits.receive_queue, limits.stream_window) = (100, 80_000));
    peer.send(0, &head("/hold"), false);
    for _ in 0..30 {
        peer.send(0, &data(&"x".repeat(10_000)), false);
    }
    let held = peer.held[&0].0.len();
    assert!(held >= 30 * 10_000 - 80_100, "{held}");
    peer.world.open_gate();
    peer.send(0, b"", true);
    assert!(peer.connection.is_idle());
}

/// Room comes by pieces, and everything goes.
#[test]
fn an_answer_waits_for_room() {
    let mut peer = Peer::new();
    peer.room = 30;
    assert_eq!(peer.send(0, &head("/big"), true), ["0 200", &format!("0 data {}", "b".repeat(30))]);
    peer.connection.set_room(0, 0);
    assert!(!peer.connection.look(&peer.world.host, peer.world.now()));
    peer.connection.set_room(0, BIG);
    peer.connection.look(&peer.world.host, peer.world.now());
    assert_eq!(peer.settle(), [&format!("0 data {}", "b".repeat(BIG - 30)), "0 fin"]);
    assert!(peer.connection.is_idle());
}

/// A section waits for QPACK's table, and what is behind it with it; then all goes on by itself.
#[test]
fn a_section_waits_for_its_table() {
    let mut peer = Peer::new();
    let mut request = head("/echo");
    // Its insert count is 1, and it ends with that line.
    request[3] = 2;
    request.push(0x80);
    request[2] += 1;
    assert_eq!(peer.send(0, &[request, data("a")].concat(), true), [""; 0]);
    assert_eq!(peer.send(4, &head("/echo"), true), ["4 200", "4 fin"]);
    assert_eq!(peer.send(6, b"\x02\x3f\x45\x43x-a\x011", false), ["0 200", "0 data a", "0 fin"]);
    assert!(peer.connection.is_idle());
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let any = "3 goaway 4611686018427387900";
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/slow"), true), [""; 0]);
    peer.connection.drain(&peer.world.host, peer.world.now(), Duration::from_secs(5));
    assert_eq!(peer.settle(), [any]);
    // What was on its way is still answered.
    assert_eq!(peer.send(4, &head("/early"), true)[0], "4 403");
    peer.world.wait(Limits::default().goaway_timeout);
    peer.connection.timeout(&peer.world.host, peer.world.now());
    assert_eq!(peer.settle(), ["3 goaway 8"]);
    assert_eq!(peer.send(8, &head("/early"), true), ["8 reset 10b", "8 stop 10b"]);
    peer.world.open_gate();
    assert_eq!(peer.turn(), ["0 200", "0 data slow", "0 fin"]);
    assert_eq!(peer.connection.cause(), Some(Cause::Drain));
}

#[test]
fn the_control_stream_is_critical() {
    let refused = |stream, bytes: &[u8], fin| {
        let mut peer = Peer::new();
        let sent = peer.send(stream, bytes, fin);
        (peer.connection.cause(), sent.last().cloned().unwrap_or_default())
    };
    let fault = |reason| Some(Cause::Fault(reason));
    // RFC 9114 §6.2.1: it MUST NOT be closed; §7.1: half a frame.
    assert_eq!(refused(CONTROL, b"", true), (fault(Reason::StreamClosed), "close 104".into()));
    assert_eq!(refused(CONTROL, &one(GOAWAY, b"\0"), false).0, None);
    let half = &head("/echo")[..3];
    assert_eq!(refused(0, half, true), (fault(Reason::FrameSize), "close 106".into()));
}

/// Who gives up makes room, and is heard while there is none; so is who takes more of an answer.
#[test]
fn whoever_gives_up_is_heard_at_any_time() {
    let mut peer = Peer::under(|limits| limits.receive_budget = 5);
    peer.send(0, &[head("/hold"), data("12345")].concat(), false);
    assert_eq!(peer.reset(0), ["0 reset 10c"]);
    assert_eq!(peer.world.over(), ["/hold peer_left"]);
    let mut peer = Peer::under(|limits| limits.receive_budget = 5);
    peer.room = 1;
    peer.send(4, &head("/big"), true);
    peer.send(0, &[head("/hold"), data("12345")].concat(), false);
    peer.connection.set_room(4, BIG);
    peer.connection.look(&peer.world.host, peer.world.now());
    assert_eq!(peer.settle(), [&format!("4 data {}", "b".repeat(BIG - 1)), "4 fin"]);
}
