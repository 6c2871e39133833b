//! Conformance of HTTP/3, from the client's side of a real socket: one table, in which each row has its section, what is sent, and
//! what must come of it.
//!
//! `wire` is QUIC as quiche speaks it, `frames` writes what HTTP/3 and QPACK say over it, `reader` takes apart what comes, `peer`
//! sends and looks; nothing of these is the product's. `control`, `streams`, `requests`, `messages` and `qpack` are the table.
//! `packets` speaks no QUIC, `tables` is what QPACK saves; `differential` and `aioquic` are clients of others. What happens inside,
//! cut at every byte, is with the machine's own tests.

pub(crate) mod aioquic;
mod control;
mod differential;
pub(crate) mod frames;
mod messages;
mod packets;
pub(crate) mod peer;
mod qpack;
pub(crate) mod reader;
mod requests;
mod streams;
mod tables;
pub(crate) mod wire;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::parity::House;
use frames::{integers, settings, uni};
use peer::{CONTROL, Expected, Peer};

/// How many rows are tried at once.
const WORKERS: usize = 4;

/// One case: steps behind the handshake.
#[derive(Clone, Debug)]
struct Row {
    /// Section of an RFC, and what the case is.
    section: &'static str,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// On that stream, which it may end.
    Send(u64, Vec<u8>, bool),
    Reset(u64, u64),
    Expect(Expected),
}

impl Row {
    /// A case in which nothing of HTTP/3 was said.
    const fn bare(section: &'static str) -> Self {
        Self { section, steps: Vec::new() }
    }

    /// A case on a connection that is ready.
    fn new(section: &'static str) -> Self {
        Self::with_settings(section, &[])
    }

    /// As [`Self::new`], but for these SETTINGS.
    fn with_settings(section: &'static str, all: &[(u64, u64)]) -> Self {
        Self::bare(section)
            .send(CONTROL, &[integers(&[uni::CONTROL]), settings(all)].concat())
            .expect(Expected::Settings)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn send(self, stream: u64, bytes: &[u8]) -> Self {
        self.step(Step::Send(stream, bytes.to_vec(), false))
    }

    /// Sends what is the last of that stream.
    fn fin(self, stream: u64, bytes: &[u8]) -> Self {
        self.step(Step::Send(stream, bytes.to_vec(), true))
    }

    fn give_up(self, stream: u64, code: u64) -> Self {
        self.step(Step::Reset(stream, code))
    }

    fn expect(self, expected: Expected) -> Self {
        self.step(Step::Expect(expected))
    }

    /// That stream is answered with 200, and the connection goes on.
    fn answer(self, stream: u64) -> Self {
        self.expect(Expected::Answer(stream, 200)).alive()
    }

    fn alive(self) -> Self {
        self.expect(Expected::Alive)
    }

    /// An error of that stream, and of no other: the connection goes on.
    fn reset(self, stream: u64, code: u64) -> Self {
        self.expect(Expected::Reset(stream, code)).alive()
    }

    /// A malformed message on that stream: the connection goes on.
    fn malformed(self, stream: u64) -> Self {
        self.expect(Expected::Malformed(stream)).alive()
    }

    /// An error of the connection.
    fn closes(self, code: u64) -> Self {
        self.expect(Expected::Closed(code))
    }

    fn run(&self, house: &House) -> Result<(), String> {
        let mut peer = Peer::connect(house);
        for step in &self.steps {
            match step {
                Step::Send(stream, bytes, fin) => peer.send(*stream, bytes, *fin),
                Step::Reset(stream, code) => peer.quic.reset(*stream, *code),
                Step::Expect(expected) => peer.expect(expected)?,
            }
        }
        Ok(())
    }
}

fn rows() -> Vec<Row> {
    let all = [control::rows(), streams::rows(), requests::rows(), messages::rows(), qpack::rows()];
    all.into_iter().flatten().collect()
}

/// Plays every case of what makes a message malformed, whatever comes of it, and names each to `look`.
pub(crate) fn play_messages(house: &House, look: &mut dyn FnMut(&str)) {
    for row in messages::rows() {
        let _ = row.run(house);
        look(row.section);
    }
}

#[test]
fn a_peer_sees_what_the_rfc_says() {
    // Who leaves while a window is closed is waited for no longer than that.
    let house = House::new(|limits| limits.write_timeout = Duration::from_secs(2));
    let wrong = |row: &Row| Some(format!("{}: {}", row.section, row.run(&house).err()?));
    // Most of it is waiting.
    let (rows, at) = (rows(), AtomicUsize::new(0));
    let some = || {
        let next = || rows.get(at.fetch_add(1, SeqCst));
        std::iter::from_fn(next).filter_map(wrong).collect::<Vec<_>>()
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(some)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} rows\n{}", wrong.len(), wrong.join("\n"));
    house.settle();
}

#[test]
fn the_table_is_long_and_every_row_has_its_section() {
    let rows = rows();
    assert!(rows.len() >= 200, "{} rows", rows.len());
    for row in &rows {
        let known = ["9114 §", "9204 §", "9218 §", "9220 §", "9297 §", "9110 §", "9000 §"];
        assert!(known.iter().any(|of| row.section.starts_with(of)), "{}", row.section);
        assert!(matches!(row.steps.last(), Some(Step::Expect(_))), "{}", row.section);
    }
    println!("{} rows", rows.len());
}
