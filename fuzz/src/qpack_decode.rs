//! QPACK decoding (RFC 9204): any bytes as an encoder stream and as sections.
//!
//! The bytes: parts between the bytes 0x00 0xee 0x00, each of which begins with what it is: an even byte for the encoder stream, an odd one
//! for a section of that stream. Another decoder gets the encoder stream byte by byte, and must come to the same; what waits is
//! what lacks lines; memory is bounded.

use trilane_qpack::{DecodeError, Decoded, Decoder};

use crate::hpack_decode::blocks;

type Lines = Vec<(Vec<u8>, Vec<u8>, bool)>;

/// The table's capacity.
const CAPACITY: usize = 300;

/// How many streams may wait.
const WAITING: usize = 4;

/// `data` as parts.
pub fn qpack_decode(data: &[u8]) {
    let new = || Decoder::new(CAPACITY, WAITING);
    let (mut whole, mut cut) = (new(), new());
    let (mut kept, mut kept_cut) = (Vec::new(), Vec::new());
    for part in blocks(data) {
        let Some((&what, bytes)) = part.split_first() else { continue };
        if what % 2 == 0 {
            let ours = feed(&mut whole, &mut kept, bytes);
            let other = bytes.iter().all(|byte| feed(&mut cut, &mut kept_cut, &[*byte]));
            assert_eq!(ours, other);
            if !ours {
                return;
            }
            assert_eq!((whole.inserted(), &kept), (cut.inserted(), &kept_cut));
            assert!(kept.len() <= 4 * CAPACITY + 32);
        } else if !section(&mut whole, &mut cut, u64::from(what), bytes) {
            return;
        }
    }
    let (mut ours, mut other) = (Vec::new(), Vec::new());
    whole.owed(&mut ours);
    cut.owed(&mut other);
    assert_eq!(ours, other);
}

/// More of the encoder stream; whether it is still good.
fn feed(decoder: &mut Decoder, kept: &mut Vec<u8>, bytes: &[u8]) -> bool {
    kept.extend_from_slice(bytes);
    let Ok(taken) = decoder.instructions(kept) else { return false };
    kept.drain(..taken);
    true
}

/// A section for both; whether it is a good one.
fn section(whole: &mut Decoder, cut: &mut Decoder, stream: u64, bytes: &[u8]) -> bool {
    let (required, inserted) = (whole.required(bytes), whole.inserted());
    let (ours, lines) = decode(whole, stream, bytes);
    assert_eq!((&ours, &lines), (&decode(cut, stream, bytes).0, &lines));
    match ours {
        Ok(Decoded::Whole) => assert!(required.is_ok_and(|required| required <= inserted)),
        Ok(Decoded::Blocked) => {
            assert!(required.is_ok_and(|required| required > inserted) && lines.is_empty());
        }
        Err(_) => return false,
    }
    true
}

fn decode(
    decoder: &mut Decoder,
    stream: u64,
    bytes: &[u8],
) -> (Result<Decoded, DecodeError<()>>, Lines) {
    let mut lines = Lines::new();
    let decoded = decoder.decode(stream, bytes, |field| {
        lines.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.sensitive));
        Ok(())
    });
    (decoded, lines)
}
