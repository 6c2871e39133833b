//! A QUIC connection of quiche's over a real UDP socket, and its raw streams. A thread drives it, as a kernel drives TCP: what
//! is asked for it acknowledges and repeats, whatever the test does meanwhile. Nothing is read that nobody asked for, so that flow
//! control holds a server back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use quiche::{Config, ConnectionId, Error, RecvInfo};

use crate::parity::secure;

/// How long is waited for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How soon the thread sees what a test has changed, at the latest.
const BEAT: Duration = Duration::from_millis(5);

/// What a stream has to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Bytes, none perhaps, and whether they are the last ones.
    Bytes(Vec<u8>, bool),
    /// Nothing yet, or nothing ever again.
    Nothing,
    /// RESET_STREAM with that code.
    Reset(u64),
}

/// Why nothing more of a stream is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// STOP_SENDING with that code.
    Stopped(u64),
    /// The connection has ended, or the stream has.
    Ended,
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// CONNECTION_CLOSE with a code of HTTP/3's.
    Http(u64),
    /// CONNECTION_CLOSE with a code of QUIC's.
    Quic(u64),
    /// Without a word: the idle time, or a stateless reset.
    Silent,
}

/// A connection, closed with H3_NO_ERROR when it is dropped.
pub(crate) struct Quic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    socket: UdpSocket,
    local: SocketAddr,
    connection: Mutex<quiche::Connection>,
    came: Condvar,
}

/// What clients of the suite begin with: windows that no case fills by chance, and h3 alone.
pub(crate) fn config() -> Config {
    let mut config = Config::new(quiche::PROTOCOL_VERSION).unwrap();
    config.load_verify_locations_from_file(secure::files().0.to_str().unwrap()).unwrap();
    config.verify_peer(true);
    config.set_application_protos(&[b"h3"]).unwrap();
    config.set_max_idle_timeout(60_000);
    config.set_max_recv_udp_payload_size(65_527);
    config.set_initial_max_data(4 << 20);
    config.set_initial_max_stream_data_bidi_local(1 << 20);
    config.set_initial_max_stream_data_bidi_remote(1 << 20);
    config.set_initial_max_stream_data_uni(1 << 20);
    config.set_max_connection_window(8 << 20);
    config.set_max_stream_window(1 << 20);
    config.set_initial_max_streams_uni(8);
    config.set_active_connection_id_limit(4);
    config.enable_pacing(false);
    config
}

impl Quic {
    /// A connection whose handshake is done.
    #[track_caller]
    pub(crate) fn open(server: SocketAddr, config: Config) -> Self {
        let quic = Self::begin(server, config);
        let done = quic.until(SOON, |connection| {
            let ended = connection.is_draining() || connection.is_closed();
            (connection.is_established() || ended).then_some(!ended)
        });
        assert_eq!(done, Some(true), "no handshake: {:?}", quic.end());
        quic
    }

    /// A connection whose handshake has begun.
    pub(crate) fn begin(server: SocketAddr, mut config: Config) -> Self {
        let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" });
        let socket = socket.unwrap();
        socket.connect(server).unwrap();
        let local = socket.local_addr().unwrap();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&rand().to_be_bytes());
        let id = ConnectionId::from_ref(&id);
        let made = quiche::connect(Some("localhost"), &id, local, server, &mut config);
        let connection = Mutex::new(made.unwrap());
        let shared = Arc::new(Shared { socket, local, connection, came: Condvar::new() });
        let driven = Arc::clone(&shared);
        Self { shared, thread: Some(thread::spawn(move || driven.drive())) }
    }

    /// Does something with the connection, and sends what comes of it.
    pub(crate) fn with<T>(&self, does: impl FnOnce(&mut quiche::Connection) -> T) -> T {
        let mut connection = self.shared.lock();
        let result = does(&mut connection);
        self.shared.flush(&mut connection);
        result
    }

    /// Tries it again whenever something came, for that long.
    pub(crate) fn until<T>(
        &self,
        patience: Duration,
        mut tries: impl FnMut(&mut quiche::Connection) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + patience;
        let mut connection = self.shared.lock();
        loop {
            let result = tries(&mut connection);
            self.shared.flush(&mut connection);
            let left = end.saturating_duration_since(Instant::now());
            if result.is_some() || left.is_zero() {
                return result;
            }
            connection = self.shared.came.wait_timeout(connection, left).unwrap().0;
        }
    }

    /// Writes all of it, as the windows let it through.
    pub(crate) fn write(&self, stream: u64, bytes: &[u8], fin: bool) -> Result<(), Refused> {
        self.write_while(stream, bytes, fin, |_| ())
    }

    /// As [`Self::write`]; does that too while it waits.
    pub(crate) fn write_while(
        &self,
        stream: u64,
        bytes: &[u8],
        fin: bool,
        mut waits: impl FnMut(&mut quiche::Connection),
    ) -> Result<(), Refused> {
        let mut rest = bytes;
        let done = self.until(SOON, |connection| {
            loop {
                if has_ended(connection) {
                    return Some(Err(Refused::Ended));
                }
                match connection.stream_send(stream, rest, fin) {
                    Ok(n) if n == rest.len() => return Some(Ok(())),
                    Ok(n) => rest = &rest[n..],
                    Err(Error::Done | Error::StreamLimit) => {
                        waits(connection);
                        return None;
                    }
                    Err(Error::StreamStopped(code)) => return Some(Err(Refused::Stopped(code))),
                    Err(_) => return Some(Err(Refused::Ended)),
                }
            }
        });
        done.unwrap_or_else(|| panic!("stream {stream} takes nothing, {} left", rest.len()))
    }

    /// RESET_STREAM.
    pub(crate) fn reset(&self, stream: u64, code: u64) {
        // Of a stream that has ended nothing is left to reset.
        let _ = self.with(|it| it.stream_shutdown(stream, quiche::Shutdown::Write, code));
    }

    /// CONNECTION_CLOSE of HTTP/3.
    pub(crate) fn close(&self, code: u64) {
        // Whoever has closed already closes no more.
        let _ = self.with(|it| it.close(true, code, b""));
    }

    /// How the server ended it, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.with(|connection| end_of(connection))
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        self.close(0x100);
        if let Some(thread) = self.thread.take() {
            // It ends with the connection; a panic of its own has been printed.
            self.with(|connection| connection.on_timeout());
            let _ = thread.join();
        }
    }
}

