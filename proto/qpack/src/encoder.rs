//! Field lines to sections (RFC 9204 §4.5). Names and values go out as they come; who calls has them in lower case and has checked
//! them.
//!
//! A section refers only to what the peer has acknowledged: it never has to wait (RFC 9204 §2.1.2), and instructions may come late.
//! The oldest lines of a table that is nearly full are not referred to any more, so that they can go; what is still asked for is
//! inserted again (RFC 9204 §2.1.1.1).

use trilane_hpack::lookup::{Found, Lookup};
use trilane_hpack::policy::Indexing;
use trilane_hpack::table::size_of_line;
use trilane_hpack::text;
use trilane_hpack::{Field, integer};
use trilane_semantics::{NameRef, StatusCode};

use crate::prefix::{Prefix, max_entries};
use crate::sections::{Section, Sections};
use crate::statics;

/// A peer's table as it will be when it has read everything written here.
#[derive(Debug)]
pub struct Encoder {
    pub(crate) lookup: Lookup,
    /// What the table may take here; what it takes is the limit of `lookup`, 0 until the peer has spoken.
    capacity: usize,
    /// How many lines the peer's largest table has (RFC 9204 §4.5.1.1).
    max_entries: u64,
    /// How many lines were inserted, and of how many the peer is known to have received (RFC 9204 §2.1.4).
    pub(crate) inserted: u64,
    pub(crate) known: u64,
    /// Lines with a lower absolute index are not referred to any more.
    draining: u64,
    pub(crate) sections: Sections,
    /// Instructions that nobody has fetched yet.
    instructions: Vec<u8>,
    /// The section that was begun, where, and from which line on it refers to none: its base, or 0.
    section: Section,
    start: usize,
    base: u64,
    /// Memory for a prefix that is longer than its place.
    prefix: Vec<u8>,
}

/// A name in an instruction or in a section.
#[derive(Clone, Copy)]
enum Name {
    Static(u8),
    /// By its relative index.
    Dynamic(u64),
    Literal,
}

