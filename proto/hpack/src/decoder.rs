//! Field blocks to field lines (RFC 7541 §3, §6).
//!
//! A block comes whole; HEADERS and CONTINUATION are put together by the caller. Nothing is counted here but the table:
//! [`Decoder::decode`] hands out line by line, and who takes them keeps the account.

use std::fmt;

use trilane_semantics::NameRef;

use crate::field::{Field, Seen};
use crate::integer::{self, IntegerError};
use crate::statics;
use crate::table::{self, Table};
use crate::text::{LENGTH_BITS, Text, exact_name, with_scratch};

/// How many size updates may begin a block: one to the least maximum in between and one to the last (RFC 7541 §4.2).
const UPDATES: usize = 2;

/// How much of names a block may take from the dynamic table for lines of its own, in bytes. Each is copied: 64 KiB of such lines
/// stood for 130 MB. 128 lines with the longest name of a table of 4,096 bytes take half of this.
pub(crate) const NAMES: usize = 1 << 20;

/// What a peer's encoder has said so far. Takes at most twice the table's size and half as much for its entries; nothing
/// before the first line.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the table may be set to.
    max: usize,
    /// The next block must begin with an update to at most this (RFC 9113 §4.3.1).
    owed: Option<usize>,
    /// See [`Decoder::changes`].
    changes: u64,
}

/// Why a block could not be decoded to its end. After this the two tables differ: the connection is over, with
/// COMPRESSION_ERROR (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// A string in the Huffman code that no text has (RFC 7541 §5.2).
    Huffman,
    /// An index of no line, or 0 (RFC 7541 §2.3.3, §6.1).
    Index,
    /// An integer of too many bytes (RFC 7541 §5.1).
    Integer,
    /// The names of too many, or too long, lines come from the table (RFC 7541 §7.3).
    Names,
    /// The block ends within a line.
    Truncated,
    /// A size update that is not at the front, or the third of a block (RFC 7541 §4.2).
    UpdateMisplaced,
    /// The maximum was lowered, and the first block after that does not begin with an update (RFC 9113 §4.3.1).
    UpdateMissing,
    /// An update past the maximum (RFC 7541 §6.3).
    UpdateTooLarge,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Huffman => "a string is not in the Huffman code",
            Self::Index => "an index names no line",
            Self::Integer => "an integer is too long",
            Self::Names => "its lines take too much from the table",
            Self::Truncated => "the block ends within a line",
            Self::UpdateMisplaced => "a size update is not at the front",
            Self::UpdateMissing => "the table was not made smaller",
            Self::UpdateTooLarge => "a size update is past the maximum",
        })
    }
}

impl std::error::Error for Compression {}

impl From<IntegerError> for Compression {
    fn from(error: IntegerError) -> Self {
        match error {
            IntegerError::TooLong => Self::Integer,
            IntegerError::Truncated => Self::Truncated,
        }
    }
}

/// What went wrong with a block; `C` is what can be wrong with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError<E, C = Compression> {
    /// It is malformed, and the connection with it.
    Compression(C),
    /// What was said to one of its lines. The block counts all the same, and the next can come.
    Field(E),
}

impl<E: fmt::Display, C: fmt::Display> fmt::Display for DecodeError<E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compression(why) => why.fmt(f),
            Self::Field(why) => why.fmt(f),
        }
    }
}

impl<E: std::error::Error, C: std::error::Error> std::error::Error for DecodeError<E, C> {}

impl Decoder {
    /// The largest table that can be kept, in bytes. A larger one must not be announced.
    pub const LARGEST: usize = table::LARGEST;

    /// A decoder whose table has at most `max_table_size` bytes as RFC 7541 §4.1 counts them: what
    /// SETTINGS_HEADER_TABLE_SIZE is at the beginning, 4,096 for HTTP/2 whatever is announced.
    #[must_use]
    pub fn new(max_table_size: usize) -> Self {
        let table = Table::new(max_table_size);
        Self { max: table.limit(), table, owed: None, changes: 0 }
    }

    /// Another maximum: one that was announced and that the peer has acknowledged. If its table is larger now, the next block
    /// must begin by making it smaller (RFC 9113 §4.3.1).
    pub fn set_max_table_size(&mut self, max_table_size: usize) {
        self.changes += 1;
        self.max = max_table_size.min(Self::LARGEST);
        if self.max < self.owed.unwrap_or(self.table.limit()) {
            self.owed = Some(self.max);
        }
    }

