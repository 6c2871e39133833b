//! A train: datagrams of one path and one size, one behind the other, which the kernel takes in one go.

use std::net::SocketAddr;

/// Both ends of what datagrams travel on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Our end.
    pub(crate) local: SocketAddr,
    /// The other end.
    pub(crate) peer: SocketAddr,
}

/// Bytes of a train, at most: what one IP packet could carry, of either family, less the headers.
pub(crate) const BYTES: usize = u16::MAX as usize - 40 - 8;
/// Datagrams of a train, at most: what kernels before Linux 6.9 take (`UDP_MAX_SEGMENTS`).
pub(crate) const DATAGRAMS: usize = 64;

/// Datagrams in one piece of memory, all as long as the first, but for the last, which may be shorter.
#[derive(Debug)]
pub(crate) struct Train {
    bytes: Box<[u8]>,
    len: usize,
    /// Of the first datagram; 0 for none.
    size: usize,
    count: usize,
    /// The most datagrams.
    most: usize,
    path: Option<Path>,
}

impl Train {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let bytes = vec![0; BYTES].into_boxed_slice();
        Self { bytes, len: 0, size: 0, count: 0, most: DATAGRAMS, path: None }
    }

    /// Makes it empty, for `most` datagrams, and [`DATAGRAMS`] at most.
    pub(crate) fn clear(&mut self, most: usize) {
        (self.len, self.size, self.count, self.path) = (0, 0, 0, None);
        self.most = most.min(DATAGRAMS);
    }

    /// Where the next datagram is to be written; nothing when there is no room for another.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        // A shorter one was the last.
        let is_over = self.size > 0 && !self.len.is_multiple_of(self.size);
        let end = if is_over || self.count >= self.most { self.len } else { BYTES };
        &mut self.bytes[self.len..end]
    }

    /// A datagram of `len` bytes was written to [`Train::space`]. Whether it goes with this train; if not, its bytes are
    /// still there: its path is another one, or it is longer than the first, or it is none.
    #[must_use]
    pub(crate) fn push(&mut self, len: usize, path: Path) -> bool {
        let fits = len > 0 && len <= self.space().len() && (self.size == 0 || len <= self.size);
        if !fits || *self.path.get_or_insert(path) != path {
            return false;
        }
        if self.size == 0 {
            self.size = len;
        }
        self.len += len;
        self.count += 1;
        true
    }

    /// All datagrams.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Bytes of each datagram, but for the last.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// How many datagrams there are.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Where it goes; `None` for an empty one.
    pub(crate) const fn path(&self) -> Option<Path> {
        self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 443).into(), peer: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn all_are_as_long_as_the_first_but_the_last() {
        let mut train = Train::new();
        assert_eq!(train.space().len(), BYTES);
        assert!(!train.push(0, path(1)) && train.path().is_none());
        assert!(train.push(100, path(1)));
        assert_eq!(train.space().len(), BYTES - 100);
        assert!(!train.push(101, path(1)) && !train.push(100, path(2)));
        assert!(train.push(100, path(1)) && train.push(99, path(1)));
        assert!(train.space().is_empty() && !train.push(1, path(1)));
        assert_eq!((train.bytes().len(), train.size(), train.count()), (299, 100, 3));
        assert_eq!(train.path(), Some(path(1)));
        train.clear(1);
        assert!(train.bytes().is_empty() && train.push(7, path(2)));
        assert!(!train.push(7, path(2)) && train.path() == Some(path(2)));
    }

    #[test]
    fn a_train_is_full_in_bytes_or_in_datagrams() {
        for (size, most) in
            [(1, DATAGRAMS), (1200, BYTES / 1200), (BYTES / 2, 2), (BYTES / 2 + 1, 1), (BYTES, 1)]
        {
            let mut train = Train::new();
            let count = (0..100).take_while(|_| train.push(size, path(1))).count();
            assert_eq!((count, train.count()), (most, most), "{size}");
            assert!(train.space().len() < size);
        }
    }
}
