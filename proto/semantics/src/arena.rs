//! The memory of field lines: one buffer of bytes, ranges of it, and where the well-known names are.
//!
//! Its owner is [`Fields`](crate::Fields), which checks what goes in and recycles it.

use std::ops::Range;

use crate::field::{Known, NameRef};
use crate::fields::InvalidField;

/// No well-known name; also the most field lines that a section may have.
pub(crate) const NONE: u16 = u16::MAX;

/// Field lines, and the bytes that they are ranges of.
pub(crate) struct Arena {
    pub(crate) bytes: Vec<u8>,
    /// One string beside the lines: a head's target.
    pub(crate) text: String,
    pub(crate) lines: Vec<Line>,
    /// Bit n: the well-known name n is present, and `first[n]` is its first line.
    pub(crate) present: u64,
    /// Bit n: it is there more than once.
    pub(crate) repeated: u64,
    pub(crate) first: [u16; Known::COUNT],
}

#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) name: u32,
    pub(crate) value: u32,
    pub(crate) value_len: u32,
    pub(crate) name_len: u16,
    pub(crate) known: Option<Known>,
}

impl Line {
    pub(crate) fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.known {
            Some(known) => known.as_str().as_bytes(),
            None => &bytes[self.name as usize..][..self.name_len as usize],
        }
    }

    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.value as usize..][..self.value_len as usize]
    }

    pub(crate) fn is(&self, name: NameRef<'_>, bytes: &[u8]) -> bool {
        match name {
            NameRef::Known(known) => self.known == Some(known),
            NameRef::Other(name) => {
                self.known.is_none() && self.name(bytes).eq_ignore_ascii_case(name)
            }
        }
    }
}

pub(crate) const fn bit(known: Known) -> u64 {
    1 << known as u8
}

impl Arena {
    pub(crate) fn push(
        &mut self,
        known: Option<Known>,
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<(), InvalidField> {
        let at = self.lines.len();
        let small = |n: usize| u32::try_from(n).map_err(|_| InvalidField);
        if at >= NONE as usize {
            return Err(InvalidField);
        }
        self.lines.push(Line {
            name: small(name.start)?,
            value: small(value.start)?,
            value_len: small(value.len())?,
            name_len: u16::try_from(name.len()).map_err(|_| InvalidField)?,
            known,
        });
        self.note(at);
        Ok(())
    }

    /// Remembers line `at` if it is the first of a well-known name.
    pub(crate) fn note(&mut self, at: usize) {
        let Some(known) = self.lines[at].known else { return };
        if self.present & bit(known) == 0 {
            self.present |= bit(known);
            self.first[known as usize] = at as u16;
        } else {
            self.repeated |= bit(known);
        }
    }
}
