//! What the shards of a process share: keys that nobody else knows, and which early data has come already. Made once, before
//! the shards.

use std::fmt;

use boring::hash::hmac_sha256;
use boring::rand::rand_bytes;
use trilane_tls::Acceptor;

use crate::early::Early;
use crate::error::Error;

/// Keys of connection ids and of stateless resets, the name of the process, and its register of early data. The same for all shards of a process; clones are
/// the same ones. If there is a file of ticket keys they follow from it, so that a process that is started again can still
/// reset what the one before has left behind (RFC 9000 §10.3.2).
#[derive(Clone)]
pub struct Secrets {
    pub(crate) ids: [u8; 32],
    pub(crate) resets: [u8; 32],
    /// Tickets name it: it is another one after each start.
    pub(crate) process: [u8; 8],
    pub(crate) early: Early,
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
        Self::of(&acceptor.material().first().ok_or(Error::Random)?.root)
    }

    /// Of nobody's: for connections that are begun here, and no others.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn random() -> Result<Self, Error> {
        let mut root = [0; 32];
        rand_bytes(&mut root).map_err(|_| Error::Random)?;
        Self::of(&root)
    }

    /// Those of the process that this one takes over from ([`Secrets::to_bytes`]): it can reset what that one leaves behind. Early data of
    /// its tickets is not accepted.
    ///
    /// # Errors
    /// They are none, or there are no random numbers.
    pub fn inherited(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = Error::Setting("the keys of the process before are none");
        let (ids, resets) = bytes.split_first_chunk().ok_or(wrong.clone())?;
        let resets = resets.try_into().map_err(|_| wrong)?;
        Ok(Self { ids: *ids, resets, ..Self::random()? })
    }

    /// For [`Secrets::inherited`] in another process, and for nobody else's eyes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.ids, self.resets].concat()
    }

    fn of(root: &[u8; 32]) -> Result<Self, Error> {
        let mut process = [0; 8];
        rand_bytes(&mut process).map_err(|_| Error::Random)?;
        let early = Early::new(process);
        Ok(Self { ids: derive(root, b"ids")?, resets: derive(root, b"resets")?, process, early })
    }

    /// How often early data was refused, by all shards: since it had come before (or too much of it had, to remember more), and since
    /// its ticket was made by another process.
    #[must_use]
    pub fn early_refused(&self) -> (u64, u64) {
        self.early.counts()
    }
}

/// A key of its own for each label.
pub(crate) fn derive(root: &[u8; 32], label: &[u8]) -> Result<[u8; 32], Error> {
    Ok(hmac_sha256(root, label)?)
}
