//! One connection: datagrams in, datagrams out, time, and its end. Its streams are in `streams`.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boring::ssl::SslRef;
use quiche::{Connection, RecvInfo};
use trilane_exchange::{ClientCertificate, TlsInfo, TlsVersion};
use trilane_tls::material::Expired;
use trilane_tls::{Broken, Material};

use crate::buffers::Buffers;
use crate::cid::Cid;
use crate::dial::Judgement;
use crate::endpoint::Path;
use crate::error::Error;
use crate::header::Header;
use crate::registry::First;
use crate::settings::Settings;

/// What BoringSSL calls early data that was accepted (`ssl_early_data_accepted`).
const EARLY_ACCEPTED: u32 = 2;
/// CRYPTO_ERROR, to which an alert is added (RFC 9001 §4.8).
const CRYPTO_ERROR: u64 = 0x0100;
/// The same with certificate_expired (RFC 8446 §6.2).
const CERTIFICATE_EXPIRED: u64 = CRYPTO_ERROR + 45;

/// So many datagrams in a row from an address that the client had left, and it is there again.
const RETURNED: u32 = 3;

/// A datagram to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// How many bytes of the buffer it has.
    pub len: usize,
    /// Between whom it goes: not always the path of the one before.
    pub path: Path,
    /// When it may leave. Earlier if pacing is off.
    pub at: Instant,
}

/// How many times as much may be sent to an address as has come from it, until it has shown that it receives (RFC 9000 §8.1).
const AMPLIFICATION: usize = 3;

/// Who ended a connection, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The peer's application, with a code of its protocol (RFC 9000 §19.19).
    Peer(u64),
    /// The peer's transport, with a code of RFC 9000 §20.1.
    PeerTransport(u64),
    /// [`Session::close`], with this code.
    Ours(u64),
    /// Our transport, since the peer broke a rule, with a code of RFC 9000 §20.1.
    OurTransport(u64),
    /// Nothing came for the idle timeout (RFC 9000 §10.1).
    Idle,
    /// The handshake was not complete in time.
    HandshakeTimeout,
    /// The peer has forgotten the connection (RFC 9000 §10.3).
    StatelessReset,
}

/// One connection. Who drives it: after any call that changes it, [`Session::transmit`] until there is nothing, and re-arm the
/// one timer of [`Session::timeout`].
pub struct Session {
    pub(crate) connection: Connection<Buffers>,
    /// Ids of ours that the peer may use.
    pub(crate) issued: Vec<Cid>,
    /// The id that the client has made up; none after the handshake, nor for a connection that we began.
    pub(crate) first: Option<First>,
    /// When the handshake must be complete.
    handshake: Instant,
    keep_alive: Option<Duration>,
    idle_timeout: Duration,
    /// When the client is asked for a packet next.
    ping: Option<Instant>,
    is_late: bool,
    /// Bytes that may still be sent to an address that has not shown that it receives; none once it has.
    pub(crate) credit: Option<usize>,
    /// Where the peer is.
    path: Path,
    /// Where quiche takes it to be: see `follow`.
    known: Path,
    /// The address that it has left last, and how many datagrams have come from there since without one from where it is.
    left: Option<(SocketAddr, u32)>,
    moved: Option<(Path, Path)>,
    /// How many moves were not counted yet.
    moves: u32,
    side: Side,
}

/// Which end of a connection we are.
pub(crate) enum Side {
    /// The client's, and what became of the server's certificates.
    Client(Arc<Judgement>),
    /// The server's, who we were when it began, and the id that the client has made up.
    Server(Arc<Material>, First),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        f.debug_struct("Session")
            .field("name", &name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        connection: Connection<Buffers>,
        cid: Cid,
        side: Side,
        settings: &Settings,
        now: Instant,
        path: Path,
    ) -> Self {
        let first = match side {
            Side::Client(_) => None,
            Side::Server(_, first) => Some(first),
        };
        Self {
            connection,
            issued: vec![cid],
            first,
            handshake: now + settings.handshake_timeout,
            keep_alive: settings.keep_alive,
            idle_timeout: settings.idle_timeout,
            ping: None,
            is_late: false,
            // It is for servers.
            credit: first.map(|_| 0),
            path,
            known: path,
            left: None,
            moved: None,
            moves: 0,
            side,
        }
    }

    /// Writes all that happens to the connection to `writer`, as qlog (draft-ietf-quic-qlog-main-schema, JSON-SEQ), and its secrets
    /// never. It is for one connection that somebody wants to look into, and not free. Called before the first
    /// [`Session::receive`], all is there; later, what comes from then on. `writer` must not block, and is asked anew for each line.
    pub fn log_to(&mut self, writer: Box<dyn Write + Send + Sync>) {
        let title = format!("trilane {}", self.name());
        let level = quiche::QlogLevel::Extra;
        self.connection.set_qlog_with_level(writer, title, String::new(), level);
    }

