//! Field lines to field blocks (RFC 7541 §3, §6).
//!
//! What it writes must be sent, in order: the peer's table follows this one. Names and values go out as they come; who calls
//! has them in lower case and has checked them.

use trilane_semantics::{NameRef, StatusCode};

use crate::field::Field;
use crate::lookup::{Found, Lookup};
use crate::policy::Indexing;
use crate::statics;
use crate::text::LENGTH_BITS;
use crate::{integer, text};

/// A peer's table as it will be when it has read everything written here.
#[derive(Debug)]
pub struct Encoder {
    lookup: Lookup,
    /// What the peer was last told, and the least that it allowed since.
    told: usize,
    least: usize,
    max: usize,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// The table that is used at most, in bytes, whatever a peer allows: what HTTP/2 begins with (RFC 9113 §6.5.2).
    pub const TABLE_SIZE: usize = 4096;

    /// An encoder with an empty table of [`Self::TABLE_SIZE`].
    #[must_use]
    pub fn new() -> Self {
        let size = Self::TABLE_SIZE;
        Self { lookup: Lookup::new(size), told: size, least: size, max: size }
    }

    /// What the peer allows, its SETTINGS_HEADER_TABLE_SIZE. The next block tells it so (RFC 7541 §4.2).
    pub fn set_max_table_size(&mut self, max_table_size: usize) {
        self.max = max_table_size.min(Self::TABLE_SIZE);
        self.least = self.least.min(self.max);
    }

    /// Begins a block: what has to be said about the table's size stands at its front (RFC 7541 §4.2).
    #[inline]
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if self.least != self.told || self.max != self.told {
            self.update(out);
        }
    }

    /// Appends one field line.
    #[inline]
    pub fn field(&mut self, out: &mut Vec<u8>, field: Field<'_>) {
        let indexing = Indexing::of(&field);
        let first = statics::name_index(field.name);
        // What answers are made of: the same as in the one before, or of a known name and another value.
        if let NameRef::Known(name) = field.name {
            match (indexing, self.lookup.last(name)) {
                (Indexing::Add | Indexing::NameOnly, Some((age, value)))
                    if value == field.value =>
                {
                    integer::encode(out, 0x80, 7, dynamic(age));
                    return;
                }
                (Indexing::NameOnly, Some((age, _))) if first == 0 => {
                    literal(out, Indexing::Not, dynamic(age), field);
                    return;
                }
                _ => (),
            }
        }
        if first != 0 && indexing != Indexing::Never {
            if let Some(index) = statics::line_index(first, field.value) {
                out.push(0x80 | index);
                return;
            }
            if indexing == Indexing::NameOnly {
                literal(out, Indexing::Not, u64::from(first), field);
                return;
            }
        }
        self.look_up(out, field, indexing, first);
    }

    /// Appends `:status` (RFC 9113 §8.3.2). The common ones are one byte and no search.
    #[inline]
    pub fn status(&mut self, out: &mut Vec<u8>, status: StatusCode) {
        match status.as_u16() {
            200 => out.push(0x88),
            204 => out.push(0x89),
            206 => out.push(0x8a),
            304 => out.push(0x8b),
            400 => out.push(0x8c),
            404 => out.push(0x8d),
            500 => out.push(0x8e),
            _ => {
                let name = NameRef::Other(b":status");
                self.field(out, Field::new(name, status.as_str().as_bytes()));
            }
        }
    }

    /// A field that is not a line of the static table, nor the last of its well-known name; `first` is the index of its name there, or 0.
    fn look_up(&mut self, out: &mut Vec<u8>, field: Field<'_>, indexing: Indexing, first: u8) {
        let by_name = |found| if first != 0 { u64::from(first) } else { found };
        let (indexing, name) = match self.lookup.find(&field, 0) {
            Found::Line(age) if indexing != Indexing::Never => {
                integer::encode(out, 0x80, 7, dynamic(age));
                return;
            }
            Found::Line(age) | Found::Name(age) => {
                let is_known = indexing == Indexing::NameOnly;
                (if is_known { Indexing::Not } else { indexing }, by_name(dynamic(age)))
            }
            Found::Nothing if indexing == Indexing::NameOnly => (Indexing::Add, 0),
            Found::Nothing => (indexing, by_name(0)),
        };
        let indexing = indexing.within(self.lookup.table().limit(), &field);
        literal(out, indexing, name, field);
        if indexing == Indexing::Add {
            self.lookup.insert(field.name, field.value);
        }
    }

    #[cold]
    fn update(&mut self, out: &mut Vec<u8>) {
        // RFC 7541 §4.2: the smallest size in between, then the last one.
        if self.least < self.max.min(self.told) {
            self.lookup.set_limit(self.least);
            integer::encode(out, 0x20, 5, self.least as u64);
        }
        if self.max != self.lookup.table().limit() {
            self.lookup.set_limit(self.max);
            integer::encode(out, 0x20, 5, self.max as u64);
        }
        (self.told, self.least) = (self.max, self.max);
    }
}

/// Where a line of the dynamic table is in the one space of indices (RFC 7541 §2.3.3).
const fn dynamic(age: usize) -> u64 {
    (statics::COUNT + 1 + age) as u64
}

/// A line that is not an index (RFC 7541 §6.2), its name by index if it has one.
#[inline]
fn literal(out: &mut Vec<u8>, indexing: Indexing, name: u64, field: Field<'_>) {
    let (first, bits) = match indexing {
        Indexing::Add => (0x40, 6),
        Indexing::NameOnly | Indexing::Not => (0x00, 4),
        Indexing::Never => (0x10, 4),
    };
    integer::encode(out, first, bits, name);
    if name == 0 {
        text::write(field.name.as_bytes(), 0, LENGTH_BITS, out);
    }
    text::write_value(&field, out);
}
