//! Field lines in a recycled arena (RFC 9110 §5): ordered, duplicates kept, names case-insensitive.
//!
//! A `Fields` is one pointer. Its arena comes from a bounded free list of the thread and goes back to it
//! on drop, so that a warm shard allocates nothing for a head. That list is memory and no state: what a
//! `Fields` holds never depends on it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use crate::arena::{Arena, Line, NONE, bit};
use crate::field::{Known, NameRef, is_token, is_value, trim_ows};

/// Arenas kept for reuse, a thread.
const POOL: usize = 64;
/// An arena whose buffer grew past this is not kept, in bytes.
const KEEP: usize = 16 << 10;

thread_local! {
    // Boxed, so that a `Fields` is one pointer wherever it is stored or moved.
    #[expect(clippy::vec_box, reason = "the boxes themselves are recycled")]
    static FREE: RefCell<Vec<Box<Arena>>> = const { RefCell::new(Vec::new()) };
}

/// An ordered list of field lines.
///
/// ```
/// use trilane_semantics::{Fields, Known};
/// let mut fields = Fields::new();
/// fields.append("Accept", "text/html").unwrap();
/// fields.append(Known::Accept, "text/plain").unwrap();
/// fields.append("X-Own", "1").unwrap();
/// assert_eq!(fields.get("accept"), Some(&b"text/html"[..]));
/// assert_eq!(fields.all(Known::Accept).count(), 2);
/// assert_eq!(fields.iter().last(), Some((&b"x-own"[..], &b"1"[..])));
/// assert!(fields.append("X-Bad", "a\r\nb: c").is_err());
/// ```
#[derive(Default)]
pub struct Fields {
    arena: Option<Box<Arena>>,
}

/// A name or value that RFC 9110 §5.1 or §5.5 forbids, or a section that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField;

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name must be a token and a value free of control characters")
    }
}

impl std::error::Error for InvalidField {}

