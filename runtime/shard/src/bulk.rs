//! Large pieces of memory for content that comes faster than it fits into the ring's buffers, used again and again.
//!
//! They are filled by a call that never waits, so that none is held by a peer that sends nothing.

use std::cell::RefCell;
use std::rc::Rc;

use trilane_semantics::Memory;

/// Bytes of a piece.
pub(crate) const SIZE: usize = 256 << 10;
/// What came is lent out from so many bytes on; less is copied, so that it does not hold a whole piece.
pub(crate) const LEND_FROM: usize = SIZE / 4;
/// Pieces kept that nobody uses, a shard.
const KEEP: usize = 32;

/// The pieces of a shard.
#[derive(Clone, Default)]
pub(crate) struct Bulks(Rc<RefCell<Vec<Box<[u8]>>>>);

impl Bulks {
    /// One that nobody uses.
    pub(crate) fn take(&self) -> Box<[u8]> {
        let spare = self.0.borrow_mut().pop();
        spare.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
    }

    /// Bytes of those that nobody uses.
    pub(crate) fn spare(&self) -> usize {
        self.0.borrow().len() * SIZE
    }

    /// Takes one back.
    pub(crate) fn give(&self, bytes: Box<[u8]>) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < KEEP {
            spare.push(bytes);
        }
    }

    /// Lends out the first `len` bytes of one; it comes back when nobody has them any more.
    pub(crate) fn lend(&self, bytes: Box<[u8]>, len: usize) -> Rc<dyn Memory> {
        Rc::new(Lent { bytes, len, home: self.clone() })
    }
}

struct Lent {
    bytes: Box<[u8]>,
    len: usize,
    home: Bulks,
}

impl Memory for Lent {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_comes_back() {
        let bulks = Bulks::default();
        let bytes = bulks.take();
        let at = bytes.as_ptr();
        let lent = bulks.lend(bytes, 3);
        assert_eq!(lent.as_slice(), [0; 3]);
        assert!(bulks.0.borrow().is_empty());
        drop(lent);
        let again = bulks.take();
        assert_eq!(again.as_ptr(), at);
        for _ in 0..=KEEP {
            bulks.give(vec![0; SIZE].into());
        }
        assert_eq!(bulks.0.borrow().len(), KEEP);
    }
}
