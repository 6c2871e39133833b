//! Buffers that a real ring fills: taken, leased, given back, and outliving everything.

use std::io::Write;
use std::os::unix::net::UnixStream;

use trilane_semantics::Payload;

use super::*;
use crate::ring::{RingConfig, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

const RECEIVE: Token = Token { key: Key { index: 3, generation: 1 }, op: Op::Receive };

struct Rig {
    ring: Ring,
    buffers: Buffers,
    ours: UnixStream,
    theirs: UnixStream,
}

impl Rig {
    fn new(count: u16, size: u32) -> Self {
        let mut ring = Ring::new(RingConfig { submissions: 8, completions: 16 }).unwrap();
        let buffers = Buffers::new(&mut ring, 0, count, size).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ring.push(Submission::receive(&ours, 0, RECEIVE));
        Self { ring, buffers, ours, theirs }
    }

    /// One write, and the completions of a turn after it.
    fn say(&mut self, words: &[u8]) -> Vec<Completion> {
        self.theirs.write_all(words).unwrap();
        let mut out = Vec::new();
        self.ring.turn(&mut out).unwrap();
        out
    }

    fn hear(&mut self, words: &[u8]) -> Buffer {
        let mut completion = self.say(words).remove(0);
        assert_eq!(completion.token(), Some(RECEIVE));
        let buffer = self.buffers.take(&mut completion).unwrap();
        assert!(self.buffers.take(&mut completion).is_none(), "once");
        buffer
    }
}

#[test]
fn counts_are_powers_of_two_in_bounds() {
    for (count, good) in [
        (0, false),
        (1, true),
        (1023, false),
        (1024, true),
        (1025, false),
        (MOST - 1, false),
        (MOST, true),
        (MOST + 1, false),
    ] {
        let mut ring = Ring::new(RingConfig { submissions: 2, completions: 4 }).unwrap();
        let made = Buffers::new(&mut ring, 0, count, 16);
        assert_eq!(made.is_ok(), good, "{count}");
        assert!(made.is_err() || made.is_ok_and(|made| made.free() == count.min(FIRST)));
    }
    let mut ring = Ring::new(RingConfig { submissions: 2, completions: 4 }).unwrap();
    assert!(Buffers::new(&mut ring, 0, 2, 0).is_err());
    Buffers::new(&mut ring, 0, COUNT, SIZE).unwrap();
    assert!(Buffers::new(&mut ring, 0, 2, 1).is_err(), "the group is taken");
    Buffers::new(&mut ring, 1, 2, 1).unwrap();
}

#[test]
fn a_buffer_goes_round() {
    let mut rig = Rig::new(4, 8);
    // Often enough for the 16 bits of the tail to wrap.
    for turn in 0..70_000u32 {
        let words = turn.to_le_bytes();
        let buffer = rig.hear(&words);
        assert_eq!(&*buffer, words);
        assert_eq!(rig.buffers.free(), 3);
        drop(buffer);
        assert_eq!(rig.buffers.free(), 4);
        rig.buffers.publish();
    }
}

#[test]
fn sizes_at_the_edge() {
    let mut rig = Rig::new(4, 8);
    for len in [7, 8] {
        assert_eq!(&*rig.hear(&b"abcdefghi"[..len]), &b"abcdefghi"[..len]);
        rig.buffers.publish();
    }
    let mut both = rig.say(b"abcdefghi");
    let parts: Vec<_> = both.iter_mut().filter_map(|c| rig.buffers.take(c)).collect();
    let joined: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
    assert_eq!((parts.len(), &joined[..]), (2, &b"abcdefghi"[..]));
}

#[test]
fn an_empty_group_says_so_and_recovers_when_published() {
    let mut rig = Rig::new(2, 8);
    let first = rig.hear(b"1");
    let second = rig.hear(b"2");
    assert_eq!(rig.buffers.free(), 0);
    let mut out = rig.say(b"3");
    assert_eq!(out[0].result(), -libc::ENOBUFS);
    assert!(!out[0].more());
    assert!(rig.buffers.take(&mut out[0]).is_none());
    // Given back but not published: the kernel does not know yet.
    drop(first);
    assert_eq!(rig.buffers.free(), 1);
    rig.ring.push(Submission::receive(&rig.ours, 0, RECEIVE));
    out.clear();
    rig.ring.turn(&mut out).unwrap();
    assert_eq!(out[0].result(), -libc::ENOBUFS);
    rig.buffers.publish();
    rig.ring.push(Submission::receive(&rig.ours, 0, RECEIVE));
    out.clear();
    rig.ring.turn(&mut out).unwrap();
    assert_eq!(&*rig.buffers.take(&mut out[0]).unwrap(), b"3");
    assert_eq!(&*second, b"2");
}

#[test]
fn a_lease_ends_with_its_last_holder() {
    let mut rig = Rig::new(2, 8);
    let memory = rig.hear(b"leased").lease();
    assert_eq!((rig.buffers.free(), rig.buffers.leased()), (1, 1));
    let mut payload = Payload::from_lease(Rc::clone(&memory), 0, 6);
    drop(memory);
    let front = payload.split_to(3);
    drop(payload);
    assert_eq!((rig.buffers.free(), rig.buffers.leased()), (1, 1));
    assert_eq!(front.as_ref(), b"lea");
    drop(front);
    assert_eq!((rig.buffers.free(), rig.buffers.leased()), (2, 0));
}

#[test]
fn a_lease_outlives_group_and_ring() {
    let mut rig = Rig::new(2, 8);
    let memory = rig.hear(b"alive").lease();
    drop(rig);
    assert_eq!(memory.as_slice(), b"alive");
}

#[test]
fn a_group_grows_when_starved_and_shrinks_when_not() {
    let mut rig = Rig::new(4 * FIRST, 4096);
    assert_eq!((rig.buffers.in_use(), rig.buffers.most()), (FIRST, 4 * FIRST));
    let held: Vec<_> = (0..FIRST).map(|_| rig.hear(b"x")).collect();
    assert_eq!(rig.say(b"y")[0].result(), -libc::ENOBUFS);
    assert!(rig.buffers.grow());
    rig.buffers.publish();
    rig.ring.push(Submission::receive(&rig.ours, 0, RECEIVE));
    let last = rig.hear(b"z");
    assert_eq!((&*last, rig.buffers.free()), (&b"yz"[..], FIRST - 1));
    assert!(rig.buffers.grow() && !rig.buffers.grow(), "that is all");
    drop((held, last));
    assert_eq!(rig.buffers.free(), 4 * FIRST);
    // The first look only begins to count; with nothing taken, each look after it halves.
    assert!(rig.buffers.shrink());
    assert!(rig.buffers.shrink());
    assert_eq!(rig.buffers.in_use(), 2 * FIRST);
    assert!(!rig.buffers.shrink());
    assert_eq!((rig.buffers.in_use(), rig.buffers.free()), (FIRST, 4 * FIRST));
    // What is too much leaves as it comes round, and its memory with it; then it still grows again.
    rig.buffers.publish();
    (0..4 * FIRST).for_each(|_| {
        drop(rig.hear(b"x"));
        rig.buffers.publish();
    });
    assert_eq!(rig.buffers.free(), FIRST);
    assert!(rig.buffers.grow());
    assert_eq!(rig.buffers.free(), 2 * FIRST);
}

#[test]
fn the_kernel_never_has_more_than_it_may_fill_in_a_turn() {
    let mut rig = Rig::new(4 * AHEAD, 8);
    let mut held = Vec::new();
    for _ in 0..4 * AHEAD {
        if rig.buffers.free() == 0 {
            assert_eq!(rig.say(b"x").pop().unwrap().result(), -libc::ENOBUFS);
            rig.buffers.grow();
            rig.buffers.publish();
            rig.ring.push(Submission::receive(&rig.ours, 0, RECEIVE));
            let mut out = Vec::new();
            rig.ring.turn(&mut out).unwrap();
            held.extend(out.iter_mut().filter_map(|completion| rig.buffers.take(completion)));
            continue;
        }
        held.push(rig.hear(b"x"));
        assert!(rig.buffers.free() <= AHEAD);
    }
    assert_eq!(held.len(), usize::from(4 * AHEAD), "all of the budget, and no more");
    assert_eq!((rig.buffers.free(), rig.buffers.grow()), (0, false));
    for (back, free) in [(AHEAD - 1, AHEAD - 1), (1, AHEAD), (1, AHEAD)] {
        held.truncate(held.len() - usize::from(back));
        assert_eq!(rig.buffers.free(), free);
    }
    held.clear();
    assert_eq!((rig.buffers.free(), rig.buffers.grow()), (AHEAD, false));
}

#[test]
fn a_single_receive_takes_one_buffer_and_only_for_bytes() {
    let mut ring = Ring::new(RingConfig { submissions: 8, completions: 16 }).unwrap();
    let buffers = Buffers::new(&mut ring, 0, 4, 8).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ring.push(Submission::receive_once(&ours, 0, RECEIVE));
    let mut out = Vec::new();
    ring.turn(&mut out).unwrap();
    assert!(out.is_empty() && buffers.free() == 4);
    theirs.write_all(b"abcdefghijkl").unwrap();
    for words in [&b"abcdefgh"[..], b"ijkl"] {
        ring.turn(&mut out).unwrap();
        assert_eq!((out.len(), out[0].more()), (1, false));
        assert_eq!(&*buffers.take(&mut out[0]).unwrap(), words);
        out.clear();
        ring.turn(&mut out).unwrap();
        assert!(out.is_empty(), "nothing comes that was not asked for");
        ring.push(Submission::receive_once(&ours, 0, RECEIVE));
    }
}

#[test]
fn a_group_that_grew_past_what_the_kernel_holds_shrinks_again() {
    let mut rig = Rig::new(4 * AHEAD, 4096);
    let mut held = Vec::new();
    while held.len() < usize::from(3 * AHEAD) {
        if rig.buffers.free() > 0 {
            held.push(rig.hear(b"x"));
            continue;
        }
        rig.say(b"x");
        rig.buffers.grow();
        rig.buffers.publish();
        rig.ring.push(Submission::receive(&rig.ours, 0, RECEIVE));
        let mut out = Vec::new();
        rig.ring.turn(&mut out).unwrap();
        held.extend(out.iter_mut().filter_map(|completion| rig.buffers.take(completion)));
    }
    drop(held);
    rig.buffers.publish();
    for _ in 0..10 {
        rig.buffers.shrink();
    }
    assert_eq!((rig.buffers.in_use(), rig.buffers.shrink()), (FIRST, false));
}
