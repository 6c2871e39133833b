//! The program by which the kernel gives a datagram to the shard whose connection it is of: classic BPF, attached to a
//! SO_REUSEPORT group, so that the index of a socket in its group is the number of its shard.
//!
//! It looks at the destination connection id, which lies at the same place in every version of QUIC (RFC 8999 §5). One
//! of our form names its shard. All others, such as those that clients begin with, go by their first 8 bytes: a client that
//! repeats itself meets the shard it met before. Loads are relative to the datagram, and one past its end gives it to shard
//! 0. What the kernel cannot tell, such as whose a forged id is, is found out there.

/// Where what is in a connection id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionIds {
    /// Bytes of one.
    pub length: u8,
    /// The byte that tells ours from others.
    pub kind: u8,
    /// The bits of that byte that do not.
    pub generation: u8,
    /// What the others are in ours.
    pub version: u8,
    /// The byte with the shard.
    pub shard: u8,
    /// The byte that it is hidden by: XOR.
    pub mask: u8,
}

/// One operation of the kernel's machine.
pub(crate) type Operation = libc::sock_filter;

/// Where in a datagram the id lies, and its length if that is said (RFC 8999 §5.1, §5.2).
const SHORT_ID: u32 = 1;
const LONG_LENGTH: u32 = 5;
const LONG_ID: u32 = 6;
/// The bit of the first byte that a long header has (RFC 8999 §5.1).
const LONG: u32 = 0x80;
/// Words of the machine's memory.
const SCRATCH: u32 = 0;
const ID: u32 = 1;

/// Whose sockets a group has, in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    /// Of the process before us, as long as it is there: they come first.
    pub(crate) before: Option<Before>,
    /// Of ours, one a shard; at least one.
    pub(crate) shards: u8,
}

/// A process whose place another takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// What its ids have as generation.
    pub(crate) generation: u8,
    /// How many sockets it has, one a shard.
    pub(crate) shards: u8,
}

impl Members {
    /// The index of a shard's socket among ours.
    #[cfg(test)]
    pub(crate) fn place(self, shard: u8) -> u8 {
        let shards = u16::from(self.shards.max(1));
        // Below the number of shards, which has 8 bits.
        ((u16::from(shard) + self.turn()) % shards) as u8
    }

    /// By how many places the sockets of our shards are turned round. They are bound in an order such that index and shard are the
    /// same when those before us are gone: closing index i moves the last socket there, so that `before` closings, from the last of
    /// them to the first, turn ours round by as many places.
    fn turn(self) -> u16 {
        let shards = u16::from(self.shards.max(1));
        let before = self.before.map_or(0, |before| u16::from(before.shards));
        (shards - before % shards) % shards
    }
}

/// The program for these sockets. `seed` is there so that nobody outside knows which ids of others meet.
///
/// With a process before us its ids go to it, and all else to us: other ids of our form to the shard that they name, and those
/// that clients begin with to any.
pub(crate) fn program(ids: ConnectionIds, members: Members, seed: u32) -> Vec<Operation> {
    use libc::{
        BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ,
        BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_MEM, BPF_MOD, BPF_MUL, BPF_RET,
        BPF_RSH, BPF_ST, BPF_STX, BPF_W, BPF_X, BPF_XOR,
    };
    let (shards, seed) = (u32::from(members.shards.max(1)), seed | 1);
    let form = u32::from(ids.version & !ids.generation);
    // What it names, if there is such a shard: A is its number, and X is of no use any more.
    let named = match members.before {
        None => vec![jump(BPF_JGE, shards, 1, 0), operation(BPF_RET | BPF_A, 0)],
        Some(before) => vec![
            operation(BPF_ST, SCRATCH),
            operation(BPF_LDX | BPF_MEM, ID),
            operation(BPF_LD | BPF_B | BPF_IND, ids.kind.into()),
            operation(BPF_ALU | BPF_AND | BPF_K, ids.generation.into()),
            jump(BPF_JEQ, before.generation.into(), 0, 3),
            operation(BPF_LD | BPF_MEM, SCRATCH),
            jump(BPF_JGE, before.shards.into(), 7, 0),
            operation(BPF_RET | BPF_A, 0),
            operation(BPF_LD | BPF_MEM, SCRATCH),
            jump(BPF_JGE, shards, 4, 0),
            operation(BPF_ALU | BPF_ADD | BPF_K, members.turn().into()),
            operation(BPF_ALU | BPF_MOD | BPF_K, shards),
            operation(BPF_ALU | BPF_ADD | BPF_K, before.shards.into()),
            operation(BPF_RET | BPF_A, 0),
        ],
    };
    // Both are a few operations: no jump is longer than a byte says.
    let past = named.len() as u8;
    // A is where one computes, X is where the id begins. Jumps pass over so many operations: if so, if not.
    let mut program = vec![
        operation(BPF_LD | BPF_B | BPF_ABS, 0),
        jump(BPF_JSET, LONG, 2, 0),
        operation(BPF_LDX | BPF_IMM, SHORT_ID),
        operation(BPF_JMP | BPF_JA, 3),
        // A long header.
        operation(BPF_LDX | BPF_IMM, LONG_ID),
        operation(BPF_LD | BPF_B | BPF_ABS, LONG_LENGTH),
        jump(BPF_JEQ, ids.length.into(), 0, past + 10),
        // Either header: is the id of our form?
        operation(BPF_STX, ID),
        operation(BPF_LD | BPF_B | BPF_IND, ids.kind.into()),
        operation(BPF_ALU | BPF_AND | BPF_K, (!ids.generation).into()),
        jump(BPF_JEQ, form, 0, past + 6),
        operation(BPF_LD | BPF_B | BPF_IND, ids.mask.into()),
        operation(BPF_ST, SCRATCH),
        operation(BPF_LD | BPF_B | BPF_IND, ids.shard.into()),
        operation(BPF_LDX | BPF_MEM, SCRATCH),
        operation(BPF_ALU | BPF_XOR | BPF_X, 0),
    ];
    program.extend(named);
    program.extend([
        operation(BPF_LDX | BPF_MEM, ID),
        // Of another form: two words of it, mixed.
        operation(BPF_LD | BPF_W | BPF_IND, 0),
        operation(BPF_ALU | BPF_MUL | BPF_K, seed),
        operation(BPF_ST, SCRATCH),
        operation(BPF_LD | BPF_W | BPF_IND, 4),
        operation(BPF_LDX | BPF_MEM, SCRATCH),
        operation(BPF_ALU | BPF_XOR | BPF_X, 0),
        operation(BPF_ALU | BPF_MUL | BPF_K, seed),
        operation(BPF_ALU | BPF_RSH | BPF_K, 16),
        operation(BPF_ALU | BPF_MOD | BPF_K, shards),
    ]);
    if let Some(before) = members.before {
        program.push(operation(BPF_ALU | BPF_ADD | BPF_K, before.shards.into()));
    }
    program.push(operation(BPF_RET | BPF_A, 0));
    program
}

const fn operation(code: u32, k: u32) -> Operation {
    // Codes have 16 bits.
    Operation { code: code as u16, jt: 0, jf: 0, k }
}

const fn jump(condition: u32, k: u32, jt: u8, jf: u8) -> Operation {
    Operation { jt, jf, ..operation(libc::BPF_JMP | condition | libc::BPF_K, k) }
}

#[cfg(test)]
#[path = "../tests/steer.rs"]
mod tests;
