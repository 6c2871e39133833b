//! Sections to field lines (RFC 9204 §4.5), with a table that `instructions` fills.
//!
//! A section comes whole, and waits outside until the table has what it needs. Nothing is counted here but the table and who
//! waits for it: who takes the lines keeps the account.

use trilane_hpack::table::Table;
use trilane_hpack::text::{LENGTH_BITS, Text, exact_name, with_scratch};
use trilane_hpack::{Field, Seen, integer};
use trilane_semantics::NameRef;

use crate::error::Decompression;
use crate::owed::Owed;
use crate::prefix::{Prefix, max_entries};
use crate::statics;

/// What went wrong with a section.
pub type DecodeError<E> = trilane_hpack::DecodeError<E, Decompression>;

/// What became of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decoded {
    /// Every line was handed out.
    Whole,
    /// None was: the table lacks lines. It can come again when [`Decoder::inserted`] is what [`Decoder::required`] says.
    Blocked,
}

/// What a peer's encoder has said so far. Takes at most twice the table's capacity and half as much for its entries; nothing
/// before the first line.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) table: Table,
    /// The capacity that was announced.
    pub(crate) max: usize,
    /// How many lines ever came into the table.
    pub(crate) inserted: u64,
    /// The streams that wait, at most so many.
    blocked: Vec<u64>,
    most_blocked: usize,
    owed: Owed,
}

impl Decoder {
    /// The largest table that can be kept, in bytes. A larger one must not be announced.
    pub const LARGEST: usize = trilane_hpack::Decoder::LARGEST;

    /// A decoder that has announced a table of `capacity` bytes (SETTINGS_QPACK_MAX_TABLE_CAPACITY), at most
    /// [`Self::LARGEST`], and that `blocked` streams may wait for it (SETTINGS_QPACK_BLOCKED_STREAMS). With a capacity of 0
    /// there is the static table alone.
    #[must_use]
    pub fn new(capacity: usize, blocked: usize) -> Self {
        Self {
            // RFC 9204 §3.2.3: the encoder chooses a capacity before it inserts.
            table: Table::new(0),
            max: capacity.min(Self::LARGEST),
            inserted: 0,
            blocked: Vec::new(),
            most_blocked: blocked,
            owed: Owed::default(),
        }
    }

    /// How many lines ever came into the table: the Insert Count (RFC 9204 §2.1.4).
    #[must_use]
    #[inline]
    pub const fn inserted(&self) -> u64 {
        self.inserted
    }

    /// How many lines must have been inserted before `section` can be decoded: its Required Insert Count (RFC 9204 §4.5.1.1).
    ///
    /// # Errors
    ///
    /// [`Decompression`], if it does not begin as a section does.
    pub fn required(&self, mut section: &[u8]) -> Result<u64, Decompression> {
        self.prefix(&mut section).map(|prefix| prefix.required)
    }

    fn prefix(&self, section: &mut &[u8]) -> Result<Prefix, Decompression> {
        Prefix::take(section, max_entries(self.max as u64), self.inserted)
    }

