//! The peer's encoder stream (RFC 9204 §4.3): what comes into a decoder's table.
//!
//! An instruction is followed when all of it is there. What no table can hold is refused by its lengths, before it is: so the
//! caller never has to keep more than four tables' worth of bytes.

use trilane_hpack::Seen;
use trilane_hpack::integer::{self, IntegerError};
use trilane_hpack::table::OVERHEAD;
use trilane_hpack::text::{LENGTH_BITS, Start, Text, exact_name, with_scratch};
use trilane_semantics::NameRef;

use crate::decoder::Decoder;
use crate::error::EncoderStreamError;
use crate::statics;

/// Why an instruction is not followed.
enum Stop {
    Incomplete,
    Error(EncoderStreamError),
}

impl<E: Into<EncoderStreamError>> From<E> for Stop {
    fn from(why: E) -> Self {
        Self::Error(why.into())
    }
}

/// A string that is there, not decoded yet.
struct Raw<'a> {
    bytes: &'a [u8],
    is_coded: bool,
}

impl Decoder {
    /// How long the rest that [`Self::instructions`] does not take can be, in bytes.
    #[must_use]
    pub const fn longest(&self) -> usize {
        4 * self.max + 32
    }

    /// Takes whole instructions of the peer's encoder stream off the front of `bytes`, and says how many bytes they are. The
    /// rest must come again with what follows; it is never more than [`Self::longest`]: four times the capacity and 32 bytes.
    ///
    /// # Errors
    ///
    /// [`EncoderStreamError`].
    pub fn instructions(&mut self, bytes: &[u8]) -> Result<usize, EncoderStreamError> {
        let mut rest = bytes;
        with_scratch(|scratch| {
            while !rest.is_empty() {
                let mut next = rest;
                scratch.clear();
                match self.instruction(&mut next, scratch) {
                    Ok(()) => rest = next,
                    Err(Stop::Incomplete) => break,
                    Err(Stop::Error(why)) => return Err(why),
                }
            }
            Ok(bytes.len() - rest.len())
        })
    }

    /// Follows one instruction: its leading bits say which.
    fn instruction(&mut self, bytes: &mut &[u8], scratch: &mut Vec<u8>) -> Result<(), Stop> {
        let first = bytes.first().copied().unwrap_or_default();
        match first {
            // RFC 9204 §4.3.2: Insert with Name Reference.
            0x80.. => {
                let index = number(bytes, 6)?;
                let known = if first & 0x40 != 0 {
                    statics::line(index).map(|line| line.name)
                } else {
                    self.relative(index).map(|(name, ..)| name)
                };
                let name = known.ok_or(EncoderStreamError::Index)?;
                let mut room = self.room(name.as_bytes().len())?;
                let value = string(bytes, LENGTH_BITS, &mut room)?;
                // Its line may have to go for the new one (RFC 9204 §3.2.2).
                scratch.extend_from_slice(name.as_bytes());
                let name_len = scratch.len();
                let value = Text::new(value.bytes, value.is_coded, scratch)?;
                let name = &scratch[..name_len];
                self.insert(exact_name(name), value.bytes(scratch), Seen::First.note())?;
            }
            // RFC 9204 §4.3.3: Insert with Literal Name.
            0x40.. => {
                let mut room = self.room(0)?;
                let name = string(bytes, 5, &mut room)?;
                let value = string(bytes, LENGTH_BITS, &mut room)?;
                let name = Text::new(name.bytes, name.is_coded, scratch)?;
                let value = Text::new(value.bytes, value.is_coded, scratch)?;
                let name = exact_name(name.bytes(scratch));
                self.insert(name, value.bytes(scratch), Seen::First.note())?;
            }
            // RFC 9204 §4.3.1: Set Dynamic Table Capacity.
            0x20.. => {
                let capacity = usize::try_from(number(bytes, 5)?).unwrap_or(usize::MAX);
                if capacity > self.max {
                    return Err(EncoderStreamError::Capacity.into());
                }
                self.table.set_limit(capacity);
            }
            // RFC 9204 §4.3.4: Duplicate.
            _ => {
                let index = number(bytes, 5)?;
                let (name, value, note) = self.relative(index).ok_or(EncoderStreamError::Index)?;
                scratch.extend_from_slice(name.as_bytes());
                scratch.extend_from_slice(value);
                let (name, value) = scratch.split_at(name.as_bytes().len());
                self.insert(exact_name(name), value, note)?;
            }
        }
        Ok(())
    }

    /// The line that is named by how many came after it (RFC 9204 §3.2.5).
    fn relative(&self, index: u64) -> Option<(NameRef<'_>, &[u8], u16)> {
        self.table.line(usize::try_from(index).ok()?)
    }

    /// How much of a line may still come, of whose strings so much is known.
    fn room(&self, known: usize) -> Result<usize, EncoderStreamError> {
        self.table.limit().checked_sub(OVERHEAD + known).ok_or(EncoderStreamError::TooLarge)
    }

    fn insert(
        &mut self,
        name: NameRef<'_>,
        value: &[u8],
        note: u16,
    ) -> Result<(), EncoderStreamError> {
        // RFC 9204 §3.2.2: one that is larger than the table is an error here.
        if value.len() > self.room(name.as_bytes().len())? {
            return Err(EncoderStreamError::TooLarge);
        }
        self.table.insert(name, value, note);
        self.inserted += 1;
        Ok(())
    }
}

fn number(bytes: &mut &[u8], bits: u32) -> Result<u64, Stop> {
    integer::decode_long(bytes, bits).map_err(of_integer)
}

fn of_integer(error: IntegerError) -> Stop {
    match error {
        IntegerError::TooLong => Stop::Error(EncoderStreamError::Integer),
        IntegerError::Truncated => Stop::Incomplete,
    }
}

/// Takes a string off the front, if it is there and so much room is left for it.
fn string<'a>(bytes: &mut &'a [u8], bits: u32, room: &mut usize) -> Result<Raw<'a>, Stop> {
    let start = Start::take(bytes, bits).map_err(of_integer)?;
    *room = room.checked_sub(start.least()).ok_or(EncoderStreamError::TooLarge)?;
    let (string, rest) = bytes.split_at_checked(start.len).ok_or(Stop::Incomplete)?;
    *bytes = rest;
    Ok(Raw { bytes: string, is_coded: start.is_coded })
}