impl Encoder {
    /// An encoder whose table takes at most `capacity` bytes, whatever a peer allows; 0 for none. Until a peer has said what it
    /// allows there is none either.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            lookup: Lookup::new(0),
            capacity,
            max_entries: 0,
            inserted: 0,
            known: 0,
            draining: 0,
            sections: Sections::default(),
            instructions: Vec::new(),
            section: Section::new(0),
            start: 0,
            base: 0,
            prefix: Vec::new(),
        }
    }

    /// What the peer's SETTINGS allow: the largest table (SETTINGS_QPACK_MAX_TABLE_CAPACITY). How many streams it lets wait does
    /// not matter: none ever has to. Only the first value that is not 0 counts; whoever reads SETTINGS refuses another
    /// (RFC 9204 §3.2.3).
    pub fn set_peer(&mut self, max_capacity: u64) {
        let most = usize::try_from(max_capacity).unwrap_or(usize::MAX);
        let capacity = self.capacity.min(most).min(crate::Decoder::LARGEST);
        if self.max_entries == 0 && max_entries(capacity as u64) > 0 {
            self.max_entries = max_entries(max_capacity);
            self.lookup.set_limit(capacity);
            // RFC 9204 §4.3.1: Set Dynamic Table Capacity.
            integer::encode(&mut self.instructions, 0x20, 5, capacity as u64);
        }
    }

    /// Begins a section of `stream` at the end of `out`. To be followed by its lines and by [`Self::end`], and to be sent: the
    /// peer will acknowledge it.
    #[inline]
    pub fn begin(&mut self, stream: u64, out: &mut Vec<u8>) {
        self.section = Section::new(stream);
        self.start = out.len();
        self.base = if self.sections.is_full() { 0 } else { self.known };
        Prefix::default().write(self.max_entries, out);
    }

    /// Ends the section that was begun, in the same `out`.
    #[inline]
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.section.required == 0 {
            return;
        }
        self.prefix.clear();
        let prefix = Prefix { required: self.section.required, base: self.base };
        prefix.write(self.max_entries, &mut self.prefix);
        let place = self.start..self.start + Prefix::LEAST;
        match (out.get_mut(place.clone()), &self.prefix[..]) {
            (Some(place), prefix) if place.len() == prefix.len() => place.copy_from_slice(prefix),
            _ => drop(out.splice(place, self.prefix.drain(..))),
        }
        self.sections.push(self.section);
    }

    /// Appends one field line.
    #[inline]
    pub fn field(&mut self, out: &mut Vec<u8>, field: Field<'_>) {
        let indexing = Indexing::of(&field);
        let first = statics::name_index(field.name);
        // What answers are made of: the same as in the one before, or of a known name and another value.
        if let NameRef::Known(name) = field.name
            && let Some((age, value)) = self.lookup.last(name)
        {
            if indexing != Indexing::Never && value == field.value {
                if let Some(index) = self.refer(age) {
                    integer::encode(out, 0x80, 6, index);
                    return;
                }
            } else if indexing == Indexing::NameOnly
                && first.is_none()
                && let Some(index) = self.refer(age)
            {
                literal(out, indexing, Name::Dynamic(index), field);
                return;
            }
        }
        if let Some(first) = first
            && indexing != Indexing::Never
        {
            if let Some(index) = statics::line_index(first, field.value) {
                integer::encode(out, 0xc0, 6, u64::from(index));
                return;
            }
            if indexing == Indexing::NameOnly {
                literal(out, indexing, Name::Static(first), field);
                return;
            }
        }
        self.look_up(out, field, indexing, first);
    }

    /// Appends `:status` (RFC 9114 §4.3.2). The common ones are no search.
    #[inline]
    pub fn status(&mut self, out: &mut Vec<u8>, status: StatusCode) {
        match status.as_u16() {
            200 => out.push(0xd9),
            304 => out.push(0xda),
            404 => out.push(0xdb),
            _ => {
                let name = NameRef::Other(b":status");
                self.field(out, Field::new(name, status.as_str().as_bytes()));
            }
        }
    }

    /// Appends what is to be sent on our encoder stream (RFC 9204 §4.3). Sections do not wait for it.
    #[inline]
    pub fn instructions_owed(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.instructions);
    }

    /// A field that is not a line of the static table, nor the last of its well-known name if that can be referred to; `first`
    /// is its name there.
    fn look_up(
        &mut self,
        out: &mut Vec<u8>,
        field: Field<'_>,
        indexing: Indexing,
        first: Option<u8>,
    ) {
        let by_name = first.map_or(Name::Literal, Name::Static);
        // Lines that the peer may not have yet are younger.
        let received = usize::try_from(self.inserted - self.known).unwrap_or(usize::MAX);
        let found = self.lookup.find(&field, received);
        if let (Found::Line(age), false) = (found, indexing == Indexing::Never) {
            if let Some(index) = self.refer(age) {
                integer::encode(out, 0x80, 6, index);
                return;
            }
            if self.is_draining(age) && self.make_room(&field) {
                // RFC 9204 §4.3.4: Duplicate.
                integer::encode(&mut self.instructions, 0x00, 5, age as u64);
                self.insert(field);
            }
            literal(out, indexing, by_name, field);
            return;
        }
        let mut name = by_name;
        let mut source = by_name;
        if let (Found::Name(age) | Found::Line(age), None) = (found, first) {
            source = Name::Dynamic(age as u64);
            if let Some(index) = self.refer(age) {
                name = Name::Dynamic(index);
            }
        }
        literal(out, indexing, name, field);
        // A name that is only made known needs no value.
        let field = match (indexing, found) {
            (Indexing::Add, _) => field,
            (Indexing::NameOnly, Found::Nothing) => Field { value: b"", ..field },
            (Indexing::NameOnly, Found::Name(age)) if self.is_draining(age) => {
                Field { value: b"", ..field }
            }
            _ => return,
        };
        if self.make_room(&field) {
            self.insertion(source, field);
            self.insert(field);
        }
    }

    /// The line of that age by its relative index (RFC 9204 §3.2.5), if it may be referred to; then it is.
    #[inline]
    fn refer(&mut self, age: usize) -> Option<u64> {
        let line = self.line(age)?;
        if !(self.draining..self.base).contains(&line) {
            return None;
        }
        self.section.refer(line);
        Some(self.base - line - 1)
    }

    fn is_draining(&self, age: usize) -> bool {
        self.line(age).is_some_and(|line| line < self.draining)
    }

    /// The absolute index of the line of that age.
    #[inline]
    fn line(&self, age: usize) -> Option<u64> {
        self.inserted.checked_sub(age as u64 + 1)
    }

    /// Whether `field` is worth a line and gets its place, now.
    fn make_room(&self, field: &Field<'_>) -> bool {
        let table = self.lookup.table();
        if Indexing::Add.within(table.limit(), field) != Indexing::Add
            || self.instructions.len() > table.limit()
        {
            return false;
        }
        let size = size_of_line(field.name.as_bytes(), field.value);
        let evicted = table.past(table.limit() - size) as u64;
        let oldest = self.inserted - table.len() as u64;
        // RFC 9204 §2.1.1: not what was not received, nor what somebody refers to.
        evicted == 0
            || oldest + evicted <= self.known.min(self.section.oldest).min(self.sections.oldest())
    }

    /// Writes the instruction that inserts `field` (RFC 9204 §4.3.2, §4.3.3).
    fn insertion(&mut self, name: Name, field: Field<'_>) {
        let out = &mut self.instructions;
        match name {
            Name::Static(index) => integer::encode(out, 0xc0, 6, u64::from(index)),
            Name::Dynamic(index) => integer::encode(out, 0x80, 6, index),
            Name::Literal => text::write(field.name.as_bytes(), 0x40, 5, out),
        }
        text::write_value(&field, out);
    }

    fn insert(&mut self, field: Field<'_>) {
        self.lookup.insert(field.name, field.value);
        self.inserted += 1;
        // A quarter of a full table is about to go.
        let table = self.lookup.table();
        let oldest = self.inserted - table.len() as u64;
        let going = table.past(table.limit() - table.limit() / 4);
        self.draining = oldest + going as u64;
    }
}

/// A line that is not an index (RFC 9204 §4.5.4, §4.5.6).
#[inline]
fn literal(out: &mut Vec<u8>, indexing: Indexing, name: Name, field: Field<'_>) {
    let never = indexing == Indexing::Never;
    match name {
        Name::Static(index) => {
            integer::encode(out, if never { 0x70 } else { 0x50 }, 4, u64::from(index));
        }
        Name::Dynamic(index) => integer::encode(out, if never { 0x60 } else { 0x40 }, 4, index),
        Name::Literal => {
            text::write(field.name.as_bytes(), if never { 0x30 } else { 0x20 }, 3, out);
        }
    }
    text::write_value(&field, out);
}