    /// How often something has changed what a block means: a line came into the table, or its size was said. While this stays
    /// as it is, the same block has the same lines.
    #[must_use]
    #[inline]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Decodes one whole field block, and gives `each` its lines in order.
    ///
    /// An error of `each` ends its calls but not the decoding: the rest of the block still belongs to the table.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]. If both kinds happen it is [`DecodeError::Compression`], which is the worse.
    pub fn decode<E>(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>) -> Result<(), E>,
    ) -> Result<(), DecodeError<E>> {
        let mut failed = None;
        let applied = with_scratch(|scratch| {
            self.apply(block, scratch, |field, seen| {
                if failed.is_none() {
                    failed = each(field).err();
                }
                seen
            })
        });
        applied.map_err(DecodeError::Compression)?;
        failed.map_or(Ok(()), |error| Err(DecodeError::Field(error)))
    }

    /// The same, for callers who look at each line closely: `each` is told whether it has accepted that very line, the same
    /// bytes, in an earlier block of this connection, so that it need not look again. What is judged by more than the line
    /// alone (its place, how much there is) must be judged every time.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`].
    pub fn decode_noting<E>(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>, Seen) -> Result<(), E>,
    ) -> Result<(), DecodeError<E>> {
        let mut failed = None;
        let applied = with_scratch(|scratch| {
            self.apply(block, scratch, |field, seen| {
                if failed.is_some() {
                    return seen;
                }
                failed = each(field, seen).err();
                if failed.is_none() { Seen::Before } else { Seen::First }
            })
        });
        applied.map_err(DecodeError::Compression)?;
        failed.map_or(Ok(()), |error| Err(DecodeError::Field(error)))
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Gives `each` every line, and whether it was accepted before; it says whether it is accepted now.
    #[inline]
    fn apply(
        &mut self,
        mut block: &[u8],
        scratch: &mut Vec<u8>,
        mut each: impl FnMut(Field<'_>, Seen) -> Seen,
    ) -> Result<(), Compression> {
        self.update(&mut block)?;
        let mut names = NAMES;
        while let Some(&first) = block.first() {
            // RFC 7541 §6: the leading bits say what it is.
            match first {
                0x80.. => {
                    let index = integer::decode(&mut block, 7)?;
                    self.indexed(index, &mut each).ok_or(Compression::Index)?;
                }
                0x40.. => {
                    let (name, value) = self.literal(&mut block, 6, scratch, &mut names)?;
                    let field = field(&name, &value, scratch);
                    let note = each(field, Seen::First).note();
                    self.table.insert(field.name, field.value, note);
                    self.changes += 1;
                }
                0x20.. => return Err(Compression::UpdateMisplaced),
                _ => {
                    let (name, value) = self.literal(&mut block, 4, scratch, &mut names)?;
                    let field = field(&name, &value, scratch);
                    each(Field { sensitive: first >= 0x10, ..field }, Seen::First);
                }
            }
        }
        Ok(())
    }

    /// Size updates at the front (RFC 7541 §4.2, §6.3).
    #[inline]
    fn update(&mut self, block: &mut &[u8]) -> Result<(), Compression> {
        for _ in 0..UPDATES {
            if !matches!(block.first(), Some(0x20..0x40)) {
                break;
            }
            let size = integer::decode(block, 5)?;
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > self.owed.take().unwrap_or(self.max) {
                return Err(Compression::UpdateTooLarge);
            }
            self.table.set_limit(size);
            self.changes += 1;
        }
        if self.owed.is_some() { Err(Compression::UpdateMissing) } else { Ok(()) }
    }

    /// Hands out the line of an index (RFC 7541 §2.3.3). `None` if it has none.
    #[inline]
    fn indexed(
        &mut self,
        index: u64,
        each: &mut impl FnMut(Field<'_>, Seen) -> Seen,
    ) -> Option<()> {
        if let Some(line) = statics::line(index) {
            each(Field { name: line.name, value: line.value, sensitive: false }, Seen::First);
            return Some(());
        }
        let age = age(index)?;
        let (name, value, before) = self.table.line(age)?;
        let seen = Seen::noted(before);
        let now = each(Field { name, value, sensitive: false }, seen);
        if now != seen {
            self.table.set_note(age, now.note());
        }
        Some(())
    }

    /// A line that is not an index, its name's index with a prefix of `bits` bits (RFC 7541 §6.2); so much may still be taken of
    /// `names`.
    #[inline]
    fn literal<'a>(
        &self,
        block: &mut &'a [u8],
        bits: u32,
        scratch: &mut Vec<u8>,
        names: &mut usize,
    ) -> Result<(Name<'a>, Text<'a>), Compression> {
        scratch.clear();
        let index = integer::decode(block, bits)?;
        let name = if index == 0 {
            Name::Literal(Text::take(block, LENGTH_BITS, scratch)?)
        } else if let Some(line) = statics::line(index) {
            Name::Ready(line.name)
        } else {
            let line = age(index).and_then(|age| self.table.line(age));
            match line.ok_or(Compression::Index)?.0 {
                NameRef::Known(known) => Name::Ready(NameRef::Known(known)),
                // Its line may have to go for the new one (RFC 7541 §4.4).
                NameRef::Other(name) => {
                    *names = names.checked_sub(name.len()).ok_or(Compression::Names)?;
                    scratch.extend_from_slice(name);
                    Name::Literal(Text::Scratch(0..name.len()))
                }
            }
        };
        Ok((name, Text::take(block, LENGTH_BITS, scratch)?))
    }
}

/// The age of the dynamic table's line of that index, which is no static one's.
#[inline]
fn age(index: u64) -> Option<usize> {
    usize::try_from(index).ok()?.checked_sub(statics::COUNT + 1)
}

/// The name of a line that is not an index.
enum Name<'a> {
    Literal(Text<'a>),
    Ready(NameRef<'static>),
}

#[inline]
fn field<'b>(name: &Name<'b>, value: &Text<'b>, scratch: &'b [u8]) -> Field<'b> {
    let name = match name {
        Name::Literal(text) => exact_name(text.bytes(scratch)),
        Name::Ready(name) => *name,
    };
    Field { name, value: value.bytes(scratch), sensitive: false }
}
