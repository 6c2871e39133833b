//! What happened, line by line: hashed whole, the last lines kept to be read when something is wrong.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;

use trilane_semantics::Instant;

/// Lines kept for reading.
const KEEP: usize = 4000;
/// Failures kept; one bug fails often.
const FAILURES: usize = 20;

/// The trace of one world.
#[derive(Debug, Default)]
pub struct Trace {
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    hash: u64,
    lines: VecDeque<(u64, String)>,
    failures: Vec<String>,
}

impl Default for Inner {
    fn default() -> Self {
        // FNV-1a's offset basis.
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), failures: Vec::new() }
    }
}

impl Trace {
    /// Notes that something happened to connection `key`.
    pub fn note(&self, now: Instant, key: u64, what: impl AsRef<str>) {
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = write!(line, "{now:?} #{key} {}", what.as_ref());
        let mut inner = self.inner.borrow_mut();
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if inner.lines.len() == KEEP {
            inner.lines.pop_front();
        }
        inner.lines.push_back((key, line));
    }

    /// Notes that a rule was broken; the last lines of the connection go with it.
    pub fn fail(&self, now: Instant, key: u64, what: impl AsRef<str>) {
        self.note(now, key, what.as_ref());
        let mut inner = self.inner.borrow_mut();
        if inner.failures.len() < FAILURES {
            let own: Vec<_> = inner.lines.iter().filter(|line| line.0 == key).collect();
            let tail: Vec<_> =
                own[own.len().saturating_sub(12)..].iter().map(|line| line.1.as_str()).collect();
            let failure = format!("{}\n    {}", what.as_ref(), tail.join("\n    "));
            inner.failures.push(failure);
        }
    }

    /// The hash of every line so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.inner.borrow().hash
    }

    /// The rules that were broken.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.inner.borrow().failures.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_words_change_the_hash() {
        let hash = |lines: &[&str]| {
            let trace = Trace::default();
            lines.iter().for_each(|line| trace.note(Instant::default(), 1, line));
            trace.hash()
        };
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
    }
}
