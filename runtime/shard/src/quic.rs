//! The third lane of a shard: its UDP sockets below, its QUIC connections above, and when each is asked.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use trilane_connection::quic::{Lane, Taken, Train as Room};
use trilane_connection::{Description, Host, Traffic};
use trilane_exchange::Wake;
use trilane_quic::cid::LAYOUT;
use trilane_quic::{Endpoint, Identity, Path, Place, Secrets, Settings};
use trilane_semantics::{Cause, Instant};
use trilane_tls::Acceptor;

use crate::core::{Core, Timer};
use crate::dial::Call;
use crate::handover::hello::Hello;
use crate::listen::{ConnectionIds, ListenAddress, UdpConfig, UdpSocket};
use crate::preflight::StartError;
use crate::ring::{Completion, Ring, Submission};
use crate::server::Config;
use crate::slots::Key;
use crate::token::{Op, Token};
use crate::udp::{self, Forwarded, Forwards, Mail, Train, Udp};
use crate::wheel::TimerKey;

/// HTTP/3.
#[derive(Clone, Debug)]
pub struct QuicConfig {
    /// Where to listen for it: [`ListenAddress::Udp`].
    pub listen: Vec<ListenAddress>,
    /// The port that answers over TLS name (Alt-Svc), where clients see another one than we do. Default: the first that is listened on.
    pub advertised_port: Option<NonZero<u16>>,
    /// What connections begin with.
    pub acceptor: Acceptor,
    /// How QUIC is done.
    pub settings: Settings,
    /// Whether the kernel gives datagrams to the shard whose connection they are of. If not, shards pass on to each other what is
    /// not theirs. Default: yes.
    pub steering: bool,
    /// Where connections are logged as qlog, a file each, as long as there is such a folder. A shard waits for its disk then: it is for
    /// looking into something. Default: nowhere.
    pub qlog: Option<PathBuf>,
    /// Bytes that a socket holds of what has come, until its shard takes it. Default 4 MiB; `net.core.rmem_max` is a limit as well.
    pub receive_buffer: u32,
    /// The same for what goes out, and `net.core.wmem_max`. Default 4 MiB.
    pub send_buffer: u32,
}

impl QuicConfig {
    /// The defaults, on these addresses.
    #[must_use]
    pub fn new(listen: Vec<ListenAddress>, acceptor: Acceptor, settings: Settings) -> Self {
        let UdpConfig { receive_buffer, send_buffer, .. } = UdpConfig::default();
        Self {
            listen,
            advertised_port: None,
            acceptor,
            settings,
            steering: true,
            qlog: None,
            receive_buffer,
            send_buffer,
        }
    }
}

/// What the shards of a process share.
#[derive(Clone)]
pub(crate) struct Common {
    secrets: Option<Secrets>,
    acceptor: Option<Acceptor>,
    generation: u8,
    forwards: Arc<Forwards>,
}

impl Common {
    /// `before` is what the process that we take over from has said of itself.
    pub(crate) fn new(config: &Config, before: Option<&Hello>) -> Result<Self, StartError> {
        let secrets = config.quic.as_ref().map(|quic| match before {
            Some(before) if !before.quic.is_empty() => Secrets::inherited(&before.quic),
            _ => Secrets::new(&quic.acceptor),
        });
        // Of two processes that follow each other; that before them is gone.
        let generation = before.map_or(0, |it| it.generation.wrapping_add(1) & LAYOUT.generation);
        Ok(Self {
            secrets: secrets.transpose().map_err(failed)?,
            acceptor: acceptor(config),
            generation,
            forwards: Arc::new(Forwards::new(config.topology.cpus().len())),
        })
    }

    /// What whoever takes over from us must know.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            generation: self.generation,
            tickets: self.acceptor.as_ref().map(Acceptor::random_keys).unwrap_or_default(),
            quic: self.secrets.as_ref().map(Secrets::to_bytes).unwrap_or_default(),
            ..Hello::default()
        }
    }
}

impl Config {
    pub(crate) fn udp_listen(&self) -> Vec<ListenAddress> {
        self.quic.iter().flat_map(|quic| quic.listen.clone()).collect()
    }

