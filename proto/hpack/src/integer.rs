//! Integers with a prefix (RFC 7541 §5.1, RFC 9204 §4.1.1): a few bits of a byte, then 7 bits a byte.
//!
//! Bounded: 5 bytes after the prefix, which is past every length and index that fits into a field block; 9 where QPACK says so.

/// How many bytes may follow the prefix: values up to 2^35 and a little more.
pub const CONTINUATIONS: usize = 5;

/// The same for QPACK, whose integers have up to 62 bits (RFC 9204 §4.1.1).
pub const LONG_CONTINUATIONS: usize = 9;

/// The largest integer of QPACK.
const LARGEST: u64 = (1 << 62) - 1;

/// Why no integer could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerError {
    /// It has more than [`CONTINUATIONS`] bytes after its prefix, or is no integer of 62 bits in [`LONG_CONTINUATIONS`].
    TooLong,
    /// The bytes end within it, or there are none.
    Truncated,
}

/// Takes an integer with a prefix of `bits` bits, 1 to 8, off the front of `bytes`. What else its first byte holds is ignored.
///
/// # Errors
///
/// [`IntegerError`]; `bytes` are as they were.
///
/// ```
/// let mut bytes = &[0xff, 0x9a, 0x0a, 0x2a][..];
/// assert_eq!(trilane_hpack::integer::decode(&mut bytes, 5), Ok(1337));
/// assert_eq!(bytes, [0x2a]);
/// ```
#[inline]
pub fn decode(bytes: &mut &[u8], bits: u32) -> Result<u64, IntegerError> {
    let (&first, rest) = bytes.split_first().ok_or(IntegerError::Truncated)?;
    let most = u64::from(u8::MAX >> (8 - bits));
    let value = u64::from(first) & most;
    if value < most {
        *bytes = rest;
        return Ok(value);
    }
    decode_rest(bytes, rest, value, CONTINUATIONS)
}

/// The same for an integer of up to 62 bits (RFC 9204 §4.1.1).
///
/// # Errors
///
/// [`IntegerError`]; `bytes` are as they were.
#[inline]
pub fn decode_long(bytes: &mut &[u8], bits: u32) -> Result<u64, IntegerError> {
    let (&first, rest) = bytes.split_first().ok_or(IntegerError::Truncated)?;
    let most = u64::from(u8::MAX >> (8 - bits));
    let value = u64::from(first) & most;
    if value < most {
        *bytes = rest;
        return Ok(value);
    }
    let before = *bytes;
    let value = decode_rest(bytes, rest, value, LONG_CONTINUATIONS)?;
    if value > LARGEST {
        *bytes = before;
        return Err(IntegerError::TooLong);
    }
    Ok(value)
}

/// The bytes after a full prefix, of which there are at most `most`.
fn decode_rest<'a>(
    bytes: &mut &'a [u8],
    rest: &'a [u8],
    prefix: u64,
    most: usize,
) -> Result<u64, IntegerError> {
    let mut value = prefix;
    for (at, &byte) in rest.iter().take(most).enumerate() {
        // At most 63 bits.
        value += u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *bytes = &rest[at + 1..];
            return Ok(value);
        }
    }
    // RFC 7541 §5.1: an implementation has a limit, and past it is a decoding error.
    Err(if rest.len() < most { IntegerError::Truncated } else { IntegerError::TooLong })
}

/// Appends `value` with a prefix of `bits` bits, 1 to 8; the other bits of its first byte are those of `first`.
///
/// Values that [`decode`] would refuse are written all the same: nobody has a string that long.
#[inline]
pub fn encode(out: &mut Vec<u8>, first: u8, bits: u32, value: u64) {
    let most = u64::from(u8::MAX >> (8 - bits));
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bits: u32, value: u64, expected: &[u8]) {
        let mut out = Vec::new();
        encode(&mut out, 0, bits, value);
        assert_eq!(out, expected);
        let mut rest = &out[..];
        assert_eq!(decode(&mut rest, bits), Ok(value));
        assert!(rest.is_empty());
        for cut in 0..out.len() {
            let mut part = &out[..cut];
            assert_eq!(decode(&mut part, bits), Err(IntegerError::Truncated));
            assert_eq!(part, &out[..cut]);
        }
    }

    /// RFC 7541 §C.1.
    #[test]
    fn examples_of_the_rfc() {
        check(5, 10, &[0x0a]);
        check(5, 1337, &[0x1f, 0x9a, 0x0a]);
        check(8, 42, &[0x2a]);
    }

    /// RFC 9204 §4.1.1: up to 62 bits, and no more.
    #[test]
    fn long_ones_have_62_bits() {
        for bits in 1..=8 {
            for value in [0, 1, 127, 255, 1 << 35, LARGEST - 1, LARGEST] {
                let mut out = Vec::new();
                encode(&mut out, 0, bits, value);
                for cut in 0..out.len() {
                    let mut part = &out[..cut];
                    assert_eq!(decode_long(&mut part, bits), Err(IntegerError::Truncated));
                }
                out.push(7);
                let mut rest = &out[..];
                assert_eq!(decode_long(&mut rest, bits), Ok(value));
                assert_eq!(rest, [7]);
            }
            for value in [LARGEST + 1, u64::MAX] {
                let mut out = Vec::new();
                encode(&mut out, 0, bits, value);
                let mut rest = &out[..];
                assert_eq!(decode_long(&mut rest, bits), Err(IntegerError::TooLong));
                assert_eq!(rest, out);
            }
        }
        assert_eq!(decode_long(&mut &[0xff; 300][..], 8), Err(IntegerError::TooLong));
    }

    #[test]
    fn every_prefix_has_its_edge() {
        for bits in 1..=8 {
            let most = (1u64 << bits) - 1;
            check(bits, most - 1, &[most as u8 - 1]);
            check(bits, most, &[most as u8, 0]);
            check(bits, most + 1, &[most as u8, 1]);
            check(bits, most + 127, &[most as u8, 0x7f]);
            check(bits, most + 128, &[most as u8, 0x80, 1]);
        }
    }

    /// RFC 7541 §5.1: too large or too long is an error, and never an overflow.
    #[test]
    fn five_bytes_after_the_prefix_are_the_most() {
        let largest = 0x1f + (1 << 35) - 1;
        check(5, largest, &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        check(5, 0x1f + (1 << 28) - 1, &[0x1f, 0xff, 0xff, 0xff, 0x7f]);
        let mut six = Vec::new();
        encode(&mut six, 0, 5, largest + 1);
        assert_eq!(decode(&mut &six[..], 5), Err(IntegerError::TooLong));
        assert_eq!(decode(&mut &[0xff; 300][..], 8), Err(IntegerError::TooLong));
        // Zeros at the end of a value are allowed, within the bound.
        assert_eq!(decode(&mut &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00][..], 5), Ok(31));
        let padded = [0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(decode(&mut &padded[..], 5), Err(IntegerError::TooLong));
    }
}
