//! What the shards of a process share: keys that nobody else knows. Made once, before the shards.

use std::fmt;

use boring::hash::hmac_sha256;
use boring::rand::rand_bytes;
use trilane_tls::Acceptor;

use crate::error::Error;

/// Keys of connection ids and of stateless resets, and the name of the process. The same for all shards of a process; clones are
/// the same ones. If there is a file of ticket keys they follow from it, so that a process that is started again can still
/// reset what the one before has left behind (RFC 9000 §10.3.2).
#[derive(Clone)]
pub struct Secrets {
    pub(crate) ids: [u8; 32],
    pub(crate) resets: [u8; 32],
    /// Tickets name it: it is another one after each start.
    pub(crate) process: [u8; 8],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// From the keys of tickets that are in force.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn new(acceptor: &Acceptor) -> Result<Self, Error> {
        let root = acceptor.material().first().ok_or(Error::Random)?.root;
        let mut process = [0; 8];
        rand_bytes(&mut process).map_err(|_| Error::Random)?;
        Ok(Self { ids: derive(&root, b"ids")?, resets: derive(&root, b"resets")?, process })
    }
}

/// A key of its own for each label.
pub(crate) fn derive(root: &[u8; 32], label: &[u8]) -> Result<[u8; 32], Error> {
    Ok(hmac_sha256(root, label)?)
}
