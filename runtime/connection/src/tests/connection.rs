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
