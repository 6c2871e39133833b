//! The streams of a connection, and its unreliable datagrams.

use std::fmt;

use quiche::{Error, Shutdown};
use trilane_semantics::{Payload, Priority};

use crate::buffers::Piece;
use crate::session::Session;

/// The urgency of RFC 9218 §4.1 that is quiche's default, less that which is RFC 9218's: 127 - 3.
const URGENCY: u8 = 124;

/// What was read of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes, and whether they are its last.
    Bytes(usize, bool),
    /// There is nothing now.
    Nothing,
    /// The peer has given it up, with this code (RFC 9000 §19.4); said once.
    Reset(u64),
}

/// The peer wants nothing more on a stream, for this reason (RFC 9000 §19.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped(pub u64);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer wants nothing more on the stream (code {:#x})", self.0)
    }
}

impl std::error::Error for Stopped {}

/// Why an unreliable datagram was not sent (RFC 9221).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// It does not fit a packet, or is more than the peer takes.
    TooLarge,
    /// Too many wait already.
    Full,
    /// There are none on this connection.
    Unavailable,
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the datagram does not fit a packet",
            Self::Full => "too many datagrams wait already",
            Self::Unavailable => "there are no datagrams on this connection",
        })
    }
}

impl std::error::Error for DatagramError {}

impl Session {
    /// A stream of which there is something to read that was not there before. Each is named once: whoever does not read it to
    /// [`Read::Nothing`], its end or [`Read::Reset`] must remember it.
    pub fn next_readable(&mut self) -> Option<u64> {
        self.connection.stream_readable_next()
    }

    /// How many streams both ways we may begin now (RFC 9000 §4.6).
    #[must_use]
    pub fn streams_left(&self) -> u64 {
        self.connection.peer_streams_left_bidi()
    }

    /// Reads from a stream. What is read is credit for the peer: to hold it back, leave it unread. A stream must be read to its
    /// end, or be stopped, before it is forgotten.
    pub fn read(&mut self, stream: u64, into: &mut [u8]) -> Read {
        match self.connection.stream_recv(stream, into) {
            Ok((length, fin)) => Read::Bytes(length, fin),
            Err(Error::StreamReset(code)) => Read::Reset(code),
            Err(_) => Read::Nothing,
        }
    }

    /// A stream that takes bytes and did not when [`Session::room`] was asked last, a new one, or one that the peer has stopped. Each
    /// is named once. Ask before reading: with [`Read::Reset`] a stream may be over, and then nobody knows any more that it
    /// was stopped too.
    pub fn next_writable(&mut self) -> Option<u64> {
        self.connection.stream_writable_next()
    }

    /// How many streams the peer has stopped so far. [`Session::next_writable`] names those that could not be written to before; of the
    /// others, [`Session::room`] tells.
    #[must_use]
    pub fn stopped(&self) -> u64 {
        self.connection.stats().stopped_stream_count_remote
    }

    /// How many bytes a stream takes now; 0 for one that there is not yet. One that is over takes everything, and drops it. Ask
    /// after writing: only a stream that was said to have no room is named by [`Session::next_writable`] when it has some.
    ///
    /// # Errors
    /// The peer has stopped it.
    pub fn room(&mut self, stream: u64) -> Result<usize, Stopped> {
        match self.connection.stream_capacity(stream) {
            Ok(0) => {
                // quiche names a stream again only after it has refused something.
                let _ = self.connection.stream_writable(stream, 1);
                Ok(0)
            }
            Ok(room) => Ok(room),
            Err(Error::StreamStopped(code)) => Err(Stopped(code)),
            Err(_) if self.connection.stream_closed(stream) => Ok(usize::MAX),
            Err(_) => Ok(0),
        }
    }

