//! Frames, streams and field sections as bytes, written by hand: what is sent here need not be what RFC 9114 or RFC 9204 allow. It
//! knows no tables and reads nothing but integers.

/// Types of frames (RFC 9114 §7.2, RFC 9218 §7.2).
pub(crate) mod kind {
    pub(crate) const DATA: u64 = 0;
    pub(crate) const HEADERS: u64 = 1;
    pub(crate) const SETTINGS: u64 = 4;
    pub(crate) const GOAWAY: u64 = 7;
}

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
pub(crate) mod uni {
    pub(crate) const CONTROL: u64 = 0;
}

/// Appends an integer in the fewest bytes (RFC 9000 §16).
pub(crate) fn varint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend((value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend((value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend((value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// Takes an integer off the front; nothing if it is not whole.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let length = 1 << (bytes.first()? >> 6);
    let (front, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let value = front.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some(value & (u64::MAX >> 2 >> (64 - 8 * length)))
}

/// Appends a frame.
pub(crate) fn write(out: &mut Vec<u8>, kind: u64, payload: &[u8]) {
    varint(out, kind);
    varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// A frame.
pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + payload.len());
    write(&mut bytes, kind, payload);
    bytes
}

/// Integers, one after the other.
pub(crate) fn integers(all: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    all.iter().for_each(|value| varint(&mut bytes, *value));
    bytes
}

/// SETTINGS with these, in this order.
pub(crate) fn settings(all: &[(u64, u64)]) -> Vec<u8> {
    let flat: Vec<u64> = all.iter().flat_map(|(id, value)| [*id, *value]).collect();
    frame(kind::SETTINGS, &integers(&flat))
}

/// An integer behind a prefix of `bits` bits (RFC 7541 §5.1).
pub(crate) fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let (mut bytes, mut rest) = (vec![first | most as u8], value - most);
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A line with a literal name (RFC 9204 §4.5.6), without the Huffman code.
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let (n, v) = (integer(0x20, 3, name.len()), integer(0, 7, value.len()));
    [&n, name, &v, value].concat()
}

/// A section of literal lines that refers to no table.
pub(crate) fn section<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    fields.iter().for_each(|(name, value)| bytes.extend(literal(name.as_ref(), value.as_ref())));
    bytes
}

#[test]
fn integers_are_read_as_they_are_written() {
    for (value, length) in [(0, 1), (63, 1), (64, 2), (16_383, 2), (16_384, 4), (1 << 29, 4)]
        .into_iter()
        .chain([((1 << 30) - 1, 4), (1 << 30, 8), ((1 << 62) - 1, 8)])
    {
        let bytes = integers(&[value]);
        assert_eq!(bytes.len(), length, "{value}");
        let mut rest = &bytes[..];
        assert_eq!((take_varint(&mut rest), rest), (Some(value), &[][..]));
        assert_eq!(take_varint(&mut &bytes[..length - 1]), None);
    }
    // RFC 7541 §C.1.
    assert_eq!(integer(0, 5, 10), [10]);
    assert_eq!(integer(0, 5, 1337), [31, 154, 10]);
}
