//! Sections that the peer has not acknowledged (RFC 9204 §2.1.1): what they refer to must stay in the table.

use std::collections::VecDeque;

/// How many may wait. Beyond that sections refer to nothing until one is acknowledged.
pub(crate) const MOST: usize = 256;

/// A section, and what it refers to, by absolute index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) stream: u64,
    /// One more than the newest line; 0 if it refers to none.
    pub(crate) required: u64,
    /// The oldest line.
    pub(crate) oldest: u64,
}

impl Section {
    pub(crate) const fn new(stream: u64) -> Self {
        Self { stream, required: 0, oldest: u64::MAX }
    }

    #[inline]
    pub(crate) fn refer(&mut self, line: u64) {
        self.required = self.required.max(line + 1);
        self.oldest = self.oldest.min(line);
    }
}

/// Sections in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct Sections(VecDeque<Section>);

impl Sections {
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    #[inline]
    pub(crate) fn push(&mut self, section: Section) {
        self.0.push_back(section);
    }

    /// The oldest section of `stream` was decoded (RFC 9204 §4.4.1). Whether there was one.
    pub(crate) fn acknowledge(&mut self, stream: u64) -> bool {
        let at = self.0.iter().position(|section| section.stream == stream);
        at.and_then(|at| self.0.remove(at)).is_some()
    }

    /// No section of `stream` will be decoded any more (RFC 9204 §4.4.2).
    pub(crate) fn cancel(&mut self, stream: u64) {
        self.0.retain(|section| section.stream != stream);
    }

    /// The oldest line that any of them refers to.
    pub(crate) fn oldest(&self) -> u64 {
        self.0.iter().map(|section| section.oldest).min().unwrap_or(u64::MAX)
    }
}
