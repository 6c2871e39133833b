//! Field lines to sections (RFC 9204 §4.5). Names and values go out as they come; who calls has them in lower case and has checked
//! them.

use trilane_hpack::Field;
use trilane_hpack::integer;
use trilane_hpack::policy::Indexing;
use trilane_hpack::text::{self, LENGTH_BITS};
use trilane_semantics::{NameRef, StatusCode};

use crate::error::DecoderStreamError;
use crate::prefix::Prefix;
use crate::statics;

/// A peer's table as it will be when it has read everything written here.
#[derive(Debug)]
pub struct Encoder {
    capacity: usize,
}

impl Encoder {
    /// An encoder whose table takes at most `capacity` bytes, whatever a peer allows; 0 for none. Until a peer has said what it
    /// allows there is none either.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity }
    }

    /// What the peer's SETTINGS allow: the largest table (SETTINGS_QPACK_MAX_TABLE_CAPACITY). How many streams it lets wait does
    /// not matter: none ever has to.
    pub fn set_peer(&mut self, max_capacity: u64) {
        self.capacity = self.capacity.min(usize::try_from(max_capacity).unwrap_or(usize::MAX));
    }

    /// Begins a section of `stream` at the end of `out`. To be followed by its lines and by [`Self::end`].
    #[inline]
    pub fn begin(&mut self, _stream: u64, out: &mut Vec<u8>) {
        Prefix::default().write(0, out);
    }

    /// Ends the section that was begun, in the same `out`.
    #[inline]
    pub fn end(&mut self, _out: &mut Vec<u8>) {}

    /// Appends one field line.
    #[inline]
    pub fn field(&mut self, out: &mut Vec<u8>, field: Field<'_>) {
        let indexing = Indexing::of(&field);
        let never = if indexing == Indexing::Never { 0x20 } else { 0 };
        match statics::name_index(field.name) {
            Some(first) => match statics::line_index(first, field.value) {
                Some(index) if never == 0 => {
                    integer::encode(out, 0xc0, 6, u64::from(index));
                    return;
                }
                _ => integer::encode(out, 0x50 | never, 4, u64::from(first)),
            },
            None => text::write(field.name.as_bytes(), 0x20 | never >> 1, 3, out),
        }
        text::write(field.value, 0, LENGTH_BITS, out);
    }

    /// Appends `:status` (RFC 9114 §4.3.2). The common ones are no search.
    #[inline]
    pub fn status(&mut self, out: &mut Vec<u8>, status: StatusCode) {
        match status.as_u16() {
            200 => out.push(0xd9),
            304 => out.push(0xda),
            404 => out.push(0xdb),
            _ => {
                let name = NameRef::Other(b":status");
                self.field(out, Field::new(name, status.as_str().as_bytes()));
            }
        }
    }

    /// Appends what is to be sent on our encoder stream (RFC 9204 §4.3). Sections do not wait for it.
    #[inline]
    pub fn instructions_owed(&mut self, _out: &mut Vec<u8>) {}

    /// Takes whole instructions of the peer's decoder stream (RFC 9204 §4.4) off the front of `bytes`, and says how many bytes they
    /// are. The rest, 9 at most, must come again with what follows.
    ///
    /// # Errors
    ///
    /// [`DecoderStreamError`].
    pub fn acknowledge(&mut self, bytes: &[u8]) -> Result<usize, DecoderStreamError> {
        let _ = bytes;
        Ok(0)
    }
}
