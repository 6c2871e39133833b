//! A header section that comes again, byte for byte. Clients that ask for one thing often (calls of one procedure, polling,
//! load generators) send blocks that add nothing to the table, and mean the same for as long as it stays as it is.
//!
//! One is kept, and only after it came twice in a row: who never repeats itself pays for a sum over the block, and no memory.
//! Never looks into a block.

use crate::head::RequestHead;

/// The longest block that is kept, in bytes.
pub const LONGEST_BLOCK: usize = 256;
/// The largest head that is kept, its target, names and values, in bytes: a short block can stand for a large one.
pub const LARGEST_HEAD: usize = 2 << 10;

/// The last block, and a head that came twice.
#[derive(Debug, Default)]
pub struct Repeat {
    /// A sum over the last block: whether it may be the same, no more.
    last: u64,
    kept: Option<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    block: Vec<u8>,
    /// The state of the decoder: a number that is another whenever the block could mean something else.
    state: u64,
    head: RequestHead,
}

impl Repeat {
    /// The head of `block`, if it is the one that is kept, and the decoder is in the state that it was in.
    #[inline]
    #[must_use]
    pub fn find(&self, block: &[u8], state: u64) -> Option<RequestHead> {
        let kept = self.kept.as_deref()?;
        (kept.state == state && kept.block == block).then(|| kept.head.clone())
    }

    /// `block` was decoded, and is this head; it has left the decoder as it was, in that state.
    #[inline]
    pub fn note(&mut self, block: &[u8], state: u64, head: &RequestHead) {
        if block.len() > LONGEST_BLOCK {
            return;
        }
        let sum = sum(block, state);
        if std::mem::replace(&mut self.last, sum) == sum {
            self.keep(block, state, head);
        }
    }

    fn keep(&mut self, block: &[u8], state: u64, head: &RequestHead) {
        let lines = head.fields.iter().map(|(name, value)| name.len() + value.len());
        if head.target().len() + lines.sum::<usize>() <= LARGEST_HEAD {
            let (block, head) = (block.to_vec(), head.clone());
            self.kept = Some(Box::new(Kept { block, state, head }));
        }
    }
}

/// Equal for equal blocks in equal states, and seldom else. Never 0, which is that of no block.
#[inline]
fn sum(block: &[u8], state: u64) -> u64 {
    let mut sum = state ^ block.len() as u64;
    for word in block.as_chunks::<8>().0.iter().chain(block.last_chunk()) {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
    sum | 1
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn head(target: &str) -> RequestHead {
        RequestHead::new(Method::GET, target).expect("a target")
    }

    /// Says so twice, and looks for it.
    fn twice(block: &[u8], head: &RequestHead) -> Option<RequestHead> {
        let mut repeat = Repeat::default();
        repeat.note(block, 7, head);
        assert!(repeat.find(block, 7).is_none(), "it came once");
        repeat.note(block, 7, head);
        repeat.find(block, 7)
    }

    #[test]
    fn what_came_twice_in_a_row_is_kept() {
        let (one, other) = (head("/one"), head("/other"));
        let mut repeat = Repeat::default();
        let blocks = [b"block one", b"block two"];
        for at in 0..4 {
            repeat.note(blocks[at % 2], 1, if at % 2 == 0 { &one } else { &other });
        }
        assert!(repeat.kept.is_none());
        let [first, second] = blocks;
        repeat.note(second, 2, &other);
        assert!(repeat.kept.is_none(), "in another state it is another");
        repeat.note(second, 2, &other);
        assert_eq!(repeat.find(second, 2), Some(other));
        assert_eq!((repeat.find(second, 1), repeat.find(second, 3)), (None, None));
        assert_eq!((repeat.find(first, 2), repeat.find(&second[1..], 2)), (None, None));
        repeat.note(first, 2, &one);
        assert!(repeat.find(second, 2).is_some(), "another one that comes once changes nothing");
        repeat.note(first, 2, &one);
        assert_eq!((repeat.find(second, 2), repeat.find(first, 2)), (None, Some(one)));
    }

    #[test]
    fn no_more_is_kept_than_that() {
        let small = head("/");
        for length in [LONGEST_BLOCK - 1, LONGEST_BLOCK, LONGEST_BLOCK + 1] {
            let is_kept = twice(&vec![7; length], &small).is_some();
            assert_eq!(is_kept, length <= LONGEST_BLOCK, "{length}");
        }
        for size in [LARGEST_HEAD - 1, LARGEST_HEAD, LARGEST_HEAD + 1] {
            let mut large = small.clone();
            let value = "x".repeat(size - "/".len() - "a".len());
            large.fields.append("a", value).expect("a field");
            assert_eq!(twice(b"block", &large).is_some(), size <= LARGEST_HEAD, "{size}");
        }
    }

    /// Whatever its length, each bit of a block is part of its sum.
    #[test]
    fn sums_differ() {
        for length in 8..40 {
            let mut block = vec![0; length];
            let before = sum(&block, 1);
            for at in 0..length {
                block[at] = 2;
                assert_ne!(sum(&block, 1), before, "{length} {at}");
                block[at] = 0;
            }
        }
    }
}
