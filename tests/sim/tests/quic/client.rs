//! A client: quiche's connection, and HTTP/3 by [`wire`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant as Clock;

use quiche::{Config, Connection, ConnectionId, RecvInfo};
use trilane_sim::rng::Rng;

use crate::net::Datagram;
use crate::wire::{self, Reader};

/// Where the server is.
pub(crate) const SERVER: SocketAddr = at([10, 0, 0, 1], 443);
/// Content of one DATA frame.
const PIECE: u64 = 8 << 10;

/// An address.
pub(crate) const fn at([a, b, c, d]: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

/// What a client begins with.
pub(crate) fn config() -> Config {
    let mut config = Config::new(quiche::PROTOCOL_VERSION).unwrap();
    config.set_application_protos(&[b"h3"]).unwrap();
    config.set_max_idle_timeout(60_000);
    config.set_initial_max_data(4 << 20);
    config.set_initial_max_stream_data_bidi_local(1 << 20);
    config.set_initial_max_stream_data_uni(64 << 10);
    config.set_initial_max_streams_uni(3);
    config.set_active_connection_id_limit(8);
    config.set_max_recv_udp_payload_size(1_500);
    config.set_max_send_udp_payload_size(1_350);
    config.enable_pacing(false);
    config.enable_early_data();
    config.verify_peer(false);
    config
}

/// The byte of content at `at`, of an echo.
pub(crate) const fn pattern(at: u64) -> u8 {
    (at % 251) as u8 ^ (at >> 13) as u8
}

/// A request, and what came of it.
#[derive(Default)]
pub(crate) struct Ask {
    path: String,
    method: &'static str,
    /// Content that is still to be sent, and what was.
    left: u64,
    sent: u64,
    /// What is being written.
    out: VecDeque<u8>,
    is_sent: bool,
    reader: Reader,
    /// Bytes of content that came.
    pub(crate) got: u64,
    /// Whether all of them were those that were asked for.
    pub(crate) is_right: bool,
    pub(crate) is_over: bool,
    pub(crate) reset: Option<u64>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), method: "GET", is_right: true, ..Self::default() }
    }

    /// With that much content.
    pub(crate) fn post(path: impl Into<String>, content: u64) -> Self {
        Self { method: "POST", left: content, ..Self::get(path) }
    }

    pub(crate) const fn status(&self) -> Option<u16> {
        self.reader.status
    }

    /// Whether the whole answer has come, and is a good one.
    pub(crate) fn is_good(&self) -> bool {
        self.is_over && self.is_right && self.status() == Some(200) && self.reader.is_whole()
    }

    fn begin(&mut self) {
        let length = self.left.to_string();
        let mut lines = vec![
            (":method", self.method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", &self.path),
        ];
        if self.method == "POST" {
            lines.push(("content-length", &length));
        }
        self.out.extend(wire::headers(&lines));
    }

    fn fill(&mut self) {
        if self.out.is_empty() && self.left > 0 {
            let piece = self.left.min(PIECE);
            let mut head = Vec::new();
            wire::data(&mut head, piece as usize);
            self.out.extend(head);
            self.out.extend((self.sent..self.sent + piece).map(pattern));
            (self.left, self.sent) = (self.left - piece, self.sent + piece);
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let is_echo = self.path.starts_with("/echo");
        let is_known = is_echo || self.path.starts_with("/bytes");
        let (got, is_right) = (&mut self.got, &mut self.is_right);
        self.reader.read(bytes, |content| {
            for byte in content {
                let right = if is_echo { pattern(*got) } else { b'x' };
                *is_right &= !is_known || *byte == right;
                *got += 1;
            }
        });
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, left, is_sent, got, is_right, is_over, reset, .. } = self;
        let status = self.status();
        write!(f, "{method} {path}: {left} left, sent {is_sent}, {status:?}, got {got}, ")?;
        write!(f, "right {is_right}, over {is_over}, reset {reset:?}")
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) quic: Connection,
    /// Requests by stream.
    pub(crate) asks: BTreeMap<u64, Ask>,
    queue: VecDeque<Ask>,
    next: u64,
    has_begun: bool,
    /// Reads nothing as long as this is false.
    pub(crate) reads: bool,
    /// Says nothing as long as this is true.
    pub(crate) is_mute: bool,
    rng: Rng,
    /// Streams of the server, and what came on them.
    theirs: BTreeMap<u64, Vec<u8>>,
    /// Datagrams that it has sent, and their bytes; what has come.
    pub(crate) sent: (u64, u64),
    pub(crate) received: (u64, u64),
}

impl Client {
    pub(crate) fn new(rng: &mut Rng, local: SocketAddr, config: &mut Config) -> Self {
        let scid = rng.bytes(16);
        Self::named(rng, &scid, local, config)
    }

    /// By an id of its own, that may be none, as browsers have it.
    pub(crate) fn named(
        rng: &mut Rng,
        scid: &[u8],
        local: SocketAddr,
        config: &mut Config,
    ) -> Self {
        let scid = ConnectionId::from_ref(scid);
        let quic = quiche::connect(Some("localhost"), &scid, local, SERVER, config).unwrap();
        Self {
            quic,
            asks: BTreeMap::new(),
            queue: VecDeque::new(),
            next: 0,
            has_begun: false,
            reads: true,
            is_mute: false,
            rng: rng.fork(),
            theirs: BTreeMap::new(),
            sent: (0, 0),
            received: (0, 0),
        }
    }

