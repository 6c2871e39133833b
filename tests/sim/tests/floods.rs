//! Attacks over HTTP/2 (RFC 9113 §10.5) in virtual time: each has its end, with its code and its cause; what it makes the
//! server hold is bounded; and who shares the server with it gets every answer at the very instant at which it comes without.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod memory;
mod service;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use service::Demo;
use trilane_semantics::{Instant, Limits, Reason};
use trilane_sim::clock::Clock;
use trilane_sim::h2::pack::plain;
use trilane_sim::h2::peer::Peer;
use trilane_sim::h2::wire::{Frame, PREFACE, flag, frame, kind, number, setting, settings};
use trilane_sim::pipe::{Arrival, Cuts, Link};
use trilane_sim::rng::Rng;
use trilane_sim::server::Server;
use trilane_sim::trace::Trace;

/// What an attacker writes in a round; nothing more when there is nothing.
type Attack = Box<dyn FnMut(u32) -> Vec<u8>>;

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(1);

/// What a stranger asks for, in bytes.
const ANSWER: usize = 5000;

/// A connection as its client has it: what it has still to write, and what came and when.
struct Side {
    link: Rc<RefCell<Link>>,
    out: Vec<u8>,
    bytes: Vec<u8>,
    log: Vec<(Instant, usize)>,
    is_over: bool,
    reads: Reads,
}

impl Side {
    fn new(rng: &mut Rng, server: &mut Server) -> Self {
        let link = Rc::new(RefCell::new(Link::new(Cuts::Whole, rng)));
        server.accept(Rc::clone(&link)).unwrap();
        let (out, bytes) = (hello(), Vec::new());
        Self { link, out, bytes, log: Vec::new(), is_over: false, reads: Reads::Yes }
    }

    fn step(&mut self, now: Instant) -> bool {
        let written = self.link.borrow_mut().client_writes(now, &self.out);
        self.out.drain(..written);
        let mut is_busy = written > 0;
        while self.reads == Reads::Yes
            && let Some(arrival) = self.link.borrow_mut().down.read(now)
        {
            is_busy = true;
            match arrival {
                Arrival::Bytes(bytes) => {
                    self.log.push((now, bytes.len()));
                    self.bytes.extend(bytes);
                }
                Arrival::Fin | Arrival::Reset => self.is_over = true,
            }
        }
        is_busy
    }

    /// The frames that came.
    fn frames(&mut self) -> Vec<Frame> {
        let (mut frames, mut at) = (Vec::new(), 0);
        while let Some((frame, end)) = Frame::read(&self.bytes[at..]) {
            frames.push(frame);
            at += end;
        }
        self.bytes.drain(..at);
        frames
    }
}

fn hello() -> Vec<u8> {
    let window = settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    [PREFACE, &window, &number(kind::WINDOW_UPDATE, 0, 1 << 30)].concat()
}

fn head(flags: u8, id: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let lines = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "sim")];
    frame(kind::HEADERS, flag::END_HEADERS | flags, id, &plain(&[&lines, more].concat()))
}

fn get(id: u32, path: &str) -> Vec<u8> {
    head(flag::END_STREAM, id, path, &[])
}

/// What became of an attack.
#[derive(Debug)]
struct Outcome {
    /// The code of GOAWAY.
    goaway: Option<u32>,
    /// How many header sections it got.
    answers: usize,
    /// The streams that were reset, by code.
    resets: Vec<(u32, u32)>,
    /// The reasons that were counted.
    reasons: Vec<String>,
    /// What the world had more than before the attack, at most, in bytes.
    held: usize,
    /// What a stranger got, and when.
    stranger: Vec<(Instant, usize)>,
    /// When the attacker was thrown out.
    over: Option<Duration>,
}

/// Lets `attack` go on for `rounds`, beside a stranger that asks for something every `pace` rounds and must get it.
fn run(rounds: u32, pace: u32, attack: Attack) -> Outcome {
    world(rounds, pace, attack, Reads::Yes)
}

