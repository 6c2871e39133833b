//! HTTP/3 from the client's side of a real socket. `wire` is QUIC as quiche speaks it, `frames` writes what HTTP/3 and QPACK say
//! over it; nothing of either is the product's.

pub(crate) mod frames;
pub(crate) mod wire;
