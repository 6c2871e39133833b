//! Connection ids of ours (RFC 9000 §5.1), from which the kernel and other shards can tell whose they are, and nobody can tell
//! which of them belong together (in the spirit of QUIC-LB).
//!
//! | bytes | |
//! | --- | --- |
//! | 0 | 2 bits version of this layout, 6 bits generation of the process |
//! | 1 | shard, XOR byte 2 |
//! | 2..10 | random |
//! | 10..16 | a keyed check of bytes 0..10: nobody else can make an id of ours |

use boring::hash::hmac_sha256;
use boring::rand::rand_bytes;

use crate::error::Error;
use crate::secrets::{Secrets, derive};

/// Where what is in an id: what the kernel's program that steers datagrams to shards is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of an id.
    pub length: usize,
    /// The byte with version and generation.
    pub kind: usize,
    /// The bits of that byte that are the generation.
    pub generation: u8,
    /// What the other bits of that byte are.
    pub version: u8,
    /// The byte with the shard.
    pub shard: usize,
    /// The byte that hides it: XOR.
    pub mask: usize,
}

/// The one layout that there is.
pub const LAYOUT: Layout =
    Layout { length: 16, kind: 0, generation: 0x3f, version: 0x40, shard: 1, mask: 2 };

/// Bytes of an id.
pub const LENGTH: usize = LAYOUT.length;
/// Where the random bytes end and the check begins.
const CHECK: usize = 10;

/// An id of ours.
pub(crate) type Cid = [u8; LENGTH];

/// Where ids come from: one a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard, from 0.
    pub shard: u8,
    /// How many shards there are.
    pub shards: u8,
    /// Which of the processes that may run at the same time, one taking over from the other; 63 at most.
    pub generation: u8,
}

/// Makes ids, and knows them again.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    place: Place,
    key: [u8; 32],
    resets: [u8; 32],
}

impl Ids {
    pub(crate) fn new(place: Place, secrets: &Secrets) -> Result<Self, Error> {
        if place.shard >= place.shards {
            return Err(Error::Setting("a shard has a number below that of all shards"));
        }
        if place.generation > LAYOUT.generation {
            return Err(Error::Setting("a generation is 63 at most"));
        }
        Ok(Self { place, key: derive(&secrets.ids, b"check")?, resets: secrets.resets })
    }

    /// A fresh id of this shard.
    pub(crate) fn mint(&self) -> Result<Cid, Error> {
        let mut cid = [0; LENGTH];
        rand_bytes(&mut cid[LAYOUT.mask..CHECK]).map_err(|_| Error::Random)?;
        cid[LAYOUT.kind] = LAYOUT.version | self.place.generation;
        cid[LAYOUT.shard] = self.place.shard ^ cid[LAYOUT.mask];
        let check = self.check(&cid)?;
        cid[CHECK..].copy_from_slice(&check);
        Ok(cid)
    }

    /// Whose it is, if anybody's of ours.
    pub(crate) fn owner(&self, cid: &Cid) -> Option<Owner> {
        if cid[LAYOUT.kind] & !LAYOUT.generation != LAYOUT.version {
            return None;
        }
        // What a shard is told to forward must be ours beyond doubt, so that nobody else makes shards talk to each other.
        if self.check(cid).ok()? != cid[CHECK..] {
            return None;
        }
        let shard = cid[LAYOUT.shard] ^ cid[LAYOUT.mask];
        let generation = cid[LAYOUT.kind] & LAYOUT.generation;
        let Place { shard: ours, shards, generation: now } = self.place;
        Some(match shard {
            _ if generation != now => Owner::Gone,
            shard if shard == ours => Owner::Ours,
            shard if shard < shards => Owner::Shard(shard),
            _ => Owner::Gone,
        })
    }

    /// The token by which a client knows a stateless reset of that id (RFC 9000 §10.3.2): the same on all shards.
    pub(crate) fn reset_token(&self, cid: &Cid) -> Result<[u8; 16], Error> {
        let mut token = [0; 16];
        token.copy_from_slice(&hmac_sha256(&self.resets, cid)?[..16]);
        Ok(token)
    }

    fn check(&self, cid: &Cid) -> Result<[u8; LENGTH - CHECK], Error> {
        let mut check = [0; LENGTH - CHECK];
        check.copy_from_slice(&hmac_sha256(&self.key, &cid[..CHECK])?[..LENGTH - CHECK]);
        Ok(check)
    }
}

/// Whose an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This shard's.
    Ours,
    /// That shard's.
    Shard(u8),
    /// A process's that is gone, or a shard's that there is no more.
    Gone,
}
