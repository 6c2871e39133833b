//! Tickets: the session that a client brings back, sealed so that only holders of our keys can read it. Nothing is
//! remembered here.
//!
//! A ticket is the key's name (16 bytes), a nonce (12), and sealed with AES-256-GCM-SIV (RFC 8452): when it was made (8),
//! and rustls's session; then the tag (16). The associated data are the name and a digest of what we ask of clients, since
//! a resumed session is not asked again: after a change of roots, or of the lists of revoked certificates, old
//! tickets do not open.

use std::sync::Arc;

use aws_lc_rs::{aead, rand};
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;

use crate::ticket_keys::{Key, Keys, NAME};

/// Bytes of a nonce.
const NONCE: usize = aead::NONCE_LEN;
/// Bytes of a time.
const TIME: usize = 8;

/// The most bytes of a ticket; a session that would take more, since a client's chain is in it, gets none.
pub(crate) const MOST: usize = 16 << 10;

/// A digest of what is asked of clients.
pub(crate) type Policy = [u8; 32];

/// Seals and opens tickets.
#[derive(Debug)]
pub(crate) struct Ticketer {
    pub(crate) keys: Arc<Keys>,
    pub(crate) policy: Policy,
    /// Seconds.
    pub(crate) lifetime: u32,
    pub(crate) clock: Arc<dyn TimeProvider>,
}

impl Ticketer {
    fn now(&self) -> Option<u64> {
        self.clock.current_time().map(|now| now.as_secs())
    }

    fn associated(&self, key: &Key) -> aead::Aad<[u8; NAME + 32]> {
        let mut data = [0; NAME + 32];
        data[..NAME].copy_from_slice(&key.name);
        data[NAME..].copy_from_slice(&self.policy);
        aead::Aad::from(data)
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let length = NAME + NONCE + TIME + plain.len() + aead::MAX_TAG_LEN;
        if length > MOST {
            return None;
        }
        let now = self.now()?;
        let key = self.keys.first(now, u64::from(self.lifetime))?;
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(length);
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(&now.to_be_bytes());
        ticket.extend_from_slice(plain);
        let (nonce, sealed) =
            (aead::Nonce::assume_unique_for_key(nonce), &mut ticket[NAME + NONCE..]);
        let tag = key.aead.seal_in_place_separate_tag(nonce, self.associated(&key), sealed).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MOST {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let key = self.keys.find(name)?;
        let mut sealed = sealed.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let opened = key.aead.open_in_place(nonce, self.associated(&key), &mut sealed).ok()?;
        let (made, plain) = opened.split_first_chunk::<TIME>()?;
        // What another machine has made a little in the future is new.
        let age = self.now()?.saturating_sub(u64::from_be_bytes(*made));
        (age <= u64::from(self.lifetime)).then(|| plain.to_vec())
    }
}
