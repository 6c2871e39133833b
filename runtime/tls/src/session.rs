//! One connection's TLS in the server role: records in and content out, content in and records out.
//!
//! Over rustls's API without buffers: what an idle connection holds is its keys and nothing else. Never knows what is in the
//! content, nor what time it is.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{Error, ServerConfig};
use trilane_exchange::TlsInfo;

use crate::info::info;
use crate::names;

/// The most content of a record (RFC 8446 §5.1), in bytes.
pub const RECORD: usize = 1 << 14;

/// What a record takes besides its content, at most: header, explicit nonce (TLS 1.2), content type and tag, in bytes.
const AROUND: usize = 5 + 8 + 1 + 16;

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
    /// The handshake failed: there is no common ground, or the peer is not who it must be.
    Handshake,
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
            Self::Alert(number) => write!(f, "the peer has sent the TLS alert {number}"),
            Self::Record => f.write_str("a TLS record is malformed or out of place"),
            Self::Exhausted => f.write_str("the TLS keys were used up"),
        }
    }
}

impl std::error::Error for Broken {}

/// The TLS of one connection, server role. After anything was done to it [`Session::take_owed`] may have bytes to send.
pub struct Session {
    tls: UnbufferedServerConnection,
    /// A record, or a message of the handshake, of which more is to come.
    rest: Vec<u8>,
    /// Records of the protocol itself: handshake, tickets, alerts.
    owed: Vec<u8>,
    is_ready: bool,
    /// Until it is ready.
    greeting: Option<Box<Greeting>>,
}

/// What a handshake remembers.
struct Greeting {
    config: Arc<ServerConfig>,
    /// The name that the client asked for.
    name: Option<Box<str>>,
}

/// What one step of rustls has brought.
enum Step {
    /// There may be more.
    Again,
    /// The handshake is over.
    Ready,
    /// It needs more records.
    Wait,
}

impl Session {
    /// A session that has just been accepted.
    ///
    /// # Errors
    /// [`Broken::Handshake`] for a configuration that cannot be used.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Broken> {
        let greeting = Some(Box::new(Greeting { config: Arc::clone(&config), name: None }));
        let tls = UnbufferedServerConnection::new(config).map_err(|_| Broken::Handshake)?;
        Ok(Self { tls, rest: Vec::new(), owed: Vec::new(), is_ready: false, greeting })
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
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(records);
        let used = self.process(&mut rest, &mut hear)?;
        if used < rest.len() {
            rest.drain(..used);
            self.rest = rest;
        }
        Ok(())
    }

    /// Whether content may be sent: the handshake is over.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.is_ready
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

    /// Moves what the session itself has to say behind `out`.
    pub fn take_owed(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.owed);
        // An idle connection holds no memory for output.
        self.owed = Vec::new();
    }

    /// Appends records to `out` that hold `content`.
    ///
    /// # Errors
    /// [`Broken::Exhausted`], or [`Broken::Record`] for content before the handshake is over.
    pub fn seal(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if content.is_empty() {
            return Ok(());
        }
        self.take_owed(out);
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut self.rest);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = out.len();
                    out.resize(start + sealed(content.len()), 0);
                    let written = match traffic.encrypt(content, &mut out[start..]) {
                        // A new key has to be told of, too.
                        Err(EncryptError::InsufficientSize(size)) => {
                            out.resize(start + size.required_size, 0);
                            traffic.encrypt(content, &mut out[start..])
                        }
                        result => result,
                    };
                    out.truncate(start + *written.as_ref().unwrap_or(&0));
                    return written.map(drop).map_err(|_| Broken::Exhausted);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Err(Broken::Record),
            }
            self.rest.drain(..discard);
        }
    }

    /// Appends the record that says that no content follows (RFC 8446 §6.1); nothing before the handshake is over.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.take_owed(out);
        if !self.is_ready {
            return;
        }
        let status = self.tls.process_tls_records(&mut self.rest);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
            let start = out.len();
            out.resize(start + sealed(2), 0);
            let written = traffic.queue_close_notify(&mut out[start..]);
            out.truncate(start + written.unwrap_or(0));
        }
    }
}

impl Session {
    /// Goes through the records in `bytes`; how many bytes of them are done with.
    fn process(
        &mut self,
        bytes: &mut [u8],
        hear: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut bytes[used..]);
            used += discard;
            if let Some(greeting) = &mut self.greeting
                && let Some(name) = names::seen()
            {
                greeting.name = Some(name);
            }
            let step = match state {
                // What it holds is not lost by looking at it again.
                Ok(ConnectionState::ReadTraffic(_)) if !self.is_ready => Step::Ready,
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| Broken::Record)?;
                        used += record.discard;
                        hear(Heard::Content(record.payload));
                    }
                    Step::Again
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.owed);
                    Step::Again
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Step::Again
                }
                Ok(ConnectionState::PeerClosed) => {
                    hear(Heard::End);
                    Step::Again
                }
                Ok(ConnectionState::WriteTraffic(_)) if !self.is_ready => Step::Ready,
                // Early data is never allowed: there is none to be read.
                Ok(_) => Step::Wait,
                Err(error) => {
                    let broken = self.broken(&error);
                    self.say_why();
                    return Err(broken);
                }
            };
            match step {
                Step::Again => {}
                Step::Ready => {
                    self.is_ready = true;
                    if let Some(greeting) = self.greeting.take() {
                        let info = info(&greeting.config, &self.tls, greeting.name);
                        hear(Heard::Ready(info.map_err(|_| Broken::Handshake)?));
                    }
                }
                Step::Wait => return Ok(used),
            }
        }
    }

    fn broken(&self, error: &Error) -> Broken {
        match error {
            Error::AlertReceived(alert) => Broken::Alert(u8::from(*alert)),
            _ if self.is_ready => Broken::Record,
            _ => Broken::Handshake,
        }
    }

    /// The alert that rustls has for the peer after a failure.
    fn say_why(&mut self) {
        loop {
            match self.tls.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.owed),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return,
            }
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_ready", &self.is_ready).finish_non_exhaustive()
    }
}

/// How many bytes `content` bytes have in records, at most.
#[must_use]
pub const fn sealed(content: usize) -> usize {
    content + content.div_ceil(RECORD) * AROUND
}

/// Appends what rustls has to say of its own.
fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    let start = out.len();
    let written = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => {
            out.resize(start + size.required_size, 0);
            data.encode(&mut out[start..]).unwrap_or(0)
        }
        result => result.unwrap_or(0),
    };
    out.truncate(start + written);
}
