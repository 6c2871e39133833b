//! The memory of field lines: one buffer of bytes, ranges of it, and where the well-known names are.
//!
//! Its owner is [`Fields`](crate::Fields), which checks what goes in and recycles it.

use crate::field::{Known, NameRef};
use crate::fields::InvalidField;

/// No well-known name; also how many field lines a section may have.
pub(crate) const NONE: u16 = u16::MAX;

/// An arena whose buffers grew past this is not kept, in bytes.
const KEEP: usize = 16 << 10;

/// Field lines, and the bytes that they are ranges of.
pub(crate) struct Arena {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<Line>,
    /// `bytes` are the lines and nothing else, each as HTTP/1.1 writes it (RFC 9112 §5).
    pub(crate) is_wire: bool,
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
                // Most are told apart by their lengths alone.
                self.known.is_none()
                    && usize::from(self.name_len) == name.len()
                    && self.name(bytes).eq_ignore_ascii_case(name)
            }
        }
    }
}

pub(crate) const fn bit(known: Known) -> u64 {
    1 << known as u8
}

impl Arena {
    #[cold]
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            bytes: Vec::with_capacity(512),
            lines: Vec::with_capacity(16),
            is_wire: true,
            present: 0,
            repeated: 0,
            first: [NONE; Known::COUNT],
        })
    }

    /// Whether its memory has grown too large to be kept.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.capacity() > KEEP || self.lines.capacity() > KEEP / size_of::<Line>()
    }

    /// Empties it, for its next use.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        (self.present, self.repeated, self.is_wire) = (0, 0, true);
    }

    /// Adds a line, its name in lower case; both were checked.
    #[inline]
    pub(crate) fn append(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), InvalidField> {
        let (start, name_len) = (self.bytes.len(), name.as_bytes().len());
        let fits = start + name_len + value.len() + 4 <= u32::MAX as usize;
        let name_len = u16::try_from(name_len).map_err(|_| InvalidField)?;
        if !fits || self.lines.len() >= NONE as usize {
            return Err(InvalidField);
        }
        self.bytes.reserve(usize::from(name_len) + value.len() + 4);
        let known = match name {
            NameRef::Known(known) => {
                self.bytes.extend_from_slice(known.line_start().as_bytes());
                Some(known)
            }
            NameRef::Other(name) => {
                self.bytes.extend(name.iter().map(u8::to_ascii_lowercase));
                self.bytes.extend_from_slice(b": ");
                None
            }
        };
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        // All of it fits into a u32.
        let (end, value_len) = (self.bytes.len() as u32, value.len() as u32);
        self.push_line(Line {
            name: start as u32,
            value: end - 2 - value_len,
            value_len,
            name_len,
            known,
        })
        .ok_or(InvalidField)
    }

    /// The same without what HTTP/1.1 writes around a name and a value: less to copy.
    #[inline]
    pub(crate) fn append_bare(
        &mut self,
        name: NameRef<'_>,
        value: &[u8],
    ) -> Result<(), InvalidField> {
        let start = self.bytes.len();
        let (known, stored, name_len) = match name {
            NameRef::Known(known) => (Some(known), &b""[..], known.as_str().len()),
            NameRef::Other(name) => (None, name, name.len()),
        };
        let end = start + stored.len() + value.len();
        let name_len = u16::try_from(name_len).map_err(|_| InvalidField)?;
        if end > u32::MAX as usize {
            return Err(InvalidField);
        }
        self.is_wire = false;
        self.bytes.reserve(stored.len() + value.len());
        self.bytes.extend_from_slice(stored);
        self.bytes.extend_from_slice(value);
        // All of it fits into a u32.
        let (name, value_len) = (start as u32, value.len() as u32);
        let value = end as u32 - value_len;
        self.push_line(Line { name, value, value_len, name_len, known }).ok_or(InvalidField)
    }

    /// Adds all lines of `others`, which lie there as HTTP/1.1 writes them, if no name of theirs is here yet and there is
    /// room; whether it has.
    pub(crate) fn append_all_if_new(&mut self, others: &Self) -> bool {
        let is_here = |name: &Line| {
            let own = self.lines.iter().filter(|line| line.known.is_none());
            own.clone().any(|line| line.is(NameRef::Other(name.name(&others.bytes)), &self.bytes))
        };
        let has_own = self.lines.iter().any(|line| line.known.is_none());
        let is_any_here = self.present & others.present != 0
            || has_own && others.lines.iter().filter(|line| line.known.is_none()).any(is_here);
        let (start, count) = (self.bytes.len(), self.lines.len());
        let fits = start + others.bytes.len() <= u32::MAX as usize
            && count + others.lines.len() <= NONE as usize;
        if is_any_here || !fits || !others.is_wire {
            return false;
        }
        self.bytes.extend_from_slice(&others.bytes);
        let start = start as u32;
        let moved =
            |line: &Line| Line { name: line.name + start, value: line.value + start, ..*line };
        self.lines.extend(others.lines.iter().map(moved));
        for at in count..self.lines.len() {
            self.note(at);
        }
        true
    }

    /// Becomes those lines of another one whose names are to be kept; it is empty before.
    #[inline]
    pub(crate) fn copy_kept(&mut self, from: &Self, mut keep: impl FnMut(NameRef<'_>) -> bool) {
        self.bytes.extend_from_slice(&from.bytes);
        self.lines.reserve(from.lines.len());
        for line in &from.lines {
            let name = match line.known {
                Some(known) => NameRef::Known(known),
                None => NameRef::Other(line.name(&from.bytes)),
            };
            if keep(name) {
                self.lines.push(*line);
                self.note(self.lines.len() - 1);
            }
        }
        self.is_wire = from.is_wire && self.lines.len() == from.lines.len();
    }

    /// Gives the first line of a name that is there another value; the old one stays in memory. Whether there is room.
    pub(crate) fn replace(&mut self, name: Known, value: &[u8]) -> bool {
        let start = self.bytes.len();
        if start + value.len() > u32::MAX as usize {
            return false;
        }
        self.is_wire = false;
        self.bytes.extend_from_slice(value);
        let line = &mut self.lines[usize::from(self.first[name as usize])];
        // All of it fits into a u32.
        (line.value, line.value_len) = (start as u32, value.len() as u32);
        true
    }

    /// `None` when there are too many.
    #[inline]
    pub(crate) fn push_line(&mut self, line: Line) -> Option<()> {
        let at = self.lines.len();
        if at >= NONE as usize {
            return None;
        }
        self.lines.push(line);
        self.note(at);
        Some(())
    }

    /// Remembers all lines anew: some were removed.
    pub(crate) fn note_again(&mut self) {
        (self.present, self.repeated) = (0, 0);
        for at in 0..self.lines.len() {
            self.note(at);
        }
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
