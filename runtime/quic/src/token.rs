//! Tokens of Retry packets (RFC 9000 §8.1.2): what a client sends back to show that it receives what is sent to its address. All
//! shards, and all who hold the same ticket keys, can read them.
//!
//! | bytes | |
//! | --- | --- |
//! | 1 | [`KIND`] |
//! | 8 | the name of the key |
//! | 12 | a nonce |
//! | 8 + n + 16 | sealed with AES-256-GCM: the time, the id that the client had made up, and the tag |
//!
//! The seal holds for one address, one port and one id of ours.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use boring::rand::rand_bytes;
use boring::symm::{Cipher, decrypt_aead, encrypt_aead};
use trilane_tls::Material;

use crate::cid::{Cid, LENGTH};
use crate::error::Error;
use crate::registry::First;
use crate::secrets::derive;

/// For how long a token is good: a round trip and what may be lost on it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(15);
/// Tells our tokens from others'.
const KIND: u8 = 0x54;
const NAME: usize = 8;
const NONCE: usize = 12;
const TIME: usize = 8;
const TAG: usize = 16;

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// The client has this address, and had made up this id.
    Valid(First),
    /// It claims to be ours, and does not hold: of another address, too old, or forged.
    Invalid,
    /// It is nobody's whom we know: as if there were none (RFC 9000 §8.1.3).
    Foreign,
}

/// A token, taken apart.
struct Parts<'a> {
    key: &'a [u8; 32],
    nonce: &'a [u8],
    sealed: &'a [u8],
    tag: &'a [u8; TAG],
}

/// Keys, the one that seals first.
#[derive(Clone)]
pub(crate) struct Tokens(Vec<([u8; NAME], [u8; 32])>);

impl Tokens {
    pub(crate) fn new(material: &Material) -> Result<Self, Error> {
        let keys = material.keys();
        Self::of(keys.iter().map(|keys| &keys.root))
    }

    pub(crate) fn of<'a>(roots: impl Iterator<Item = &'a [u8; 32]>) -> Result<Self, Error> {
        let key = |root| {
            let mut name = [0; NAME];
            name.copy_from_slice(&derive(root, b"token name")?[..NAME]);
            Ok((name, derive(root, b"token key")?))
        };
        Ok(Self(roots.map(key).collect::<Result<_, Error>>()?))
    }

    /// A token for a client that made up the id `first` and is told to use `cid`.
    pub(crate) fn seal(&self, first: &[u8], cid: &Cid, peer: SocketAddr) -> Result<Vec<u8>, Error> {
        self.seal_at(seconds(), first, cid, peer)
    }

    pub(crate) fn seal_at(
        &self,
        now: u64,
        first: &[u8],
        cid: &Cid,
        peer: SocketAddr,
    ) -> Result<Vec<u8>, Error> {
        let (name, key) = self.0.first().ok_or(Error::Random)?;
        let mut nonce = [0; NONCE];
        rand_bytes(&mut nonce).map_err(|_| Error::Random)?;
        let plain = [&now.to_be_bytes(), first].concat();
        let (bound, mut tag) = (bound(cid, peer), [0; TAG]);
        let cipher = Cipher::aes_256_gcm();
        let sealed = encrypt_aead(cipher, key, Some(&nonce), &bound, &plain, &mut tag)?;
        Ok([&[KIND], &name[..], &nonce, &sealed, &tag].concat())
    }

    /// What the token of an Initial packet to `cid` is worth.
    pub(crate) fn open(&self, token: &[u8], cid: &Cid, peer: SocketAddr) -> Worth {
        self.open_at(seconds(), token, cid, peer)
    }

    pub(crate) fn open_at(&self, now: u64, token: &[u8], cid: &Cid, peer: SocketAddr) -> Worth {
        let Some(Parts { key, nonce, sealed, tag }) = self.parts(token) else {
            return Worth::Foreign;
        };
        let cipher = Cipher::aes_256_gcm();
        let opened = decrypt_aead(cipher, key, Some(nonce), &bound(cid, peer), sealed, tag);
        let opened = opened.ok().unwrap_or_default();
        let Some((time, first)) = opened.split_first_chunk::<TIME>() else { return Worth::Invalid };
        // Clocks of other machines may be ahead.
        let age = now.abs_diff(u64::from_be_bytes(*time));
        match First::new(first) {
            Some(first) if age <= LIFETIME.as_secs() => Worth::Valid(first),
            _ => Worth::Invalid,
        }
    }

    fn parts<'a>(&'a self, token: &'a [u8]) -> Option<Parts<'a>> {
        let (kind, rest) = token.split_first()?;
        let (name, rest) = rest.split_first_chunk::<NAME>()?;
        let (nonce, rest) = rest.split_at_checked(NONCE)?;
        let (sealed, tag) = rest.split_last_chunk::<TAG>()?;
        let (_, key) = self.0.iter().find(|(other, _)| *kind == KIND && other == name)?;
        Some(Parts { key, nonce, sealed, tag })
    }
}

/// What the seal holds for.
fn bound(cid: &Cid, peer: SocketAddr) -> [u8; 16 + 2 + LENGTH] {
    let address = match peer.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let mut bound = [0; 16 + 2 + LENGTH];
    bound[..16].copy_from_slice(&address.octets());
    bound[16..18].copy_from_slice(&peer.port().to_be_bytes());
    bound[18..].copy_from_slice(cid);
    bound
}

/// Since 1970: another machine may have to read it.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
