//! Field lines in a recycled arena (RFC 9110 §5): ordered, duplicates kept, names case-insensitive.
//!
//! A `Fields` is one pointer. Its arena comes from a bounded free list of the thread and goes back to it
//! on drop, so that a warm shard allocates nothing for a head. That list is memory and no state: what a
//! `Fields` holds never depends on it.

use std::cell::RefCell;
use std::fmt;

use crate::arena::{Arena, Line, bit};
use crate::field::{Known, NameRef, is_token, is_value, trim_ows};
use crate::lines::Lines;
use crate::section::LINE_COST;

/// Arenas kept for reuse, a thread.
const POOL: usize = 64;

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
        match name.into() {
            NameRef::Known(known) => {
                self.arena.as_ref().is_some_and(|arena| arena.present & bit(known) != 0)
            }
            other => self.get(other).is_some(),
        }
    }

    /// Whether a line with any of these names is there.
    #[must_use]
    #[inline]
    pub fn has_any(&self, names: &[Known]) -> bool {
        let wanted = names.iter().fold(0, |set, &name| set | bit(name));
        self.arena.as_ref().is_some_and(|arena| arena.present & wanted != 0)
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

    /// All lines as HTTP/1.1 writes them (RFC 9112 §5), names in lower case, if they lie in memory like that: when
    /// they were appended, and none removed or read.
    #[must_use]
    pub fn wire(&self) -> Option<&[u8]> {
        match &self.arena {
            None => Some(&[]),
            Some(arena) => arena.is_wire.then_some(&arena.bytes),
        }
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
        let (mut name, value) = (name.into(), trim_ows(value.as_ref()));
        if let NameRef::Other(other) = name {
            if !is_token(other) || other.len() > u16::MAX.into() {
                return Err(InvalidField);
            }
            // Whoever names it without looking it up means the same field.
            name = NameRef::new(other);
        }
        if !is_value(value) {
            return Err(InvalidField);
        }
        self.arena_mut().append(name, value)
    }

    /// Adds a line whose value is known to be valid because it is part of the program: not checked again, unless
    /// debug assertions are on.
    #[inline]
    pub fn append_static(&mut self, name: Known, value: &'static str) {
        debug_assert!(is_value(value.as_bytes()), "a value of the program is valid");
        // Past 65,535 lines there is no place for one more; nobody's program says as much.
        let _ = self.arena_mut().append(NameRef::Known(name), value.as_bytes());
    }

    /// Adds a line that the caller has checked: a name in lower case that is a token, and is given as [`NameRef::Known`]
    /// if it is well known; a value without controls, and without white space around it. Not checked again, unless
    /// debug assertions are on.
    ///
    /// # Errors
    /// There are 65,535 lines already, or 4 GiB of them.
    #[inline]
    pub fn append_checked(&mut self, name: NameRef<'_>, value: &[u8]) -> Result<(), InvalidField> {
        if let NameRef::Other(other) = name {
            debug_assert!(is_token(other) && Known::from_name(other).is_none());
            debug_assert!(!other.iter().any(u8::is_ascii_uppercase), "a name is in lower case");
        }
        debug_assert!(is_value(value) && trim_ows(value).len() == value.len());
        self.arena_mut().append_bare(name, value)
    }

    /// Adds the lines of `others` whose names are not here yet: all at once, in one copy, if none of them is.
    ///
    /// # Errors
    /// There are 65,535 lines already, or 4 GiB of them.
    ///
    /// ```
    /// use trilane_semantics::{Fields, Known};
    /// let (mut fields, mut usual) = (Fields::new(), Fields::new());
    /// usual.append(Known::Vary, "origin").unwrap();
    /// usual.append("x-own", "1").unwrap();
    /// fields.append("X-Own", "2").unwrap();
    /// fields.append_missing(&usual).unwrap();
    /// assert_eq!(fields.get_str("x-own"), Some("2"));
    /// assert_eq!(fields.get_str("vary"), Some("origin"));
    /// ```
    pub fn append_missing(&mut self, others: &Self) -> Result<(), InvalidField> {
        let Some(from) = others.arena.as_deref() else { return Ok(()) };
        let to = self.arena_mut();
        if to.append_all_if_new(from) {
            return Ok(());
        }
        let before = to.lines.len();
        for (_, name, value) in others.lines() {
            let name = NameRef::new(name);
            if !to.lines.iter().take(before).any(|line| line.is(name, &to.bytes)) {
                to.append(name, value)?;
            }
        }
        Ok(())
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

    /// Gives the first line with that name another value, which the caller has checked as for
    /// [`Fields::append_checked`]. Whether there is such a line, and room for the value.
    #[inline]
    pub(crate) fn replace_checked(&mut self, name: Known, value: &[u8]) -> bool {
        debug_assert!(is_value(value) && trim_ows(value).len() == value.len());
        let is_there = self.contains(name);
        self.arena.as_deref_mut().is_some_and(|arena| is_there && arena.replace(name, value))
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
        arena.note_again();
        arena.is_wire = false;
        before - arena.lines.len()
    }

    /// Removes all lines whose names are not to be kept, in one pass over them in their order; how many there were. Names that are not
    /// well known are in lower case.
    ///
    /// ```
    /// use trilane_semantics::{Fields, Known, NameRef};
    /// let mut fields = Fields::new();
    /// fields.append(Known::Host, "a").unwrap();
    /// fields.append("X-Own", "1").unwrap();
    /// assert_eq!(fields.retain(|name| !matches!(name, NameRef::Other(b"x-own"))), 1);
    /// assert_eq!((fields.len(), fields.contains("x-own")), (1, false));
    /// ```
    #[inline]
    pub fn retain(&mut self, mut keep: impl FnMut(NameRef<'_>) -> bool) -> usize {
        let Some(arena) = self.arena.as_deref_mut() else { return 0 };
        let before = arena.lines.len();
        let bytes = &arena.bytes;
        arena.lines.retain(|line| {
            keep(line.known.map_or_else(|| NameRef::Other(line.name(bytes)), NameRef::Known))
        });
        let gone = before - arena.lines.len();
        if gone > 0 {
            arena.note_again();
            arena.is_wire = false;
        }
        gone
    }

    /// Becomes those lines of `from` whose names are to be kept: as a copy and [`Fields::retain`], for less.
    ///
    /// ```
    /// use trilane_semantics::{Fields, Known, NameRef};
    /// let (mut from, mut to) = (Fields::new(), Fields::new());
    /// from.append(Known::Host, "a").unwrap();
    /// from.append("X-Own", "1").unwrap();
    /// to.copy_kept(&from, |name| matches!(name, NameRef::Other(b"x-own")));
    /// assert_eq!((to.len(), to.get_str("x-own")), (1, Some("1")));
    /// ```
    #[inline]
    pub fn copy_kept(&mut self, from: &Self, keep: impl FnMut(NameRef<'_>) -> bool) {
        self.clear();
        if let Some(from) = from.arena.as_deref() {
            self.arena_mut().copy_kept(from, keep);
        }
    }

    /// Takes in a section of field lines that lies in `bytes`: `parse` names the places of each line to
    /// [`Lines::line`], and says where the section ends; up to there its bytes are copied, once. `None`, and
    /// nothing has changed, when `parse` says so, or when the section ends before its last line.
    ///
    /// ```
    /// use trilane_semantics::Fields;
    /// let mut fields = Fields::new();
    /// let end = fields.read(b"Host: a\r\n\r\nrest", |lines| {
    ///     lines.line(0..4, 6..7)?;
    ///     Some(11)
    /// });
    /// assert_eq!((end, fields.get("host")), (Some(11), Some(&b"a"[..])));
    /// ```
    #[inline]
    pub fn read(
        &mut self,
        bytes: &[u8],
        parse: impl FnOnce(&mut Lines<'_>) -> Option<usize>,
    ) -> Option<usize> {
        Lines::read(self.arena_mut(), bytes, parse)
    }

    /// What the lines take, in bytes: what they say, and 32 each (RFC 9113 §6.5.2).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.arena.as_ref().map_or(0, |arena| arena.bytes.len() + LINE_COST * arena.lines.len())
    }

    /// Whether the lines lie in so much memory that it is not kept.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.arena.as_ref().is_some_and(|arena| arena.is_large())
    }

    /// Removes all lines; the memory stays for the next ones.
    #[inline]
    pub fn clear(&mut self) {
        if let Some(arena) = &mut self.arena {
            arena.clear();
        }
    }

    #[inline]
    fn arena_mut(&mut self) -> &mut Arena {
        self.arena.get_or_insert_with(|| {
            FREE.with(|free| free.borrow_mut().pop()).unwrap_or_else(Arena::new)
        })
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        let Some(mut arena) = self.arena.take() else { return };
        if arena.is_large() {
            return;
        }
        arena.clear();
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
        copy.clone_from(self);
        copy
    }

    #[inline]
    fn clone_from(&mut self, from: &Self) {
        let Some(from) = from.arena.as_deref() else { return self.clear() };
        let to = self.arena_mut();
        to.clear();
        to.bytes.extend_from_slice(&from.bytes);
        to.lines.extend_from_slice(&from.lines);
        (to.present, to.repeated, to.is_wire) = (from.present, from.repeated, from.is_wire);
        to.first = from.first;
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
    fn what_is_missing_is_added_and_what_is_there_stays() {
        let mut usual = Fields::new();
        for (name, value) in [("vary", "a"), ("x-one", "1"), ("vary", "b"), ("server", "s")] {
            usual.append(name, value).unwrap();
        }
        let joined = |start: &[(&str, &str)]| {
            let mut fields = Fields::new();
            for (name, value) in start {
                fields.append(*name, value).unwrap();
            }
            fields.append_missing(&usual).unwrap();
            let text: Vec<_> =
                fields.iter().map(|(name, value)| [name, b"=", value].concat()).collect();
            // The index is right, and so is the form of HTTP/1.1.
            assert_eq!(fields.get("server"), Some(&b"s"[..]));
            assert_eq!(fields.is_repeated(Known::Vary), !fields.contains("x-none"));
            let wire: Vec<u8> = fields
                .iter()
                .flat_map(|(name, value)| [name, b": ", value, b"\r\n"].concat())
                .collect();
            assert_eq!(fields.wire(), Some(&*wire));
            String::from_utf8(text.join(&b' ')).unwrap()
        };
        assert_eq!(joined(&[]), "vary=a x-one=1 vary=b server=s");
        assert_eq!(joined(&[("host", "h")]), "host=h vary=a x-one=1 vary=b server=s");
        assert_eq!(joined(&[("X-Two", "2")]), "x-two=2 vary=a x-one=1 vary=b server=s");
        assert_eq!(joined(&[("X-One", "2")]), "x-one=2 vary=a vary=b server=s");
        assert_eq!(joined(&[("X-None", ""), ("Vary", "c")]), "x-none= vary=c x-one=1 server=s");
        let mut none = Fields::new();
        none.append_missing(&Fields::new()).unwrap();
        assert!(none.is_empty());
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

    /// RFC 9112 §5.
    #[test]
    fn appended_lines_lie_as_they_are_written() {
        assert_eq!(Fields::new().wire(), Some(&b""[..]));
        let mut fields = sample();
        let wire = &b"host: a\r\nx-own: 1\r\naccept: b, c\r\naccept: ,d\r\n"[..];
        assert_eq!((fields.wire(), fields.clone().wire()), (Some(wire), Some(wire)));
        assert!(fields.has_any(&[Known::Date, Known::Accept]) && !fields.has_any(&[Known::Date]));
        fields.remove("x-own");
        assert_eq!(fields.wire(), None);
        let mut fields = Fields::new();
        fields.read(b"host: a\r\n", |lines| lines.line(0..4, 6..7).map(|()| 9));
        assert_eq!(fields.wire(), None);
    }

    /// What is refused is not written either.
    #[test]
    fn a_section_holds_65_535_lines() {
        let mut fields = Fields::new();
        for _ in 0..u16::MAX {
            fields.append("x", "").unwrap();
        }
        let written = fields.wire().map(<[u8]>::len);
        assert_eq!(written, Some(usize::from(u16::MAX) * "x: \r\n".len()));
        assert_eq!(fields.append("x", ""), Err(InvalidField));
        fields.append_static(Known::Date, "never");
        assert_eq!((fields.len(), fields.wire().map(<[u8]>::len)), (65_535, written));
    }

    /// RFC 9110 §5.1: a name is what it says, however it was given.
    #[test]
    fn a_name_that_was_not_looked_up_means_its_field() {
        let mut fields = Fields::new();
        fields.append(NameRef::Other(b"Content-Length"), "1").unwrap();
        assert_eq!(fields.get(Known::ContentLength), Some(&b"1"[..]));
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
}
