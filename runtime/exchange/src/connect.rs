//! Connections that we begin: a stream of bytes to another server, over the shard's own ring.
//!
//! Buffers go in and come out whole, so that nothing is copied and nothing allocated once it has warmed up; and the stream
//! owns what the kernel works with. So any future here may be dropped half-way: what had come is there for the next read, and
//! what was given is sent.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::task::{Context, Poll};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// An IP address and a port, by TCP.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connection as a shard has it, or a test. Dropping it closes it, whatever is under way. One task each waits to read and to
/// write: a later waker takes the place of an earlier one.
pub trait Pipe {
    /// Whether it is connected.
    fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Replaces what is in `into` by what has come, at least a byte; none at all is the end. Its memory is used again.
    fn poll_read(&self, into: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>>;
    /// Takes all of `from`, which is empty then, and may have other memory. Waits for what was taken before.
    fn poll_write(&self, from: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Whether the kernel has all that was taken.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ends our half, after what was taken.
    fn shutdown(&self);
}

/// A stream of bytes to another server: [`Shard::connect`](crate::Shard::connect). Dropping it closes it. How long anything may
/// take is its user's to say: [`Shard::timeout`](crate::Shard::timeout).
///
/// ```
/// use trilane_exchange::{Remote, Shard};
/// # async fn ask(shard: Shard) -> std::io::Result<Vec<u8>> {
/// let mut stream = shard.connect(&Remote::Ip(([127, 0, 0, 1], 6379).into())).await?;
/// let mut buffer = b"PING\r\n".to_vec();
/// stream.write(&mut buffer).await?;
/// stream.read(&mut buffer).await?; // `+PONG`, or a part of it
/// # Ok(buffer)
/// # }
/// ```
pub struct ByteStream(Box<dyn Pipe>);

impl ByteStream {
    /// What carries it, once it is connected.
    pub(crate) async fn new(pipe: Box<dyn Pipe>) -> io::Result<Self> {
        poll_fn(|cx| pipe.poll_connected(cx)).await?;
        Ok(Self(pipe))
    }

    /// Waits for bytes, which take the place of what is in `into`. How many there are; none is the end of the peer's half.
    /// Reading begins with the first call, and is never more than one piece ahead.
    ///
    /// # Errors
    /// What the system says; from then on always.
    pub async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        poll_fn(|cx| self.0.poll_read(into, cx)).await
    }

    /// Gives all of `from` to be sent, which is empty then. Ready when what was given before has gone.
    ///
    /// # Errors
    /// What became of anything given before; from then on always.
    pub async fn write(&mut self, from: &mut Vec<u8>) -> io::Result<()> {
        poll_fn(|cx| self.0.poll_write(from, cx)).await
    }

    /// Waits until the system has all that was given.
    ///
    /// # Errors
    /// What became of it.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.0.poll_flush(cx)).await
    }

    /// As [`read`](Self::read), for who waits for several things at once.
    pub fn poll_read(
        &mut self,
        into: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(into, cx)
    }

    /// As [`write`](Self::write), for who waits for several things at once.
    pub fn poll_write(&mut self, from: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write(from, cx)
    }

    /// Ends our half, after all that was given. The peer may go on.
    pub fn shutdown(&mut self) {
        self.0.shutdown();
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteStream")
    }
}
