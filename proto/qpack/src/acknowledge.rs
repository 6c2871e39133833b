//! The peer's decoder stream (RFC 9204 §4.4): what an encoder hears of its sections and lines.

use trilane_hpack::integer::{self, IntegerError};

use crate::encoder::Encoder;
use crate::error::DecoderStreamError;

impl Encoder {
    /// Takes whole instructions of the peer's decoder stream off the front of `bytes`, and says how many bytes they are. The
    /// rest, 9 at most, must come again with what follows.
    ///
    /// # Errors
    ///
    /// [`DecoderStreamError`].
    pub fn acknowledge(&mut self, bytes: &[u8]) -> Result<usize, DecoderStreamError> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let bits = if first >= 0x80 { 7 } else { 6 };
            let number = match integer::decode_long(&mut rest, bits) {
                Ok(number) => number,
                Err(IntegerError::Truncated) => break,
                Err(IntegerError::TooLong) => return Err(DecoderStreamError::Integer),
            };
            match first {
                // RFC 9204 §4.4.1: Section Acknowledgment. It tells nothing new of lines: all were known.
                0x80.. => {
                    if !self.sections.acknowledge(number) {
                        return Err(DecoderStreamError::Section);
                    }
                }
                // RFC 9204 §4.4.2: Stream Cancellation.
                0x40.. => self.sections.cancel(number),
                // RFC 9204 §4.4.3: Insert Count Increment.
                _ => {
                    if number == 0 || number > self.inserted - self.known {
                        return Err(DecoderStreamError::Increment);
                    }
                    self.known += number;
                }
            }
        }
        Ok(bytes.len() - rest.len())
    }
}
