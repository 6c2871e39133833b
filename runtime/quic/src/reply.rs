//! Datagrams that are sent without a connection: version negotiation, Retry, stateless resets, and refusals.

use std::time::{Duration, Instant};

use boring::hash::hmac_sha256;
use boring::rand::rand_bytes;
use boring::symm::{Cipher, encrypt, encrypt_aead};
use quiche::ConnectionId;

use crate::cid::{Cid, LENGTH};
use crate::error::Error;
use crate::header::{Long, VERSION};

/// A version that there will never be (RFC 9000 §15), so that clients learn to ignore such.
const RESERVED: u32 = 0x3a6a_9a4a;
/// The smallest datagram that can be of a connection with ids of ours: first byte, id, packet number and the sample for its
/// protection (RFC 9001 §5.4.2). A smaller one is not answered.
pub(crate) const SMALLEST_SHORT: usize = 1 + LENGTH + 4 + 16;
/// Bytes of a stateless reset at most: as many as a small packet has (RFC 9000 §10.3).
const RESET: usize = 43;
/// Bytes of its token.
const TOKEN: usize = 16;
/// RFC 9001 §5.2.
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];

/// Why a connection is refused, as its client is told (RFC 9000 §20.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// CONNECTION_REFUSED.
    Refused = 0x02,
    /// INVALID_TOKEN.
    Token = 0x0b,
}

/// How many replies may be sent in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    a_second: u32,
    left: u32,
    since: Option<Instant>,
}

impl Allowance {
    pub(crate) const fn new(a_second: u32) -> Self {
        Self { a_second, left: 0, since: None }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            (self.left, self.since) = (self.a_second, Some(now));
        }
        let is_there = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_there
    }
}

/// Version negotiation (RFC 9000 §17.2.1): the versions that are spoken, and one that never is (§6.3).
pub(crate) fn versions(header: &Long<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut first = [0];
    rand_bytes(&mut first).map_err(|_| Error::Random)?;
    out.clear();
    out.extend_from_slice(&[first[0] | 0xc0, 0, 0, 0, 0]);
    ids(header, out);
    // A client whose version this is asks for no other.
    let reserved = if header.version == RESERVED { RESERVED ^ 0x1010_1010 } else { RESERVED };
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&reserved.to_be_bytes());
    Ok(())
}

/// A Retry packet (RFC 9000 §17.2.5): begin again, with this token, to this id.
pub(crate) fn retry(
    header: &Long<'_>,
    cid: &Cid,
    token: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let id = ConnectionId::from_ref;
    // First byte, version, three ids with two lengths, the tag of its integrity.
    out.clear();
    out.resize(1 + 4 + 2 + 2 * quiche::MAX_CONN_ID_LEN + token.len() + 16, 0);
    let (scid, dcid) = (id(header.scid), id(header.dcid));
    let length = quiche::retry(&scid, &dcid, &id(cid), token, VERSION, out)?;
    out.truncate(length);
    Ok(())
}

/// A stateless reset (RFC 9000 §10.3), in answer to a datagram of `length` bytes: always smaller than that, so that two who have
/// both forgotten do not answer each other for ever (§10.3.3).
pub(crate) fn reset(length: usize, token: [u8; TOKEN], out: &mut Vec<u8>) -> Result<(), Error> {
    let length = length.saturating_sub(1).clamp(TOKEN + 1, RESET);
    out.clear();
    out.resize(length, 0);
    let (random, end) = out.split_at_mut(length - TOKEN);
    rand_bytes(random).map_err(|_| Error::Random)?;
    // A short header.
    random[0] = random[0] & 0x3f | 0x40;
    end.copy_from_slice(&token);
    Ok(())
}

