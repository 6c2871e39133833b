//! The dynamic table, both ways (RFC 9204): sections that wait for it, and what is said of them.

use super::*;

/// SETTINGS that let us use a table of so many bytes.
fn table(capacity: u64) -> Vec<u8> {
    let mut payload = vec![1];
    varint::write(&mut payload, capacity);
    [&[0][..], &one(kind::SETTINGS, &payload)].concat()
}

/// An encoder stream that inserts `x-a: 1`, after its type and a capacity of 100.
const INSERTS: &[u8] = b"\x02\x3f\x45\x43x-a\x011";
/// A request that refers to that line alone: its insert count is 1, over 4,096 bytes of table.
pub(super) fn refers() -> Vec<u8> {
    let mut payload = section(GET);
    payload[0] = 2;
    payload.push(0x80);
    one(kind::HEADERS, &payload)
}

/// What a machine said on that stream.
fn said(side: &mut Side, stream: u64) -> Vec<u8> {
    let mut out = Outbox::new();
    side.machine.flush(side.now, &mut out);
    let mut all = Vec::new();
    for (of, piece) in out.entries() {
        if let Piece::Bytes(bytes) = piece
            && of == stream
        {
            all.extend_from_slice(bytes);
        }
    }
    all
}

#[test]
fn a_section_waits_for_its_line() {
    let mut side = Side::ready();
    side.come(0, &[refers(), data(b"abc")].concat(), true);
    side.come(4, &post(&[]), false);
    assert_eq!(side.turn(), ["4 POST / Unknown"], "nobody else waits");
    assert_eq!(side.machine.wanted(0), 0);
    side.come(4, &[refers(), vec![]].concat(), false);
    assert_eq!(side.turn(), [""; 0]);
    // Byte by byte: at the last one all go on.
    let (last, front) = INSERTS.split_last().unwrap();
    for byte in front {
        side.come(ENCODER, &[*byte], false);
        assert_eq!(side.log, [""; 0]);
    }
    side.come(ENCODER, &[*last], false);
    let log = std::mem::take(&mut side.log);
    assert!(log.contains(&"4 fault PseudoField".to_owned()), "they were no trailers: {log:?}");
    assert!(log.ends_with(&["0 GET / Unknown".into(), "0 body abc".into(), "0 over".into()]));
    // RFC 9204 §4.4.1: both are acknowledged, which says that the line is there.
    let mut said = said(&mut side, 11);
    said.sort_unstable();
    assert_eq!(said, [0x80, 0x84]);
}

/// RFC 9204 §2.1.2: no more wait than we let.
#[test]
fn waiting_has_a_bound() {
    let mut side = Side::ready_with(|limits| limits.blocked = 2);
    for id in [0, 4] {
        assert_eq!(side.end(id, refers()), [""; 0]);
    }
    assert_eq!(side.end(8, refers())[2], "close 200");
    let mut side = Side::ready_with(|limits| limits.blocked = 0);
    assert_eq!(side.end(0, refers())[2], "close 200");
    let mut side = Side::ready_with(|limits| limits.table = 0);
    assert_eq!(side.end(0, refers())[2], "close 200");
    // Who gives up waits no more, and that is said (RFC 9204 §4.4.2).
    let mut side = Side::ready_with(|limits| limits.blocked = 1);
    side.end(0, refers());
    side.machine.reset(0, 0x10c);
    assert_eq!(said(&mut side, 11), [0x40]);
    assert_eq!(side.end(4, refers()), [""; 0]);
    // And has its time.
    let head = Limits::default().head_timeout;
    side.now = side.now + head;
    assert_eq!(side.machine.poll_timeout(), Some(side.now));
    assert!(side.machine.handle_timeout(side.now).is_err());
    assert_eq!(side.machine.wanted(4), usize::MAX);
}

/// The second of two equal answers is less than the third part of the first, once the peer has said that it has the lines.
#[test]
fn answers_become_short() {
    let head = |side: &mut Side, id: u64| {
        side.end(id, get());
        let mut head = ResponseHead::new(StatusCode::OK);
        head.fields.append("content-type", "application/x-something-long").unwrap();
        head.fields.append("x-request-kind", "another-value-that-is-long").unwrap();
        let mut out = Outbox::new();
        let stamp = Stamp::new("Thu, 01 Jan 1970 00:00:00 GMT", "trilane");
        side.machine.respond(ExchangeId(id), &head, Content::None, &stamp, &mut out).unwrap();
        let instructions = said(side, 7);
        (out.len(), instructions)
    };
    let mut side = Side::of(Http3::server, |_| ());
    side.come(CONTROL, &table(4096), false);
    let opening = said(&mut side, 7);
    let (first, instructions) = head(&mut side, 0);
    assert!(!instructions.is_empty());
    // What the peer's decoder says of it.
    let mut theirs = Decoder::new(4096, 0);
    let instructions = [&opening[1..], &instructions].concat();
    assert_eq!(theirs.instructions(&instructions), Ok(instructions.len()));
    let mut acknowledged = vec![3];
    theirs.owed(&mut acknowledged);
    assert!(side.feed(DECODER, acknowledged).is_empty());
    let (second, _) = head(&mut side, 4);
    assert!(second * 10 <= first * 3, "{second} of {first}");
    // Without a table it is as long as ever.
    let mut side = Side::of(Http3::server, |_| ());
    side.feed(CONTROL, table(0));
    let lengths = [0, 4].map(|id| head(&mut side, id));
    assert_eq!(lengths[0], lengths[1]);
    assert!(lengths[0].1.is_empty());
}

/// A section that refers to the table is acknowledged however often it comes (RFC 9204 §4.4.1).
#[test]
fn each_section_is_acknowledged() {
    let mut side = Side::ready();
    side.come(ENCODER, INSERTS, false);
    for id in [0, 4, 8, 12] {
        side.come(id, &refers(), true);
        assert_eq!(side.log.pop(), Some(format!("{id} GET / None")));
        side.respond(id, 200, Content::None);
    }
    assert_eq!(said(&mut side, 11), [0x80, 0x84, 0x88, 0x8c]);
}

/// However large the table is: an instruction is read whole, or its stream would stand still.
#[test]
fn a_line_of_a_large_table_is_read() {
    let mut side = Side::ready_with(|limits| limits.table = 64 << 10);
    let mut line = b"\x02\x3f\xe1\xff\x03\x43x-a".to_vec();
    line.extend_from_slice(b"\x7f\xa1\x9b\x01");
    line.resize(line.len() + 20_000, b'v');
    let (last, front) = line.split_last().unwrap();
    side.come(ENCODER, front, false);
    assert_eq!(side.machine.decoder.inserted(), 0);
    let waits = side.inputs[&ENCODER].0.len();
    assert!(side.machine.wanted(ENCODER) > waits, "{waits}");
    side.come(ENCODER, &[*last], false);
    assert_eq!(side.machine.decoder.inserted(), 1);
}

/// RFC 9204 §2.2.2.2: who is not read to its end is one that waits no more, whenever its end comes.
#[test]
fn what_was_refused_waits_no_more() {
    let mut side = Side::ready_with(|limits| limits.blocked = 1);
    side.feed(0, post(&[]));
    side.come(0, &refers(), true);
    side.now = side.now + Limits::default().body_timeout;
    assert!(side.machine.handle_timeout(side.now).is_err());
    // Its end comes before it is answered.
    side.come(0, &[], true);
    assert_eq!(said(&mut side, 11), [0x40]);
    side.respond(0, 408, Content::None);
    assert!(side.machine.streams.is_empty());
    assert_eq!(side.end(4, refers()), [""; 0]);
}
