//! A recording: what it is of, and its steps. Also as the bytes of a file, which end in a sum over all of them.

use crate::header::{Header, Unreadable};
use crate::step::Step;
use crate::wire::{Crc, Reader};

/// A recording of one connection. Every step in it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    header: Header,
    steps: Vec<u8>,
}

impl Recording {
    pub(crate) const fn new(header: Header, steps: Vec<u8>) -> Self {
        Self { header, steps }
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// They are none of a recording, or not all of them.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (header, rest) = Header::read(bytes)?;
        let (steps, sum) = rest.split_last_chunk().ok_or(Unreadable::Sum)?;
        let all = &bytes[..bytes.len() - sum.len()];
        if Crc::of(all) != u32::from_le_bytes(*sum) {
            return Err(Unreadable::Sum);
        }
        let recording = Self { header, steps: steps.to_vec() };
        if recording.header.tail > recording.steps.len() {
            return Err(Unreadable::Line(format!("tail {}", recording.header.tail)));
        }
        let wrong = recording.steps().chain(recording.tail()).position(|step| step.is_none());
        wrong.map_or(Ok(recording), |at| Err(Unreadable::Step(at)))
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.steps.len() + 2048);
        self.header.put(&mut bytes);
        bytes.extend_from_slice(&self.steps);
        let sum = Crc::of(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// What it is of.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What can be run again.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.halves().0
    }

    /// Those steps; the last is none if it cannot be read.
    pub(crate) fn steps(&self) -> Steps<'_> {
        Steps(Reader(self.halves().0))
    }

    /// The last steps of a connection that had too many, likewise.
    pub(crate) fn tail(&self) -> Steps<'_> {
        Steps(Reader(self.halves().1))
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        self.steps.split_at(self.steps.len().saturating_sub(self.header.tail))
    }
}

/// A step, what came out of it, and the two as they were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) step: Step<'a>,
    pub(crate) outcome: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let bytes = from.bytes()?;
        let mut inside = Reader(bytes);
        let (step, outcome) = (Step::read(&mut inside)?, inside.text()?);
        inside.is_empty().then_some(Self { step, outcome, bytes })
    }
}

/// Steps as they were written.
#[derive(Clone, Debug)]
pub(crate) struct Steps<'a>(Reader<'a>);

impl<'a> Steps<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self(Reader(bytes))
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Option<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = Entry::read(&mut self.0);
        if entry.is_none() {
            self.0 = Reader(&[]);
        }
        Some(entry)
    }
}
