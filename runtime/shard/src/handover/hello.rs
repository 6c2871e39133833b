//! The first message of a handover: what there is besides sockets, and how many of those follow.
//!
//! | bytes | |
//! | --- | --- |
//! | 8 | `trilane`, 0 |
//! | 1 | version |
//! | 1 | generation of the process that sends it |
//! | 2 | how many sockets follow, in messages of their own |
//! | 2 | how many of servers beside it follow those |
//! | 2, and as many | keys of tickets, if they are random ones |
//! | 2, and as many | keys of QUIC |
//!
//! Numbers are big-endian.

use super::{HandoverError, MOST_SOCKETS};

/// The version that we speak.
pub(super) const VERSION: u8 = 1;
const MAGIC: [u8; 8] = *b"trilane\0";

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Of the process, as its connection ids have it.
    pub(crate) generation: u8,
    /// Sockets that follow.
    pub(crate) sockets: usize,
    /// Sockets of servers beside it that follow those.
    pub(crate) beside: usize,
    /// As `runtime/tls` writes them; empty for none.
    pub(crate) tickets: Vec<u8>,
    /// As `runtime/quic` writes them; empty for none.
    pub(crate) quic: Vec<u8>,
}

impl Hello {
    /// As bytes.
    ///
    /// # Errors
    /// There are too many sockets.
    pub(super) fn encode(&self) -> Result<Vec<u8>, HandoverError> {
        let mut bytes = [&MAGIC[..], &[VERSION, self.generation]].concat();
        for sockets in [self.sockets, self.beside] {
            let count = u16::try_from(sockets).ok().filter(|_| sockets <= MOST_SOCKETS);
            bytes.extend(count.ok_or(HandoverError::TooMany(sockets))?.to_be_bytes());
        }
        for keys in [&self.tickets, &self.quic] {
            let len =
                u16::try_from(keys.len()).map_err(|_| HandoverError::Malformed("long keys"))?;
            bytes.extend(len.to_be_bytes());
            bytes.extend_from_slice(keys);
        }
        Ok(bytes)
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are none, or those of another version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        let cut = HandoverError::Malformed("the first message is cut short");
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(HandoverError::Malformed("who is at the other end is no trilane"));
        };
        let Some((&[version], rest)) = rest.split_first_chunk() else { return Err(cut) };
        if version != VERSION {
            return Err(HandoverError::Version(version));
        }
        let Some((&[generation], rest)) = rest.split_first_chunk() else { return Err(cut) };
        let Some((sockets, rest)) = count(rest)? else { return Err(cut) };
        let Some((beside, rest)) = count(rest)? else { return Err(cut) };
        let Some((tickets, rest)) = keys(rest) else { return Err(cut) };
        let Some((quic, [])) = keys(rest) else { return Err(cut) };
        Ok(Self { generation, sockets, beside, tickets, quic })
    }
}

/// How many sockets there are, and what follows that.
fn count(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, HandoverError> {
    let Some((count, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    match u16::from_be_bytes(*count).into() {
        many if many > MOST_SOCKETS => Err(HandoverError::TooMany(many)),
        count => Ok(Some((count, rest))),
    }
}

/// The first keys, and what follows them.
fn keys(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (keys, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    Some((keys.to_vec(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_whole_or_not_at_all() {
        for sockets in [0, 1, MOST_SOCKETS] {
            let (tickets, quic) = (vec![1; 72], vec![2; 64]);
            let hello = Hello { generation: 63, sockets, beside: 7, tickets, quic };
            let bytes = hello.encode().unwrap();
            assert_eq!(Hello::decode(&bytes).unwrap(), hello);
            for cut in 0..bytes.len() {
                assert!(Hello::decode(&bytes[..cut]).is_err(), "{cut}");
            }
            assert!(Hello::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
        let none = Hello::default();
        assert_eq!(Hello::decode(&none.encode().unwrap()).unwrap(), none);
    }

    #[test]
    fn what_is_not_ours_is_named() {
        let many = Hello { sockets: MOST_SOCKETS + 1, ..Hello::default() };
        assert!(matches!(many.encode(), Err(HandoverError::TooMany(4097))));
        let mut bytes = Hello::default().encode().unwrap();
        bytes[10..12].copy_from_slice(&4097u16.to_be_bytes());
        assert!(matches!(Hello::decode(&bytes), Err(HandoverError::TooMany(4097))));
        bytes[8] = 2;
        let error = Hello::decode(&bytes).unwrap_err();
        assert!(error.to_string().contains("version 2 of it, and we 1"), "{error}");
        bytes[0] = b'T';
        assert!(Hello::decode(&bytes).unwrap_err().to_string().contains("no trilane"));
    }
}
