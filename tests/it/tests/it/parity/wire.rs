//! The socket under a client of the suite: what has come, and writing that does not deadlock with the server's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use super::lane::{Gone, Over, Place, SOON};
use super::secure;

/// A socket, and what came from it.
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was not taken yet.
    pub(crate) input: Vec<u8>,
    /// Nothing comes after it.
    pub(crate) is_end: bool,
}

impl Wire {
    /// A connection to `server`; over TLS one that agrees on `protocol`.
    pub(crate) fn open(server: &dyn Place, over: Over, protocol: &str) -> Self {
        let mut socket = TcpStream::connect(server.address(over)).unwrap();
        socket.set_nodelay(true).unwrap();
        let tls = (over == Over::Tls).then(|| Box::new(secure::connect(&mut socket, protocol)));
        Self { socket, tls, input: Vec::new(), is_end: false }
    }

    /// Reads once, for at most that long. Whether anything came, were it the end.
    pub(crate) fn read(&mut self, patience: Duration) -> bool {
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
            Ok(n) => self.came(&buffer[..n]),
            Err(error) if is_later(&error) => return false,
            Err(_) => self.is_end = true,
        }
        true
    }

    fn came(&mut self, mut bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.input.extend_from_slice(bytes) };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).unwrap();
            // RFC 8446 §6.1: close_notify is the end; nothing of TCP's may come before it.
            self.is_end |= tls.process_new_packets().unwrap().peer_has_closed();
            // What is not there yet is no error of ours.
            let _ = tls.reader().read_to_end(&mut self.input);
        }
    }

    /// Nothing more will be written.
    pub(crate) fn shut(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            tls.write_tls(&mut self.socket).unwrap();
        }
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Writes; while the server takes nothing, takes in what it sends.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Some(tls) = &mut self.tls else { return self.write_raw(bytes) };
        let mut sealed = Vec::new();
        for piece in bytes.chunks(16 << 10) {
            tls.writer().write_all(piece).unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut sealed).unwrap();
            }
        }
        self.write_raw(&sealed)
    }

    fn write_raw(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
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
