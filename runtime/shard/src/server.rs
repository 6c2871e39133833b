//! A server: its sockets, its shards, and how it ends.

use std::collections::VecDeque;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;
use std::{fmt, io, thread};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use trilane_connection::{Guests, Host};
use trilane_exchange::{Address, Mailboxes, Service, Shard as ShardHandle, Stats, WakeQueue};

use crate::accept::Acceptors;
use crate::balance::Balance;
use crate::blocking::Blocking;
use crate::buffers::{self, Buffers};
use crate::bulk::Bulks;
use crate::config::CONNECTIONS;
pub use crate::config::{Config, Secure};
use crate::control::{Control, Order, Stopper};
use crate::core::Core;
use crate::handover::HandoverError;
use crate::handover::inherited::{Inherited, Predecessor};
use crate::handover::upgrade::Upgrader;
use crate::inspector::Inspector;
use crate::listen::given::Giver;
use crate::listen::{BACKLOG, ListenAddress, Listener, Listeners, UdpSocket};
use crate::pipes::Pipes;
use crate::preflight::{self, StartError};
use crate::pulse::{Beat, Pulse};
use crate::questions::Questions;
use crate::quic::{Common, Quic};
use crate::reload::Reloader;
use crate::ring::{Ring, RingConfig};
use crate::sending::{Reads, Sendings};
use crate::shard::{Shard, State};
use crate::slots::Slots;
use crate::socket::GROUP;
use crate::wires::Wires;

/// Memory that glommio registers for files on each shard, in bytes. The net ring brings its own.
const FILE_MEMORY: usize = 64 << 10;

/// Why an application could not be made.
pub type AppError = Box<dyn std::error::Error + Send + Sync>;

type MakeApp = dyn Fn(ShardHandle) -> Result<Rc<dyn Service>, AppError>;

/// A server at work. Dropping it stops it.
pub struct Server {
    addresses: Vec<ListenAddress>,
    secure_addresses: Vec<ListenAddress>,
    udp_addresses: Vec<ListenAddress>,
    stats: Arc<[Arc<Stats>]>,
    control: Arc<Control>,
    upgrader: Upgrader,
    inspector: Inspector,
    reloader: Reloader,
    beats: Arc<[Arc<Beat>]>,
    predecessor: Option<Predecessor>,
    /// Where that one listens, and we do not.
    unasked: Vec<String>,
    shards: Vec<ExecutorJoinHandle<io::Result<()>>>,
    // Last: removes the files of unix sockets.
    listeners: Listeners,
}

impl Server {
    /// Opens the sockets and starts the shards; `app` makes the service of each, on its own thread.
    ///
    /// # Errors
    /// What stands in the way, and what to do about it.
    pub fn start<F>(config: Config, app: F) -> Result<Self, StartError>
    where
        F: Fn(ShardHandle) -> Result<Rc<dyn Service>, AppError> + Send + Sync + 'static,
    {
        Self::start_with(config, None, app)
    }

