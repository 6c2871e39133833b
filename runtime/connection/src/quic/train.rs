//! Datagrams that leave together: of one size but for the last, from one address to one other (UDP_SEGMENT).

use trilane_quic::Path;

/// The most that a train carries, in bytes: an IP packet's, less headers.
pub const MOST: usize = 65_000;
/// The largest datagram, in bytes.
const DATAGRAM: usize = 1500;
/// The most datagrams that the kernel takes at once.
const DATAGRAMS: usize = 64;

/// Datagrams in one buffer, one behind the other, for one call to the kernel.
#[derive(Debug, Default)]
pub struct Train {
    bytes: Vec<u8>,
    len: usize,
    segment: usize,
    count: usize,
    is_complete: bool,
    path: Option<Path>,
}

impl Train {
    /// An empty one, in memory that is kept from use to use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its datagrams.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The size of each of them, in bytes; the last may be smaller.
    #[must_use]
    pub const fn segment(&self) -> usize {
        self.segment
    }

    /// How many they are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// From where to where; none while it is empty.
    #[must_use]
    pub const fn path(&self) -> Option<Path> {
        self.path
    }

    /// Whether nothing more may join.
    pub(super) const fn is_full(&self) -> bool {
        self.is_complete || self.count == DATAGRAMS || self.len + DATAGRAM > MOST
    }

    /// Makes it empty again.
    pub const fn clear(&mut self) {
        (self.len, self.segment, self.count) = (0, 0, 0);
        (self.is_complete, self.path) = (false, None);
    }

    /// Room for one datagram more, if there may be one.
    pub(super) fn spare(&mut self) -> Option<&mut [u8]> {
        if self.is_full() {
            return None;
        }
        if self.bytes.is_empty() {
            self.bytes.resize(MOST, 0);
        }
        self.bytes.get_mut(self.len..self.len + DATAGRAM)
    }

    /// The first `len` bytes of [`spare`](Self::spare) are a datagram. Whether it could join: if not, it is still there, behind
    /// the train.
    pub(super) fn push(&mut self, len: usize, path: Path) -> bool {
        if self.count == 0 {
            (self.segment, self.path) = (len, Some(path));
        } else if len > self.segment || self.path != Some(path) {
            self.is_complete = true;
            return false;
        }
        self.is_complete = len < self.segment;
        self.len += len;
        self.count += 1;
        true
    }

    /// What could not join.
    pub(super) fn left_over(&self, len: usize) -> &[u8] {
        self.bytes.get(self.len..self.len + len).unwrap_or_default()
    }

    /// A datagram from elsewhere, as the first.
    pub(super) fn begin(&mut self, datagram: &[u8], path: Path) {
        let Some(spare) = self.spare() else { return };
        let Some(place) = spare.get_mut(..datagram.len()) else { return };
        place.copy_from_slice(datagram);
        self.push(datagram.len(), path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 1).into(), peer: ([127, 0, 0, 1], port).into() }
    }

    /// Whether datagrams of these sizes and paths join, one after the other.
    fn joined(sizes: &[(usize, u16)]) -> Vec<bool> {
        let mut train = Train::new();
        let mut push = |&(size, port): &(usize, u16)| {
            train.spare().is_some() && train.push(size, path(port))
        };
        sizes.iter().map(&mut push).collect()
    }

    #[test]
    fn only_what_the_kernel_can_cut_again_joins() {
        assert_eq!(joined(&[(1200, 1), (1200, 1), (7, 1), (7, 1)]), [true, true, true, false]);
        assert_eq!(joined(&[(1200, 1), (1201, 1), (1200, 1)]), [true, false, false]);
        assert_eq!(joined(&[(1200, 1), (1200, 2)]), [true, false]);
        let many = vec![(20, 1); DATAGRAMS + 1];
        assert_eq!(joined(&many).iter().filter(|joined| **joined).count(), DATAGRAMS);
        let large = vec![(1500, 1); 60];
        assert_eq!(joined(&large).iter().filter(|joined| **joined).count(), MOST / 1500);
    }

    #[test]
    fn what_does_not_join_begins_the_next() {
        let mut train = Train::new();
        train.begin(b"one", path(1));
        train.spare().unwrap()[..4].copy_from_slice(b"long");
        assert!(!train.push(4, path(1)));
        assert_eq!((train.bytes(), train.left_over(4)), (&b"one"[..], &b"long"[..]));
        let left = train.left_over(4).to_vec();
        train.clear();
        assert_eq!((train.bytes(), train.path()), (&b""[..], None));
        train.begin(&left, path(2));
        assert_eq!((train.bytes(), train.segment(), train.count()), (&b"long"[..], 4, 1));
    }
}
