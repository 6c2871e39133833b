//! Conformance of HTTP/2, from the client's side of a real socket: one table, in which each row has its section, what is sent,
//! and what must come of it. All subjects of h2spec's 147 cases are in it, written anew from RFC 9113 and RFC 7541.
//!
//! `frames` writes, `peer` sends and looks, the others are the table. It is the place of record for what a peer sees; what happens
//! inside, cut at every byte, is with the machine's own tests.

mod connection;
pub(crate) mod frames;
mod generic;
mod hpack;
mod messages;
pub(crate) mod peer;
mod streams;

use std::time::Duration;

use crate::parity::{House, Over};
use frames::{PREFACE, settings};
use peer::{Expected, Peer};

/// One case: steps behind the prefaces, or in their place.
#[derive(Clone, Debug)]
struct Row {
    /// Section of an RFC, and what the case is.
    section: &'static str,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Expect(Expected),
}

impl Row {
    /// A case without prefaces.
    const fn bare(section: &'static str) -> Self {
        Self { section, steps: Vec::new() }
    }

    /// A case on a connection that is ready.
    fn new(section: &'static str) -> Self {
        Self::bare(section)
            .send(&[PREFACE, &settings(&[])].concat())
            .expect(Expected::Settings)
            .expect(Expected::SettingsAck)
    }

    fn send(mut self, bytes: &[u8]) -> Self {
        self.steps.push(Step::Send(bytes.to_vec()));
        self
    }

    fn expect(mut self, expected: Expected) -> Self {
        self.steps.push(Step::Expect(expected));
        self
    }

    /// That stream is answered with 200, and the connection goes on.
    fn answer(self, id: u32) -> Self {
        self.expect(Expected::Answer(id, 200)).alive()
    }

    fn alive(self) -> Self {
        self.expect(Expected::Alive)
    }

    /// An error of that stream, and of no other: the connection goes on.
    fn reset(self, id: u32, codes: &'static [u32]) -> Self {
        self.expect(Expected::Reset(id, codes)).alive()
    }

    /// An error of the connection.
    fn goaway(self, codes: &'static [u32]) -> Self {
        self.expect(Expected::Goaway(codes))
    }

    fn run(&self, house: &House, over: Over) -> Result<(), String> {
        let mut peer = Peer::connect(house, over);
        for step in &self.steps {
            match step {
                Step::Send(bytes) => peer.send(bytes),
                Step::Expect(expected) => peer.expect(expected)?,
            }
        }
        Ok(())
    }
}

fn rows() -> Vec<Row> {
    let all =
        [generic::rows(), connection::rows(), streams::rows(), messages::rows(), hpack::rows()];
    all.into_iter().flatten().collect()
}

/// Plays every case of what makes a message malformed, whatever comes of it, and names each to `look`.
pub(crate) fn play_messages(house: &House, look: &mut dyn FnMut(&str)) {
    for row in messages::rows() {
        let _ = row.run(house, Over::Tcp);
        look(row.section);
    }
}

fn check(over: Over) {
    // Who leaves while a window is closed is waited for no longer than that.
    let house = House::new(|limits| limits.write_timeout = Duration::from_secs(2));
    let wrong = |row: &Row| Some(format!("{}: {}", row.section, row.run(&house, over).err()?));
    let wrong: Vec<String> = rows().iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{over:?}\n{}", wrong.join("\n"));
    house.settle();
}

#[test]
fn a_peer_sees_what_the_rfc_says_in_clear() {
    check(Over::Tcp);
}

#[test]
fn a_peer_sees_what_the_rfc_says_over_tls() {
    check(Over::Tls);
}

#[test]
fn the_table_is_long_and_every_row_has_its_section() {
    let rows = rows();
    assert!(rows.len() >= 147, "{} rows", rows.len());
    for row in &rows {
        let known = ["9113 §", "7541 §", "7540 §", "8441 §", "9218 §", "9110 §"];
        assert!(known.iter().any(|of| row.section.starts_with(of)), "{}", row.section);
        assert!(matches!(row.steps.last(), Some(Step::Expect(_))), "{}", row.section);
    }
    println!("{} rows", rows.len());
}
