//! What an encoder writes: little twice, nothing that a peer must wait for, nothing that has gone.

use super::{lines, same, section};
use crate::sections::MOST;
use crate::{Decoder, DecoderStreamError, Encoder, Field};

/// As a server answers.
const RESPONSE: &[&str] = &[
    ":status: 200",
    "server: trilane",
    "date: Sat, 21 Nov 2026 12:00:00 GMT",
    "content-type: application/json; charset=utf-8",
    "cache-control: max-age=3600, must-revalidate",
    "content-length: 1234",
    "x-request-id: 0123456789abcdef",
];

/// Two peers; nothing travels by itself.
struct Pair {
    encoder: Encoder,
    decoder: Decoder,
    stream: u64,
}

impl Pair {
    fn new(capacity: usize) -> Self {
        let mut encoder = Encoder::new(capacity);
        encoder.set_peer(capacity as u64);
        Self { encoder, decoder: Decoder::new(capacity, 0), stream: 0 }
    }

    /// Sends a section on a stream of its own, which must be decoded at once; its length.
    #[track_caller]
    fn send(&mut self, lines_of: &[&str]) -> usize {
        self.stream += 4;
        let section = section(&mut self.encoder, self.stream, lines_of);
        same(lines(&mut self.decoder, self.stream, &section), lines_of);
        section.len()
    }

    /// The encoder stream arrives; how much it is.
    #[track_caller]
    fn instruct(&mut self) -> usize {
        let mut bytes = Vec::new();
        self.encoder.instructions_owed(&mut bytes);
        assert_eq!(self.decoder.instructions(&bytes), Ok(bytes.len()));
        bytes.len()
    }

    /// The decoder stream arrives.
    #[track_caller]
    fn acknowledge(&mut self) {
        let mut bytes = Vec::new();
        self.decoder.owed(&mut bytes);
        assert_eq!(self.encoder.acknowledge(&bytes), Ok(bytes.len()));
    }

    #[track_caller]
    fn exchange(&mut self) {
        self.instruct();
        self.acknowledge();
    }
}

/// FEATURES P6: the second section shrinks, once the first is acknowledged; until then nothing refers to it.
#[test]
fn what_was_sent_is_an_index() {
    let mut pair = Pair::new(4096);
    let first = pair.send(RESPONSE);
    assert_eq!(pair.send(RESPONSE), first);
    let said = pair.instruct();
    assert_eq!(pair.send(RESPONSE), first);
    assert_eq!(pair.instruct(), 0);
    pair.acknowledge();
    let second = pair.send(RESPONSE);
    // Two bytes of prefix, five indices, two literals.
    assert!(first > 100 && second * 10 <= first * 3, "{first} {said} {second}");
    pair.exchange();
    assert_eq!((pair.send(RESPONSE), pair.instruct()), (second, 0));
}

/// A name that is in no static table is sent once, also when its values change, and come faster than they are acknowledged.
#[test]
fn names_are_learnt() {
    let mut pair = Pair::new(4096);
    assert!(pair.send(&["x-own: 1"]) > 5);
    pair.exchange();
    for value in 2..5 {
        assert_eq!(pair.send(&[&format!("x-own: {value}")]), 5);
    }
}

/// RFC 9204 §3.2.3, §4.3.1: the capacity is the lesser one, and said first; without one nothing is said.
#[test]
fn capacities() {
    for (ours, theirs, expected) in [
        (4096usize, 220u64, &[0x3f, 0xbd, 0x01][..]),
        (220, 4096, &[0x3f, 0xbd, 0x01]),
        (0, 4096, &[]),
        (4096, 0, &[]),
        (4096, 31, &[]),
        (31, 4096, &[]),
        (32, u64::MAX >> 2, &[0x3f, 0x01]),
    ] {
        let mut encoder = Encoder::new(ours);
        let before = section(&mut encoder, 0, &["x-own: before"]);
        encoder.set_peer(theirs);
        // RFC 9204 §3.2.3: settings come again when 0-RTT did, and are the same.
        encoder.set_peer(theirs);
        let mut said = Vec::new();
        encoder.instructions_owed(&mut said);
        assert_eq!(said, expected);
        let mut decoder = Decoder::new(usize::try_from(theirs).unwrap(), 0);
        assert_eq!(decoder.instructions(&said), Ok(said.len()));
        same(lines(&mut decoder, 0, &before), &["x-own: before"]);
        let after = section(&mut encoder, 0, RESPONSE);
        same(lines(&mut decoder, 0, &after), RESPONSE);
        if expected.is_empty() {
            encoder.instructions_owed(&mut said);
            assert!(said.is_empty());
        }
    }
}

