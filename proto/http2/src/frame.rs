//! The frame layer (RFC 9113 §4.1): the nine bytes before every payload. Never looks into a payload.

/// What a client sends before anything else (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame header.
pub(crate) const HEADER: usize = 9;
/// The largest payload that we take, and the largest that anybody takes who says nothing else (RFC 9113 §4.2).
pub(crate) const MOST: usize = 1 << 14;

/// Frame types (RFC 9113 §6, RFC 9218 §7.1).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const PRIORITY_UPDATE: u8 = 16;
}

/// Flags (RFC 9113 §6).
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 32;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Of the payload, in bytes.
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Without the reserved bit, which is ignored (RFC 9113 §4.1).
    pub(crate) stream: u32,
}

impl Frame {
    /// The header at the front of `bytes`, if all of it is there.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Self { length, kind, flags, stream: u31([s0, s1, s2, s3]) })
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A number of 31 bits; what the highest bit says is not ours to know.
#[inline]
pub(crate) const fn u31(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

/// Writes a frame header. `length` must be below 2^24.
#[inline]
pub(crate) fn write(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, length: usize) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    bytes.extend_from_slice(&[a, b, c, kind, flags, s0, s1, s2, s3]);
}

/// Writes a frame whose payload is one number: RST_STREAM or WINDOW_UPDATE.
pub(crate) fn write_number(bytes: &mut Vec<u8>, kind: u8, stream: u32, number: u32) {
    write(bytes, kind, 0, stream, 4);
    bytes.extend_from_slice(&number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9113 §4.1: 24, 8, 8, 1 and 31 bits.
    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, kind::PING, flag::ACK, 0x7fff_ffff, 0x01_02_03);
        assert_eq!(bytes, [1, 2, 3, 6, 1, 0x7f, 0xff, 0xff, 0xff]);
        let read = Frame { length: 0x01_02_03, kind: 6, flags: 1, stream: 0x7fff_ffff };
        assert_eq!(Frame::read(&bytes), Some(read));
        bytes[5] = 0xff;
        assert_eq!(Frame::read(&bytes), Some(read), "the reserved bit is ignored");
        assert_eq!(Frame::read(&bytes[..8]), None);
    }
}
