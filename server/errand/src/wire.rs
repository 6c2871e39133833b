//! A connection that may be waited for: TCP, with TLS or without, until a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use trilane_tls::{Connector, Heard, Session};

use crate::errands::Failed;

/// How long one of a name's addresses may take to be connected to, if there are others.
const CONNECT: Duration = Duration::from_secs(5);
/// Read at once, in bytes.
const PIECE: usize = 16 << 10;

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    session: Option<Session>,
    deadline: Instant,
}

impl Wire {
    /// To that place; with TLS if there is a connector. `deadline` is asked when the name is looked up, and holds from then on.
    pub(crate) fn open(
        host: &str,
        port: u16,
        connector: Option<&Connector>,
        deadline: impl FnOnce() -> Instant,
    ) -> Result<Self, Failed> {
        let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        let deadline = deadline();
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, left(deadline)?.min(CONNECT)) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let session = match connector {
                        Some(connector) => Some(Session::client(connector, host)?),
                        None => None,
                    };
                    let mut wire = Self { stream, session, deadline };
                    wire.handshake()?;
                    return Ok(wire);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed.into())
    }

    fn handshake(&mut self) -> Result<(), Failed> {
        let mut early = Vec::new();
        self.say_owed()?;
        while self.session.as_ref().is_some_and(|session| !session.is_ready()) {
            // Nothing comes before it is asked for.
            if self.read(&mut early)? || !early.is_empty() {
                return Err(Failed::Io(ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }

    /// Sends all of these.
    pub(crate) fn write<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        match &mut self.session {
            Some(session) => session.seal(pieces, &mut bytes)?,
            None => pieces.for_each(|piece| bytes.extend_from_slice(piece)),
        }
        self.write_bytes(&bytes)
    }

    /// Waits for more, which it puts behind `content`: maybe nothing yet. Whether nothing follows.
    pub(crate) fn read(&mut self, content: &mut Vec<u8>) -> Result<bool, Failed> {
        let mut piece = [0; PIECE];
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        let count = match self.stream.read(&mut piece) {
            Ok(count) => count,
            Err(error) => return Err(late(error).into()),
        };
        let came = &mut piece[..count];
        let Some(session) = &mut self.session else {
            content.extend_from_slice(came);
            return Ok(count == 0);
        };
        let mut is_ended = false;
        let result = session.receive(came, |heard| match heard {
            Heard::Content(bytes) => content.extend_from_slice(bytes),
            Heard::End => is_ended = true,
            Heard::Ready(_) => {}
        });
        // Also the alert, if it is broken: whether that arrives is the peer's concern.
        let said = self.say_owed();
        result?;
        said?;
        if count == 0 && !is_ended {
            // RFC 8446 §6.1: whoever has cut it off did not say that this was all.
            return Err(Failed::Io(ErrorKind::UnexpectedEof.into()));
        }
        Ok(is_ended)
    }

    /// Says that nothing follows (RFC 8446 §6.1). Whether that arrives no longer matters.
    pub(crate) fn close(mut self) {
        let mut bytes = Vec::new();
        if let Some(session) = &mut self.session {
            session.close(&mut bytes);
        }
        let _ = self.write_bytes(&bytes);
    }

    fn say_owed(&mut self) -> Result<(), Failed> {
        let mut bytes = Vec::new();
        if let Some(session) = &mut self.session {
            session.take_owed(&mut bytes);
        }
        self.write_bytes(&bytes)
    }

    fn write_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Failed> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(self.deadline)?))?;
            match self.stream.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(late(error).into()),
            }
        }
        Ok(())
    }
}

/// What is left of the time, which is more than nothing.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Sockets call what is late a thing that would block.
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}