/// An Initial packet with nothing but CONNECTION_CLOSE (RFC 9000 §10.2.3): no connection is made to say that there is none.
pub(crate) fn refuse(header: &Long<'_>, why: Refusal, out: &mut Vec<u8>) -> Result<(), Error> {
    // CONNECTION_CLOSE of the transport: its code, about no frame, without a reason (RFC 9000 §19.19).
    let frame = [0x1c, why as u8, 0, 0];
    let keys = Keys::server(header.dcid)?;
    out.clear();
    // An Initial packet with a packet number of one byte, which is 0 (RFC 9000 §17.2.2).
    out.push(0xc0);
    out.extend_from_slice(&VERSION.to_be_bytes());
    ids(header, out);
    let length = 1 + frame.len() + keys.tag.len();
    out.extend_from_slice(&[0, u8::try_from(length).unwrap_or(0), 0]);
    let number = out.len() - 1;
    let mut tag = keys.tag;
    let cipher = Cipher::aes_128_gcm();
    let sealed = encrypt_aead(cipher, &keys.key, Some(&keys.iv), out, &frame, &mut tag)?;
    out.extend_from_slice(&sealed);
    out.extend_from_slice(&tag);
    // Header protection (RFC 9001 §5.4): the sample begins 4 bytes after the packet number does.
    let sample = out.get(number + 4..number + 20).ok_or(Error::Setting("a sample"))?;
    let mask = encrypt(Cipher::aes_128_ecb(), &keys.header, None, sample)?;
    out[0] ^= mask[0] & 0x0f;
    out[number] ^= mask[1];
    Ok(())
}

/// The ids of a long header the other way round: what the client has called itself comes first.
fn ids(header: &Long<'_>, out: &mut Vec<u8>) {
    for id in [header.scid, header.dcid] {
        // It was read with a length of one byte.
        out.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(id);
    }
}

/// Keys of Initial packets, which follow from the id that a client has made up (RFC 9001 §5.2). They hide nothing.
struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
    /// Room for one.
    tag: [u8; 16],
}

impl Keys {
    fn server(dcid: &[u8]) -> Result<Self, Error> {
        let initial = hmac_sha256(&SALT, dcid)?;
        let secret = expand::<32>(&initial, b"server in")?;
        Ok(Self {
            key: expand(&secret, b"quic key")?,
            iv: expand(&secret, b"quic iv")?,
            header: expand(&secret, b"quic hp")?,
            tag: [0; 16],
        })
    }
}

/// HKDF-Expand-Label (RFC 8446 §7.1), of 32 bytes at most.
fn expand<const N: usize>(secret: &[u8; 32], label: &[u8]) -> Result<[u8; N], Error> {
    let (length, label_length) = (N as u8, (6 + label.len()) as u8);
    let info = [&[0, length, label_length], &b"tls13 "[..], label, &[0, 1]].concat();
    let mut output = [0; N];
    output.copy_from_slice(&hmac_sha256(secret, &info)?[..N]);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9001 §A.1.
    #[test]
    fn keys_of_initial_packets_are_those_of_the_rfc() {
        let keys = Keys::server(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&keys.key), "cf3a5331653c364c88f0f379b6067e37");
        assert_eq!(hex(&keys.iv), "0ac1493ca1905853b0bba03e");
        assert_eq!(hex(&keys.header), "c206b8d9b9f0f37644430b490eeaa314");
    }

    #[test]
    fn an_allowance_comes_back_each_second() {
        let start = Instant::now();
        let mut allowance = Allowance::new(2);
        let took = |allowance: &mut Allowance, ms| {
            (0..3).filter(|_| allowance.take(start + Duration::from_millis(ms))).count()
        };
        assert_eq!([0, 999, 1_000, 5_000].map(|ms| took(&mut allowance, ms)), [2, 0, 2, 2]);
    }

    /// RFC 9000 §10.3, §10.3.3.
    #[test]
    fn a_reset_is_smaller_than_what_it_answers() {
        let mut out = Vec::new();
        for (length, expected) in
            [(SMALLEST_SHORT, SMALLEST_SHORT - 1), (43, 42), (44, 43), (1_500, 43)]
        {
            reset(length, [9; 16], &mut out).unwrap();
            assert_eq!(out.len(), expected);
            assert!(out[0] & 0xc0 == 0x40 && out.ends_with(&[9; 16]));
        }
    }
}