/// RFC 9204 §2.1.1: what a section refers to stays until it is acknowledged or cancelled.
#[test]
fn what_is_referred_to_stays() {
    for cancel in [false, true] {
        let mut pair = Pair::new(100);
        pair.send(&["a: b"]);
        pair.exchange();
        // Written now, and read when the others have come.
        let late = section(&mut pair.encoder, 400, &["a: b"]);
        assert_eq!(late.len(), 3);
        for value in ["c", "d", "e", "f"] {
            pair.send(&[&format!("a: {value}")]);
            pair.exchange();
        }
        // There was room for one.
        assert_eq!(pair.encoder.inserted, 2);
        if cancel {
            pair.decoder.cancel(400);
        } else {
            same(lines(&mut pair.decoder, 400, &late), &["a: b"]);
        }
        pair.exchange();
        pair.send(&["a: g"]);
        assert_eq!(pair.encoder.inserted, 3);
        pair.exchange();
        assert_eq!(pair.send(&["a: g"]), 3);
    }
}

/// RFC 9204 §2.1.1: a line that was never received does not go either.
#[test]
fn what_was_not_received_stays() {
    let mut pair = Pair::new(100);
    for value in ["b", "c", "d", "e"] {
        pair.send(&[&format!("a: {value}")]);
    }
    assert_eq!(pair.encoder.inserted, 2);
    pair.exchange();
    pair.send(&["a: d"]);
    assert_eq!(pair.encoder.inserted, 3);
}

/// RFC 9204 §2.1.1.1: however many sections are always on their way, the table does not stand still, and what every section has is
/// found again at its front.
#[test]
fn a_table_under_load_keeps_moving() {
    let mut pair = Pair::new(1024);
    let (mut written, mut worst) = (std::collections::VecDeque::new(), 0);
    for second in 0..1000 {
        let date =
            format!("date: Sat, 21 Nov 2026 12:{:02}:{:02} GMT", second / 60 % 60, second % 60);
        let response =
            ["server: a name that is long enough", "x-own: something", &date, "x-request-id: 0000"];
        for _ in 0..20 {
            pair.stream += 4;
            let section = section(&mut pair.encoder, pair.stream, &response);
            worst = if second > 1 { worst.max(section.len()) } else { 0 };
            written.push_back((pair.stream, section, response.map(str::to_owned)));
            if written.len() > 10
                && let Some((stream, section, expected)) = written.pop_front()
            {
                same(
                    lines(&mut pair.decoder, stream, &section),
                    &expected.each_ref().map(|line| &line[..]),
                );
                pair.exchange();
            }
        }
        // The last of this second has all of it: a prefix, three indices, a name and its four bytes.
        let last = section(&mut pair.encoder, 1 << 30, &response).len();
        assert!((10..=11).contains(&last), "{last} at {second}");
        pair.decoder.cancel(1 << 30);
    }
    assert!(pair.encoder.inserted > 1000 && worst < 80, "{worst}");
}

/// Beyond the bound sections refer to nothing, and can all the same be read; then it goes on.
#[test]
fn sections_that_wait_are_bounded() {
    let mut pair = Pair::new(4096);
    pair.send(RESPONSE);
    pair.exchange();
    for count in 0..MOST + 100 {
        let len = pair.send(RESPONSE);
        assert_eq!(len < 40, count < MOST, "{len} at {count}");
        pair.send(&["x-new: 1"]);
    }
    assert!(pair.encoder.sections.is_full());
    pair.exchange();
    assert!(pair.send(RESPONSE) < 40);
}

/// Instructions that cannot be sent do not pile up.
#[test]
fn what_is_not_fetched_is_bounded() {
    let mut pair = Pair::new(4096);
    for round in 0..10_000 {
        pair.send(&[&format!("x-own-{round}: {round}")]);
        if round % 100 == 99 {
            // The peer would have it all; the stream has no room.
            pair.encoder.known = pair.encoder.inserted;
        }
    }
    let mut said = Vec::new();
    pair.encoder.instructions_owed(&mut said);
    assert!(said.len() < 5000, "{}", said.len());
}

