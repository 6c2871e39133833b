//! What a transport brings, and what it takes.

use std::rc::Rc;

use trilane_semantics::{Memory, Payload};

/// Content smaller than this is copied rather than leased, in bytes, and so is what is not a fourth of what came with it: a small piece
/// must not pin a large buffer.
pub const LEASE_FROM: usize = 2 << 10;

/// What a transport can send. The one place where that is said: content in open files is read for all that send bytes
/// only, whatever the protocol above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Bytes.
    Bytes,
    /// Ranges of open files too, as they are, and what lies in pipes.
    Files,
}

/// Bytes that came, and how to keep them without a copy.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    bytes: &'a [u8],
    memory: Option<&'a Rc<dyn Memory>>,
}

impl<'a> Received<'a> {
    /// Bytes that must be copied to be kept.
    #[must_use]
    pub const fn copied(bytes: &'a [u8]) -> Self {
        Self { bytes, memory: None }
    }

    /// Bytes of a buffer that can be kept by counting it.
    #[must_use]
    pub fn leasable(memory: &'a Rc<dyn Memory>) -> Self {
        Self { bytes: memory.as_slice(), memory: Some(memory) }
    }

    /// All of them.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The part `data` of these bytes, to be kept.
    pub(crate) fn keep(&self, data: &[u8]) -> Payload {
        match self.memory {
            Some(memory) if data.len() >= LEASE_FROM.max(self.bytes.len() / 4) => {
                let start = data.as_ptr() as usize - self.bytes.as_ptr() as usize;
                Payload::from_lease(Rc::clone(memory), start, data.len())
            }
            _ => Payload::from(data.to_vec()),
        }
    }
}

impl std::fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Received({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Buffer(Vec<u8>);

    impl Memory for Buffer {
        fn as_slice(&self) -> &[u8] {
            &self.0
        }
    }

    /// A frame among others is all that its reader takes its time with: it must not hold the memory of all of them.
    #[test]
    fn a_small_piece_holds_no_large_memory() {
        let lent = |all: usize, piece: usize| {
            let memory: Rc<dyn Memory> = Rc::new(Buffer(vec![b'x'; all]));
            let received = Received::leasable(&memory);
            let kept = received.keep(&received.bytes()[all - piece..]);
            assert_eq!(kept.len(), piece);
            Rc::strong_count(&memory) == 2
        };
        assert!(!lent(256 << 10, 16 << 10) && !lent(256 << 10, LEASE_FROM) && !lent(100, 100));
        assert!(lent(256 << 10, 64 << 10) && lent(8 << 10, LEASE_FROM));
    }
}
