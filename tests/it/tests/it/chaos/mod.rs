//! Everything at once, for a while: clients that do right and clients that do wrong, reloads and upgrades. No answer may be
//! wrong, and at the end nothing may be left: no connection, no descriptor, no memory.
//!
//! `make chaos CHAOS=600` runs it that many seconds, `make test` a few.

mod chance;
mod line;
mod right;
mod wrong;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::parity::{Ask, LANES, eventually};
use crate::process::Addresses;
use chance::Chance;
use line::Line;

/// How long it runs where nobody says, in seconds.
const SECONDS: u64 = 6;
/// Between two reloads.
const BETWEEN_RELOADS: Duration = Duration::from_millis(700);
/// Between two upgrades.
const BETWEEN_UPGRADES: Duration = Duration::from_secs(3);
/// Clients that do wrong.
const WRONG: u64 = 4;
/// Bytes that a process may have more after all that than one that has seen a tenth of it.
const GROWTH: u64 = 24 << 20;

/// What all its threads share.
struct Chaos {
    /// Where the server is, whichever process that is.
    addresses: Addresses,
    is_over: AtomicBool,
    right: AtomicU64,
    wrong: AtomicU64,
    /// Requests on a connection that had ended in that moment, and were made again.
    again: AtomicU64,
}

impl Chaos {
    fn goes_on(&self) -> bool {
        !self.is_over.load(SeqCst)
    }
}

/// Has all threads end, also when one has failed.
struct Ended<'a>(&'a Chaos);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, SeqCst);
    }
}

#[test]
fn nothing_is_wrong_and_nothing_is_left() {
    let seconds = std::env::var("TRILANE_IT_CHAOS").map_or(SECONDS, |it| it.parse().unwrap());
    let seed = std::env::var("SEED").map_or(1, |it| it.parse().unwrap());
    let mut line = Line::start();
    let chaos = Chaos {
        addresses: line.addresses(),
        is_over: AtomicBool::new(false),
        right: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        again: AtomicU64::new(0),
    };
    let (before, mut upgrades, mut reloads) = (line.descriptors(), 0, 0);
    let mut memory = Vec::new();
    scope(|scope| {
        let ended = Ended(&chaos);
        for (at, lane) in LANES.iter().enumerate() {
            let (chaos, chance) = (&chaos, Chance::new(seed ^ (at as u64 + 1)));
            scope.spawn(move || right::load(*lane, chaos, chance));
        }
        for at in 0..WRONG {
            let (chaos, chance) = (&chaos, Chance::new(seed ^ (at + 101)));
            scope.spawn(move || wrong::load(chaos, chance));
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut upgrade = Instant::now() + BETWEEN_UPGRADES;
        while Instant::now() < end {
            sleep(BETWEEN_RELOADS);
            line.reload(reloads);
            reloads += 1;
            if Instant::now() >= upgrade {
                memory.push(line.memory());
                line.upgrade();
                upgrades += 1;
                upgrade = Instant::now() + BETWEEN_UPGRADES.max(Duration::from_secs(seconds / 20));
            }
        }
        drop(ended);
    });
    let all = [&chaos.right, &chaos.wrong, &chaos.again].map(|count| count.load(SeqCst));
    let [right, wrong, again] = all;
    println!(
        "{right} right answers, {again} asked again, {wrong} wrong clients, {reloads} reloads, {upgrades} upgrades"
    );
    eventually("all connections are closed but ours", || line.open() == 1);
    let closes = line.closes();
    println!("closes of the last process: {closes:?}");
    unexplained(&closes);
    // What ends a connection from our side may still be on its way.
    eventually("no descriptor is left", || line.descriptors() <= before);
    memory.push(line.memory());
    println!("memory of each process: {memory:?}");
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last <= first + GROWTH, "{first} bytes at first, {last} at last");
    assert_eq!(again, 0, "requests were lost");
    assert!(right > 100 && wrong > 20 && upgrades > 0, "that was nothing");
    LANES[0].open(&line.addresses()).ask(&Ask::get("/plaintext")).status(200);
    line.end();
}

/// Every close has a cause that somebody here has brought about.
fn unexplained(closes: &BTreeMap<String, u64>) {
    let strange: Vec<_> = closes
        .iter()
        .filter(|(cause, count)| **count > 0 && !wrong::CAUSES.contains(&&***cause))
        .collect();
    assert!(strange.is_empty(), "nobody did that: {strange:?}");
}
