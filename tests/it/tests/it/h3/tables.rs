//! QPACK's dynamic table in answers: with a client that acknowledges what was inserted, the second answer is short (RFC 9204 §2.1).

use super::frames::{headers, integer, integers, kind, pseudo, settings, take_varint, uni};
use super::peer::{CONTROL, Expected, Peer};
use super::wire::{self, Read, SOON};
use crate::parity::House;

/// How many insertions these instructions are (RFC 9204 §4.3), all of them whole.
fn insertions(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    let number = |bytes: &mut &[u8], bits: u32| {
        let most = (1usize << bits) - 1;
        let mut value = usize::from(bytes[0]) & most;
        let (mut at, mut shift) = (1, 0);
        while value >= most && (at == 1 || bytes[at - 1] & 0x80 != 0) {
            value += usize::from(bytes[at] & 0x7f) << shift;
            (at, shift) = (at + 1, shift + 7);
        }
        *bytes = &bytes[at..];
        value
    };
    while let Some(&first) = bytes.first() {
        count += usize::from(first & 0xe0 != 0x20);
        let strings = match first {
            0x80.. => {
                number(&mut bytes, 6);
                1
            }
            0x40.. => {
                let length = number(&mut bytes, 5);
                bytes = &bytes[length..];
                1
            }
            _ => {
                number(&mut bytes, 5);
                0
            }
        };
        if strings > 0 {
            let length = number(&mut bytes, 7);
            bytes = &bytes[length..];
        }
    }
    count
}

/// The section of the answer on that stream.
fn answer(peer: &mut Peer, stream: u64) -> Vec<u8> {
    // A name that was made for it would be new in each answer, and have no place in a table.
    let own = [("x-request-id", "i")];
    peer.send(stream, &headers(&[&pseudo("GET", "/plaintext")[..], &own].concat()), true);
    let mut all = Vec::new();
    let section = peer.quic.until(SOON, |quic| {
        while let Read::Bytes(bytes, _) = wire::read(quic, stream, 4096) {
            all.extend(bytes);
        }
        let mut rest = &all[..];
        let kind = take_varint(&mut rest)?;
        let length = take_varint(&mut rest)? as usize;
        assert_eq!(kind, kind::HEADERS);
        rest.get(..length).map(<[u8]>::to_vec)
    });
    section.unwrap()
}

#[test]
fn the_second_answer_is_short() {
    let mut peer = Peer::connect(House::shared());
    let hello = settings(&[(1, 4096), (7, 16)]);
    peer.send(CONTROL, &[integers(&[uni::CONTROL]), hello].concat(), false);
    peer.expect(&Expected::Settings).unwrap();
    let (mut stream, mut first, mut count) = (0, Vec::new(), 0);
    // What comes again has a place in the table.
    while count == 0 && stream < 40 {
        first = answer(&mut peer, stream);
        // Nothing is referred to that we have not acknowledged.
        assert_eq!(first[..2], [0, 0]);
        count = insertions(&peer.theirs(uni::ENCODER));
        stream += 4;
    }
    assert!(count > 0, "nothing is inserted");
    peer.send(10, &[integers(&[uni::DECODER]), integer(0, 6, count)].concat(), false);
    let second = answer(&mut peer, stream);
    assert!(second[0] > 0, "{second:x?}");
    println!("{} bytes, then {}", first.len(), second.len());
    assert!(10 * second.len() <= 3 * first.len(), "{} and {}", first.len(), second.len());
}
