//! One connection's TLS in either role: records in and content out, content in and records out.
//!
//! rustls does the handshake, and TLS 1.2 to its end; the records of TLS 1.3 are our own. What an idle connection holds is its
//! keys and nothing else. Never knows what is in the content, nor what time it is.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use trilane_exchange::TlsInfo;

use crate::connector::Connector;
use crate::record::RECORD;
use crate::traffic::Traffic;
use crate::trust::Untrusted;
use crate::whole::{Handshake, Then, Whole};

/// What a record takes besides its content, at most: header, explicit nonce (TLS 1.2), content type and tag, in bytes.
const AROUND: usize = 5 + 8 + 1 + 16;

/// The most that is kept of what came, in bytes: the longest message of a handshake that rustls takes (64 KiB), in records of
/// 100 bytes and more. It is refused without an alert: nobody who has something to say sends that.
pub(crate) const HELD: usize = 80 << 10;

/// What came.
#[derive(Debug)]
pub enum Heard<'a> {
    /// The handshake is over, and has found this out. Once, before anything else.
    Ready(TlsInfo),
    /// Content.
    Content(&'a [u8]),
    /// The peer sends nothing more (RFC 8446 §6.1).
    End,
}

/// Why a session is over before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// The handshake failed: there is no common ground, or a client is not who it must be.
    Handshake,
    /// What a server was to be called is neither a name (RFC 1123) nor an IP address.
    Name,
    /// The server is not who it must be.
    Untrusted(Untrusted),
    /// The peer has ended it with this alert (RFC 8446 §6.2).
    Alert(u8),
    /// A record cannot be read, or must not come.
    Record,
    /// So much was sent that another record with this key would not be safe (RFC 8446 §5.5).
    Exhausted,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake => f.write_str("the TLS handshake failed"),
            Self::Name => f.write_str("the name of the server is malformed"),
            Self::Untrusted(why) => write!(f, "the server's certificate {why}"),
            Self::Alert(number) => write!(f, "the peer has sent the TLS alert {number}"),
            Self::Record => f.write_str("a TLS record is malformed or out of place"),
            Self::Exhausted => f.write_str("the TLS keys were used up"),
        }
    }
}

impl std::error::Error for Broken {}

/// The TLS of one connection. After anything was done to it [`Session::take_owed`] may have bytes to send.
pub struct Session {
    layer: Layer,
    /// A record, or a message of the handshake, of which more is to come.
    rest: Vec<u8>,
    /// Records of the protocol itself: handshake, tickets, alerts.
    owed: Vec<u8>,
}

/// Who has the records. Boxed, for they are not alike in size, and all of one is gone when the other begins.
enum Layer {
    /// rustls: the handshake, and TLS 1.2.
    Whole(Box<dyn Handshake>),
    /// We: TLS 1.3 after the handshake.
    Traffic(Box<Traffic>),
    /// Nobody: it is broken.
    Broken,
}

