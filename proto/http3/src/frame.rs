//! The frame layer (RFC 9114 §7.1): the type and the length before every payload, and the types of streams. Never looks into a
//! payload.

use crate::varint;

/// Frame types (RFC 9114 §7.2, RFC 9218 §7.2).
pub(crate) mod kind {
    pub(crate) const DATA: u64 = 0;
    pub(crate) const HEADERS: u64 = 1;
    pub(crate) const CANCEL_PUSH: u64 = 3;
    pub(crate) const SETTINGS: u64 = 4;
    pub(crate) const PUSH_PROMISE: u64 = 5;
    pub(crate) const GOAWAY: u64 = 7;
    pub(crate) const MAX_PUSH_ID: u64 = 13;
    pub(crate) const PRIORITY_UPDATE: u64 = 0xf_0700;
    pub(crate) const PRIORITY_UPDATE_OF_PUSH: u64 = 0xf_0701;

    /// RFC 9114 §7.2.8: those of HTTP/2 that have no like here. Their receipt MUST be an error.
    pub(crate) const fn is_of_http2(kind: u64) -> bool {
        matches!(kind, 2 | 6 | 8 | 9)
    }

    /// Whether that type has a place on control streams alone, or on none.
    pub(crate) const fn is_of_control(kind: u64) -> bool {
        matches!(
            kind,
            CANCEL_PUSH
                | SETTINGS
                | GOAWAY
                | MAX_PUSH_ID
                | PRIORITY_UPDATE
                | PRIORITY_UPDATE_OF_PUSH
        )
    }
}

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
pub(crate) mod stream {
    pub(crate) const CONTROL: u64 = 0;
    pub(crate) const PUSH: u64 = 1;
    pub(crate) const ENCODER: u64 = 2;
    pub(crate) const DECODER: u64 = 3;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u64,
    /// Of the payload, in bytes.
    pub(crate) length: u64,
    /// Of the type and the length themselves, in bytes.
    pub(crate) header: usize,
}

impl Frame {
    /// The header at the front of `bytes`, if all of it is there.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, at) = varint::read(bytes)?;
        let (length, more) = varint::read(&bytes[at..])?;
        Some(Self { kind, length, header: at + more })
    }

    /// The payload, if all of it is there.
    #[inline]
    pub(crate) fn payload<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let length = usize::try_from(self.length).ok()?;
        bytes.get(self.header..)?.get(..length)
    }
}

/// Writes a frame header.
#[inline]
pub(crate) fn write(bytes: &mut Vec<u8>, kind: u64, length: u64) {
    varint::write(bytes, kind);
    varint::write(bytes, length);
}

/// Writes a frame whose payload is one number.
pub(crate) fn write_number(bytes: &mut Vec<u8>, kind: u64, number: u64) {
    write(bytes, kind, varint::length(number) as u64);
    varint::write(bytes, number);
}

/// A type that means nothing, of a frame, a stream or a setting, so that nobody comes to rely on there being no such
/// (RFC 9114 §7.2.8, §6.2.3, §7.2.4.1). Which one depends on `seed`.
pub(crate) const fn reserved(seed: u64) -> u64 {
    0x1f * (seed % 0x1000) + 0x21
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9114 §7.1.
    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, kind::PRIORITY_UPDATE, 16_384);
        assert_eq!(bytes, [0x80, 0x0f, 0x07, 0x00, 0x80, 0x00, 0x40, 0x00]);
        let frame = Frame { kind: 0xf_0700, length: 16_384, header: 8 };
        assert_eq!(Frame::read(&bytes), Some(frame));
        assert_eq!(frame.payload(&bytes), None);
        for cut in 0..bytes.len() {
            assert_eq!(Frame::read(&bytes[..cut]), None);
        }
        let mut bytes = Vec::new();
        write_number(&mut bytes, kind::GOAWAY, varint::MOST);
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!(frame.payload(&bytes), Some(&[0xff; 8][..]));
        assert_eq!(Frame { length: u64::MAX, ..frame }.payload(&bytes), None);
    }

    #[test]
    fn reserved_types_are_of_their_form() {
        for seed in [0, 1, 0xfff, 0x1000, u64::MAX] {
            assert_eq!((reserved(seed) - 0x21) % 0x1f, 0);
        }
    }
}