impl Fields {
    /// No fields. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { arena: None }
    }

    /// How many field lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arena.as_ref().map_or(0, |arena| arena.lines.len())
    }

    /// Whether there is no field line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the first line with that name.
    #[must_use]
    #[inline]
    pub fn get<'n>(&self, name: impl Into<NameRef<'n>>) -> Option<&[u8]> {
        let arena = self.arena.as_deref()?;
        let line = match name.into() {
            NameRef::Known(known) => {
                if arena.present & bit(known) == 0 {
                    return None;
                }
                &arena.lines[arena.first[known as usize] as usize]
            }
            other => arena.lines.iter().find(|line| line.is(other, &arena.bytes))?,
        };
        Some(line.value(&arena.bytes))
    }

    /// The value of the first line with that name, if it is UTF-8.
    #[must_use]
    pub fn get_str<'n>(&self, name: impl Into<NameRef<'n>>) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether a line with that name is there.
    #[must_use]
    #[inline]
    pub fn contains<'n>(&self, name: impl Into<NameRef<'n>>) -> bool {
        self.get(name).is_some()
    }

    /// Whether more than one line has that name.
    #[must_use]
    pub fn is_repeated(&self, name: Known) -> bool {
        self.arena.as_ref().is_some_and(|arena| arena.repeated & bit(name) != 0)
    }

    /// The values of all lines with that name, in order.
    pub fn all<'a, 'n: 'a>(
        &'a self,
        name: impl Into<NameRef<'n>>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let name = name.into();
        let skip = match name {
            NameRef::Known(known) if !self.contains(known) => usize::MAX,
            NameRef::Known(known) => {
                self.arena.as_ref().map_or(0, |arena| arena.first[known as usize] as usize)
            }
            NameRef::Other(_) => 0,
        };
        self.arena.iter().flat_map(move |arena| {
            let lines = arena.lines.get(skip..).unwrap_or_default();
            lines.iter().filter(move |l| l.is(name, &arena.bytes)).map(|l| l.value(&arena.bytes))
        })
    }

    /// The members of the comma-separated list that all lines with that name make together
    /// (RFC 9110 §5.6.1), white space trimmed, empty members left out. Not for quoted strings.
    pub fn list<'a, 'n: 'a>(
        &'a self,
        name: impl Into<NameRef<'n>>,
    ) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(trim_ows)
            .filter(|member| !member.is_empty())
    }

    /// Whether that list has `token`, whatever its case.
    #[must_use]
    pub fn list_has<'n>(&self, name: impl Into<NameRef<'n>>, token: &str) -> bool {
        self.list(name.into()).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// All lines in order; names are in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().map(|(_, name, value)| (name, value))
    }

    /// All lines in order, each with its well-known name if it has one.
    pub fn lines(&self) -> impl Iterator<Item = (Option<Known>, &[u8], &[u8])> {
        let (lines, bytes): (&[Line], &[u8]) = match &self.arena {
            Some(arena) => (&arena.lines, &arena.bytes),
            None => (&[], &[]),
        };
        lines.iter().map(|line| (line.known, line.name(bytes), line.value(bytes)))
    }

    /// Adds a line after those that are there.
    ///
    /// # Errors
    /// [`InvalidField`] when the name is no token or the value has a control character.
    #[inline]
    pub fn append<'n>(
        &mut self,
        name: impl Into<NameRef<'n>>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        let (name, value) = (name.into(), trim_ows(value.as_ref()));
        if let NameRef::Other(other) = name
            && (!is_token(other) || other.len() > u16::MAX.into())
        {
            return Err(InvalidField);
        }
        if !is_value(value) {
            return Err(InvalidField);
        }
        let arena = self.arena_mut();
        let start = arena.bytes.len();
        if let NameRef::Other(other) = name {
            arena.bytes.extend(other.iter().map(u8::to_ascii_lowercase));
        }
        let middle = arena.bytes.len();
        arena.bytes.extend_from_slice(value);
        let known = match name {
            NameRef::Known(known) => Some(known),
            NameRef::Other(_) => None,
        };
        arena.push(known, start..middle, middle..middle + value.len())
    }

    /// Adds a line whose value is known to be valid because it is part of the program: not checked again, unless
    /// debug assertions are on.
    #[inline]
    pub fn append_static(&mut self, name: Known, value: &'static str) {
        debug_assert!(is_value(value.as_bytes()), "a value of the program is valid");
        let arena = self.arena_mut();
        let start = arena.bytes.len();
        arena.bytes.extend_from_slice(value.as_bytes());
        // Past 65,534 lines there is no place for one more; nobody's program says as much.
        let _ = arena.push(Some(name), start..start, start..start + value.len());
    }

    /// Replaces all lines with that name by this one.
    ///
    /// # Errors
    /// As [`Fields::append`]; then nothing has changed.
    pub fn set<'n>(
        &mut self,
        name: impl Into<NameRef<'n>>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidField> {
        let name = name.into();
        if self.contains(name) {
            if !is_value(trim_ows(value.as_ref())) {
                return Err(InvalidField);
            }
            self.remove(name);
        }
        self.append(name, value)
    }

    /// Removes all lines with that name; how many there were.
    pub fn remove<'n>(&mut self, name: impl Into<NameRef<'n>>) -> usize {
        let name = name.into();
        if !self.contains(name) {
            return 0;
        }
        let Some(arena) = self.arena.as_deref_mut() else { return 0 };
        let before = arena.lines.len();
        let bytes = &arena.bytes;
        arena.lines.retain(|line| !line.is(name, bytes));
        (arena.present, arena.repeated) = (0, 0);
        for at in 0..arena.lines.len() {
            arena.note(at);
        }
        before - arena.lines.len()
    }

    /// Copies bytes into the arena, for a parser that then names ranges of them with
    /// [`Fields::push_range`]; the offset at which they lie.
    pub fn load(&mut self, bytes: &[u8]) -> usize {
        let arena = self.arena_mut();
        let base = arena.bytes.len();
        arena.bytes.extend_from_slice(bytes);
        base
    }

    /// Keeps one string beside the lines: a head's target.
    pub(crate) fn set_text(&mut self, text: &str) {
        let arena = self.arena_mut();
        arena.text.clear();
        arena.text.push_str(text);
    }

    /// That string.
    pub(crate) fn text(&self) -> &str {
        self.arena.as_ref().map_or("", |arena| &arena.text)
    }

    /// Adds a line whose name and value were loaded before. The parser has checked both; the name is
    /// lowered in place.
    ///
    /// # Errors
    /// [`InvalidField`] past 65,534 lines or 4 GiB, or for what was not loaded.
    #[inline]
    pub fn push_range(
        &mut self,
        name: Range<usize>,
        value: Range<usize>,
    ) -> Result<(), InvalidField> {
        let arena = self.arena_mut();
        if value.start > value.end || value.end > arena.bytes.len() {
            return Err(InvalidField);
        }
        let loaded = arena.bytes.get_mut(name.clone()).ok_or(InvalidField)?;
        let known = Known::from_name(loaded);
        if known.is_none() {
            loaded.make_ascii_lowercase();
        }
        arena.push(known, name, value)
    }

    /// Bytes loaded before.
    #[must_use]
    pub fn loaded(&self, range: Range<usize>) -> &[u8] {
        self.arena.as_ref().and_then(|arena| arena.bytes.get(range)).unwrap_or_default()
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.arena.get_or_insert_with(|| {
            FREE.with(|free| free.borrow_mut().pop()).unwrap_or_else(|| {
                Box::new(Arena {
                    bytes: Vec::with_capacity(512),
                    text: String::new(),
                    lines: Vec::with_capacity(16),
                    present: 0,
                    repeated: 0,
                    first: [NONE; Known::COUNT],
                })
            })
        })
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        let Some(mut arena) = self.arena.take() else { return };
        let grown = arena.bytes.capacity().max(arena.text.capacity()) > KEEP;
        if grown || arena.lines.capacity() > KEEP / size_of::<Line>() {
            return;
        }
        arena.bytes.clear();
        arena.text.clear();
        arena.lines.clear();
        (arena.present, arena.repeated) = (0, 0);
        // At thread exit the list may be gone already: then the arena is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < POOL {
                free.push(arena);
            }
        });
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        if let Some(from) = self.arena.as_deref() {
            let to = copy.arena_mut();
            to.bytes.extend_from_slice(&from.bytes);
            to.text.push_str(&from.text);
            to.lines.extend_from_slice(&from.lines);
            (to.present, to.repeated) = (from.present, from.repeated);
            to.first = from.first;
        }
        copy
    }
}