    pub(crate) fn udp(&self) -> UdpConfig {
        let Some(quic) = &self.quic else { return UdpConfig::default() };
        // All places are below its length, which is below 256.
        let ids = ConnectionIds {
            length: LAYOUT.length as u8,
            kind: LAYOUT.kind as u8,
            generation: LAYOUT.generation,
            version: LAYOUT.version,
            shard: LAYOUT.shard as u8,
            mask: LAYOUT.mask as u8,
        };
        let (receive_buffer, send_buffer) = (quic.receive_buffer, quic.send_buffer);
        UdpConfig { ids: quic.steering.then_some(ids), receive_buffer, send_buffer }
    }
}

/// QUIC on one shard.
pub(crate) struct Quic {
    udp: Udp,
    lane: Lane,
    /// Of the shard.
    number: usize,
    forwards: Arc<Forwards>,
    /// What others have passed on, while it is read.
    mail: Mail,
    /// What connections begin with that are not ours.
    server: Option<(Acceptor, Identity)>,
    /// Where datagrams come for connections that we have begun: a socket at most for each kind of address.
    calling: Vec<SocketAddr>,
    buffers: UdpConfig,
    timer: Option<(TimerKey, Instant)>,
    /// Something has happened to the lane since it was last run.
    is_touched: bool,
}

impl Quic {
    /// For shard `number` of `count`.
    pub(crate) fn open(
        config: &Config,
        common: &Common,
        (number, count): (usize, usize),
        sockets: Vec<UdpSocket>,
        core: &Core,
        ring: &mut Ring,
    ) -> Result<Option<Self>, StartError> {
        let (Some(quic), Some(secrets)) = (&config.quic, &common.secrets) else { return Ok(None) };
        let many = |_| StartError::Other {
            what: "number the shards",
            error: io::Error::other("HTTP/3 takes 256 at most"),
        };
        let place = Place {
            shard: u8::try_from(number).map_err(many)?,
            shards: u8::try_from(count).map_err(many)?,
            generation: common.generation,
        };
        let identity = Identity::new(&quic.acceptor);
        let mut settings = quic.settings.clone();
        // No more requests are invited than are taken.
        settings.bidi_streams = settings.bidi_streams.min(config.limits.streams as u64);
        let endpoint = Endpoint::new(settings, &identity, place, secrets).map_err(failed)?;
        let mut lane = Lane::new(endpoint, core.start(), config.connections.get());
        if let Some(folder) = quic.qlog.clone() {
            lane = lane.logging(move |name| {
                let file = File::create(folder.join(format!("{name}.sqlog"))).ok()?;
                Some(Box::new(BufWriter::new(file)))
            });
        }
        let other = |error| StartError::Other { what: "register buffers for datagrams", error };
        let forwards = (number, Arc::clone(&common.forwards));
        let mut all = Self::with(sockets, lane, forwards, ring).map_err(other)?;
        (all.server, all.buffers) = (Some((quic.acceptor.clone(), identity)), config.udp());
        Ok(Some(all))
    }

    /// Without a listener: for connections that we begin.
    pub(crate) fn dialing(core: &Core, ring: &mut Ring) -> io::Result<Self> {
        let alone = Place { shard: 0, shards: 1, generation: 0 };
        let secrets = Secrets::random().map_err(io::Error::other)?;
        let endpoint = Endpoint::dialing(Settings::default(), alone, &secrets);
        let lane = Lane::new(endpoint.map_err(io::Error::other)?, core.start(), 0);
        Self::with(Vec::new(), lane, (0, Arc::new(Forwards::new(1))), ring)
    }

    fn with(
        sockets: Vec<UdpSocket>,
        lane: Lane,
        (number, forwards): (usize, Arc<Forwards>),
        ring: &mut Ring,
    ) -> io::Result<Self> {
        let udp = Udp::new(ring, sockets)?;
        forwards.enlist(number, ring.descriptor());
        Ok(Self {
            udp,
            lane,
            number,
            forwards,
            mail: Mail::default(),
            server: None,
            calling: Vec::new(),
            buffers: UdpConfig::default(),
            timer: None,
            is_touched: true,
        })
    }

