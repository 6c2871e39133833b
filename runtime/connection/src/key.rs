//! What a shard calls its connections: numbers of its own over TCP, marked ones over QUIC.

/// Set in the keys of all QUIC connections, so that wake-ups find them.
pub(crate) const MARK: u64 = 1 << 63;

/// Whether `key` is one of a connection over QUIC.
#[must_use]
pub const fn is_quic_key(key: u64) -> bool {
    key & MARK != 0
}
