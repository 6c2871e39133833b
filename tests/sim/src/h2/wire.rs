//! Frames as bytes (RFC 9113 §4.1), and back. Never looks into a payload.

/// What a client sends first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload that a peer may send who was told nothing else (RFC 9113 §4.2).
pub const MOST: usize = 16_384;

/// Frame types (RFC 9113 §6, RFC 9218 §7.1).
#[allow(missing_docs, reason = "the names of the RFC")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    pub const PRIORITY_UPDATE: u8 = 16;
}

/// Flags (RFC 9113 §6).
#[allow(missing_docs, reason = "the names of the RFC")]
pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// Settings (RFC 9113 §6.5.2).
#[allow(missing_docs, reason = "the names of the RFC")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, without the reserved bit.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The first frame of `bytes`, and how long it is; nothing while it is not whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let [a, b, c, kind, flags, s @ ..] = *bytes.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = bytes.get(9..end)?.to_vec();
        let stream = u32::from_be_bytes(s) & 0x7fff_ffff;
        Some((Self { kind, flags, stream, payload }, end))
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The 32 bits at `at` of the payload.
    #[must_use]
    pub fn number(&self, at: usize) -> Option<u32> {
        self.payload.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A frame whose payload is one number.
#[must_use]
pub fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

/// A SETTINGS frame.
#[must_use]
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let one = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<u8> = settings.iter().flat_map(one).collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A GOAWAY frame without words.
#[must_use]
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_when_it_is_whole() {
        let bytes = frame(kind::PING, flag::ACK, 7, b"12345678");
        for end in 0..bytes.len() {
            assert_eq!(Frame::read(&bytes[..end]), None);
        }
        let (read, end) = Frame::read(&bytes).expect("all of it is there");
        assert_eq!((read.kind, read.stream, end), (kind::PING, 7, bytes.len()));
        assert_eq!((read.number(0), read.number(5)), (Some(0x3132_3334), None));
    }
}