    /// A name for logs and files: the first id of ours, in hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connection.trace_id()
    }

    /// Reads one datagram, which is changed: it is decrypted where it lies.
    ///
    /// # Errors
    /// The peer broke a rule: the connection closes, and says so with the next [`Session::transmit`].
    pub fn receive(&mut self, datagram: &mut [u8], path: Path) -> Result<(), Error> {
        // RFC 9000 §9: servers stay where they are.
        if self.is_dialed() && path != self.path {
            return Ok(());
        }
        self.count_credit(datagram);
        let is_near = self.is_near(path);
        let known = if is_near { self.known } else { path };
        let (info, before) = (RecvInfo { from: known.peer, to: known.local }, self.packets());
        let result = self.connection.recv(datagram, info);
        if is_near && self.packets() != before {
            self.follow(path);
        }
        if let Some(keep_alive) = self.keep_alive {
            self.ping = Some(Instant::now() + keep_alive);
        }
        self.look_at_paths();
        match result {
            Ok(_) | Err(quiche::Error::Done) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Fills `into` with one datagram, if there is one to be sent. 1,200 bytes must fit, and as many as
    /// [`Settings::send_payload`] should.
    pub fn transmit(&mut self, into: &mut [u8]) -> Option<Transmit> {
        let (len, info) = self.connection.send(into).ok()?;
        if let Some(credit) = &mut self.credit {
            // What does not go now is lost to quiche, and sent again once the client has shown itself.
            *credit = credit.checked_sub(len)?;
        }
        let path = Path { local: info.from, peer: info.to };
        let path = if path == self.known { self.path } else { path };
        Some(Transmit { len, path, at: info.at })
    }

    /// RFC 9000 §8.1: three times what has come from an address may be sent to it, until it has shown that it receives, by an id of
    /// ours. quiche counts too, but for the bytes that it fills up datagrams with.
    fn count_credit(&mut self, datagram: &[u8]) {
        let Some(credit) = &mut self.credit else { return };
        let is_ours = |header: Header<'_>| self.issued.iter().any(|cid| cid == header.dcid());
        if Header::read(datagram).is_some_and(is_ours) {
            self.credit = None;
        } else {
            *credit += AMPLIFICATION * datagram.len();
        }
    }

    /// How many bytes should leave at a time (RFC 9002 §7.7).
    #[must_use]
    pub fn quantum(&self) -> usize {
        self.connection.send_quantum()
    }

    /// When [`Session::on_timeout`] wants to be called.
    #[must_use]
    pub fn timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        let own = if self.is_established() { self.ping } else { Some(self.handshake) };
        // A connection that is closing has one timer, quiche's.
        let own = own.filter(|_| !self.is_draining());
        [self.connection.timeout_instant(), own].into_iter().flatten().min()
    }

    /// The time of [`Session::timeout`] has come, or any other time: early calls do no harm.
    pub fn on_timeout(&mut self) {
        self.connection.on_timeout();
        let now = Instant::now();
        if !self.is_established() {
            self.is_late |= self.handshake <= now && !self.is_draining();
        } else if let (Some(ping), Some(keep_alive)) = (self.ping, self.keep_alive)
            && ping <= now
        {
            self.ping = Some(now + keep_alive);
            // It fails only where there is no path left, and then the connection ends by itself.
            let _ = self.connection.send_ack_eliciting();
        }
        self.look_at_paths();
    }

    /// Closes the connection with a code of its protocol; the peer is told by the next [`Session::transmit`]. Nothing if it is
    /// closing already.
    pub fn close(&mut self, code: u64) {
        // An error says that it is closing already.
        let _ = self.connection.close(true, code, b"");
    }

    /// Tells a client that is new that it is not served (RFC 9000 §20.1: CONNECTION_REFUSED); the next [`Session::transmit`] does.
    pub fn refuse(&mut self) {
        // It fails only when it is closing already.
        let _ = self.connection.close(false, 0x02, b"");
    }

    /// Whether the handshake is complete.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.connection.is_established()
    }

    /// Whether what can be read now may be early data, which can be replayed: the handshake is under way, and early data was
    /// accepted.
    #[must_use]
    pub fn is_early(&self) -> bool {
        !self.connection.is_established() && self.connection.is_in_early_data()
    }

    /// Whether the connection is over: it can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_late || self.connection.is_closed()
    }

    /// Whether the connection is closing: nothing more is read or sent, but it stays for a while, so that packets that are still
    /// under way are not taken for strangers' (RFC 9000 §10.2).
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.connection.is_draining()
    }

    /// Bytes of packets that the peer has acknowledged, ever: where that grows, what it was sent arrives.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.connection.stats().acked_bytes
    }

    /// Whether the peer has not acknowledged everything yet that it was sent, as far as can be told: it is being waited for, and
    /// not just until it has been silent for too long.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        let soon = self.idle_timeout / 2;
        let next = self.connection.timeout();
        next.is_some_and(|next| next < soon)
    }

    /// Who has ended the connection, once it is ending.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        if self.is_late {
            return Some(Ended::HandshakeTimeout);
        }
        if let Some(error) = self.connection.peer_error() {
            let code = error.error_code;
            return Some(if error.is_app { Ended::Peer(code) } else { Ended::PeerTransport(code) });
        }
        if let Some(error) = self.connection.local_error() {
            let code = error.error_code;
            return Some(if error.is_app { Ended::Ours(code) } else { Ended::OurTransport(code) });
        }
        if self.connection.is_timed_out() {
            return Some(Ended::Idle);
        }
        self.connection.is_closed().then_some(Ended::StatelessReset)
    }

    /// Whether we began it: [`Endpoint::dial`](crate::Endpoint::dial).
    #[must_use]
    pub const fn is_dialed(&self) -> bool {
        matches!(self.side, Side::Client(_))
    }

    /// Why TLS has ended a handshake of ours, once it has.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        let Side::Client(judgement) = &self.side else { return None };
        let alert = |code: u64| u8::try_from(code.checked_sub(CRYPTO_ERROR)?).ok();
        judgement.broken().or_else(|| match self.ended()? {
            Ended::PeerTransport(code) => alert(code).map(Broken::Alert),
            Ended::OurTransport(code) => alert(code).map(|_| Broken::Handshake),
            _ => None,
        })
    }

    /// The protocol that ALPN has chosen; empty before that.
    #[must_use]
    pub fn alpn(&self) -> &[u8] {
        self.connection.application_proto()
    }

    /// What the handshake has found out; before its end much is missing.
    #[must_use]
    pub fn tls_info(&mut self) -> TlsInfo {
        let alpn = Some(self.alpn()).filter(|alpn| !alpn.is_empty()).map(Into::into);
        let server_name =
            self.connection.server_name().map(|name| name.to_ascii_lowercase().into());
        let resumed = self.connection.is_resumed();
        let client = self.client().and_then(Result::ok);
        let tls: &mut SslRef = self.connection.as_mut();
        TlsInfo {
            version: TlsVersion::V1_3,
            cipher_suite: tls
                .current_cipher()
                .and_then(|suite| suite.standard_name())
                .unwrap_or(""),
            group: tls.curve_name(),
            alpn,
            server_name,
            resumed,
            client,
        }
    }

    /// The path that is in use.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Whether the peer has another address since this was asked last, on purpose or by its network (RFC 9000 §9): the old path
    /// and the new one. What lay between several moves is left out.
    pub fn moved(&mut self) -> Option<(Path, Path)> {
        self.moved.take()
    }

    /// How many moves there were since this was asked last.
    pub(crate) const fn take_moves(&mut self) -> u32 {
        std::mem::replace(&mut self.moves, 0)
    }

    /// Whether early data was accepted.
    pub(crate) fn was_early(&self) -> bool {
        self.connection.early_data_reason() == EARLY_ACCEPTED
    }

    /// The handshake is over: a client whose certificate was verified in a session that it has resumed may have one that is no longer
    /// valid, and then the connection ends.
    pub(crate) fn look_at_client(&mut self) {
        if let Some(Err(Expired)) = self.client() {
            // An error says that it is closing already.
            let _ = self.connection.close(false, CERTIFICATE_EXPIRED, b"");
        }
    }

    fn client(&self) -> Option<Result<ClientCertificate, Expired>> {
        let Side::Server(material, _) = &self.side else { return None };
        material.asks_clients()?;
        let chain = self.connection.peer_cert_chain()?;
        Some(material.client(&chain))
    }

    /// Whether that is where the client is, or only another port of the same machine.
    fn is_near(&self, path: Path) -> bool {
        let is_same = path.local == self.path.local && path.peer.ip() == self.path.peer.ip();
        path == self.path || is_same && self.is_established()
    }

    /// How many packets were read.
    fn packets(&self) -> usize {
        self.connection.stats().recv
    }

    /// A packet of the client's came from that address. If its port alone is another one, its network has renumbered it (RFC 9000
    /// §9.3.3, §9.4), and for quiche it is where it was: else packets on their way to the old port would never be found lost, for
    /// quiche has a recovery a path. The address as such has been validated; a port is not, again.
    fn follow(&mut self, path: Path) {
        if path == self.path {
            if let Some((_, late)) = &mut self.left {
                *late = 0;
            }
            return;
        }
        if let Some((left, late)) = &mut self.left
            && *left == path.peer
        {
            // What was late on its way brings nobody back.
            *late += 1;
            if *late < RETURNED {
                return;
            }
        }
        self.left = Some((self.path.peer, 0));
        self.note_move(path);
    }

    fn note_move(&mut self, new: Path) {
        let first = self.moved.map_or(self.path, |(old, _)| old);
        self.moved = Some((first, new));
        self.moves += 1;
        self.path = new;
    }

    /// Events of paths are not kept: what is asked is which one is in use now.
    fn look_at_paths(&mut self) {
        if self.connection.path_event_next().is_none() {
            return;
        }
        while self.connection.path_event_next().is_some() {}
        let mut all = self.connection.path_stats();
        let Some(active) = all.find(|path| path.active) else { return };
        let new = Path { local: active.local_addr, peer: active.peer_addr };
        drop(all);
        if new != self.known {
            self.known = new;
            self.note_move(new);
        }
    }
}
