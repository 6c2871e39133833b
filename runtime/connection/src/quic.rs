//! HTTP/3: all QUIC connections of a shard, behind its UDP sockets. Datagrams come in, trains of datagrams go out.
//!
//! [`Lane`] knows whose datagram it is, whose turn to send and whose time has come; `talk` is one connection: QUIC below,
//! [`Connection`](crate::Connection) above, and between them `flow`, which moves streams both ways; `train` is where it goes. `calls` are the
//! connections that we begin.

mod calls;
mod flow;
mod lane;
mod spoken;
mod talk;
mod train;

pub use lane::{Lane, Taken};
pub use train::Train;