/// The same by an attacker who reads nothing.
fn deaf(rounds: u32, pace: u32, attack: Attack) -> Outcome {
    world(rounds, pace, attack, Reads::No)
}

/// Whether an attacker takes what comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    No,
    Yes,
}

fn world(rounds: u32, pace: u32, mut attack: Attack, reads: Reads) -> Outcome {
    let (clock, trace) = (Rc::<Clock>::default(), Rc::<Trace>::default());
    let mut rng = Rng::new(11);
    let app = Rc::new(Demo::default());
    let mut server = Server::new(app, Rc::clone(&clock), rng.fork(), Rc::clone(&trace));
    let mut stranger = Side::new(&mut rng, &mut server);
    let mut attacker = Side::new(&mut rng, &mut server);
    attacker.reads = reads;
    // The trace keeps so many lines: its memory does not grow any more.
    (0..5000).for_each(|_| trace.note(Instant::default(), 9, "x".repeat(60)));
    let limits = Limits::default();
    let mut peer = Peer::new((limits.connection_window, limits.stream_window));
    peer.say(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    peer.inflow += 1 << 30;
    let (mut asked, mut over, mut goaway, mut resets) = (0, None, None, Vec::new());
    let mut answers = 0;
    let (before, mut held) = (memory::restart(), 0);
    for round in 0..rounds + 2000 {
        let now = clock.now();
        if round.is_multiple_of(pace) && round < rounds {
            peer.begin(2 * asked + 1, false);
            stranger.out.extend(get(2 * asked + 1, &format!("/bytes/{ANSWER}")));
            asked += 1;
        }
        if attacker.out.len() < 64 << 10 && !attacker.is_over && round < rounds {
            attacker.out.extend(attack(round));
        }
        while stranger.step(now) | attacker.step(now) | server.turn() {}
        server.assert_quiet();
        for frame in attacker.frames() {
            match frame.kind {
                kind::HEADERS => answers += 1,
                kind::GOAWAY => goaway = frame.number(4),
                kind::RST_STREAM => resets.push((frame.stream, frame.number(0).unwrap())),
                _ => (),
            }
        }
        if attacker.is_over && over.is_none() {
            over = Some(now.since(Instant::default()));
        }
        // The stranger's own log is not the attack's.
        let own = stranger.log.capacity() * size_of::<(Instant, usize)>() + stranger.bytes.len();
        held = held.max((memory::peak() - before) as usize - own.min(memory::peak() as usize));
        peer.feed(&std::mem::take(&mut stranger.bytes));
        for stream in peer.streams.values_mut().filter(|stream| stream.answer.is_complete) {
            let body = std::mem::take(&mut stream.answer.body);
            assert!(body.is_empty() || body.len() == ANSWER);
        }
        memory::restart();
        clock.advance(now + ROUND);
    }
    assert_eq!((peer.error, peer.done.len()), (None, asked as usize), "the stranger got all");
    assert_eq!(trace.failures(), Vec::<String>::new());
    let tally = server.recorder().tally();
    let reasons = tally.keys().filter_map(|name| name.strip_prefix("reason "));
    let reasons = reasons.map(str::to_owned).collect();
    Outcome { goaway, answers, resets, reasons, held, stranger: stranger.log, over }
}

/// Runs an attack, and the same without; the stranger must not notice.
fn survive(rounds: u32, pace: u32, attack: Attack) -> Outcome {
    let outcome = run(rounds, pace, attack);
    let calm = run(rounds, pace, Box::new(|_| Vec::new()));
    assert_eq!(outcome.stranger, calm.stranger, "a stranger noticed");
    outcome
}

/// A flood that must end in ENHANCE_YOUR_CALM for that reason, having made the server hold at most `most` bytes.
fn calmed(attack: impl FnMut(u32) -> Vec<u8> + 'static, reason: Reason, most: usize) {
    let outcome = survive(2000, 10, Box::new(attack));
    assert_eq!(outcome.goaway, Some(11), "{outcome:?}");
    assert!(outcome.reasons.iter().any(|it| it == reason.label()), "{:?}", outcome.reasons);
    assert!(outcome.over.is_some(), "it was never thrown out");
    assert!(outcome.held <= most, "{} bytes held", outcome.held);
}

/// What both directions of the network hold of an attacker who writes as fast as he can, and his own buffer.
const WIRE: usize = 512 << 10;

/// The ids of so many streams, in the `round`th round.
fn ids(round: u32, n: u32) -> impl Iterator<Item = u32> {
    (round * n..(round + 1) * n).map(|n| 2 * n + 1)
}

/// CVE-2023-44487.
#[test]
fn rapid_reset() {
    let one = |id| [get(id, "/slow/3000"), number(kind::RST_STREAM, id, 8)].concat();
    calmed(move |round| ids(round, 20).flat_map(one).collect(), Reason::Resets, WIRE);
}

/// CVE-2025-8671: we are made to reset what we work on.
#[test]
fn made_you_reset() {
    let ways: [fn(u32) -> Vec<u8>; 4] = [
        |id| number(kind::WINDOW_UPDATE, id, 0),
        |id| number(kind::WINDOW_UPDATE, id, 0x7fff_ffff),
        |id| frame(kind::DATA, 0, id, b"x"),
        |id| frame(kind::PRIORITY, 0, id, &[0; 4]),
    ];
    for way in ways {
        let one = move |id| [get(id, "/slow/3000"), way(id)].concat();
        calmed(move |round| ids(round, 20).flat_map(one).collect(), Reason::Resets, WIRE);
    }
}

/// CVE-2024-27316.
#[test]
fn continuations() {
    for piece in [&b""[..], b"\0", &[0; 3000]] {
        let flood = move |round| match round {
            0 => frame(kind::HEADERS, flag::END_STREAM, 1, &[0x82]),
            _ => frame(kind::CONTINUATION, 0, 1, piece).repeat(3),
        };
        calmed(flood, Reason::Continuations, WIRE);
    }
}

#[test]
fn frames_that_carry_nothing() {
    let floods: [fn() -> Vec<u8>; 8] = [
        // CVE-2019-9515.
        || settings(&[(1, 4096)]),
        || frame(kind::SETTINGS, flag::ACK, 0, &[]),
        // CVE-2019-9512.
        || frame(kind::PING, 0, 0, &[7; 8]),
        || frame(kind::PRIORITY, 0, 7, &[0; 5]),
        || number(kind::WINDOW_UPDATE, 0, 1),
        // CVE-2019-9518, and the same with padding.
        || frame(kind::DATA, 0, 1, &[]),
        || frame(kind::DATA, flag::PADDED, 1, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        || frame(99, 0, 0, &[0; 30]),
    ];
    for one in floods {
        let flood = move |round| match round {
            0 => head(0, 1, "/slow/3000", &[]),
            _ => one().repeat(40),
        };
        calmed(flood, Reason::Flood, WIRE);
    }
}

/// Frames of a byte each for a reader that reads nothing.
#[test]
fn tiny_data() {
    let flood = |round| match round {
        0 => head(0, 1, "/slow/30000", &[]),
        _ => frame(kind::DATA, 0, 1, b"x").repeat(40),
    };
    calmed(flood, Reason::Flood, WIRE + 2000 * 256);
}

/// Sections of too many lines, and sections whose lines are few bytes each but long in the table: each is refused by an answer,
/// and takes no memory. What they cost is what their bytes cost, so the connection may go on.
#[test]
fn header_bombs() {
    let many = |id| head(flag::END_STREAM, id, "/", &[("a", "b"); 200]);
    // RFC 7541 §6.2.1, §6.1: one line of 4,000 bytes into the table, and then named 10,000 times: 40 MB of lines.
    let long = |id| {
        let mut block = plain(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]);
        block.extend([0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
        block.extend([b'x'; 4000]);
        block.extend([0xbe; 10_000]);
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &block)
    };
    let bombs: [fn(u32) -> Vec<u8>; 2] = [many, long];
    for bomb in bombs {
        let outcome = survive(1000, 10, thrown(bomb, 300));
        assert_eq!((outcome.goaway, outcome.answers), (None, 300), "{:?}", outcome.reasons);
        assert_eq!(outcome.reasons, [Reason::FieldsTooLarge.label()]);
        assert!(outcome.held <= WIRE, "{} bytes held", outcome.held);
    }
}

/// So many of them, one each time when there is room for more.
fn thrown(one: fn(u32) -> Vec<u8>, n: u32) -> Attack {
    let mut sent = 0;
    Box::new(move |_| {
        sent += 1;
        if sent <= n { one(2 * sent - 1) } else { Vec::new() }
    })
}

/// A header section that comes byte by byte is answered, and is the connection's last.
#[test]
fn slow_head() {
    let attack = |round: u32| match round {
        0 => frame(kind::HEADERS, flag::END_STREAM, 1, &[0x82]),
        n if n.is_multiple_of(1500) => frame(kind::CONTINUATION, 0, 1, &[0x84]),
        _ => Vec::new(),
    };
    let outcome = survive(18_000, 500, Box::new(attack));
    assert_eq!((outcome.goaway, &outcome.reasons[..]), (Some(0), &["head_timeout".to_owned()][..]));
    assert!(outcome.over.is_some() && outcome.held <= WIRE, "{outcome:?}");
}

/// Content that comes at ten bytes a second: its stream is answered, and the connection goes on.
#[test]
fn data_dribble() {
    let attack = |round: u32| match round {
        0 => head(0, 1, "/slow/60000", &[("content-length", "100000")]),
        1 => [
            frame(kind::HEADERS, flag::END_HEADERS, 3, &plain(ECHO)),
            frame(kind::DATA, 0, 3, &[b'x'; 200]),
        ]
        .concat(),
        n if n.is_multiple_of(100) => frame(kind::DATA, 0, 3, b"x"),
        _ => Vec::new(),
    };
    let outcome = survive(40_000, 500, Box::new(attack));
    assert!(outcome.reasons.iter().any(|it| it == "body_timeout"), "{outcome:?}");
    assert!(outcome.resets.contains(&(3, 0)), "{outcome:?}");
    assert!(outcome.goaway.is_none() && outcome.held <= WIRE, "{outcome:?}");
}

const ECHO: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/echo"),
    (":authority", "sim"),
    ("content-length", "100000"),
];

/// What a request under way takes, in bytes, whatever its answer.
const REQUEST: usize = 8 << 10;

/// Answers from files that nobody lets through, or a byte of each: streams are given up when their time has come, and what was
/// read for them is next to nothing.
#[test]
fn zero_window() {
    let streams = Limits::default().streams as u32;
    let n = streams as usize;
    let read = (256 << 10) + n * (16 << 10);
    for (window, most) in [(0, WIRE + n * REQUEST), (1, WIRE + n * REQUEST + read)] {
        let attack = move |round| match round {
            0 => settings(&[(setting::INITIAL_WINDOW_SIZE, window)]),
            1 => ids(0, streams).flat_map(|id| get(id, "/bytes/300000")).collect(),
            _ => Vec::new(),
        };
        let outcome = survive(32_000, 500, Box::new(attack));
        assert_eq!(outcome.resets.iter().filter(|it| it.1 == 8).count(), n);
        assert!(outcome.goaway.is_none());
        assert!(outcome.held <= most, "{window}: {} bytes held", outcome.held);
    }
}

/// The same with all windows open, and a client that takes nothing from its socket.
#[test]
fn a_socket_that_nobody_reads() {
    let streams = Limits::default().streams as u32;
    let attack = move |round| match round {
        1 => ids(0, streams).flat_map(|id| get(id, "/bytes/300000")).collect(),
        _ => Vec::new(),
    };
    let outcome = deaf(32_000, 500, Box::new(attack));
    let most = WIRE + (1 << 20) + streams as usize * (16 << 10);
    assert!(outcome.held <= most, "{} bytes held", outcome.held);
}