/// Equal lines in equal order.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            map.entry(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        let mut fields = Fields::new();
        for (name, value) in [("Host", "a"), ("x-own", "1"), ("Accept", "b, c"), ("ACCEPT", ",d ")]
        {
            fields.append(name, value).unwrap();
        }
        fields
    }

    #[test]
    fn order_and_duplicates_are_kept() {
        let names: Vec<_> = sample().iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [&b"host"[..], b"x-own", b"accept", b"accept"]);
        assert!(sample().list(Known::Accept).eq([&b"b"[..], b"c", b"d"]));
        assert!(sample().list_has("accept", "C") && !sample().list_has("accept", "e"));
        assert_eq!(sample().all("x-other").count(), 0);
        assert_eq!(sample().all(Known::Date).count(), 0);
    }

    #[test]
    fn remove_and_set_keep_the_index_right() {
        let mut fields = sample();
        assert!(fields.is_repeated(Known::Accept) && !fields.is_repeated(Known::Host));
        assert_eq!(fields.remove("host"), 1);
        assert_eq!(fields.get(Known::Host), None);
        assert_eq!(fields.get(Known::Accept), Some(&b"b, c"[..]));
        fields.set("Accept", "z").unwrap();
        assert!(!fields.is_repeated(Known::Accept));
        assert_eq!(fields.all("accept").count(), 1);
        assert!(fields.set("accept", "\n").is_err());
        fields.append_static(Known::Vary, "origin");
        assert_eq!(fields.get("vary"), Some(&b"origin"[..]));
        assert_eq!(fields.get("accept"), Some(&b"z"[..]));
        assert_eq!(fields.remove("nothing"), 0);
    }

    #[test]
    fn a_recycled_arena_is_empty() {
        drop(sample());
        let mut fields = Fields::new();
        fields.append("x", "y").unwrap();
        assert_eq!(fields.len(), 1);
        assert!(!fields.contains(Known::Host));
        assert_eq!(fields, fields.clone());
        assert_ne!(fields, sample());
    }

    #[test]
    fn loaded_names_are_lowered() {
        let mut fields = Fields::new();
        let base = fields.load(b"X-Own: V\r\nHoSt: h\r\n");
        fields.push_range(base..base + 5, base + 7..base + 8).unwrap();
        fields.push_range(base + 10..base + 14, base + 16..base + 17).unwrap();
        assert!(fields.iter().eq([(&b"x-own"[..], &b"V"[..]), (b"host", b"h")]));
        assert_eq!(fields.loaded(0..5), b"x-own");
        assert_eq!(fields.loaded(0..500), b"");
        assert!(
            fields.push_range(0..5, 7..500).is_err() && fields.push_range(400..500, 0..1).is_err()
        );
        assert_eq!(fields.len(), 2);
    }
}