/// A peer with a large table has longer prefixes; what stands before and in the section stays as it is.
#[test]
fn prefixes_of_any_length() {
    let mut encoder = Encoder::new(65536);
    encoder.set_peer(1 << 30);
    let mut decoder = Decoder::new(1 << 30, 0);
    for round in 0..2000 {
        let line = format!("x-{}: {round}", round % 10);
        for stream in [4, 8] {
            let section = section(&mut encoder, stream, &[&line, ":path: /"]);
            same(lines(&mut decoder, stream, &section), &[&line, ":path: /"]);
            let (mut there, mut back) = (Vec::new(), Vec::new());
            encoder.instructions_owed(&mut there);
            assert_eq!(decoder.instructions(&there), Ok(there.len()));
            decoder.owed(&mut back);
            assert_eq!(encoder.acknowledge(&back), Ok(back.len()));
            let prefix = 2 + usize::from(round >= 253) + usize::from(round >= 253 + 128);
            assert!(stream == 4 || section.len() == prefix + 2, "{section:x?} at {round}");
        }
    }
}

/// RFC 9204 §4.4: what no decoder says.
#[test]
fn hostile_acknowledgments_are_refused() {
    use DecoderStreamError::{Increment, Integer, Section};
    for (wire, expected) in [
        (&[0x00][..], Err(Increment)),
        (&[0x03], Err(Increment)),
        (&[0x3f, 0xff, 0xff, 0xff, 0xff, 0x7f], Err(Increment)),
        (&[0xff; 12], Err(Integer)),
        (&[0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Err(Integer)),
        (&[0x84], Err(Section)),
        (&[0x44], Ok(1)),
        (&[0x02], Ok(1)),
        (&[0x01, 0x01], Ok(2)),
        (&[0x02, 0x01], Err(Increment)),
        (&[0x02, 0x7f], Ok(1)),
        (&[0x7f, 0x80, 0x80], Ok(0)),
    ] {
        let mut pair = Pair::new(1000);
        pair.send(&["a: b", "c: d"]);
        assert_eq!(pair.encoder.acknowledge(wire), expected, "{wire:x?}");
    }
    let mut pair = Pair::new(1000);
    pair.send(&["a: b"]);
    pair.exchange();
    // A section with references is acknowledged once; one without never (RFC 9204 §4.4.1).
    section(&mut pair.encoder, 40, &["a: b"]);
    section(&mut pair.encoder, 40, &["a: b"]);
    section(&mut pair.encoder, 44, &[":path: /"]);
    assert_eq!(pair.encoder.acknowledge(&[0x80 | 40, 0x80 | 40]), Ok(2));
    assert_eq!(pair.encoder.acknowledge(&[0x80 | 40]), Err(Section));
    assert_eq!(pair.encoder.acknowledge(&[0x80 | 44]), Err(Section));
}

/// RFC 9204 §7.1.3: what is sensitive gets into no table, also when its name and value are there.
#[test]
fn secrets_stay_out() {
    let mut pair = Pair::new(4096);
    let secret = Field { sensitive: true, ..Field::new("x-own", b"value") };
    for _ in 0..2 {
        let mut out = Vec::new();
        pair.encoder.begin(0, &mut out);
        pair.encoder.field(&mut out, secret);
        pair.encoder.field(&mut out, Field::new("authorization", b"value"));
        pair.encoder.end(&mut out);
        let read = lines(&mut pair.decoder, 0, &out).unwrap().unwrap();
        assert!(read.len() == 2 && read.iter().all(|(.., sensitive)| *sensitive));
        pair.exchange();
        assert_eq!(pair.encoder.inserted, 0);
    }
    // The line is there now, as nobody's secret.
    pair.send(&["x-own: value"]);
    pair.exchange();
    let mut out = Vec::new();
    pair.encoder.begin(0, &mut out);
    pair.encoder.field(&mut out, secret);
    pair.encoder.end(&mut out);
    let read = lines(&mut pair.decoder, 0, &out).unwrap().unwrap();
    assert_eq!(read, [(b"x-own".to_vec(), b"value".to_vec(), true)]);
}