    /// Decodes one whole section of `stream`, and gives `sink` its lines in order.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]. An error of the sink ends the calls and the decoding; the section counts as decoded.
    pub fn decode<E>(
        &mut self,
        stream: u64,
        section: &[u8],
        mut sink: impl FnMut(Field<'_>) -> Result<(), E>,
    ) -> Result<Decoded, DecodeError<E>> {
        self.apply(stream, section, |field, seen| sink(field).map(|()| seen))
    }

    /// The same, for callers who look at each line closely: `sink` is told whether it has accepted that very line, the same
    /// bytes, in an earlier section of this connection, so that it need not look again. What is judged by more than the line
    /// alone (its place, how much there is) must be judged every time.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`].
    pub fn decode_noting<E>(
        &mut self,
        stream: u64,
        section: &[u8],
        mut sink: impl FnMut(Field<'_>, Seen) -> Result<(), E>,
    ) -> Result<Decoded, DecodeError<E>> {
        self.apply(stream, section, |field, seen| sink(field, seen).map(|()| Seen::Before))
    }

    /// No more sections of `stream` will come here, and one that waits will not come again: it was reset, or is not read any
    /// more (RFC 9204 §2.2.2.2). For streams that ended well this need not be called.
    pub fn cancel(&mut self, stream: u64) {
        self.unblock(stream);
        // RFC 9204 §2.2.2.2: without a table there are no references to drop.
        if self.max > 0 {
            self.owed.cancellation(stream);
        }
    }

    /// Appends what is owed on our decoder stream (RFC 9204 §4.4): acknowledgments of sections, cancellations, and how many
    /// lines have come. It is bounded; a peer that lets it wait for thousands of sections gets [`Decompression::Owed`].
    #[inline]
    pub fn owed(&mut self, out: &mut Vec<u8>) {
        self.owed.write(self.inserted, out);
    }

    fn apply<E>(
        &mut self,
        stream: u64,
        mut section: &[u8],
        mut each: impl FnMut(Field<'_>, Seen) -> Result<Seen, E>,
    ) -> Result<Decoded, DecodeError<E>> {
        let prefix = self.prefix(&mut section)?;
        if prefix.required > self.inserted {
            self.block(stream)?;
            return Ok(Decoded::Blocked);
        }
        self.unblock(stream);
        let applied = with_scratch(|scratch| {
            while !section.is_empty() {
                self.line(&mut section, prefix, scratch, &mut each)?;
            }
            Ok(Decoded::Whole)
        });
        if prefix.required > 0 && !matches!(applied, Err(DecodeError::Compression(_))) {
            self.owed.section(stream, prefix.required);
        }
        if self.owed.is_full() {
            return Err(Decompression::Owed.into());
        }
        applied
    }

    /// RFC 9204 §2.1.2: no more streams may wait than was announced.
    fn block(&mut self, stream: u64) -> Result<(), Decompression> {
        if !self.blocked.contains(&stream) {
            if self.blocked.len() >= self.most_blocked {
                return Err(Decompression::Blocked);
            }
            self.blocked.push(stream);
        }
        Ok(())
    }

    #[inline]
    fn unblock(&mut self, stream: u64) {
        if let Some(at) = self.blocked.iter().position(|&blocked| blocked == stream) {
            self.blocked.swap_remove(at);
        }
    }

    /// Takes one line off the front: its leading bits say what it is.
    #[inline]
    fn line<E>(
        &mut self,
        section: &mut &[u8],
        prefix: Prefix,
        scratch: &mut Vec<u8>,
        each: &mut impl FnMut(Field<'_>, Seen) -> Result<Seen, E>,
    ) -> Result<(), DecodeError<E>> {
        let first = section.first().copied().unwrap_or_default();
        scratch.clear();
        let (name, sensitive) = match first {
            // RFC 9204 §4.5.2: a whole line.
            0xc0.. => {
                let line = statics::line(index(section, 6)?).ok_or(INDEX)?;
                let field = Field { name: line.name, value: line.value, sensitive: false };
                each(field, Seen::First).map_err(DecodeError::Field)?;
                return Ok(());
            }
            0x80.. => {
                let at = prefix.relative(index(section, 6)?);
                return self.indexed(at, prefix, each);
            }
            // RFC 9204 §4.5.4: the name of a line.
            0x40.. => {
                let index = index(section, 4)?;
                let name = if first & 0x10 != 0 {
                    statics::line(index).ok_or(INDEX)?.name
                } else {
                    self.referred(prefix.relative(index), prefix).ok_or(INDEX)?.1.0
                };
                (Name::Ready(name), first & 0x20 != 0)
            }
            // RFC 9204 §4.5.6.
            0x20.. => (Name::Literal(text(section, 3, scratch)?), first & 0x10 != 0),
            // RFC 9204 §4.5.3 and §4.5.5: the same for lines from the base on.
            0x10.. => {
                let at = prefix.post_base(index(section, 4)?);
                return self.indexed(at, prefix, each);
            }
            _ => {
                let at = prefix.post_base(index(section, 3)?);
                let name = self.referred(at, prefix).ok_or(INDEX)?.1.0;
                (Name::Ready(name), first & 0x08 != 0)
            }
        };
        let value = text(section, LENGTH_BITS, scratch)?;
        let name = match &name {
            Name::Literal(name) => exact_name(name.bytes(scratch)),
            Name::Ready(name) => *name,
        };
        let field = Field { name, value: value.bytes(scratch), sensitive };
        each(field, Seen::First).map_err(DecodeError::Field)?;
        Ok(())
    }

    /// Hands out the line with that absolute index.
    #[inline]
    fn indexed<E>(
        &mut self,
        at: Option<u64>,
        prefix: Prefix,
        each: &mut impl FnMut(Field<'_>, Seen) -> Result<Seen, E>,
    ) -> Result<(), DecodeError<E>> {
        let (age, (name, value, note)) = self.referred(at, prefix).ok_or(INDEX)?;
        let seen = Seen::noted(note);
        let field = Field { name, value, sensitive: false };
        let now = each(field, seen).map_err(DecodeError::Field)?;
        if now != seen {
            self.table.set_note(age, now.note());
        }
        Ok(())
    }

    /// The line with that absolute index and its age, if it is there, and below what the section says that it needs
    /// (RFC 9204 §2.2.3).
    #[inline]
    fn referred(&self, at: Option<u64>, prefix: Prefix) -> Option<(usize, Line<'_>)> {
        let at = at.filter(|&at| at < prefix.required)?;
        let age = usize::try_from(self.inserted.checked_sub(at + 1)?).ok()?;
        Some((age, self.table.line(age)?))
    }
}

/// A name, a value and a note.
type Line<'a> = (NameRef<'a>, &'a [u8], u16);

const INDEX: Decompression = Decompression::Index;

impl<E> From<Decompression> for DecodeError<E> {
    fn from(why: Decompression) -> Self {
        Self::Compression(why)
    }
}

enum Name<'a> {
    Literal(Text<'a>),
    Ready(NameRef<'a>),
}

#[inline]
fn index(section: &mut &[u8], bits: u32) -> Result<u64, Decompression> {
    Ok(integer::decode_long(section, bits)?)
}

#[inline]
fn text<'a>(
    section: &mut &'a [u8],
    bits: u32,
    scratch: &mut Vec<u8>,
) -> Result<Text<'a>, Decompression> {
    Ok(Text::take(section, bits, scratch)?)
}
