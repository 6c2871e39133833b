//! The socket under a client of the suite: what has come, and writing that does not deadlock with the server's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::lane::{Gone, SOON};

/// A socket, and what came from it.
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    /// What was not taken yet.
    pub(super) input: Vec<u8>,
    /// Nothing comes after it.
    pub(super) is_end: bool,
}

impl Wire {
    pub(super) const fn new(socket: TcpStream) -> Self {
        Self { socket, input: Vec::new(), is_end: false }
    }

    /// Reads once, for at most that long. Whether anything came, were it the end.
    pub(super) fn read(&mut self, patience: Duration) -> bool {
        if self.is_end {
            return false;
        }
        self.socket.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).unwrap();
        self.take()
    }

    fn take(&mut self) -> bool {
        let mut buffer = [0; 64 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.is_end = true,
            Ok(n) => self.input.extend_from_slice(&buffer[..n]),
            Err(error) if is_later(&error) => return false,
            Err(_) => self.is_end = true,
        }
        true
    }

    /// Writes; while the server takes nothing, takes in what it sends.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        let end = Instant::now() + SOON;
        self.socket.set_nonblocking(true).unwrap();
        let mut result = Ok(());
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < end, "the server takes nothing, {} left", bytes.len());
                    if self.is_end || !self.take() {
                        sleep(Duration::from_micros(200));
                    }
                }
                Err(_) => {
                    result = Err(Gone);
                    break;
                }
            }
        }
        self.socket.set_nonblocking(false).unwrap();
        result
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
