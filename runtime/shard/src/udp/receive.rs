//! What one completion has brought: datagrams of one path, in the buffer that the kernel filled.

use std::net::SocketAddr;

use super::control;
use super::train::Path;
use crate::buffers::Buffer;
use crate::ring::Layout;
use crate::sys::SocketName;

/// Datagrams of one path, as long as each other, but for the last. Dropping it gives its buffer back.
pub(crate) struct Received {
    buffer: Buffer,
    /// Where the last one ends.
    end: usize,
    size: usize,
    path: Path,
}

/// What the kernel has written before the datagrams.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    end: usize,
    size: usize,
    path: Path,
    pub(super) lost: Option<u32>,
}

impl Head {
    /// `None` for what was cut short: of a part one cannot say where its datagrams end.
    pub(super) fn parse(buffer: &[u8], bound: SocketAddr) -> Option<Self> {
        let (header, rest) = buffer.split_first_chunk::<{ Layout::HEADER }>()?;
        let (name, rest) = rest.split_at_checked(Layout::NAME)?;
        let (control, datagrams) = rest.split_at_checked(Layout::CONTROL)?;
        let mut words = header
            .chunks_exact(4)
            .map(|word| word.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word)));
        let mut next = || words.next().unwrap_or(0);
        let (names, controls, len, flags) = (next(), next(), next(), next().cast_signed());
        if flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 || len as usize > datagrams.len() {
            return None;
        }
        let control = control::Received::parse(control.get(..controls as usize)?);
        let peer = SocketName::parse(name.get(..names as usize)?)?;
        let end = Layout::DATAGRAMS + len as usize;
        // A size of 0 would be a loop without an end.
        let size = control.size.unwrap_or(len as usize).max(1);
        let path = Path { local: control.local(bound), peer };
        Some(Self { end, size, path, lost: control.lost })
    }
}

impl Received {
    pub(super) fn new(buffer: Buffer, head: &Head) -> Self {
        Self { buffer, end: head.end, size: head.size, path: head.path }
    }

    /// Where they came from, and to.
    pub(crate) const fn path(&self) -> Path {
        self.path
    }

    /// Bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.end - Layout::DATAGRAMS
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.len().div_ceil(self.size)
    }

    /// Each of them, to be decrypted where it lies.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let all = self.buffer.get_mut(Layout::DATAGRAMS..self.end).unwrap_or_default();
        all.chunks_mut(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer with 30 bytes of datagrams from 127.0.0.1:9.
    fn buffer() -> Vec<u8> {
        let mut buffer = Vec::new();
        for word in [16u32, 0, 30, 0] {
            buffer.extend_from_slice(&word.to_ne_bytes());
        }
        buffer.extend_from_slice(&(libc::AF_INET as libc::sa_family_t).to_ne_bytes());
        buffer.extend_from_slice(&[0, 9, 127, 0, 0, 1]);
        buffer.resize(Layout::DATAGRAMS + 30, 0);
        buffer
    }

    #[test]
    fn what_was_cut_short_is_not_trusted() {
        let bound = "127.0.0.1:443".parse().unwrap();
        let whole = Head::parse(&buffer(), bound).unwrap();
        let path = Path { local: bound, peer: "127.0.0.1:9".parse().unwrap() };
        let end = Layout::DATAGRAMS + 30;
        assert_eq!(whole, Head { end, size: 30, path, lost: None });
        for cut in 0..end {
            assert_eq!(Head::parse(&buffer()[..cut], bound), None, "{cut}");
        }
        for (at, word) in [
            (0, 0),
            (0, 7),
            (0, 33),
            (4, Layout::CONTROL as u32 + 1),
            (4, u32::MAX),
            (8, 31),
            (8, u32::MAX),
            (12, libc::MSG_TRUNC.cast_unsigned()),
            (12, libc::MSG_CTRUNC.cast_unsigned()),
        ] {
            let mut buffer = buffer();
            buffer[at..at + 4].copy_from_slice(&word.to_ne_bytes());
            assert_eq!(Head::parse(&buffer, bound), None, "{at} {word}");
        }
        let mut unknown = buffer();
        unknown[Layout::HEADER] = 200;
        assert_eq!(Head::parse(&unknown, bound), None);
    }
}
