//! What a decoder owes its peer's encoder (RFC 9204 §4.4): instructions, not more than have room here.

use trilane_hpack::integer;

/// How much may wait for the decoder stream, in bytes: thousands of sections. A peer that reads its stream never gets there.
const MOST: usize = 16 << 10;

/// Instructions for the decoder stream.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    bytes: Vec<u8>,
    /// The insert count of which the peer knows once it has these.
    told: u64,
    /// There was no room.
    is_full: bool,
}

impl Owed {
    /// Section Acknowledgment (RFC 9204 §4.4.1): a section that needed `required` lines, not 0, was decoded.
    #[inline]
    pub(crate) fn section(&mut self, stream: u64, required: u64) {
        self.told = self.told.max(required);
        self.push(0x80, 7, stream);
    }

    /// Stream Cancellation (RFC 9204 §4.4.2): no more sections of this stream are decoded.
    pub(crate) fn cancellation(&mut self, stream: u64) {
        self.push(0x40, 6, stream);
    }

    #[inline]
    fn push(&mut self, first: u8, bits: u32, value: u64) {
        self.is_full |= self.bytes.len() >= MOST;
        if !self.is_full {
            integer::encode(&mut self.bytes, first, bits, value);
        }
    }

    /// Whether something had no room, after which nothing can be right any more.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Appends everything, and at last one Insert Count Increment (RFC 9204 §4.4.3) up to `inserted`.
    #[inline]
    pub(crate) fn write(&mut self, inserted: u64, out: &mut Vec<u8>) {
        out.append(&mut self.bytes);
        if inserted > self.told {
            integer::encode(out, 0x00, 6, inserted - self.told);
            self.told = inserted;
        }
    }
}