/// A request for the root, by QPACK's static table (RFC 9204 §4.5, Appendix A).
const GET: &[u8] = b"\x01\x10\0\0\xd1\xd7\xc1\x50\x09localhost";

/// The datagrams that a client begins with, with a request in early data if it has been there before.
pub(crate) fn first_flight(server: SocketAddr, session: Option<&[u8]>) -> Vec<Vec<u8>> {
    let local = SocketAddr::from(([127, 0, 0, 1], 1));
    let id = rand().to_be_bytes();
    let id = ConnectionId::from_ref(&id);
    let mut config = config();
    config.enable_early_data();
    let mut client = quiche::connect(Some("localhost"), &id, local, server, &mut config).unwrap();
    let mut datagram = [0; 1500];
    let mut all = Vec::new();
    if let Some(session) = session {
        client.set_session(session).unwrap();
    }
    while let Ok((n, _)) = client.send(&mut datagram) {
        all.push(datagram[..n].to_vec());
        if all.len() == 1 && client.is_in_early_data() {
            client.stream_send(0, GET, true).unwrap();
        }
    }
    all
}

/// Reads of a stream, `most` bytes.
pub(crate) fn read(connection: &mut quiche::Connection, stream: u64, most: usize) -> Read {
    let mut buffer = vec![0; most];
    match connection.stream_recv(stream, &mut buffer) {
        Ok((n, fin)) => {
            buffer.truncate(n);
            Read::Bytes(buffer, fin)
        }
        Err(Error::StreamReset(code)) => Read::Reset(code),
        Err(_) => Read::Nothing,
    }
}

/// Whether the server has ended it.
pub(crate) fn has_ended(connection: &quiche::Connection) -> bool {
    connection.is_draining() || connection.is_closed()
}

/// How the server has ended it.
pub(crate) fn end_of(connection: &quiche::Connection) -> Option<End> {
    match connection.peer_error() {
        Some(error) if error.is_app => Some(End::Http(error.error_code)),
        Some(error) => Some(End::Quic(error.error_code)),
        None => has_ended(connection).then_some(End::Silent),
    }
}

/// What no two connections share.
/// Datagrams that are sent while nothing comes, at most.
const UNHEARD: usize = 20_000;

fn rand() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, quiche::Connection> {
        // Whoever panicked has failed its own test.
        self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How many datagrams that were.
    fn flush(&self, connection: &mut quiche::Connection) -> usize {
        let (mut datagram, mut count) = ([0; 1500], 0);
        while count < UNHEARD
            && let Ok((n, _)) = connection.send(&mut datagram)
        {
            // What the kernel does not take is lost, as datagrams are.
            let _ = self.socket.send(&datagram[..n]);
            count += 1;
        }
        count
    }

    fn drive(&self) {
        let (mut datagram, mut unheard) = (vec![0; 65_536], 0);
        loop {
            let mut connection = self.lock();
            if connection.timeout().is_some_and(|left| left.is_zero()) {
                connection.on_timeout();
            }
            unheard += self.flush(&mut connection);
            // Whoever would send for ever to nobody is no client: quiche does where a server goes in the midst of a handshake.
            if connection.is_closed() || connection.local_error().is_some() || unheard >= UNHEARD {
                return self.came.notify_all();
            }
            let patience = connection.timeout().unwrap_or(BEAT).min(BEAT);
            drop(connection);
            self.came.notify_all();
            let patience = patience.max(Duration::from_micros(100));
            self.socket.set_read_timeout(Some(patience)).unwrap();
            // A port that is closed is an error here, and silence by QUIC.
            let Ok(n) = self.socket.recv(&mut datagram) else { continue };
            unheard = 0;
            let (from, to) = (self.socket.peer_addr().unwrap(), self.local);
            // A datagram that means nothing is dropped (RFC 9000 §5.2.1).
            let _ = self.lock().recv(&mut datagram[..n], RecvInfo { from, to });
        }
    }
}
