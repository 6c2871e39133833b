//! The dynamic table of an encoder: one in which lines are found by name and value, without hashing them.
//!
//! Lines of one kind are a chain from the newest to the oldest; their notes are its links.

use trilane_semantics::{Known, NameRef};

use crate::field::Field;
use crate::table::{Table, is_same};

/// How many lines with names of one kind are compared before a field counts as new.
const TRIES: usize = 8;

/// Kinds of names: each that is well known, and the others by a few of their bytes.
const KINDS: usize = Known::COUNT + 64;

/// A table and where its lines are.
#[derive(Debug)]
pub struct Lookup {
    table: Table,
    /// How many lines were ever added, which is the number of the next one; it may begin again.
    added: u16,
    /// The number of the last line of each kind; its note is the number of the one before. A number that has been given to
    /// another line in the meantime does no harm: every line is compared.
    last: [u16; KINDS],
}

/// What was found of a field, by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The newest of the lines that it is.
    Line(usize),
    /// A line with its name.
    Name(usize),
    /// Not even its name.
    Nothing,
}

impl Lookup {
    /// An empty table of at most `limit` bytes, as [`Table::new`] makes it.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { table: Table::new(limit), added: 0, last: [0; KINDS] }
    }

    /// The table.
    #[must_use]
    #[inline]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Another limit; lines past it go.
    pub fn set_limit(&mut self, limit: usize) {
        self.table.set_limit(limit);
    }

    /// The age and the value of the last line with that name.
    #[must_use]
    #[inline]
    pub fn last(&self, name: Known) -> Option<(usize, &[u8])> {
        let age = self.age(self.last[name as usize]);
        Some((age, self.table.value(age, name)?))
    }

    /// Looks for `field`. If its line is not there, its name is taken from a line of at least the age `from`, if there is one;
    /// else from any.
    #[must_use]
    pub fn find(&self, field: &Field<'_>, from: usize) -> Found {
        let mut found = Found::Nothing;
        let mut age = self.age(self.last[kind(field.name)]);
        for _ in 0..TRIES {
            let Some((name, value, before)) = self.table.line(age) else { break };
            if is_same(name, field.name) {
                if value == field.value {
                    return Found::Line(age);
                }
                if !matches!(found, Found::Name(found) if found >= from) {
                    found = Found::Name(age);
                }
            }
            let older = self.age(before);
            if older <= age {
                // The first of its kind.
                break;
            }
            age = older;
        }
        found
    }

    /// Adds a line, as [`Table::insert`] does.
    pub fn insert(&mut self, name: NameRef<'_>, value: &[u8]) {
        let last = &mut self.last[kind(name)];
        self.table.insert(name, value, *last);
        *last = self.added;
        self.added = self.added.wrapping_add(1);
    }

    /// How many lines were added after the one of that number.
    #[inline]
    fn age(&self, number: u16) -> usize {
        usize::from(self.added.wrapping_sub(number).wrapping_sub(1))
    }
}

/// A well-known name is a kind of its own; others share theirs by length and three of their bytes.
#[inline]
fn kind(name: NameRef<'_>) -> usize {
    match name {
        NameRef::Known(known) => known as usize,
        NameRef::Other(name) => {
            let at = |index: usize| name.get(index).map_or(0, |byte| usize::from(*byte));
            let mixed = at(name.len() / 2) * 5 + at(name.len().wrapping_sub(1)) * 3 + at(3);
            Known::COUNT + (mixed + 7 * name.len()) % (KINDS - Known::COUNT)
        }
    }
}
