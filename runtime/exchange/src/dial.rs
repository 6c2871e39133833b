//! What a connection to a server is to be like, and why there is none.

use std::any::Any;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use trilane_semantics::{Cause, Limits};

use crate::connect::Remote;

/// What secures connections to servers: made and read by who knows TLS, passed on by all others.
#[derive(Clone)]
pub struct Connector(Arc<dyn Any + Send + Sync>);

impl Connector {
    /// One that `inner` knows all about.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(inner: Arc<T>) -> Self {
        Self(inner)
    }

    /// What it was made of, if that is a `T`.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }

    /// Whether both are the same one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// What is spoken, where no handshake says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Speak {
    /// HTTP/1.1 in clear; over TLS, what ALPN says (RFC 7301), and HTTP/1.1 if it says nothing.
    #[default]
    Http1,
    /// HTTP/2 from the first byte (RFC 9113 §3.3).
    Http2,
    /// HTTP/3, over QUIC (RFC 9114 §3): to an address of IP, with TLS, and nothing before that. There is no early data.
    Http3,
}

/// A connection to a server, as it is wanted: [`Shard::dial`](crate::Shard::dial).
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where it is.
    pub remote: Remote,
    /// What secures it, and the name that the server must prove to have; nothing in clear.
    pub tls: Option<(Connector, Box<str>)>,
    /// What is spoken.
    pub speak: Speak,
    /// Goes before all else, such as a header of the PROXY protocol.
    pub preface: Vec<u8>,
    /// Limits of what the server says.
    pub limits: Rc<Limits>,
}

impl Dial {
    /// A connection in clear to that place, in HTTP/1.1.
    #[must_use]
    pub fn new(remote: Remote) -> Self {
        let (tls, speak, preface) = (None, Speak::default(), Vec::new());
        Self { remote, tls, speak, preface, limits: Rc::new(limits()) }
    }
}

/// Limits for the client role: a server may take its time between two pieces of content, and send as slowly as it likes; how
/// much it sends is for its reader to say.
#[must_use]
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.body, limits.body_rate) = (u64::MAX, 0);
    limits.body_timeout = Duration::from_secs(60);
    limits
}

/// Why there is no connection to a server, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialError {
    /// The system says so: nobody listens there, there is no way, no descriptor.
    Io(io::ErrorKind, Option<i32>),
    /// The name has no address, for this reason.
    Name(Box<str>),
    /// The handshake failed, for this reason.
    Tls(Box<str>),
    /// It was open, and has closed.
    Closed(Cause),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind(), error.raw_os_error())
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_, Some(code)) => io::Error::from_raw_os_error(*code).fmt(f),
            Self::Io(kind, None) => kind.fmt(f),
            Self::Name(text) | Self::Tls(text) => f.write_str(text),
            Self::Closed(cause) => write!(f, "the connection has closed ({cause})"),
        }
    }
}

impl std::error::Error for DialError {}