    /// Asks as soon as it may.
    pub(crate) fn ask(&mut self, ask: Ask) {
        self.queue.push_back(ask);
    }

    /// Whether every answer has come, or never will.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.asks.values().all(|ask| ask.is_over)
    }

    /// Whether all that was asked for has come as it should.
    pub(crate) fn is_good(&self) -> bool {
        self.queue.is_empty() && self.asks.values().all(Ask::is_good)
    }

    /// The id of the last GOAWAY (RFC 9114 §5.2).
    pub(crate) fn goaway(&self) -> Option<u64> {
        let control = self.theirs.values().find(|bytes| bytes.first() == Some(&0))?;
        let (mut at, mut last) = (&control[1..], None);
        while let (Some(kind), Some(length)) =
            (wire::take_varint(&mut at), wire::take_varint(&mut at))
        {
            let Some((mut payload, rest)) = at.split_at_checked(length as usize) else { break };
            at = rest;
            if kind == wire::GOAWAY {
                last = wire::take_varint(&mut payload);
            }
        }
        last
    }

    /// A datagram comes.
    pub(crate) fn receive(&mut self, datagram: &mut Datagram) {
        self.received.0 += 1;
        self.received.1 += datagram.bytes.len() as u64;
        let info = RecvInfo { from: datagram.from, to: datagram.to };
        // What is wrong with it is its own matter.
        let _ = self.quic.recv(&mut datagram.bytes, info);
    }

    /// When it wants to act without anything coming.
    pub(crate) fn timeout(&self) -> Option<Clock> {
        self.quic.timeout_instant().filter(|_| !self.quic.is_closed())
    }

    /// Does all that can be done now.
    pub(crate) fn step(&mut self, mut send: impl FnMut(Datagram)) {
        if self.timeout().is_some_and(|at| at <= Clock::now()) {
            self.quic.on_timeout();
        }
        self.speak();
        self.flush(&mut send);
        // Early data can be written once the handshake has begun.
        if self.quic.is_in_early_data() {
            self.speak();
            self.flush(&mut send);
        }
    }

    fn flush(&mut self, send: &mut impl FnMut(Datagram)) {
        let mut buffer = [0; 1_500];
        while !self.is_mute
            && let Ok((length, info)) = self.quic.send(&mut buffer)
        {
            self.sent.0 += 1;
            self.sent.1 += length as u64;
            send(Datagram { bytes: buffer[..length].to_vec(), from: info.from, to: info.to });
        }
    }

    fn speak(&mut self) {
        if !self.quic.is_established() && !self.quic.is_in_early_data() {
            return;
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut control = vec![0];
            wire::frame(&mut control, wire::SETTINGS, 0);
            self.quic.stream_send(2, &control, false).unwrap();
        }
        // Without spare ids the server could not follow to another address (RFC 9000 §5.1.1).
        while self.quic.is_established()
            && !self.quic.source_id().is_empty()
            && self.quic.scids_left() > 0
        {
            let (scid, token) = (self.rng.bytes(16), self.rng.bits().into());
            self.quic.new_scid(&ConnectionId::from_ref(&scid), token, false).unwrap();
        }
        while self.quic.peer_streams_left_bidi() > 0
            && let Some(mut ask) = self.queue.pop_front()
        {
            ask.begin();
            self.asks.insert(self.next, ask);
            self.next += 4;
            self.write(self.next - 4);
        }
        let open: Vec<_> = self
            .asks
            .iter()
            .filter(|(_, ask)| !ask.is_sent && !ask.is_over)
            .map(|(id, _)| *id)
            .collect();
        for stream in open {
            self.write(stream);
        }
        if self.reads {
            for stream in self.quic.readable() {
                self.read(stream);
            }
        }
        if self.quic.is_closed() || self.quic.is_draining() {
            self.asks.values_mut().for_each(|ask| ask.is_over = true);
        }
    }

    fn write(&mut self, stream: u64) {
        let Some(ask) = self.asks.get_mut(&stream) else { return };
        loop {
            ask.fill();
            let is_last = ask.left == 0;
            let bytes = ask.out.make_contiguous();
            match self.quic.stream_send(stream, bytes, is_last) {
                Ok(taken) => {
                    let is_whole = taken == bytes.len();
                    ask.out.drain(..taken);
                    ask.is_sent = is_whole && is_last;
                    if !is_whole || is_last {
                        return;
                    }
                }
                Err(quiche::Error::Done) => return,
                Err(_) => return ask.is_sent = true,
            }
        }
    }

    fn read(&mut self, stream: u64) {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.quic.stream_recv(stream, &mut buffer) {
                Ok((length, fin)) => match self.asks.get_mut(&stream) {
                    Some(ask) => {
                        ask.read(&buffer[..length]);
                        ask.is_over |= fin;
                    }
                    None => self.theirs.entry(stream).or_default().extend(&buffer[..length]),
                },
                Err(quiche::Error::StreamReset(code)) => {
                    if let Some(ask) = self.asks.get_mut(&stream) {
                        (ask.is_over, ask.reset) = (true, Some(code));
                    }
                    return;
                }
                Err(_) => return,
            }
        }
    }
}
