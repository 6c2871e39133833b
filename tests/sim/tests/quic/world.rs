//! Shards, clients, the network between them, and the loop that moves time from one event to the next.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use quiche::Config;
use rcgen::{CertificateParams, KeyPair};
use trilane_connection::quic::Lane;
use trilane_exchange::Service;
use trilane_quic::{Endpoint, Identity, Place, Secrets, Settings};
use trilane_semantics::{Instant, Limits};
use trilane_sim::clock;
use trilane_sim::rng::Rng;
use trilane_tls::{Acceptor, Identity as Pair, Pem, TlsConfig};

use crate::client::{self, Client, SERVER};
use crate::net::{Datagram, Net, Weather};
use crate::server::{Shard, steer};
use crate::service::Demo;
use crate::time;

/// What the clock of the machine shows when a world begins.
const BEGINNING: Duration = Duration::from_secs(1_000_000);
/// Turns in one instant; more is a loop that makes no progress.
const TURNS: usize = 100_000;

/// What a world is made from.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) shards: u8,
    /// Whether the kernel knows connection ids.
    pub(crate) steered: bool,
    pub(crate) weather: Weather,
    pub(crate) app: Rc<dyn Service>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            settings: Settings::default(),
            limits: Limits::default(),
            shards: 1,
            steered: true,
            weather: Weather::FAIR,
            app: Rc::new(Demo::default()),
        }
    }
}

