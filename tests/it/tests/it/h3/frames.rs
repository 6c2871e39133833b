//! Frames, streams and field sections as bytes, written by hand: what is sent here need not be what RFC 9114 or RFC 9204 allow. It
//! knows no tables and reads nothing but integers.

/// Types of frames (RFC 9114 §7.2, RFC 9218 §7.2).
pub(crate) mod kind {
    pub(crate) const DATA: u64 = 0;
    pub(crate) const HEADERS: u64 = 1;
    pub(crate) const CANCEL_PUSH: u64 = 3;
    pub(crate) const SETTINGS: u64 = 4;
    pub(crate) const PUSH_PROMISE: u64 = 5;
    pub(crate) const GOAWAY: u64 = 7;
    pub(crate) const MAX_PUSH_ID: u64 = 13;
    pub(crate) const PRIORITY_UPDATE: u64 = 0xf0700;
    pub(crate) const PRIORITY_UPDATE_PUSH: u64 = 0xf0701;
    /// None that means anything (RFC 9114 §7.2.8).
    pub(crate) const RESERVED: u64 = 0x1f * 7 + 0x21;
    /// None that anybody knows.
    pub(crate) const UNKNOWN: u64 = 0x4242_4242_4242;
}

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
pub(crate) mod uni {
    pub(crate) const CONTROL: u64 = 0;
    pub(crate) const PUSH: u64 = 1;
    pub(crate) const ENCODER: u64 = 2;
    pub(crate) const DECODER: u64 = 3;
    pub(crate) const RESERVED: u64 = super::kind::RESERVED;
    pub(crate) const UNKNOWN: u64 = super::kind::UNKNOWN;
}

/// Error codes (RFC 9114 §8.1, RFC 9204 §6).
pub(crate) mod code {
    pub(crate) const NO_ERROR: u64 = 0x100;
    pub(crate) const STREAM_CREATION: u64 = 0x103;
    pub(crate) const CLOSED_CRITICAL: u64 = 0x104;
    pub(crate) const FRAME_UNEXPECTED: u64 = 0x105;
    pub(crate) const FRAME: u64 = 0x106;
    pub(crate) const EXCESSIVE_LOAD: u64 = 0x107;
    pub(crate) const ID: u64 = 0x108;
    pub(crate) const SETTINGS: u64 = 0x109;
    pub(crate) const MISSING_SETTINGS: u64 = 0x10a;
    pub(crate) const CANCELLED: u64 = 0x10c;
    pub(crate) const INCOMPLETE: u64 = 0x10d;
    pub(crate) const MESSAGE: u64 = 0x10e;
    pub(crate) const DECOMPRESSION: u64 = 0x200;
    pub(crate) const ENCODER_STREAM: u64 = 0x201;
    pub(crate) const DECODER_STREAM: u64 = 0x202;
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

/// The pseudo-fields of an honest request.
pub(crate) fn pseudo<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "https"), (":authority", "it"), (":path", path)]
}

/// HEADERS with these.
pub(crate) fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, &section(fields))
}

/// The head of an honest GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    headers(&pseudo("GET", path))
}

/// The head of a POST to where content is sent back, with these fields too.
pub(crate) fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(&[&pseudo("POST", "/test/collect")[..], fields].concat())
}

/// DATA.
pub(crate) fn data(content: &[u8]) -> Vec<u8> {
    frame(kind::DATA, content)
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
