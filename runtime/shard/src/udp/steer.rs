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

/// The program for `shards` shards, at least one. `seed` is there so that nobody outside knows which ids of others meet.
pub(crate) fn program(ids: ConnectionIds, shards: u8, seed: u32) -> [Operation; 29] {
    use libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE,
        BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_MEM, BPF_MOD, BPF_MUL, BPF_RET, BPF_RSH,
        BPF_ST, BPF_STX, BPF_W, BPF_X, BPF_XOR,
    };
    let (shards, seed) = (u32::from(shards.max(1)), seed | 1);
    let form = u32::from(ids.version & !ids.generation);
    // A is where one computes, X is where the id begins. Jumps pass over so many operations: if so, if not.
    [
        operation(BPF_LD | BPF_B | BPF_ABS, 0),
        jump(BPF_JSET, LONG, 2, 0),
        operation(BPF_LDX | BPF_IMM, SHORT_ID),
        operation(BPF_JMP | BPF_JA, 3),
        // A long header.
        operation(BPF_LDX | BPF_IMM, LONG_ID),
        operation(BPF_LD | BPF_B | BPF_ABS, LONG_LENGTH),
        jump(BPF_JEQ, ids.length.into(), 0, 12),
        // Either header: is the id of our form?
        operation(BPF_STX, ID),
        operation(BPF_LD | BPF_B | BPF_IND, ids.kind.into()),
        operation(BPF_ALU | BPF_AND | BPF_K, (!ids.generation).into()),
        jump(BPF_JEQ, form, 0, 8),
        // Its shard, if there is such a one.
        operation(BPF_LD | BPF_B | BPF_IND, ids.mask.into()),
        operation(BPF_ST, SCRATCH),
        operation(BPF_LD | BPF_B | BPF_IND, ids.shard.into()),
        operation(BPF_LDX | BPF_MEM, SCRATCH),
        operation(BPF_ALU | BPF_XOR | BPF_X, 0),
        jump(BPF_JGE, shards, 1, 0),
        operation(BPF_RET | BPF_A, 0),
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
        operation(BPF_RET | BPF_A, 0),
    ]
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
