//! Any bytes on any streams and any commands, from seeds: no panic, no bound broken, and one end of it all.

use trilane_semantics::{Method, RequestHead};

use super::qpack::refers;
use super::*;
use crate::streams::Stream;
use crate::timers;

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A frame that could be one, or nearly.
fn frame_of(dice: &mut Dice, stream: u64, is_new: bool) -> Vec<u8> {
    // Mostly what has a place there, or no connection would live for long.
    if dice.roll(8) > 0 {
        return match dice.roll(6) {
            _ if stream & 2 != 0 && dice.roll(2) == 0 => one(0x21, b"abc"),
            _ if stream & 3 == 2 => one(kind::PRIORITY_UPDATE, &[4 * dice.roll(9) as u8, b'i']),
            _ if stream & 2 != 0 => vec![0x21, 0],
            0 if is_new => get(),
            1 | 2 if is_new => post(&[]),
            3 if is_new => post(&[("content-length", "150")]),
            4 if is_new => headers(&[(":status", "200")]),
            5 if is_new => refers(),
            0 => one(0x21, b"abc"),
            _ => data(&vec![b'x'; dice.roll(200)]),
        };
    }
    let kinds = [0, 1, 1, 1, 0, 0, 3, 4, 5, 7, 13, 0xf_0700, 0x21, 2];
    match dice.roll(10) {
        0 => get(),
        1 => post(&[("content-length", ["0", "3", "100"][dice.roll(3)])]),
        2 => headers(&[(":status", ["200", "103", "101"][dice.roll(3)])]),
        3 => headers(&[("x-sum", "1")]),
        4..6 => data(&vec![b'x'; dice.roll(200)]),
        6 => number(kinds[dice.roll(kinds.len())], dice.roll(1000) as u64),
        7 => one(kinds[dice.roll(kinds.len())], &vec![dice.roll(256) as u8; dice.roll(20)]),
        8 => (0..dice.roll(20)).map(|_| dice.roll(256) as u8).collect(),
        _ => one(kind::HEADERS, &[2, 0, 0x80, 0xd1]),
    }
}

fn check(side: &Side) {
    let machine = &side.machine;
    let limits = &machine.limits;
    let is_told = |it: &Stream| !it.wants_room || it.room == 0 || it.is_waiting;
    assert!(machine.streams.iter().all(is_told), "who waits for room is told of it");
    // Whatever the peer can be late with is waited for, but not for ever.
    for stream in machine.streams.iter().filter(|_| machine.closed.is_none()) {
        let Some((due, reason)) = timers::due(stream, machine.role, limits) else { continue };
        // While content goes on other streams, a window may be that of all.
        let is_window = reason == Reason::WindowTimeout;
        let due = if is_window { due.max(machine.went + limits.write_timeout) } else { due };
        let due = due.max(side.now);
        let next = machine.poll_timeout();
        assert!(next.is_some_and(|next| next <= due), "{next:?} {reason:?} {stream:?}");
    }
    assert!(machine.streams.len() <= limits.streams);
    assert!(machine.heads as usize <= limits.heads.max(limits.head));
    let heads: u32 = machine.streams.iter().map(|stream| stream.head).sum();
    assert_eq!(machine.heads, heads);
    assert!(machine.waiting.len() <= limits.streams && machine.early.len() <= 16);
    assert!(machine.again.is_empty() && machine.gone.is_empty());
    let waiting = machine.streams.iter().filter(|stream| stream.is_waiting).count();
    assert_eq!(machine.waiting.len(), waiting, "none is there twice, nor when it is gone");
    assert!(
        machine.poll_timeout().is_some() || !machine.streams.is_empty() || machine.closed.is_some()
    );
}

fn command(side: &mut Side, dice: &mut Dice) {
    let id = ExchangeId(4 * dice.roll(8) as u64);
    let contents = [Content::None, Content::Exact(10), Content::Unknown, Content::Tunnel];
    let content = contents[dice.roll(4)];
    let what = dice.roll(9);
    let _ = side.act(|machine, out| match what {
        0 | 1 => {
            let status = [200, 204, 404, 100][dice.roll(4)];
            let head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
            let _ = machine.respond(id, &head, content, &stamp(), out);
        }
        2 | 3 => {
            let mut body = Payload::from(vec![b'y'; dice.roll(20)]);
            let _ = machine.send_body(id, &mut body, dice.roll(30), out);
        }
        4 => drop(machine.finish(id, None, out)),
        5 if dice.roll(4) == 0 => machine.cancel(id, out),
        6 => machine.set_room(id.0, dice.roll(40)),
        7 => machine.proceed(id, out),
        8 => {
            let method = [Method::GET, Method::CONNECT, Method::HEAD][dice.roll(3)].clone();
            if let Some(head) = RequestHead::new(method, "https://a/x") {
                let _ = machine.request(&head, content, out);
            }
        }
        _ => machine.release(id, dice.roll(100)),
    });
}

#[test]
fn nothing_breaks_it() {
    let (mut ends, mut frames) = (BTreeMap::<String, u32>::new(), 0);
    for seed in 0..3000 {
        let mut dice = Dice(seed);
        let make: Make = if seed % 4 == 0 { Http3::client } else { Http3::server };
        let mut side = Side::of(make, |limits| {
            (limits.streams, limits.head, limits.heads) = (4, 1000, 3000);
            limits.stream_window = 500;
        });
        side.releases = dice.roll(2) == 0;
        let control = if seed % 4 == 0 { 3 } else { 2 };
        side.come(control, &hello(), false);
        for _ in 0..60 {
            let streams =
                [0, 0, 4, 8, 12, 20, control, control, control + 4, control + 8, control + 12, 1];
            match dice.roll(12) {
                0..6 => {
                    let some = if dice.roll(4) == 0 { 12 } else { 6 };
                    let stream = streams[dice.roll(some)];
                    let is_new = side.machine.streams.get(stream).is_none();
                    let mut bytes = frame_of(&mut dice, stream, is_new);
                    if dice.roll(60) == 0 {
                        bytes.truncate(dice.roll(bytes.len() + 1));
                    }
                    frames += 1;
                    let fin = dice.roll(6) == 0 && stream & 2 == 0;
                    side.come(stream, &bytes, fin);
                }
                6 if dice.roll(3) == 0 => {
                    let id = 4 * dice.roll(8) as u64;
                    if dice.roll(2) == 0 {
                        side.inputs.remove(&id);
                        side.machine.reset(id, 0x10b);
                    } else {
                        side.machine.stopped(id, 0x100);
                    }
                    side.come(id, b"", false);
                }
                7 if dice.roll(3) == 0 => {
                    side.now = side.now + std::time::Duration::from_secs(dice.roll(20) as u64);
                    let _ = side.machine.handle_timeout(side.now);
                }
                8 if dice.roll(20) == 0 => side.machine.drain(),
                9 => drop(side.machine.datagram(&[dice.roll(64) as u8, 1, 2])),
                _ => command(&mut side, &mut dice),
            }
            side.come(0, b"", false);
            let log = side.turn();
            check(&side);
            if let Some(end) = log.iter().find(|line| line.starts_with("closed")) {
                *ends.entry(end.clone()).or_default() += 1;
                break;
            }
        }
    }
    assert!(ends.len() > 4 && frames > 20_000, "{frames} {ends:?}");
}
