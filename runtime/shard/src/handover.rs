//! A process takes over from another without a pause: listening sockets, and whose their datagrams are, change hands while both
//! are at work.
//!
//! The old process starts the new one with one end of a pair of sockets as its standard input (`upgrade`), and sends a `hello` and
//! all listening sockets by that `link`. The new one ([`inherited`]) starts its shards with them, which accept nobody yet, and says
//! that it is ready. The old one says go, the new one begins to serve and says so, and only then does the old one drain: for a
//! moment both accept, and whoever is killed in it leaves the other one serving. A connection that waits in the kernel's queue
//! meanwhile is taken by the new one, for both have it. When the link ends, the old one is gone.
//!
//! If the new process ends before it serves, or is not ready in time, nothing has changed. If the old one is told to end before
//! that, it kills the new one first: who stops a server wants none.

pub(crate) mod hello;
pub mod inherited;
mod link;
pub mod upgrade;

use std::fmt;
use std::io;

/// In the environment of a process that is to take over: where its line to the one before it is.
pub const VARIABLE: &str = "TRILANE_HANDOVER";
/// The only place there is.
const STDIN: &str = "stdin";

/// The most sockets that change hands, or that the service manager gives.
pub const MOST_SOCKETS: usize = 4096;

/// Why sockets that another process has for us could not be taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandoverError {
    /// The environment says something that is not of this version.
    Environment(String),
    /// What came by the line is no handover.
    Malformed(&'static str),
    /// The process before us speaks another version of it.
    Version(u8),
    /// More sockets than [`MOST_SOCKETS`].
    TooMany(usize),
    /// The system refused something.
    System(io::Error),
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot take over: ")?;
        match self {
            Self::Environment(what) => write!(f, "{what} in the environment is not understood"),
            Self::Malformed(what) => f.write_str(what),
            Self::Version(version) => {
                write!(
                    f,
                    "the process before speaks version {version} of it, and we {}",
                    hello::VERSION
                )
            }
            Self::TooMany(count) => write!(f, "{count} sockets, and {MOST_SOCKETS} are the most"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandoverError {}

impl From<io::Error> for HandoverError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