    /// Writes to a stream, and says how many bytes were taken. `fin` counts only if all were. A stream that is over already
    /// takes everything, and drops it. The first write on a stream of ours opens it.
    ///
    /// # Errors
    /// The peer has stopped it.
    pub fn write(&mut self, stream: u64, bytes: &[u8], fin: bool) -> Result<usize, Stopped> {
        match self.connection.stream_send(stream, bytes, fin) {
            Ok(taken) => Ok(taken),
            Err(Error::StreamStopped(code)) => Err(Stopped(code)),
            Err(Error::Done | Error::StreamLimit) if !self.connection.stream_closed(stream) => {
                Ok(0)
            }
            Err(_) => Ok(bytes.len()),
        }
    }

    /// Moves content to a stream, from its front, as much as goes; and says whether all of it went, with `fin`. No byte is
    /// copied. As [`Session::write`].
    ///
    /// # Errors
    /// The peer has stopped it.
    pub fn write_payload(
        &mut self,
        stream: u64,
        payload: &mut Payload,
        fin: bool,
    ) -> Result<bool, Stopped> {
        if payload.is_empty() {
            return match fin {
                true => self.write_fin(stream),
                false => Ok(false),
            };
        }
        let room = self.room(stream)?;
        if room == 0 {
            return Ok(false);
        }
        // No more than there is room for: quiche drops what it does not take.
        let front = payload.split_to(room);
        let fin = fin && payload.is_empty();
        match self.connection.stream_send_zc(stream, Piece::Content(front), fin) {
            Err(Error::StreamStopped(code)) => Err(Stopped(code)),
            _ if payload.is_empty() => Ok(fin),
            // Not all of it went: the stream is to be named when it takes more.
            _ => self.room(stream).map(|_| false),
        }
    }

    fn write_fin(&mut self, stream: u64) -> Result<bool, Stopped> {
        match self.connection.stream_send(stream, &[], true) {
            Err(Error::StreamStopped(code)) => Err(Stopped(code)),
            _ => Ok(true),
        }
    }

    /// Gives up sending on a stream (RESET_STREAM, RFC 9000 §19.4).
    pub fn reset(&mut self, stream: u64, code: u64) {
        // An error says that it is over already.
        let _ = self.connection.stream_shutdown(stream, Shutdown::Write, code);
    }

    /// Wants nothing more of a stream (STOP_SENDING, RFC 9000 §19.5). What comes of it is not handed out.
    pub fn stop(&mut self, stream: u64, code: u64) {
        // An error says that it is over already.
        let _ = self.connection.stream_shutdown(stream, Shutdown::Read, code);
    }

    /// Says in which order streams share the connection (RFC 9218 §10). Not needed for the default.
    pub fn prioritize(&mut self, stream: u64, priority: Priority) {
        let urgency = URGENCY.saturating_add(priority.urgency);
        // An error says that it is over already, or cannot be opened.
        let _ = self.connection.stream_priority(stream, urgency, priority.incremental);
    }

    /// The next unreliable datagram: copied, cut to `into`, and how long it is there.
    pub fn datagram(&mut self, into: &mut [u8]) -> Option<usize> {
        let datagram = self.connection.dgram_recv_buf().ok()?;
        let length = datagram.len().min(into.len());
        into[..length].copy_from_slice(&datagram[..length]);
        Some(length)
    }

    /// Queues an unreliable datagram.
    ///
    /// # Errors
    /// It cannot be sent, and was dropped.
    pub fn send_datagram(&mut self, datagram: &[u8]) -> Result<(), DatagramError> {
        match self.connection.dgram_send(datagram) {
            Ok(()) => Ok(()),
            Err(Error::Done) => Err(DatagramError::Full),
            Err(Error::BufferTooShort) => Err(DatagramError::TooLarge),
            Err(_) => Err(DatagramError::Unavailable),
        }
    }

    /// How long an unreliable datagram may be; none if the peer takes none.
    #[must_use]
    pub fn datagram_room(&self) -> Option<usize> {
        self.connection.dgram_max_writable_len()
    }
}
