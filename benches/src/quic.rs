//! Clients over QUIC, as many as wanted behind one UDP socket: quiche with its own HTTP/3, which is not ours.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use quiche::h3::{self, Header, NameValue};

/// The largest datagram that is sent, in bytes.
const DATAGRAM: usize = 1350;
/// Bytes of a connection id.
const ID: usize = 16;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Clients, each with one connection.
pub struct Clients {
    socket: UdpSocket,
    server: SocketAddr,
    config: quiche::Config,
    all: Vec<Client>,
    ids: HashMap<[u8; ID], usize>,
    /// Of so many datagrams one is lost, on either way; 0 for none.
    lose: u64,
    count: u64,
}

/// One of them, and what it has of its answer.
pub struct Client {
    quic: quiche::Connection,
    h3: Option<h3::Connection>,
    left: u64,
    /// Content that came.
    pub received: u64,
    /// Answers that are complete, all of them 200.
    pub done: u64,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clients({})", self.all.len())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} done)", self.done)
    }
}

impl Clients {
    /// None yet. One in `lose` datagrams is lost, in either direction; 0 for none.
    ///
    /// # Errors
    /// There is no socket to be had.
    pub fn new(server: SocketAddr, lose: u64) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let mut config = quiche::Config::new(quiche::PROTOCOL_VERSION)?;
        config.set_application_protos(h3::APPLICATION_PROTOCOL)?;
        config.verify_peer(false);
        config.set_max_idle_timeout(60_000);
        config.set_initial_max_data(16 << 20);
        config.set_initial_max_stream_data_bidi_local(4 << 20);
        config.set_initial_max_stream_data_uni(1 << 20);
        config.set_initial_max_streams_uni(8);
        config.set_max_send_udp_payload_size(DATAGRAM);
        config.set_max_recv_udp_payload_size(1500);
        let (all, ids) = (Vec::new(), HashMap::new());
        Ok(Self { socket, server, config, all, ids, lose, count: 0 })
    }

    /// One client more, with the session of an earlier one if there is one. Its number.
    ///
    /// # Errors
    /// The session is none.
    pub fn connect(&mut self, session: Option<&[u8]>) -> Result<usize> {
        let number = self.all.len();
        let mut id = [0; ID];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let (local, name) = (self.socket.local_addr()?, quiche::ConnectionId::from_ref(&id));
        let mut quic =
            quiche::connect(Some("localhost"), &name, local, self.server, &mut self.config)?;
        if let Some(session) = session {
            quic.set_session(session)?;
        }
        self.all.push(Client { quic, h3: None, left: 0, received: 0, done: 0 });
        self.ids.insert(id, number);
        self.send(number)?;
        Ok(number)
    }

    /// A client.
    #[must_use]
    pub fn client(&self, number: usize) -> &Client {
        &self.all[number]
    }

    /// The session of a client, for another one to go on with.
    #[must_use]
    pub fn session(&self, number: usize) -> Option<Vec<u8>> {
        self.all[number].quic.session().map(<[u8]>::to_vec)
    }

    /// Asks for `path`, with `content` bytes.
    ///
    /// # Errors
    /// The handshake is not complete.
    pub fn ask(&mut self, number: usize, path: &str, content: u64) -> Result<()> {
        let client = &mut self.all[number];
        let method = if content > 0 { "POST" } else { "GET" };
        let head = [(":method", method), (":scheme", "https"), (":authority", "localhost")];
        let head = head.into_iter().chain([(":path", path)]);
        let head: Vec<_> = head.map(|(n, v)| Header::new(n.as_bytes(), v.as_bytes())).collect();
        let h3 = client.h3.as_mut().ok_or("no HTTP/3 yet")?;
        h3.send_request(&mut client.quic, &head, content == 0)?;
        client.left = content;
        self.send(number)
    }

    /// Goes on until `is_done`.
    ///
    /// # Errors
    /// It takes a minute, or a connection ends.
    pub fn until(&mut self, mut is_done: impl FnMut(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while !is_done(self) {
            if Instant::now() > end {
                return Err("a minute is over".into());
            }
            if !self.receive()? {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Whether a client may ask.
    #[must_use]
    pub fn is_ready(&self, number: usize) -> bool {
        self.all[number].h3.is_some() && self.all[number].quic.is_established()
    }

    fn wait(&mut self) -> Result<()> {
        std::thread::sleep(Duration::from_micros(200));
        let now = Instant::now();
        for number in 0..self.all.len() {
            let quic = &mut self.all[number].quic;
            if quic.timeout_instant().is_some_and(|at| at <= now) {
                quic.on_timeout();
                self.send(number)?;
            }
        }
        Ok(())
    }

    /// Takes what has come. Whether there was anything.
    fn receive(&mut self) -> Result<bool> {
        let (mut touched, mut buffer) = (Vec::new(), [0; 1500]);
        let to = self.socket.local_addr()?;
        while touched.len() < 64 {
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let datagram = &mut buffer[..len];
            let at = if datagram[0] & 0x80 == 0 { 1 } else { 6 };
            let id = datagram.get(at..at + ID).and_then(|id| id.try_into().ok());
            let Some(&number) = id.and_then(|id: [u8; ID]| self.ids.get(&id)) else { continue };
            if self.loses() {
                continue;
            }
            // What is wrong with it, its connection says.
            let _ = self.all[number].quic.recv(datagram, quiche::RecvInfo { from, to });
            touched.push(number);
        }
        let has_received = !touched.is_empty();
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            self.all[number].go_on()?;
            self.send(number)?;
        }
        Ok(has_received)
    }

    fn loses(&mut self) -> bool {
        self.count += 1;
        // Of a stride that has nothing to do with that of packets.
        self.lose > 0
            && (self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(self.lose)
    }

    fn send(&mut self, number: usize) -> Result<()> {
        let mut buffer = [0; DATAGRAM];
        loop {
            let (len, info) = match self.all[number].quic.send(&mut buffer) {
                Ok(sent) => sent,
                Err(quiche::Error::Done) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if !self.loses() {
                // A full socket loses it, as any network may.
                let _ = self.socket.send_to(&buffer[..len], info.to);
            }
        }
    }
}

impl Client {
    fn go_on(&mut self) -> Result<()> {
        if self.h3.is_none() && self.quic.is_established() {
            let config = h3::Config::new()?;
            self.h3 = Some(h3::Connection::with_transport(&mut self.quic, &config)?);
        }
        if self.quic.is_closed() {
            return Err("a connection has ended".into());
        }
        let Some(h3) = &mut self.h3 else { return Ok(()) };
        let mut buffer = [0; 1 << 16];
        loop {
            match h3.poll(&mut self.quic) {
                Ok((_, h3::Event::Headers { list, .. })) => {
                    let is_good =
                        list.iter().any(|it| it.name() == b":status" && it.value() == b"200");
                    if !is_good {
                        return Err("not 200".into());
                    }
                }
                Ok((stream, h3::Event::Data)) => {
                    while let Ok(len) = h3.recv_body(&mut self.quic, stream, &mut buffer) {
                        self.received += len as u64;
                    }
                }
                Ok((_, h3::Event::Finished)) => self.done += 1,
                Ok(_) => {}
                Err(h3::Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
        }
        while self.left > 0 {
            let piece = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            // The first stream is all that content is sent on.
            match h3.send_body(&mut self.quic, 0, &buffer[..piece], piece as u64 == self.left) {
                Ok(sent) => self.left -= sent as u64,
                Err(h3::Error::Done) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
