//! One direction of TLS 1.3's record protection (RFC 8446 §5.2, §5.3): records are opened and sealed where they lie.
//!
//! Never says what a record means, nor when a key changes.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

use crate::alert::Alert;

/// The most content of a record (RFC 8446 §5.1), in bytes.
pub const RECORD: usize = 1 << 14;
/// Type, version and length.
pub(crate) const HEADER: usize = 5;
/// What protection adds at most: the type, padding, and the tag (RFC 8446 §5.2).
const EXPANSION: usize = 256;
/// The type that all protected records have outside, and content has inside.
const CONTENT: u8 = 23;

/// What is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An alert (RFC 8446 §6).
    Alert = 21,
    /// Messages of the handshake (§4).
    Handshake = 22,
    /// Content.
    Content = CONTENT,
}

/// A record that was opened.
#[derive(Debug)]
pub(crate) struct Opened<'b> {
    pub(crate) kind: Kind,
    /// What is in it.
    pub(crate) inside: &'b mut [u8],
    /// Its bytes, header and all.
    pub(crate) len: usize,
}

/// Whether all bytes of the record at the front are there.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    bytes.first_chunk::<HEADER>().is_some_and(|&[.., high, low]| {
        bytes.len() >= HEADER + usize::from(u16::from_be_bytes([high, low]))
    })
}

/// The key of one direction, and how many records it has protected.
pub(crate) struct Half {
    key: LessSafeKey,
    iv: [u8; aead::NONCE_LEN],
    sequence: u64,
}

impl Half {
    /// The key of `secrets`, which has protected `sequence` records. `None` for what is not of TLS 1.3.
    pub(crate) fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&aead::CHACHA20_POLY1305, key, iv)
            }
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?);
        Some(Self { key, iv: iv.as_ref().try_into().ok()?, sequence })
    }

    /// How many records the key has protected.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The nonce of the next record (RFC 8446 §5.3): never the same one twice.
    fn nonce(&mut self) -> Result<Nonce, Alert> {
        let mut nonce = self.iv;
        let at = nonce.len() - 8;
        for (byte, of_sequence) in nonce[at..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        // RFC 8446 §5.3: sequence numbers MUST NOT wrap.
        self.sequence = self.sequence.checked_add(1).ok_or(Alert::INTERNAL_ERROR)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Opens the record at the front of `bytes` where it lies. `None` if it is not all there.
    ///
    /// # Errors
    /// The alert that ends the connection.
    pub(crate) fn open<'b>(&mut self, bytes: &'b mut [u8]) -> Result<Option<Opened<'b>>, Alert> {
        let Some(&[outside, _, _, high, low]) = bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        // RFC 8446 §5: after the handshake nothing comes unprotected, change_cipher_spec neither. The version is
        // not looked at (§5.1).
        if outside != CONTENT {
            return Err(Alert::UNEXPECTED_MESSAGE);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        // RFC 8446 §5.2: the length MUST NOT exceed 2^14 + 256.
        if length > RECORD + EXPANSION {
            return Err(Alert::RECORD_OVERFLOW);
        }
        let whole = HEADER + length;
        let Some(record) = bytes.get_mut(..whole) else { return Ok(None) };
        let (header, body) = record.split_at_mut(HEADER);
        let (nonce, header) = (self.nonce()?, Aad::from(&*header));
        // RFC 8446 §5.2: if the decryption fails, the receiver MUST terminate with bad_record_mac.
        let plain = self.key.open_in_place(nonce, header, body);
        let plain = plain.map_err(|_| Alert::BAD_RECORD_MAC)?;
        // RFC 8446 §5.4: the type is the last byte that is not zero; without one, unexpected_message.
        let last = plain.iter().rposition(|byte| *byte != 0).ok_or(Alert::UNEXPECTED_MESSAGE)?;
        // RFC 8446 §5.2: longer content is a record_overflow.
        if plain.len() > RECORD + 1 {
            return Err(Alert::RECORD_OVERFLOW);
        }
        let kind = match plain[last] {
            21 => Kind::Alert,
            22 => Kind::Handshake,
            CONTENT => Kind::Content,
            _ => return Err(Alert::UNEXPECTED_MESSAGE),
        };
        Ok(Some(Opened { kind, inside: &mut plain[..last], len: whole }))
    }

    /// Begins a record behind `out`: what is appended is its content, until [`Half::end`] is told where it began.
    pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
        let start = out.len();
        out.extend_from_slice(&[CONTENT, 3, 3, 0, 0]);
        start
    }

    /// How much of a record's content there is still room for.
    pub(crate) const fn room(start: usize, out: &[u8]) -> usize {
        RECORD - (out.len() - start - HEADER)
    }

    /// Ends the record that began at `start`: what is behind its header, [`RECORD`] bytes at most, is protected.
    pub(crate) fn end(&mut self, start: usize, kind: Kind, out: &mut Vec<u8>) -> Result<(), Alert> {
        out.push(kind as u8);
        self.protect(start, out)
    }

    /// The same for content that has its type, and perhaps padding, behind it.
    pub(crate) fn protect(&mut self, start: usize, out: &mut Vec<u8>) -> Result<(), Alert> {
        let body = start + HEADER;
        // At most 2^14 + 1 + 16.
        let length = (out.len() - body + self.key.algorithm().tag_len()) as u16;
        out[start + 3..body].copy_from_slice(&length.to_be_bytes());
        let nonce = self.nonce()?;
        let (front, inside) = out.split_at_mut(body);
        let header = Aad::from(&front[start..]);
        let tag = self.key.seal_in_place_separate_tag(nonce, header, inside);
        out.extend_from_slice(tag.map_err(|_| Alert::INTERNAL_ERROR)?.as_ref());
        Ok(())
    }
}