    /// The same with what this process was given. If there is a process before it, that one serves until [`Server::take_over`].
    ///
    /// # Errors
    /// As [`Server::start`]; then the one before serves on.
    pub fn start_with<F>(
        config: Config,
        inherited: Option<Inherited>,
        app: F,
    ) -> Result<Self, StartError>
    where
        F: Fn(ShardHandle) -> Result<Rc<dyn Service>, AppError> + Send + Sync + 'static,
    {
        let Inherited { mut given, hello, predecessor, warnings, .. } =
            inherited.unwrap_or_default();
        let cpus = config.topology.cpus().to_vec();
        let count = NonZero::new(cpus.len()).unwrap_or(NonZero::<usize>::MIN);
        let for_all = |error| preflight::of_all(error, count.get());
        preflight::check_ring().map_err(for_all)?;
        preflight::check_cpus()?;
        let need = preflight::descriptors(cpus.len(), config.all_listen().len());
        let descriptors = preflight::raise_descriptors(need)?;
        let mut listeners =
            Listeners::take_over(&config.all_listen(), count, config.udp(), &mut given)?;
        listeners.warn(warnings.into_iter().chain(given.unasked()));
        if config.connections != CONNECTIONS {
            let (shards, asked) = (count.get(), config.connections.get());
            listeners.warn(preflight::too_many_connections(descriptors, shards, asked));
        }
        let (clear, secure) = listeners.addresses().split_at(config.listen.len());
        let (secure, udp) = secure.split_at(secure.len() - config.udp_listen().len());
        let (addresses, secure_addresses) = (clear.to_vec(), secure.to_vec());
        let udp_addresses = udp.to_vec();
        let estate = listeners.estate();
        let estate = estate
            .map_err(|error| StartError::Other { what: "keep sockets for a handover", error })?;
        let (of_shards, mut udp) = (listeners.take(), listeners.take_udp().into_iter());
        let common = Common::new(&config, hello.as_ref())?;
        let stats: Arc<[Arc<Stats>]> = cpus.iter().map(|_| Arc::default()).collect();
        let control = Arc::new(Control::new(config.drain_idle_grace, config.drain_deadline));
        let of_us = common.clone();
        let upgrader = Upgrader::new(
            Arc::clone(&control),
            listeners.steering(),
            predecessor.is_some(),
            move || of_us.hello(),
        );
        let balance = Balance::new(Arc::clone(&stats), config.connections.get());
        let balance = Arc::new(balance);
        let mail = Arc::new(Mailboxes::new(cpus.len()));
        let is_pinned = config.is_pinned;
        let (blocking, app, config) = (Blocking::default(), Arc::new(app), Arc::new(config));
        let start = Instant::now();
        let questions = Arc::new(Questions::new(cpus.len()));
        let inspector =
            Inspector::new(Arc::clone(&questions), Arc::clone(&stats), Arc::clone(&control), start);
        let guests = guests(&config);
        let reloader = Reloader::new(Arc::clone(&control), Arc::clone(&config), cpus.len());
        let mut server = Self {
            reloader,
            addresses,
            secure_addresses,
            udp_addresses,
            stats: Arc::clone(&stats),
            control: Arc::clone(&control),
            upgrader,
            inspector,
            beats: cpus.iter().map(|_| Arc::default()).collect(),
            predecessor: None,
            unasked: given.addresses().map(ToString::to_string).collect(),
            shards: Vec::new(),
            listeners,
        };
        *server.control.estate() = estate;
        server.control.share(server.listeners.is_shared());
        let (ready, wait) = mpsc::channel();
        let beats = Arc::clone(&server.beats);
        for (id, (cpu, listeners)) in cpus.into_iter().zip(of_shards).enumerate() {
            let plan = Plan {
                id,
                beat: Arc::clone(&beats[id]),
                start,
                guests: guests.clone(),
                listeners,
                udp: udp.next().unwrap_or_default(),
                common: common.clone(),
                stats: Arc::clone(&stats),
                control: Arc::clone(&control),
                questions: Arc::clone(&questions),
                balance: Arc::clone(&balance),
                pipes: preflight::pipes(descriptors, count.get()),
                mail: Arc::clone(&mail),
                blocking: blocking.clone(),
                config: Arc::clone(&config),
            };
            let (app, ready) = (Arc::clone(&app), ready.clone());
            let place = if is_pinned { Placement::Fixed(cpu) } else { Placement::Unbound };
            let shard = LocalExecutorBuilder::new(place)
                .name(&format!("shard-{id}"))
                .io_memory(FILE_MEMORY)
                .spawn(move || async move {
                    match plan.build(&*app) {
                        Ok(shard) => {
                            let _ = ready.send(Ok(()));
                            drop(ready);
                            shard.run().await
                        }
                        Err(error) => {
                            let _ = ready.send(Err(error));
                            Ok(())
                        }
                    }
                })
                .map_err(|error| StartError::Other {
                    what: "start an executor",
                    error: error.into(),
                })
                .map_err(for_all)?;
            server.shards.push(shard);
        }
        drop(ready);
        for _ in 0..server.shards.len() {
            // A shard that is gone without a word has panicked in `app`.
            let started = wait.recv().map_err(|_| StartError::Other {
                what: "start a shard",
                error: io::Error::other("its application panicked"),
            })?;
            started.map_err(for_all)?;
        }
        server.predecessor = predecessor;
        if server.predecessor.is_none() {
            if given.giver != Giver::Manager {
                server.listeners.own_files();
            }
            server.control.give(Order::Serve);
        }
        Ok(server)
    }

