//! A section of field lines on its way into an arena: places first, all bytes in one copy at the end.
//!
//! For parsers whose lines lie in one piece of memory. Never looks for lines itself.

use std::ops::Range;

use crate::arena::{Arena, Line};
use crate::field::{Known, is_token};

/// Takes the places of field lines. Made by [`Fields::read`](crate::Fields::read).
pub struct Lines<'a> {
    arena: &'a mut Arena,
    bytes: &'a [u8],
    /// Lines that were there before.
    before: usize,
    /// Where `bytes` will lie in the arena.
    base: usize,
    /// The last byte of all lines, in `bytes`.
    end: usize,
    /// Some name is to be lowered.
    any_other: bool,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lines({} so far)", self.count())
    }
}

impl<'a> Lines<'a> {
    #[inline]
    pub(crate) fn read(
        arena: &'a mut Arena,
        bytes: &'a [u8],
        parse: impl FnOnce(&mut Self) -> Option<usize>,
    ) -> Option<usize> {
        let (before, base) = (arena.lines.len(), arena.bytes.len());
        let fits = base + bytes.len() <= u32::MAX as usize;
        let mut lines = Self { arena, bytes, before, base, end: 0, any_other: false };
        let end = if fits { parse(&mut lines) } else { None };
        let end = end.filter(|&end| lines.end <= end && end <= bytes.len());
        match end {
            Some(end) => lines.copy(end),
            None => lines.forget(),
        }
        end
    }

    /// Adds a line whose name and value are those ranges of the bytes. The value must hold no control, and no white
    /// space around it; the caller has looked. `None` when the name is no token (RFC 9110 §5.1), or lies behind the
    /// value, or when there are 65,535 lines already.
    #[must_use]
    #[inline]
    pub fn line(&mut self, name: Range<usize>, value: Range<usize>) -> Option<()> {
        if name.end > value.start || value.start > value.end || value.end > self.bytes.len() {
            return None;
        }
        let text = self.bytes.get(name.clone())?;
        let known = Known::from_name(text);
        if known.is_none() {
            if !is_token(text) || text.len() > u16::MAX.into() {
                return None;
            }
            self.any_other = true;
        }
        self.end = self.end.max(value.end);
        // All of it fits into a u32, and a name into a u16: the longest well-known one does.
        self.arena.push_line(Line {
            name: (self.base + name.start) as u32,
            value: (self.base + value.start) as u32,
            value_len: value.len() as u32,
            name_len: name.len() as u16,
            known,
        })
    }

    /// How many lines were added.
    #[must_use]
    #[inline]
    pub fn count(&self) -> usize {
        self.arena.lines.len() - self.before
    }

    #[inline]
    fn copy(self, end: usize) {
        self.arena.is_wire = false;
        self.arena.bytes.extend_from_slice(&self.bytes[..end]);
        if self.any_other {
            let Arena { bytes, lines, .. } = self.arena;
            let others = lines[self.before..].iter().filter(|line| line.known.is_none());
            for &Line { name, name_len, .. } in others {
                bytes[name as usize..][..name_len as usize].make_ascii_lowercase();
            }
        }
    }

    #[cold]
    fn forget(self) {
        self.arena.lines.truncate(self.before);
        self.arena.note_again();
    }
}

#[cfg(test)]
mod tests {
    use crate::{Fields, Known};

    const SECTION: &[u8] = b"X-Own: V\r\nHoSt: h\r\n\r\nmore";

    #[test]
    fn names_are_lowered_and_bytes_copied_once() {
        let mut fields = Fields::new();
        fields.append("x-first", "0").unwrap();
        let end = fields.read(SECTION, |lines| {
            lines.line(0..5, 7..8)?;
            lines.line(10..14, 16..17)?;
            assert_eq!(lines.count(), 2);
            Some(21)
        });
        assert_eq!(end, Some(21));
        let all: [(&[u8], &[u8]); 3] = [(b"x-first", b"0"), (b"x-own", b"V"), (b"host", b"h")];
        assert!(fields.iter().eq(all));
        assert_eq!(fields.get(Known::Host), Some(&b"h"[..]));
    }

    #[test]
    fn what_is_given_up_leaves_nothing_behind() {
        let mut fields = Fields::new();
        fields.append(Known::Host, "a").unwrap();
        let before = fields.clone();
        type Parse = fn(&mut super::Lines<'_>) -> Option<usize>;
        let given_up: [Parse; 7] = [
            |lines| lines.line(10..14, 16..17).and(None),
            // Past the end of what is taken, and of what is there.
            |lines| lines.line(10..14, 16..17).map(|()| 16),
            |lines| lines.line(10..14, 16..17).map(|()| SECTION.len() + 1),
            |lines| lines.line(10..14, 16..SECTION.len() + 1).map(|()| 21),
            |lines| lines.line(SECTION.len()..SECTION.len() + 1, 0..0).map(|()| 21),
            // No token; the value before the name.
            |lines| lines.line(10..15, 16..17).map(|()| 21),
            |lines| lines.line(10..14, 7..8).map(|()| 21),
        ];
        for parse in given_up {
            assert_eq!(fields.read(SECTION, parse), None);
            assert_eq!(fields, before);
            assert!(!fields.is_repeated(Known::Host));
        }
    }
}
