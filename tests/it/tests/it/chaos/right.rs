//! Clients that do right: every answer is looked at to the last byte.

use std::sync::atomic::Ordering::SeqCst;

use super::Chaos;
use super::chance::Chance;
use crate::parity::{Answer, Ask, Client, Lane, Length};

/// Requests on a connection, at most.
const MOST: u64 = 60;
/// Bytes of content, at most.
const CONTENT: u64 = 200_000;

/// Asks over that protocol until it is over.
pub(super) fn load(lane: &dyn Lane, chaos: &Chaos, mut chance: Chance) {
    while chaos.goes_on() {
        let mut client = lane.open(&chaos.addresses);
        let (most, mut asked) = (chance.below(MOST) + 1, 0);
        while asked < most && client.is_open() && chaos.goes_on() {
            let wanted = Wanted::any(&mut chance);
            let answer = wanted.ask(&mut *client);
            if !answer.is_whole && answer.head.status == 0 && asked > 0 {
                // It ended in that moment, and nothing was done (RFC 9112 §9.5, RFC 9113 §8.7).
                chaos.again.fetch_add(1, SeqCst);
                break;
            }
            wanted.check(lane, &answer);
            asked += 1;
            chaos.right.fetch_add(1, SeqCst);
        }
        // Some say goodbye, and some are just gone.
        if chance.below(2) == 0 {
            client.leave();
        }
    }
}

/// A request, and what must come for it.
#[derive(Debug)]
enum Wanted {
    Hello,
    Bytes(u64),
    Chunks(u64),
    Slow(u64),
    Echo(Vec<u8>),
}

impl Wanted {
    fn any(chance: &mut Chance) -> Self {
        match chance.below(10) {
            0..4 => Self::Hello,
            4 => Self::Bytes(chance.below(CONTENT)),
            5 => Self::Bytes(3_000_000),
            6 => Self::Chunks(1 + chance.below(8)),
            7 => Self::Slow(chance.below(40)),
            _ => {
                let len = chance.below(CONTENT) as usize;
                Self::Echo(chance.bytes(len))
            }
        }
    }

    fn ask(&self, client: &mut dyn Client) -> Answer {
        let target = match self {
            Self::Hello => "/plaintext".to_owned(),
            Self::Bytes(len) => format!("/bytes/{len}"),
            Self::Chunks(count) => format!("/stream/{count}"),
            Self::Slow(time) => format!("/slow/{time}"),
            Self::Echo(content) => {
                let ask = Ask::post("/echo", Length::Exact(content.len() as u64));
                let id = client.begin(&ask);
                // Who takes no more of it says so by the answer.
                let _ = client.send(id, content);
                return client.answer(id);
            }
        };
        let id = client.begin(&Ask::get(target));
        client.answer(id)
    }

    #[track_caller]
    fn check(&self, lane: &dyn Lane, answer: &Answer) {
        let what = || format!("{}: {}", lane.name(), answer.head.status);
        assert!(answer.is_whole, "{} was cut after {} bytes", what(), answer.body.len());
        assert_eq!(answer.head.status, 200, "{}", what());
        match self {
            Self::Hello => assert_eq!(answer.body, b"Hello, World!", "{}", what()),
            Self::Bytes(len) => assert_eq!(answer.body.len() as u64, *len, "{}", what()),
            Self::Slow(time) => assert_eq!(answer.text(), format!("slept {time} ms\n")),
            Self::Echo(content) => assert!(answer.body == *content, "{}: another echo", what()),
            Self::Chunks(count) => {
                let all: String = (0..*count).map(|at| format!("chunk {at}\n")).collect();
                assert_eq!(answer.text(), all, "{}", what());
            }
        }
    }
}