    /// Begins a connection to a server.
    pub(crate) fn dial(&mut self, host: &Host, now: Instant, call: Call, ring: &mut Ring) {
        let Call { expected, peer, limits, desk } = call;
        match self.calling_from(peer, ring) {
            Ok(local) => {
                self.lane.dial(host, now, (&expected, Path { local, peer }), limits, desk);
                self.is_touched = true;
            }
            Err(error) => desk.end(error.into()),
        }
    }

    /// Where our end is of a connection to that address.
    fn calling_from(&mut self, peer: SocketAddr, ring: &mut Ring) -> io::Result<SocketAddr> {
        if let Some(local) = self.calling.iter().find(|it| it.is_ipv6() == peer.is_ipv6()) {
            return Ok(*local);
        }
        let socket = UdpSocket::calling(peer.is_ipv6(), self.buffers)?;
        let local = socket.address();
        self.udp.add(socket, ring);
        self.calling.push(local);
        Ok(local)
    }

    /// Begins to receive.
    pub(crate) fn receive(&mut self, ring: &mut Ring) {
        self.udp.receive(ring);
    }

    /// An operation on its sockets has come to its end, or a step further.
    pub(crate) fn completed(
        &mut self,
        host: &Host,
        now: Instant,
        completion: &mut Completion,
        ring: &mut Ring,
    ) {
        match completion.token().map(|token| token.op) {
            Some(Op::Datagrams) => self.received(host, now, completion, ring),
            Some(Op::Train) => {
                self.udp.sent(completion, ring, host.stats());
                // There is room again.
                self.is_touched = true;
            }
            _ => {}
        }
    }

    /// Datagrams have come.
    fn received(
        &mut self,
        host: &Host,
        now: Instant,
        completion: &mut Completion,
        ring: &mut Ring,
    ) {
        let Some(mut received) = self.udp.received(completion, ring, host.stats()) else { return };
        self.is_touched = true;
        self.renew();
        let path = received.path();
        let is_call = self.calling.contains(&path.local);
        for datagram in received.datagrams() {
            if is_call {
                self.lane.hear(host, datagram, theirs(path));
            } else if let Taken::Forward(shard) =
                self.lane.receive(host, now, datagram, theirs(path))
            {
                self.pass_on(host, shard.into(), datagram, path, ring);
            }
        }
    }

    /// Gives a datagram to the shard whose it is.
    fn pass_on(&self, host: &Host, to: usize, datagram: &[u8], path: udp::Path, ring: &mut Ring) {
        match self.forwards.send(to, datagram, path) {
            // Its sender will send it again.
            Forwarded::Lost => return host.stats().forward_dropped.add(1),
            Forwarded::Behind => {}
            Forwarded::First(theirs) => {
                let token = Token { key: Key { index: 0, generation: 0 }, op: Op::Message };
                ring.push(Submission::message(theirs, 0, token, token));
            }
        }
        host.stats().forwarded.add(1);
    }

    /// Takes what others have passed on.
    fn collect(&mut self, host: &Host, now: Instant) {
        if !self.forwards.collect(self.number, &mut self.mail) {
            return;
        }
        self.is_touched = true;
        for (datagram, path) in self.mail.datagrams() {
            // Once is enough: what is passed on again would go round and round.
            if self.lane.receive(host, now, datagram, theirs(path)) != Taken::Ours {
                host.stats().forward_dropped.add(1);
            }
        }
    }

    /// Has new connections begin with what is in force now.
    fn renew(&mut self) {
        let Some((acceptor, known)) = &mut self.server else { return };
        let identity = Identity::new(acceptor);
        if identity != *known {
            // It was checked when it was read; what QUIC cannot use leaves what there is.
            let _ = self.lane.endpoint().replace(&identity);
            *known = identity;
        }
    }

    pub(crate) fn wake(&mut self, host: &Host, now: Instant, wake: &Wake) -> bool {
        let Wake::Exchange(key, id) = *wake else { return false };
        if !Lane::is_key(key) {
            return false;
        }
        self.lane.wake(host, now, key, id);
        self.is_touched = true;
        true
    }

