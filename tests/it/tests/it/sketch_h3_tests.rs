//! What the toy HTTP/3 machine proves of the contract.

use super::*;

/// The peer, and what a QUIC stage does: it holds what came until the connection wants it.
struct Peer {
    world: World,
    connection: Connection<Toy>,
    held: BTreeMap<u64, (Vec<u8>, bool)>,
}

impl Peer {
    /// A peer that has sent its SETTINGS, and has ours.
    fn new() -> Self {
        let connection = World::connect(Toy::default());
        let mut peer = Self { world: World::new(), connection, held: BTreeMap::new() };
        let mut control = vec![0];
        put_frame(&mut control, SETTINGS, b"");
        assert_eq!(peer.send(CONTROL, &control, false), ["3 stream 0", "3 settings"]);
        peer
    }

    fn send(&mut self, stream: u64, bytes: &[u8], fin: bool) -> Vec<String> {
        let held = self.held.entry(stream).or_default();
        held.0.extend_from_slice(bytes);
        held.1 |= fin;
        self.turn()
    }

    /// Reads what is wanted of every stream, until that is nothing.
    fn turn(&mut self) -> Vec<String> {
        let mut lines = self.settle();
        loop {
            let connection = &self.connection;
            let n = |stream, held: &Vec<u8>| held.len().min(connection.wanted(stream));
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
                Act::Bytes(bytes) => lines.extend(frames(stream, &bytes)),
                Act::Command(Command::Fin) => lines.push(format!("{stream} fin")),
                Act::Command(Command::Reset(code)) => {
                    lines.push(format!("{stream} reset {code:x}"))
                }
                Act::Command(Command::StopSending(code)) => {
                    lines.push(format!("{stream} stop {code:x}"));
                }
                Act::Command(other) => panic!("{other:?}"),
            }
        }
        lines
    }

    fn reset(&mut self, stream: u64) -> Vec<String> {
        let (host, now) = (&self.world.host, self.world.now());
        self.connection.receive_reset(host, now, stream, 0x10c);
        self.settle()
    }
}

fn frames(stream: u64, mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    if stream == OUR_CONTROL && bytes.starts_with(&[0]) {
        lines.push("3 stream 0".to_owned());
        bytes = &bytes[1..];
    }
    while let Some((kind, length, header)) = frame(bytes) {
        let (payload, rest) = bytes[header..].split_at(length as usize);
        let text = String::from_utf8_lossy(payload);
        lines.push(match kind {
            DATA => format!("{stream} data {text}"),
            HEADERS if text.contains(":status") => format!("{stream} {}", &text[9..12]),
            HEADERS => format!("{stream} trailers"),
            SETTINGS => format!("{stream} settings"),
            kind => format!("{stream} frame {kind} {}", payload[0]),
        });
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a frame was sent");
    lines
}

fn one(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, kind, payload);
    bytes
}

fn head(path: &str) -> Vec<u8> {
    one(HEADERS, &toy::section(&[(":method", "POST"), (":path", path)]))
}

fn data(text: &str) -> Vec<u8> {
    one(DATA, text.as_bytes())
}

#[test]
fn varints_at_their_edges() {
    for (n, length) in [(0, 1), (63, 1), (64, 2), (65, 2), (16_383, 2), (16_384, 4)] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, n);
        assert_eq!((varint(&bytes), bytes.len()), (Some((n, &[][..])), length), "{n}");
        assert_eq!(varint(&bytes[..length - 1]), None);
    }
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
    assert_eq!(peer.reset(0), [""; 0]);
    assert_eq!(peer.world.over(), ["/echo peer_left"]);
    assert_eq!(peer.send(4, &data("a"), true), ["4 data a", "4 fin"]);
    assert!(peer.connection.is_idle(), "half a frame of a stream that is gone is forgotten");
}

