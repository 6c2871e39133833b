//! What every version of QUIC has in its headers (RFC 8999), read where it lies; and the little of version 1 that tells what is to
//! become of a datagram. A datagram is routed by its first packet.

use crate::cid::{Cid, LENGTH};

/// The version that is spoken (RFC 9000).
pub(crate) const VERSION: u32 = 1;

/// The first packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header<'a> {
    /// A short one (RFC 8999 §5.2), to an id as long as ours.
    Short(&'a Cid),
    /// A long one (RFC 8999 §5.1).
    Long(Long<'a>),
}

/// A long header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long<'a> {
    pub(crate) version: u32,
    /// The first byte, of which a version says what it means.
    pub(crate) first: u8,
    pub(crate) dcid: &'a [u8],
    pub(crate) scid: &'a [u8],
    pub(crate) rest: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads it; none if the datagram ends before, or lacks the bit that every packet of version 1 has (RFC 9000 §17.2, §17.3.1).
    pub(crate) fn read(datagram: &'a [u8]) -> Option<Self> {
        let (&first, rest) = datagram.split_first()?;
        let is_fixed = first & 0x40 != 0;
        if first & 0x80 == 0 {
            return rest.first_chunk::<LENGTH>().filter(|_| is_fixed).map(Self::Short);
        }
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (dcid, rest) = id(rest)?;
        let (scid, rest) = id(rest)?;
        let version = u32::from_be_bytes(*version);
        let is_ours = version == VERSION;
        (is_fixed || !is_ours).then_some(Self::Long(Long { version, first, dcid, scid, rest }))
    }

    /// The id that it goes to.
    pub(crate) const fn dcid(&self) -> &'a [u8] {
        match self {
            Self::Short(cid) => *cid,
            Self::Long(long) => long.dcid,
        }
    }
}

impl<'a> Long<'a> {
    /// Whether it is an Initial packet of version 1 (RFC 9000 §17.2.2).
    pub(crate) const fn is_initial(&self) -> bool {
        self.first & 0x30 == 0
    }

    /// The token of an Initial packet (RFC 9000 §17.2.2); none if the datagram ends before.
    pub(crate) fn token(&self) -> Option<&'a [u8]> {
        let (length, rest) = varint(self.rest)?;
        rest.get(..usize::try_from(length).ok()?)
    }
}

fn id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

/// A number of variable length (RFC 9000 §16).
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let mask = (1 << (8 * length - 2).min(62)) - 1;
    let number = number.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    Some((number & mask, rest))
}