    /// Takes over from the process before us, if there is one: from now on we serve. Until then it does.
    ///
    /// # Errors
    /// It is there, and does not let us.
    pub fn take_over(&mut self) -> Result<(), HandoverError> {
        let Some(predecessor) = self.predecessor.take() else { return Ok(()) };
        predecessor.relieve()?;
        let warnings = self.listeners.steering().relieve();
        self.listeners.warn(warnings);
        self.listeners.own_files();
        self.control.give(Order::Serve);
        predecessor.serves(&self.unasked);
        let upgrader = self.upgrader();
        // Whoever has started shards can start a thread; without it nobody can take over from us.
        let _ = thread::Builder::new().name("trilane-handover".to_owned()).spawn(move || {
            predecessor.wait();
            upgrader.settled();
        });
        Ok(())
    }

    /// Where it listens for HTTP in clear, ports chosen.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Where it listens for HTTP over TLS, ports chosen.
    #[must_use]
    pub fn secure_addresses(&self) -> &[ListenAddress] {
        &self.secure_addresses
    }

    /// What works, but not as it should, for the operator: a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.listeners.warnings()
    }

    /// Where it listens for HTTP/3, ports chosen.
    #[must_use]
    pub fn udp_addresses(&self) -> &[ListenAddress] {
        &self.udp_addresses
    }

    /// The counters of its shards.
    #[must_use]
    pub fn stats(&self) -> &[Arc<Stats>] {
        &self.stats
    }

    /// A handle on what it does.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        self.inspector.clone()
    }

    /// A handle that stops it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.control))
    }

    /// Whether its shards turn, for a watchdog.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse::new(Arc::clone(&self.control), Arc::clone(&self.beats))
    }

    /// Has another process take over, whenever that is wanted.
    #[must_use]
    pub fn upgrader(&self) -> Upgrader {
        self.upgrader.clone()
    }

    /// A handle that gives it another application.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Waits until all shards have ended.
    ///
    /// # Errors
    /// A shard's ring broke, or the shard panicked.
    pub fn wait(mut self) -> io::Result<()> {
        self.take_over().map_err(io::Error::other)?;
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for shard in self.shards.drain(..) {
            let ended = shard.join().unwrap_or_else(|error| Err(io::Error::from(error)));
            result = result.and(ended);
        }
        self.upgrader.end();
        if self.control.is_left() {
            self.listeners.leave_files();
        }
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control.give(Order::Stop);
        let _ = self.join();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Who counts the connections of each client, if that has a limit.
fn guests(config: &Config) -> Option<Arc<Guests>> {
    (config.connections_per_ip > 0).then(|| Arc::new(Guests::new(config.connections_per_ip)))
}

/// What a shard is made of, on its way to its thread.
struct Plan {
    id: usize,
    beat: Arc<Beat>,
    start: Instant,
    guests: Option<Arc<Guests>>,
    listeners: Vec<Listener>,
    udp: Vec<UdpSocket>,
    common: Common,
    stats: Arc<[Arc<Stats>]>,
    control: Arc<Control>,
    questions: Arc<Questions>,
    balance: Arc<Balance>,
    pipes: usize,
    mail: Arc<Mailboxes>,
    blocking: Blocking,
    config: Arc<Config>,
}

impl Plan {
    fn build(self, app: &MakeApp) -> Result<Shard, StartError> {
        let mut ring = Ring::new(RingConfig::default())?;
        let buffers = Buffers::new(&mut ring, GROUP, buffers::COUNT, buffers::SIZE)
            .map_err(|error| StartError::Other { what: "register receive buffers", error })?;
        self.control.enlist(ring.waker());
        self.questions.enlist(self.id, ring.waker());
        self.balance.enlist(self.id, ring.descriptor());
        let waker = ring.waker();
        let queue = WakeQueue::new(move || waker.wake());
        let stats = Arc::clone(&self.stats);
        let mail = Arc::clone(&self.mail);
        let core =
            Rc::new(Core::new(self.id, self.start, queue.clone(), self.blocking, stats, mail));
        core.tick();
        let handle = ShardHandle::new(Rc::clone(&core) as _);
        self.mail.open(&handle);
        let recordings = self.config.recordings.as_ref();
        let recorder = recordings.map(|recordings| recordings.recorder(&handle));
        let host = Host::new(
            app(handle.clone()).map_err(StartError::Application)?,
            Rc::new(self.config.limits.clone()),
            handle,
            queue.clone(),
            self.config.server_field,
        );
        let host = host.limiting(self.guests).remembering(self.config.recent_closes);
        let host = host.recording(recorder);
        let port = self.udp.first().map(|socket| self.config.advertised(socket.address().port()));
        // The port alone, for the host is the same (RFC 7838 §3).
        let alt_svc = port.map(|port| format!("h3=\":{port}\"; ma=86400"));
        let host = match alt_svc {
            Some(alt_svc) => host.advertising(alt_svc),
            None => host,
        };
        let place = (self.id, self.stats.len());
        let quic = Quic::open(&self.config, &self.common, place, self.udp, &core, &mut ring)?;
        let local = |listener: &Listener| match listener.address() {
            ListenAddress::Tcp(address) => Address::Ip(*address),
            // Connections come by TCP and by unix sockets only.
            ListenAddress::Udp(_) | ListenAddress::Unix(_) => Address::Unix,
        };
        // Of each address once, in their order.
        let mut locals = Vec::new();
        for listener in &self.listeners {
            if listener.number() == locals.len() {
                locals.push(local(listener));
            }
        }
        let acceptors = Acceptors::new(self.listeners);
        let burst = (usize::from(BACKLOG) + 1) * acceptors.count() * self.balance.count();
        Ok(Shard {
            locals,
            acceptors,
            beat: self.beat,
            sockets: Slots::new(),
            outward: 0,
            ends_by: None,
            host,
            state: State::Serving,
            starved: VecDeque::new(),
            most: self.config.connections.get(),
            burst,
            surplus: VecDeque::new(),
            sendings: Sendings::new(self.config.zero_copy_from),
            h2c: self.config.h2c,
            clear: self.config.listen.len(),
            proxies: self.config.proxies(),
            acceptor: self.config.secure.as_ref().map(|secure| secure.acceptor.clone()),
            reads: Reads::new(),
            wires: Wires::new(Rc::clone(&core.calls)),
            bulks: Bulks::default(),
            pipes: Pipes::at_most(self.pipes),
            trims: false,
            quic,
            built: None,
            followed: 0,
            control: self.control,
            questions: self.questions,
            balance: self.balance,
            ring,
            buffers,
            core,
            queue,
        })
    }
}

/// One shard that nobody runs, and the sockets that it accepts from.
#[cfg(test)]
pub(crate) fn alone(config: Config, app: &MakeApp) -> (Shard, Listeners) {
    let mut listeners = Listeners::open(&config.all_listen(), NonZero::<usize>::MIN).unwrap();
    let stats: Arc<[Arc<Stats>]> = Arc::new([Arc::default()]);
    let plan = Plan {
        id: 0,
        beat: Arc::default(),
        start: Instant::now(),
        guests: guests(&config),
        udp: listeners.take_udp().remove(0),
        common: Common::new(&config, None).unwrap(),
        listeners: listeners.take().remove(0),
        control: Arc::new(Control::new(config.drain_idle_grace, config.drain_deadline)),
        balance: Arc::new(Balance::new(Arc::clone(&stats), config.connections.get())),
        stats,
        pipes: usize::MAX,
        questions: Arc::new(Questions::new(1)),
        mail: Arc::new(Mailboxes::new(1)),
        blocking: Blocking::default(),
        config: Arc::new(config),
    };
    plan.control.give(Order::Serve);
    (plan.build(app).unwrap(), listeners)
}
