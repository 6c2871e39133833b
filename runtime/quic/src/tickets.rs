//! Tickets of QUIC (RFC 8446 §4.6.1, RFC 9001 §4.5): sealed as RFC 5077 §4 recommends, with keys from the same secrets as
//! TCP's. Each names the process that made it, since early data is accepted by no other.

use std::sync::Arc;

use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::hmac::HmacCtxRef;
use boring::rand::rand_bytes;
use boring::symm::{Cipher, CipherCtxRef};
use trilane_tls::Material;
use trilane_tls::ticket_keys::QuicKey;

use crate::sys::Sealing;

/// Bytes of a key's name, and of a process's.
const NAME: usize = 8;

/// What seals tickets.
pub(crate) struct Tickets {
    pub(crate) material: Arc<Material>,
    pub(crate) process: [u8; NAME],
}

impl Sealing for Tickets {
    fn seal(
        &self,
        name: &mut [u8; 16],
        iv: &mut [u8; 16],
        cipher: &mut CipherCtxRef,
        mac: &mut HmacCtxRef,
    ) -> Result<bool, ErrorStack> {
        let Some(key) = self.material.first() else { return Ok(false) };
        name[..NAME].copy_from_slice(&key.name);
        name[NAME..].copy_from_slice(&self.process);
        rand_bytes(iv)?;
        cipher.init_encrypt(&Cipher::aes_256_cbc(), &key.cipher, iv)?;
        mac.init(&key.mac, &MessageDigest::sha256())?;
        Ok(true)
    }

    fn open(
        &self,
        name: &[u8; 16],
        iv: &[u8; 16],
        cipher: &mut CipherCtxRef,
        mac: &mut HmacCtxRef,
    ) -> Result<bool, ErrorStack> {
        let keys = self.material.keys();
        let Some(key) = keys.iter().find(|key: &&QuicKey| key.name == name[..NAME]) else {
            return Ok(false);
        };
        cipher.init_decrypt(&Cipher::aes_256_cbc(), &key.cipher, iv)?;
        mac.init(&key.mac, &MessageDigest::sha256())?;
        Ok(true)
    }
}

/// The process that a ticket names; none if it is no ticket of ours.
pub(crate) fn process(ticket: &[u8]) -> Option<&[u8; NAME]> {
    ticket.get(NAME..)?.first_chunk()
}
