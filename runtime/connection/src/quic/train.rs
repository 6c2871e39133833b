//! Where datagrams are put that leave together: of one path, and of one size but for the last, so that the kernel takes all of
//! them in one call.

use trilane_quic::Path;

/// The smallest room that a datagram is made for, in bytes: what every path carries (RFC 9000 §14).
pub(super) const SMALLEST: usize = 1200;

/// A train of datagrams that is being filled.
pub trait Train {
    /// Where the next datagram is to be written: nothing when there is no room for another.
    fn space(&mut self) -> &mut [u8];

    /// A datagram of `len` bytes was written to [`space`](Self::space). Whether it goes with this train; if not, its bytes are
    /// still there: its path is another one, or it is longer than the first.
    #[must_use]
    fn push(&mut self, len: usize, path: Path) -> bool;
}
