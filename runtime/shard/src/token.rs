//! What travels through the kernel as `user_data`: slot, generation and operation in 64 bits.
//!
//! Never a descriptor: the kernel gives its number to the next connection while completions of the last are
//! under way.

use crate::slots::Key;

/// Who asked for what. From the low end: 32 bits of slot, 16 of generation, 8 of operation, 8 of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Whose operation it is.
    pub(crate) key: Key,
    /// What was asked for.
    pub(crate) op: Op,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    /// Connections, as they come.
    Accept = 1,
    /// An end to another operation.
    Cancel,
    /// An end to [`Op::Accept`].
    CancelAccept,
    /// An end to [`Op::Datagrams`].
    CancelDatagrams,
    /// A descriptor closed.
    Close,
    /// A connection to a server made.
    Connect,
    /// Datagrams, as they come.
    Datagrams,
    /// Our side of a word to another shard, or its side.
    Message,
    /// A range of a file, read.
    Read,
    /// Something to receive, waited for.
    Readable,
    /// Bytes, as they come.
    Receive,
    /// Bytes sent.
    Send,
    /// Datagrams sent, in one go.
    Train,
    /// An end to another operation of a wire.
    WireCancel,
    /// A wire connected.
    WireConnect,
    /// Bytes of a wire, received once.
    WireReceive,
    /// Bytes of a wire, sent.
    WireSend,
    /// Room to send, waited for.
    Writable,
}

impl Op {
    /// Every operation.
    pub(crate) const ALL: [Self; 18] = [
        Self::Accept,
        Self::Cancel,
        Self::CancelAccept,
        Self::CancelDatagrams,
        Self::Close,
        Self::Connect,
        Self::Datagrams,
        Self::Message,
        Self::Read,
        Self::Readable,
        Self::Receive,
        Self::Send,
        Self::Train,
        Self::WireCancel,
        Self::WireConnect,
        Self::WireReceive,
        Self::WireSend,
        Self::Writable,
    ];
}

impl Token {
    /// As `user_data`.
    pub(crate) const fn pack(self) -> u64 {
        self.key.index as u64 | (self.key.generation as u64) << 32 | (self.op as u64) << 48
    }

    /// From `user_data`; `None` if nobody of ours can have packed it.
    pub(crate) fn unpack(user_data: u64) -> Option<Self> {
        let op = Op::ALL.into_iter().find(|op| *op as u64 == user_data >> 48)?;
        let key = Key { index: user_data as u32, generation: (user_data >> 32) as u16 };
        Some(Self { key, op })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for (op, number) in Op::ALL.into_iter().zip(1..) {
            assert_eq!(op as u8, number);
            for index in [0, 1, u32::MAX - 1, u32::MAX] {
                for generation in [0, 1, u16::MAX - 1, u16::MAX] {
                    let token = Token { key: Key { index, generation }, op };
                    assert_eq!(Token::unpack(token.pack()), Some(token));
                }
            }
        }
    }

    #[test]
    fn what_nobody_packed_is_nobodys() {
        for user_data in [0, u64::from(u32::MAX), 19 << 48, (1 << 56) | (1 << 48), u64::MAX] {
            assert_eq!(Token::unpack(user_data), None);
        }
    }
}
