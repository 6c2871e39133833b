//! A shard as far as HTTP/3 goes: a lane, and what is asked of whoever drives one.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use trilane_connection::Host;
use trilane_connection::quic::{Lane, Taken, Train};
use trilane_exchange::{Service, Shard as Capabilities, Wake, WakeQueue};
use trilane_quic::{Endpoint, Path};
use trilane_semantics::{Instant, Limits};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock;
use trilane_sim::recorder::Recorder;
use trilane_sim::replays::Replays;
use trilane_sim::rng::Rng;

use crate::net::{Datagram, Net};

/// Bytes of a train.
const TRAIN: usize = 64 << 10;
/// Trains in one turn.
const TRAINS: usize = 64;
/// Connections of a lane.
const CONNECTIONS: usize = 1 << 12;

/// What is recorded of a connection, in bytes.
const KEPT: usize = 64 << 10;

/// One shard.
pub(crate) struct Shard {
    pub(crate) host: Host,
    pub(crate) lane: Lane,
    pub(crate) recorder: Rc<Recorder>,
    pub(crate) replays: Rc<Replays>,
    sim: Rc<SimShard>,
    queue: WakeQueue,
    cars: Cars,
    is_touched: bool,
}

impl Shard {
    pub(crate) fn new(
        app: Rc<dyn Service>,
        limits: Limits,
        endpoint: Endpoint,
        epoch: Clock,
        clock: Rc<clock::Clock>,
        rng: Rng,
    ) -> Self {
        let queue = WakeQueue::new(|| ());
        let sim = Rc::new(SimShard::new(clock, rng, queue.clone()));
        let recorder = Rc::new(Recorder::new(app));
        let limits = Rc::new(limits.usable());
        let capabilities = Capabilities::new(Rc::clone(&sim) as _);
        let service = Rc::clone(&recorder);
        let host = Host::new(service, limits, capabilities, queue.clone(), "trilane");
        // Whatever else is tried: each connection comes to the same end when it is run again.
        let (recording, replays) = Replays::recorder(KEPT);
        let host = host.recording(Some(recording));
        let lane = Lane::new(endpoint, epoch, CONNECTIONS);
        let cars = Cars::new();
        Self { host, lane, recorder, replays, sim, queue, cars, is_touched: false }
    }

    /// A datagram comes. The shard whose it is, if it is another one's.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &mut Datagram) -> Option<u8> {
        self.is_touched = true;
        let path = Path { local: datagram.to, peer: datagram.from };
        match self.lane.receive(&self.host, now, &mut datagram.bytes, path) {
            Taken::Ours => None,
            Taken::Forward(shard) => Some(shard),
        }
    }

    /// One turn. Whether anything happened.
    pub(crate) fn turn(&mut self, now: Instant, net: &mut Net) -> bool {
        self.sim.run_work();
        self.host.tick();
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        self.is_touched |= !woken.is_empty();
        for wake in woken {
            match wake {
                Wake::Task(key) => self.sim.poll_task(key),
                Wake::Exchange(key, id) => {
                    assert!(Lane::is_key(key));
                    self.lane.wake(&self.host, now, key, id);
                }
            }
        }
        if self.lane.poll_timeout().is_some_and(|at| at <= now) {
            self.lane.timeout(&self.host, now);
            self.is_touched = true;
        }
        if !std::mem::take(&mut self.is_touched) {
            return false;
        }
        self.lane.finish(&self.host, now);
        for _ in 0..TRAINS {
            self.cars.clear();
            if !self.lane.transmit(&self.host, now, &mut self.cars) {
                return true;
            }
            self.cars.leave(now, net);
        }
        self.is_touched = true;
        true
    }

    /// Begins to drain.
    pub(crate) fn drain(&mut self, now: Instant, grace: Duration) {
        self.lane.drain(&self.host, now, grace);
        self.is_touched = true;
    }

    /// When something of it is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        Instant::earliest(self.lane.poll_timeout(), self.sim.next_work())
    }

    /// How many exchanges are under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.host.stats().requests.get() - self.recorder.finished()
    }
}

/// A train as the kernel has it: of one path, of one size but for the last.
struct Cars {
    bytes: Box<[u8]>,
    len: usize,
    size: usize,
    path: Option<Path>,
}

impl Cars {
    fn new() -> Self {
        Self { bytes: vec![0; TRAIN].into(), len: 0, size: 0, path: None }
    }

    const fn clear(&mut self) {
        (self.len, self.size, self.path) = (0, 0, None);
    }

    fn leave(&mut self, now: Instant, net: &mut Net) {
        let Some(Path { local, peer }) = self.path else { panic!("an empty train leaves") };
        for bytes in self.bytes[..self.len].chunks(self.size) {
            net.send(now, Datagram { bytes: bytes.to_vec(), from: local, to: peer });
        }
    }
}

impl Train for Cars {
    fn space(&mut self) -> &mut [u8] {
        let is_over = self.size > 0 && !self.len.is_multiple_of(self.size);
        let end = if is_over { self.len } else { TRAIN };
        &mut self.bytes[self.len..end]
    }

    fn push(&mut self, len: usize, path: Path) -> bool {
        let fits = len > 0 && len <= self.space().len() && (self.size == 0 || len <= self.size);
        if !fits || *self.path.get_or_insert(path) != path {
            return false;
        }
        if self.size == 0 {
            self.size = len;
        }
        self.len += len;
        true
    }
}

/// To which of so many shards the kernel gives a datagram: by the connection id if it knows those of ours, or else by its sender.
pub(crate) fn steer(datagram: &Datagram, shards: usize, knows_ids: bool) -> usize {
    let SocketAddr::V4(from) = datagram.from else { panic!("no address of this world") };
    let by_sender = (from.ip().to_bits() as usize + usize::from(from.port())) % shards;
    let id = match datagram.bytes.first() {
        Some(0x80..) => datagram.bytes.get(6..9),
        _ => datagram.bytes.get(1..4),
    };
    match id {
        Some(&[kind, shard, mask]) if knows_ids && kind & 0xc0 == 0x40 => {
            Some(usize::from(shard ^ mask)).filter(|shard| *shard < shards).unwrap_or(by_sender)
        }
        _ => by_sender,
    }
}