    /// The timer that [`run`](Self::run) has set.
    pub(crate) fn timer(&mut self, host: &Host, now: Instant) {
        self.timer = None;
        self.lane.timeout(host, now);
        self.is_touched = true;
    }

    /// Once a turn: runs what was touched, and sends.
    pub(crate) fn run(&mut self, host: &Host, now: Instant, core: &Core, ring: &mut Ring) {
        self.collect(host, now);
        if !std::mem::take(&mut self.is_touched) {
            return;
        }
        self.lane.finish(host, now);
        while self.udp.has_room()
            && self.udp.send(ring, host.stats(), |train| self.lane.transmit(host, now, train))
        {
        }
        self.udp.publish();
        self.arm(core);
    }

    fn arm(&mut self, core: &Core) {
        let Some(at) = self.lane.poll_timeout() else { return };
        // A timer that is too early finds nothing to do, and is set anew.
        if self.timer.is_some_and(|(_, armed)| armed <= at) {
            return;
        }
        let mut wheel = core.wheel.borrow_mut();
        if let Some((timer, _)) = self.timer.take() {
            wheel.remove(timer);
        }
        self.timer = Some((wheel.insert(at, Timer::Quic), at));
    }

    /// Finishes what there is. If the sockets are `left` to another process, whoever has begun with us still is served.
    pub(crate) fn drain(&mut self, host: &Host, now: Instant, grace: Duration, left: bool) {
        if left {
            self.lane.leave(host, now, grace);
        } else {
            self.lane.drain(host, now, grace);
        }
        self.is_touched = true;
    }

    pub(crate) fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        self.lane.shut(host, now, cause);
        self.is_touched = true;
    }

    /// Ends receiving, for there is nobody left to receive for.
    pub(crate) fn close(&mut self, ring: &mut Ring) {
        self.forwards.close(self.number);
        self.udp.close(ring);
    }

    /// How many connections clients have.
    pub(crate) fn len(&self) -> usize {
        self.lane.len()
    }

    /// Whether `key` names a connection over QUIC.
    pub(crate) const fn is_key(&self, key: u64) -> bool {
        Lane::is_key(key)
    }

    /// As [`Lane::look`].
    pub(crate) fn look(
        &self,
        from: usize,
        most: usize,
        take: impl FnMut(u64, bool, Description, Traffic),
    ) -> bool {
        self.lane.look(from, most, take)
    }

    /// As [`Lane::log`].
    pub(crate) fn log(&mut self, key: u64, writer: Box<dyn Write + Send + Sync>) -> bool {
        self.lane.log(key, writer)
    }

    /// Ends a connection at once. Whether there is one of that name.
    pub(crate) fn cut(&mut self, host: &Host, now: Instant, key: u64) -> bool {
        self.is_touched = true;
        self.lane.cut(host, now, key, Cause::Operator)
    }

    /// Whether clients have no connections.
    pub(crate) fn is_empty(&self) -> bool {
        self.lane.is_empty()
    }

    /// How many connections lead to servers.
    pub(crate) const fn calls(&self) -> usize {
        self.lane.calls()
    }

    /// Whether the kernel has nothing of ours.
    pub(crate) fn is_idle(&self) -> bool {
        self.udp.is_idle()
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        // Also when the shard was torn down.
        self.forwards.close(self.number);
    }
}

impl Room for Train {
    fn space(&mut self) -> &mut [u8] {
        Self::space(self)
    }

    fn push(&mut self, len: usize, path: Path) -> bool {
        let Path { local, peer } = path;
        Self::push(self, len, udp::Path { local, peer })
    }
}

/// The path, as QUIC names it.
const fn theirs(udp::Path { local, peer }: udp::Path) -> Path {
    Path { local, peer }
}

/// What connections over TLS begin with, whatever the transport.
fn acceptor(config: &Config) -> Option<Acceptor> {
    let secure = config.secure.as_ref().map(|secure| secure.acceptor.clone());
    secure.or_else(|| config.quic.as_ref().map(|quic| quic.acceptor.clone()))
}

fn failed(error: trilane_quic::Error) -> StartError {
    StartError::Other { what: "prepare QUIC", error: io::Error::other(error) }
}