impl Session {
    /// A session that has just been accepted.
    ///
    /// # Errors
    /// [`Broken::Handshake`] for a configuration that cannot be used.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Broken> {
        let layer = Layer::Whole(Box::new(Whole::server(config)?));
        Ok(Self { layer, rest: Vec::new(), owed: Vec::new() })
    }

    /// A session with the server of this name, or IP address (without brackets): what it must show a certificate for.
    /// [`Session::take_owed`] has the first flight.
    ///
    /// # Errors
    /// [`Broken::Name`]; [`Broken::Handshake`], if nothing can be said with this configuration.
    pub fn client(connector: &Connector, name: &str) -> Result<Self, Broken> {
        let layer = Layer::Whole(Box::new(Whole::client(connector.config(), name)?));
        let mut session = Self { layer, rest: Vec::new(), owed: Vec::new() };
        session.receive(&mut [], |_| {})?;
        Ok(session)
    }

    /// Records came. They are decrypted where they lie; `hear` is told what was in them.
    ///
    /// # Errors
    /// The session is over; [`Session::take_owed`] has the alert that says so (RFC 8446 §6.2).
    pub fn receive(
        &mut self,
        records: &mut [u8],
        mut hear: impl FnMut(Heard<'_>),
    ) -> Result<(), Broken> {
        if self.rest.is_empty() {
            let used = self.process(records, &mut hear)?;
            self.rest.extend_from_slice(&records[used..]);
            return self.bound();
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(records);
        let used = self.process(&mut rest, &mut hear)?;
        if used < rest.len() {
            rest.drain(..used);
            self.rest = rest;
        }
        self.bound()
    }

    /// Refuses a handshake of which too much is kept; after it nothing is longer than a record.
    fn bound(&mut self) -> Result<(), Broken> {
        if self.rest.len() <= HELD {
            return Ok(());
        }
        (self.layer, self.rest) = (Layer::Broken, Vec::new());
        Err(Broken::Handshake)
    }

    /// Whether content may be sent: the handshake is over.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.layer {
            Layer::Whole(whole) => whole.is_ready(),
            Layer::Traffic(_) => true,
            Layer::Broken => false,
        }
    }

    /// Whether [`Session::take_owed`] has something.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// How much memory it holds for bytes that came, or that are owed.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.rest.capacity() + self.owed.capacity()
    }

    /// The records after the handshake.
    #[cfg(test)]
    pub(crate) fn traffic(&mut self) -> Option<&mut Traffic> {
        match &mut self.layer {
            Layer::Traffic(traffic) => Some(traffic),
            _ => None,
        }
    }

    /// Moves what the session itself has to say behind `out`.
    pub fn take_owed(&mut self, out: &mut Vec<u8>) {
        if self.owes() {
            // An idle connection holds no memory for output.
            out.append(&mut std::mem::take(&mut self.owed));
        }
    }

    /// Appends records to `out` that hold the `pieces` of content, one after the other, in as few records as they can be.
    ///
    /// # Errors
    /// [`Broken::Exhausted`], or [`Broken::Record`] for content before the handshake is over.
    pub fn seal<'a>(
        &mut self,
        mut pieces: impl Iterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        self.take_owed(out);
        match &mut self.layer {
            Layer::Traffic(traffic) => traffic.seal(pieces, out),
            Layer::Whole(whole) => whole.seal(&mut pieces, &mut self.rest, out),
            Layer::Broken => Err(Broken::Record),
        }
    }

    /// Appends the record that says that no content follows (RFC 8446 §6.1); nothing before the handshake is over.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.take_owed(out);
        match &mut self.layer {
            Layer::Traffic(traffic) => traffic.close(out),
            Layer::Whole(whole) => whole.close(&mut self.rest, out),
            Layer::Broken => {}
        }
    }

    /// Goes through the records in `bytes`; how many bytes of them are done with.
    fn process(
        &mut self,
        bytes: &mut [u8],
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize, Broken> {
        let result = match &mut self.layer {
            Layer::Traffic(traffic) => {
                traffic.receive(bytes, &mut self.owed, hear).map(|used| (used, Then::Whole))
            }
            Layer::Whole(whole) => whole.receive(bytes, &mut self.owed, hear),
            Layer::Broken => Err(Broken::Record),
        };
        // RFC 8446 §6.2: nothing more is read or said, not even if the records that follow are good.
        let (used, then) = result.inspect_err(|_| self.layer = Layer::Broken)?;
        if then == Then::Whole {
            return Ok(used);
        }
        let Layer::Whole(whole) = std::mem::replace(&mut self.layer, Layer::Broken) else {
            return Ok(used);
        };
        self.layer = Layer::Traffic(Box::new(whole.into_traffic()?));
        Ok(used)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

/// How many bytes `content` bytes have in records, at most.
#[must_use]
pub const fn sealed(content: usize) -> usize {
    content + content.div_ceil(RECORD) * AROUND
}
