//! Any frames and any commands, from seeds: no panic, no bound broken, and no window forgotten.

use super::*;

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % sides
    }
}

/// A frame that is likely to mean something.
fn frame(dice: &mut Dice, next: &mut u32) -> Vec<u8> {
    let id = 2 * dice.roll(*next / 2 + 1) + 1;
    match dice.roll(16) {
        0..4 => {
            *next += 2;
            if dice.roll(2) == 0 { get(*next) } else { post(*next, &[]) }
        }
        4 => {
            *next += 2;
            let length = dice.roll(40).to_string();
            post(*next, &[("content-length", &length)])
        }
        5..9 => data(dice.roll(2) as u8, id, &vec![b'x'; dice.roll(60) as usize]),
        9 => data(flag::PADDED, id, &[&[5][..], &vec![0; 5 + dice.roll(9) as usize]].concat()),
        10 => headers(flag::END_STREAM, id, &[("x", "1")]),
        11 => number(kind::RST_STREAM, id, 8),
        12 => number(kind::WINDOW_UPDATE, id, dice.roll(200)),
        13 => number(kind::WINDOW_UPDATE, 0, 1 + dice.roll(200)),
        14 => setting(4, dice.roll(300)),
        _ if dice.roll(8) > 0 => one(kind::PING, 0, 0, &[1; 8]),
        _ => one(
            dice.roll(12) as u8,
            dice.roll(64) as u8,
            dice.roll(9),
            &vec![0; dice.roll(9) as usize],
        ),
    }
}

fn command(dice: &mut Dice, side: &mut Side, ids: &[u64]) {
    let Some(&id) = ids.get(dice.roll(ids.len().max(1) as u32) as usize) else { return };
    let id = ExchangeId(id);
    let content = match dice.roll(3) {
        0 => Content::None,
        1 => Content::Exact(dice.roll(100).into()),
        _ => Content::Unknown,
    };
    let mut body = Payload::from(vec![b'y'; dice.roll(100) as usize]);
    let n = dice.roll(64) as usize;
    let head = ResponseHead::new(StatusCode::OK);
    // Misuse is told, and changes nothing: any order of commands will do.
    side.act(|it, out| match dice.roll(8) {
        0 | 1 => drop(it.respond(id, &head, content, &stamp(), out)),
        2 | 3 => drop(it.send_body(id, &mut body, 1 + n, out)),
        4 => drop(it.finish(id, None, out)),
        5 | 6 => it.release(id, n),
        _ => it.cancel(id, out),
    });
}

#[test]
fn no_sequence_breaks_the_machine() {
    let most = if cfg!(debug_assertions) { 1500 } else { 20_000 };
    let mut lived = 0;
    for seed in 0..most {
        let mut dice = Dice(seed);
        let mut side = Side::ready_with(|limits| {
            (limits.stream_window, limits.streams) = (200, 8);
        });
        side.releases = false;
        let (mut next, mut ids) = (1, Vec::new());
        for _ in 0..20 {
            let bytes = frame(&mut dice, &mut next);
            let cut = dice.roll(bytes.len() as u32 + 1) as usize;
            for piece in [&bytes[..cut], &bytes[cut..]] {
                for line in side.feed(piece) {
                    if let Some((id, rest)) = line.split_once(' ')
                        && (rest.starts_with("GET") || rest.starts_with("POST"))
                    {
                        ids.push(id.parse().unwrap());
                    }
                }
            }
            command(&mut dice, &mut side, &ids);
            let machine = &side.machine;
            assert!(machine.streams.len() <= 8, "seed {seed}");
            let held: u64 = machine.streams.iter().map(|stream| u64::from(stream.held)).sum();
            assert!(held <= 8 * 200, "seed {seed}");
            if machine.closed.is_some() {
                break;
            }
        }
        lived += u32::from(side.machine.closed.is_none());
        // Whatever happened: once all is given up, the connection has all of its window again, or owes it.
        if side.machine.closed.is_none() {
            let open: Vec<_> = side.machine.streams.iter().map(|stream| stream.id).collect();
            for id in open {
                side.act(|it, out| it.cancel(ExchangeId(id.into()), out));
            }
            if !matches!(side.machine.reading, crate::state::Reading::Data(_)) {
                assert_eq!(side.machine.inflow.total(), 1 << 20, "seed {seed}");
            }
        }
    }
    assert!(lived > most as u32 / 20, "most sequences should not end at once: {lived}");
}
