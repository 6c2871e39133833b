//! Ancillary data (`cmsg(3)`) as bytes: read and written without a pointer.
//!
//! A record is a header (its length with the header, a level and a kind) and its content; the next one begins at a
//! multiple of a word.

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 2 * size_of::<c_int>();
/// The most that we send: the size of datagrams, and our address.
const ROOM: usize = (HEADER + WORD) + (HEADER + 20usize.next_multiple_of(WORD));

/// What came with datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// Bytes of each datagram but the last, if there are several (`UDP_GRO`).
    pub(super) size: Option<usize>,
    /// The address that they were sent to, and the interface that they came by.
    pub(super) sent_to: Option<(IpAddr, u32)>,
    /// How many datagrams the socket has lost, ever; wraps (`SO_RXQ_OVFL`).
    pub(super) lost: Option<u32>,
}

impl Received {
    /// What the records say; those that we did not ask for are passed over.
    pub(super) fn parse(mut control: &[u8]) -> Self {
        let mut found = Self::default();
        while let Some((level, kind, content, rest)) = record(control) {
            match (level, kind) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    found.size = number(content).and_then(|size| usize::try_from(size).ok());
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    found.lost = number(content).map(c_int::cast_unsigned);
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => found.sent_to = info4(content),
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => found.sent_to = info6(content),
                _ => {}
            }
            control = rest;
        }
        found
    }

    /// Our end's address, where the socket is bound to `bound`.
    pub(super) fn local(&self, bound: SocketAddr) -> SocketAddr {
        match self.sent_to {
            None => bound,
            Some((IpAddr::V6(ip), interface)) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(ip, bound.port(), 0, interface).into()
            }
            Some((ip, _)) => SocketAddr::new(ip, bound.port()),
        }
    }
}

/// The first record: level, kind and content, and what follows it.
fn record(control: &[u8]) -> Option<(c_int, c_int, &[u8], &[u8])> {
    let (len, rest) = control.split_first_chunk()?;
    let (level, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let len = usize::from_ne_bytes(*len).checked_sub(HEADER)?;
    let content = rest.get(..len)?;
    let rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or_default();
    Some((c_int::from_ne_bytes(*level), c_int::from_ne_bytes(*kind), content, rest))
}

fn number(content: &[u8]) -> Option<c_int> {
    Some(c_int::from_ne_bytes(*content.first_chunk()?))
}

/// `struct in_pktinfo`: interface, the address to answer from, the address sent to.
fn info4(content: &[u8]) -> Option<(IpAddr, u32)> {
    let (interface, rest) = content.split_first_chunk()?;
    let ip = Ipv4Addr::from(*rest.get(4..)?.first_chunk::<4>()?);
    Some((ip.into(), u32::from_ne_bytes(*interface)))
}

/// `struct in6_pktinfo`: address, interface.
fn info6(content: &[u8]) -> Option<(IpAddr, u32)> {
    let (ip, rest) = content.split_first_chunk::<16>()?;
    Some((Ipv6Addr::from(*ip).into(), u32::from_ne_bytes(*rest.first_chunk()?)))
}

/// What goes with datagrams.
#[derive(Debug)]
pub(super) struct Sent {
    bytes: [u8; ROOM],
    len: usize,
}

impl Sent {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Datagrams of `size` bytes, and a last one (`UDP_SEGMENT`).
    pub(super) fn size(&mut self, size: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
    }

    /// Sent from this address of ours.
    pub(super) fn from(&mut self, local: SocketAddr) {
        match local {
            SocketAddr::V4(local) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&local.ip().octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            SocketAddr::V6(local) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&local.ip().octets());
                info[16..].copy_from_slice(&local.scope_id().to_ne_bytes());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Invariant: at most one of each is pushed, which [`ROOM`] is made for.
    fn push(&mut self, level: c_int, kind: c_int, content: &[u8]) {
        let len = HEADER + content.len();
        let parts: [&[u8]; 4] =
            [&len.to_ne_bytes(), &level.to_ne_bytes(), &kind.to_ne_bytes(), content];
        let mut at = self.len;
        for part in parts {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.len += len.next_multiple_of(WORD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut sent = Sent::new();
        sent.size(1200);
        let local: SocketAddr = "[fe80::7%3]:443".parse().unwrap();
        sent.from(local);
        assert_eq!(sent.bytes().len(), ROOM);
        let read = Received::parse(sent.bytes());
        // Sizes go out as another kind, of 16 bits.
        assert_eq!(read.size, None);
        assert_eq!(read.local("[::]:443".parse().unwrap()), local);
        let mut all = sent.bytes().to_vec();
        for (level, kind, value) in
            [(libc::SOL_UDP, libc::UDP_GRO, 1200i32), (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, -1)]
        {
            sent.clear();
            sent.push(level, kind, &value.to_ne_bytes());
            all.extend_from_slice(sent.bytes());
        }
        let read = Received::parse(&all);
        assert_eq!((read.size, read.lost), (Some(1200), Some(u32::MAX)));
        // Cut anywhere it says less, and nothing wrong.
        for cut in 0..all.len() {
            let less = Received::parse(&all[..cut]);
            assert!(less.size.is_none_or(|size| size == 1200), "{cut}");
            assert!(less.sent_to.is_none() || less.sent_to == read.sent_to, "{cut}");
        }
    }

    #[test]
    fn lengths_that_lie_end_the_list() {
        let mut sent = Sent::new();
        sent.from("127.0.0.9:1".parse().unwrap());
        let mut bytes = sent.bytes().to_vec();
        // The address sent to comes after the one to answer from.
        bytes[HEADER + 8..HEADER + 12].copy_from_slice(&[127, 0, 0, 9]);
        let bound = "0.0.0.0:7".parse().unwrap();
        assert_eq!(Received::parse(&bytes).local(bound), "127.0.0.9:7".parse().unwrap());
        for len in [0, HEADER - 1, HEADER + 13, 1000, usize::MAX] {
            bytes[..WORD].copy_from_slice(&len.to_ne_bytes());
            let read = Received::parse(&bytes);
            assert!(read.sent_to.is_none() || len == HEADER + 13, "{len}");
        }
        bytes[..WORD].copy_from_slice(&HEADER.to_ne_bytes());
        assert_eq!(Received::parse(&bytes), Received::default());
    }
}
