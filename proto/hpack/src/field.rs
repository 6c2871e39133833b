//! A field line as it goes into a block and comes out of one.

use trilane_semantics::NameRef;

/// A field line, or a pseudo-field such as `:method` (RFC 9113 §8.3), which is a [`NameRef::Other`].
///
/// Names are in lower case (RFC 9113 §8.2): here they are compared byte by byte.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name. A name that [`NameRef::new`] would recognise must have been recognised.
    pub name: NameRef<'a>,
    /// Its value, any bytes.
    pub value: &'a [u8],
    /// No table may hold it, here or at any later hop (RFC 7541 §7.1.3).
    pub sensitive: bool,
}

impl<'a> Field<'a> {
    /// A field that is not marked as sensitive.
    #[must_use]
    pub fn new(name: impl Into<NameRef<'a>>, value: &'a [u8]) -> Self {
        Self { name: name.into(), value, sensitive: false }
    }
}

/// Whether a decoder has handed this line out before; see [`Decoder::decode_noting`](crate::Decoder::decode_noting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is a line of the dynamic table that was accepted before, byte for byte.
    Before,
    /// It is not known to have been.
    First,
}

impl Seen {
    /// How a table remembers it.
    #[must_use]
    pub const fn note(self) -> u16 {
        match self {
            Self::Before => 1,
            Self::First => 0,
        }
    }

    /// What such a note says.
    #[must_use]
    pub const fn noted(note: u16) -> Self {
        if note == Self::Before.note() { Self::Before } else { Self::First }
    }
}