#[test]
fn our_reset_is_two_commands() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/echo"), false), ["0 200"]);
    assert_eq!(peer.send(0, &one(HEADERS, b"\xff"), false), ["0 reset 102", "0 stop 102"]);
    assert_eq!(peer.world.over(), ["/echo aborted"]);
    // Without an answer yet, the answer is the status.
    assert_eq!(peer.send(4, &one(HEADERS, b"\xff"), true), ["4 400", "4 fin"]);
    assert_eq!(peer.connection.cause(), None);
}

#[test]
fn an_answer_may_come_before_the_content_ends() {
    let mut peer = Peer::new();
    let sent = peer.send(0, &[head("/early"), data("abc")].concat(), false);
    assert_eq!(sent, ["0 403", "0 data no", "0 fin", "0 stop 100"]);
    assert_eq!(peer.send(0, &data("def"), true), [""; 0]);
    assert!(peer.connection.is_idle());
}

#[test]
fn trailers_go_both_ways() {
    let mut peer = Peer::new();
    let last = one(HEADERS, &toy::section(&[("x-sum", "1")]));
    let sent = peer.send(0, &[head("/echo"), data("a"), last].concat(), true);
    assert_eq!(sent, ["0 200", "0 data a", "0 trailers", "0 fin"]);
}

#[test]
fn no_more_is_read_than_is_wanted() {
    for n in [WINDOW - 1, WINDOW, WINDOW + 1] {
        let mut peer = Peer::new();
        assert_eq!(peer.send(0, &[head("/hold"), data("")].concat(), false), [""; 0]);
        let full = "x".repeat(n);
        let body = data(&full);
        assert_eq!(peer.send(0, &body[..body.len() - n], false), [""; 0]);
        assert_eq!(peer.send(0, full.as_bytes(), true), [""; 0]);
        assert_eq!(peer.connection.wanted(0), WINDOW - n.min(WINDOW));
        assert_eq!(peer.held.contains_key(&0), n > WINDOW);
        // A stream that is not read holds up no other.
        assert_eq!(peer.send(4, &head("/early"), true)[0], "4 403");
        peer.world.open_gate();
        assert_eq!(peer.turn(), ["0 200", &format!("0 data {full}"), "0 fin"]);
    }
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let mut peer = Peer::new();
    peer.connection.drain(&peer.world.host, peer.world.now(), Duration::from_secs(1));
    assert_eq!(peer.settle(), ["3 frame 7 0"]);
    let mut peer = Peer::new();
    assert_eq!(peer.send(0, &head("/slow"), true), [""; 0]);
    peer.connection.drain(&peer.world.host, peer.world.now(), Duration::from_secs(1));
    assert_eq!(peer.settle(), ["3 frame 7 4"]);
    assert_eq!(peer.send(4, &head("/early"), true), ["4 reset 10b", "4 stop 10b"]);
    peer.world.open_gate();
    assert_eq!(peer.turn(), ["0 200", "0 data slow", "0 fin"]);
    assert_eq!(peer.connection.cause(), Some(Cause::Drain));
}

#[test]
fn the_control_stream_is_critical() {
    let refused = |stream, bytes: &[u8], fin| {
        let mut peer = Peer::new();
        peer.send(stream, bytes, fin);
        peer.connection.cause() == Some(Cause::Fault(Reason::Frame))
    };
    assert!(refused(CONTROL, b"", true), "RFC 9114 §6.2.1: it MUST NOT be closed");
    assert!(!refused(CONTROL, &one(GOAWAY, b"\0"), false));
    assert!(refused(0, &head("/echo")[..3], true), "RFC 9114 §7.1: half a frame");
    let world = World::new();
    let mut connection = World::connect(Toy::default());
    let bytes = [vec![0], one(GOAWAY, b"\0")].concat();
    connection.receive(&world.host, world.now(), CONTROL, Received::copied(&bytes), false);
    // RFC 9114 §6.2.1: SETTINGS MUST be the first frame.
    assert_eq!(connection.cause(), Some(Cause::Fault(Reason::Frame)));
}
