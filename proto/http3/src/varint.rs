//! Integers of QUIC (RFC 9000 §16), of which all of HTTP/3 is made: 1, 2, 4 or 8 bytes, as the first two bits say.

/// The largest.
pub(crate) const MOST: u64 = (1 << 62) - 1;

/// The integer at the front of `bytes`, and its length, if all of it is there.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    if first < 0x40 {
        return Some((first.into(), 1));
    }
    let length = 1usize << (first >> 6);
    let number = bytes.get(..length)?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    // Less the two bits.
    Some((number & (u64::MAX >> (66 - 8 * length)), length))
}

/// The integer that is all of `bytes`.
pub(crate) fn whole(bytes: &[u8]) -> Option<u64> {
    read(bytes).filter(|&(_, length)| length == bytes.len()).map(|(number, _)| number)
}

/// Appends an integer, which is at most [`MOST`].
#[inline]
pub(crate) fn write(bytes: &mut Vec<u8>, number: u64) {
    match number {
        0..0x40 => bytes.push(number as u8),
        0x40..0x4000 => bytes.extend_from_slice(&(number as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => {
            bytes.extend_from_slice(&(number as u32 | 0x8000_0000).to_be_bytes());
        }
        _ => bytes.extend_from_slice(&(number | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// How long [`write`] makes it, in bytes.
pub(crate) const fn length(number: u64) -> usize {
    match number {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9000 §A.1, and the ends of each length.
    #[test]
    fn integers_have_their_lengths() {
        for (bytes, number) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(read(bytes), Some((number, bytes.len())));
            assert_eq!(whole(bytes), Some(number));
            assert_eq!(whole(&[bytes, &[0]].concat()), None);
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), None);
            }
        }
        for (number, long) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (16_383, 2),
            (16_384, 4),
            ((1 << 30) - 1, 4),
            (1 << 30, 8),
            (MOST, 8),
        ] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!((bytes.len(), length(number)), (long, long));
            assert_eq!(read(&bytes), Some((number, long)));
        }
    }
}