/// A world.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) net: Net,
    pub(crate) shards: Vec<Shard>,
    pub(crate) clients: Vec<Client>,
    pub(crate) rng: Rng,
    /// Datagrams that one shard has passed on to another.
    pub(crate) forwarded: u64,
    plan: Plan,
    clock: Rc<clock::Clock>,
    epoch: Clock,
    acceptor: Acceptor,
    secrets: Secrets,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        time::set(Some(BEGINNING));
        let mut rng = Rng::new(plan.seed);
        let acceptor = acceptor();
        let secrets = Secrets::new(&acceptor).unwrap();
        let net = Net::new(rng.fork(), plan.weather);
        let (clock, epoch) = (Rc::default(), Clock::now());
        let (now, shards, clients) = (Instant::default(), Vec::new(), Vec::new());
        let forwarded = 0;
        let mut world = Self {
            now,
            net,
            shards,
            clients,
            rng,
            forwarded,
            plan,
            clock,
            epoch,
            acceptor,
            secrets,
        };
        world.start();
        world
    }

    /// Starts the server, anew if there was one: it knows nobody.
    pub(crate) fn start(&mut self) {
        self.shards.clear();
        for shard in 0..self.plan.shards {
            let place = Place { shard, shards: self.plan.shards, generation: 0 };
            let (settings, identity) = (self.plan.settings.clone(), Identity::new(&self.acceptor));
            let endpoint = Endpoint::new(settings, &identity, place, &self.secrets).unwrap();
            let (app, limits) = (Rc::clone(&self.plan.app), self.plan.limits.clone());
            let (clock, rng) = (Rc::clone(&self.clock), self.rng.fork());
            self.shards.push(Shard::new(app, limits, endpoint, self.epoch, clock, rng));
        }
    }

    /// A lane of the first shard's that takes so many connections.
    pub(crate) fn lane(&self, most: usize) -> Lane {
        let place = Place { shard: 0, shards: self.plan.shards, generation: 0 };
        let (settings, identity) = (self.plan.settings.clone(), Identity::new(&self.acceptor));
        let endpoint = Endpoint::new(settings, &identity, place, &self.secrets).unwrap();
        Lane::new(endpoint, self.epoch, most)
    }

    /// A client comes, as all do; its number.
    pub(crate) fn client(&mut self) -> usize {
        self.client_with(&mut client::config())
    }

    pub(crate) fn client_with(&mut self, config: &mut Config) -> usize {
        let client = Client::new(&mut self.rng, home(self.clients.len(), 0), config);
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// A client that has no id.
    pub(crate) fn nameless(&mut self, config: &mut Config) -> usize {
        let client = Client::named(&mut self.rng, b"", home(self.clients.len(), 0), config);
        self.clients.push(client);
        self.clients.len() - 1
    }

    /// Runs until that is so. Panics if it is not after `most` of virtual time.
    #[track_caller]
    pub(crate) fn until(&mut self, most: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + most;
        loop {
            self.settle();
            if done(self) {
                return;
            }
            let next = self.next().unwrap_or(end);
            assert!(next > self.now, "something is due that nobody does");
            assert!(next < end, "not after {most:?}: {}", self.account());
            self.advance(next);
        }
    }

    /// Runs for that long.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = self.next().unwrap_or(end).min(end);
            if self.now == end {
                return;
            }
            assert!(next > self.now, "something is due that nobody does");
            self.advance(next);
        }
    }

    /// Runs until every client has what it wants, and says how long that took.
    #[track_caller]
    pub(crate) fn finish(&mut self, most: Duration) -> Duration {
        let begin = self.now;
        self.until(most, |world| world.clients.iter().all(Client::is_done));
        assert!(self.clients.iter().all(Client::is_good), "{}", self.account());
        self.now.since(begin)
    }

    /// Does all that can be done in this instant.
    fn settle(&mut self) {
        for _ in 0..TURNS {
            let mut is_busy = false;
            while let Some(datagram) = self.net.receive(self.now) {
                self.deliver(datagram);
                is_busy = true;
            }
            for shard in &mut self.shards {
                is_busy |= shard.turn(self.now, &mut self.net);
            }
            for client in &mut self.clients {
                client.step(|datagram| self.net.send(self.now, datagram));
            }
            is_busy |= self.net.next().is_some_and(|at| at <= self.now);
            if !is_busy {
                return;
            }
        }
        panic!("the world is never quiet");
    }

    fn deliver(&mut self, mut datagram: Datagram) {
        let (now, count) = (self.now, self.shards.len());
        if datagram.to != SERVER {
            let client = whose(datagram.to);
            if let Some(client) = self.clients.get_mut(client) {
                client.receive(&mut datagram);
            }
            return;
        }
        let to = steer(&datagram, count, self.plan.steered);
        if let Some(other) = self.shards[to].receive(now, &mut datagram) {
            self.forwarded += 1;
            let again = self.shards[usize::from(other)].receive(now, &mut datagram);
            assert_eq!(again, None, "it goes round and round");
        }
    }

    fn next(&self) -> Option<Instant> {
        let mut next = Instant::earliest(self.net.next(), self.clock.next());
        for shard in &self.shards {
            next = Instant::earliest(next, shard.next());
        }
        for client in &self.clients {
            let at = client.timeout().map(|at| {
                let since = at.saturating_duration_since(self.epoch);
                Instant::from_nanos(since.as_nanos() as u64)
            });
            next = Instant::earliest(next, at);
        }
        next
    }

    fn advance(&mut self, to: Instant) {
        self.now = to;
        time::set(Some(BEGINNING + Duration::from_nanos(to.as_nanos())));
        self.clock.advance(to);
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.shards.iter().map(|shard| shard.lane.len()).sum()
    }

    /// The sum of a counter of all shards.
    pub(crate) fn sum(&self, count: impl Fn(&Shard) -> u64) -> u64 {
        self.shards.iter().map(count).sum()
    }

    /// What is missing, for messages.
    pub(crate) fn account(&self) -> String {
        let mut text = format!("{:?}, {} open, {} lost", self.now, self.open(), self.net.lost);
        for (number, client) in self.clients.iter().enumerate() {
            let missing = client.asks.iter().filter(|(_, ask)| !ask.is_good()).take(3);
            text += &format!(
                "\n  client {number}: closed {} theirs {:?} ours {:?} {:?}",
                client.quic.is_closed(),
                client.quic.peer_error(),
                client.quic.local_error(),
                missing.collect::<Vec<_>>()
            );
        }
        text
    }
}

impl Drop for World {
    fn drop(&mut self) {
        time::set(None);
    }
}

/// Where a client is; each has as many addresses as there are ports.
pub(crate) fn home(client: usize, port: u16) -> SocketAddr {
    let [.., high, low] = (client as u32).to_be_bytes();
    client::at([10, 1, high, low], 40_000 + port)
}

/// Whose an address is.
fn whose(address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { panic!("no address of this world") };
    let [.., high, low] = address.ip().octets();
    usize::from(high) << 8 | usize::from(low)
}

thread_local! {
    /// Keys take long to make.
    static PAIR: Cell<Option<Pair>> = const { Cell::new(None) };
}

fn acceptor() -> Acceptor {
    let pair = PAIR.take().unwrap_or_else(|| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Pair::new(Pem::Text(certificate.pem()), Pem::Text(key.serialize_pem()))
    });
    PAIR.set(Some(pair.clone()));
    Acceptor::new(TlsConfig { identities: vec![pair], ..TlsConfig::default() }).unwrap()
}
