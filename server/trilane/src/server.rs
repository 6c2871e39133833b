//! A server from an application: where it listens, how many shards it has, how it starts and ends.

use std::fmt;
use std::io;
use std::num::NonZero;
use std::ops::Range;
#[cfg(feature = "http3")]
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::Service;
use trilane_semantics::Limits;
use trilane_service::{AccessLog, Format, HttpsRedirect, Router, Shard, default_layers};
use trilane_shard::{
    AppError, Config, Inherited, ListenAddress, ProxyProtocol, Recordings, Secure, Topology,
};
use trilane_tls::Acceptor;

pub use crate::error::RunError;
use crate::log::LogWriter;
use crate::redirect::{RedirectAll, has_somewhere};
use crate::reload::Reloader;
use crate::running::Running;

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// An object a line.
    Json,
    /// Nowhere.
    #[default]
    Off,
    /// For people.
    Text,
}

/// A server that is being set up.
pub struct Server<F> {
    app: F,
    listen: Vec<String>,
    addresses: Vec<ListenAddress>,
    secure: Vec<String>,
    tls: Option<Acceptor>,
    #[cfg(feature = "http3")]
    quic: Quic,
    shards: Option<NonZero<usize>>,
    cpus: Option<String>,
    limits: Limits,
    zero_copy_from: usize,
    h2c: bool,
    proxy_protocol: Option<ProxyProtocol>,
    connections: Option<NonZero<usize>>,
    redirect: Option<(Vec<String>, HttpsRedirect)>,
    connections_per_ip: usize,
    log: Log,
    log_to: Option<LogWriter>,
    log_excluded: Vec<String>,
    drain: (Duration, Duration),
    inherited: Option<Inherited>,
    recent_closes: Option<usize>,
    recordings: Option<Recordings>,
    is_unpinned: bool,
}

/// What is wanted of HTTP/3.
#[cfg(feature = "http3")]
#[derive(Default)]
struct Quic {
    listen: Vec<String>,
    settings: trilane_quic::Settings,
    qlog: Option<PathBuf>,
    advertised_port: Option<NonZero<u16>>,
    is_unsteered: bool,
}

impl<F: Fn(Shard) -> Router + Send + Sync + 'static> Server<F> {
    /// A server of the router that `app` makes, once on each shard. The default layers are put around it.
    pub fn new(app: F) -> Self {
        Self {
            app,
            listen: Vec::new(),
            addresses: Vec::new(),
            secure: Vec::new(),
            tls: None,
            #[cfg(feature = "http3")]
            quic: Default::default(),
            shards: None,
            cpus: None,
            limits: Limits::default(),
            zero_copy_from: 0,
            h2c: false,
            proxy_protocol: None,
            connections: None,
            redirect: None,
            connections_per_ip: 0,
            log: Log::Off,
            log_to: None,
            log_excluded: Vec::new(),
            drain: (Duration::from_secs(2), Duration::from_secs(30)),
            inherited: None,
            recent_closes: None,
            recordings: None,
            is_unpinned: false,
        }
    }

    /// Listens on one address more: `127.0.0.1:8080`, `:8080` for all interfaces, `unix:/path`; port 0 is any
    /// free one.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Listens on one address more, parsed before.
    #[must_use]
    pub fn listen_on(mut self, address: ListenAddress) -> Self {
        self.addresses.push(address);
        self
    }

    /// Listens on one address more, for HTTP over TLS: HTTP/2 or HTTP/1.1, as ALPN has it. Needs [`Server::tls`].
    #[must_use]
    pub fn listen_secure(mut self, address: impl Into<String>) -> Self {
        self.secure.push(address.into());
        self
    }

    /// Listens on one UDP address more, for HTTP/3. Port 0 is the number that TLS got on the same IP address, if it did. Answers over
    /// TLS say where (RFC 7838). Needs [`Server::tls`].
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn listen_quic(mut self, address: impl Into<String>) -> Self {
        self.quic.listen.push(address.into());
        self
    }

    /// How QUIC is done. Default: [`Settings::default`](trilane_quic::Settings::default).
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn quic(mut self, settings: trilane_quic::Settings) -> Self {
        self.quic.settings = settings;
        self
    }

    /// Answers over TLS name this port for HTTP/3 (RFC 7838): that which clients of a load balancer see. Default: ours.
    #[cfg(feature = "http3")]
    #[must_use]
    pub const fn advertised_port(mut self, port: NonZero<u16>) -> Self {
        self.quic.advertised_port = Some(port);
        self
    }

    /// Logs each connection over QUIC to a file below `folder`, as qlog, as long as there is one. Shards wait for the disk then.
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn qlog(mut self, folder: impl Into<PathBuf>) -> Self {
        self.quic.qlog = Some(folder.into());
        self
    }

    /// Leaves it to the kernel which shard has which datagram: shards pass on what is not theirs. For kernels that take no program.
    #[cfg(feature = "http3")]
    #[must_use]
    pub const fn without_steering(mut self) -> Self {
        self.quic.is_unsteered = true;
        self
    }

    /// Listens on these addresses too, in clear, and does nothing there but redirect to HTTPS: to the port that `redirect` names,
    /// else to the first that TLS has. What `redirect` excepts is answered as elsewhere.
    #[must_use]
    pub fn redirect<A: Into<String>>(
        mut self,
        addresses: impl IntoIterator<Item = A>,
        redirect: HttpsRedirect,
    ) -> Self {
        self.redirect = Some((addresses.into_iter().map(Into::into).collect(), redirect));
        self
    }

    /// How TLS is done. The acceptor can be cloned before, to be reloaded while the server runs.
    #[must_use]
    pub fn tls(mut self, acceptor: Acceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// That many shards. Default: one for each CPU that this process may use, within its cgroup's quota.
    #[must_use]
    pub const fn shards(mut self, shards: NonZero<usize>) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Shards on these CPUs, such as `0,2-3`.
    #[must_use]
    pub fn cpus(mut self, list: impl Into<String>) -> Self {
        self.cpus = Some(list.into());
        self
    }

    /// Leaves it to the kernel where the shards run: for a server beside another one, which is hardly ever asked. Default: each has a CPU.
    #[must_use]
    pub const fn unpinned(mut self) -> Self {
        self.is_unpinned = true;
        self
    }

    /// So many connections that closed last are remembered on each shard, for [`Inspector::closes`](trilane_shard::Inspector::closes).
    /// Default 128.
    #[must_use]
    pub const fn recent_closes(mut self, most: usize) -> Self {
        self.recent_closes = Some(most);
        self
    }

    /// Records connections: what each was sent, what it answered and when, to be run again by `trilane replay`. A connection that is not
    /// recorded costs nothing more. Default: none is.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use trilane::record::{Folder, Plan};
    /// use trilane::{Recordings, Router, Server};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (plan, folder) = (Plan::new().faults(), Folder::open("recordings", 100)?);
    /// let recordings = Recordings { plan: Arc::new(plan), folder: Arc::new(folder) };
    /// Server::new(|_| Router::new()).record(recordings).run()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn record(mut self, recordings: Recordings) -> Self {
        self.recordings = Some(recordings);
        self
    }

    /// These limits on every connection.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sends so many bytes or more without copying them into the kernel. Default: 0, never. What it costs is told at
    /// [`trilane_shard::Config::zero_copy_from`].
    #[must_use]
    pub const fn zero_copy_from(mut self, bytes: usize) -> Self {
        self.zero_copy_from = bytes;
        self
    }

    /// Speaks HTTP/2 in clear too, to clients that begin with its preface. Default: no.
    #[must_use]
    pub const fn h2c(mut self) -> Self {
        self.h2c = true;
        self
    }

    /// At most so many connections at once on each shard; who comes then waits to be accepted. Default 1,048,576.
    #[must_use]
    pub const fn connections(mut self, most: NonZero<usize>) -> Self {
        self.connections = Some(most);
        self
    }

    /// Proxies that say first for whom a connection is: on these listeners, those of them that are trusted must. Handlers, logs
    /// and limits see the client's address then, as if it had come by itself; [`Server::connections_per_ip`] counts clients, not
    /// proxies.
    ///
    /// ```
    /// use trilane::{ProxyProtocol, Router, Server};
    /// let proxies = ProxyProtocol::new([":8443"], ["10.0.0.0/8"])?;
    /// let server = Server::new(|_| Router::new()).listen_secure(":8443").proxy_protocol(proxies);
    /// # Ok::<(), trilane::InvalidProxyProtocol>(())
    /// ```
    #[must_use]
    pub fn proxy_protocol(mut self, proxies: ProxyProtocol) -> Self {
        self.proxy_protocol = Some(proxies);
        self
    }

    /// At most so many connections of one client at once, in the whole process: of an IPv4 address, or of the /64 of an IPv6 one. More
    /// are closed by a reset, or refused over QUIC. 0 is any number. Default 0: behind a proxy all clients are one, unless it
    /// speaks the PROXY protocol.
    #[must_use]
    pub const fn connections_per_ip(mut self, most: usize) -> Self {
        self.connections_per_ip = most;
        self
    }

    /// An access log, on standard output unless [`Server::log_to`] says where. Default: off.
    #[must_use]
    pub const fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// Where the access log goes, such as [`LogWriter::to_file`]. A clone of it can be kept, to have the file opened anew.
    #[must_use]
    pub fn log_to(mut self, writer: LogWriter) -> Self {
        self.log_to = Some(writer);
        self
    }

    /// Leaves requests for that path and all below it out of the access log.
    #[must_use]
    pub fn log_exclude(mut self, prefix: impl Into<String>) -> Self {
        self.log_excluded.push(prefix.into());
        self
    }

    /// How long a drain keeps idle connections for a request that is on its way, and how long it may take in
    /// all. Default: 2 s and 30 s.
    #[must_use]
    pub const fn drain(mut self, idle_grace: Duration, deadline: Duration) -> Self {
        self.drain = (idle_grace, deadline);
        self
    }

    /// With sockets that this process was given, by the one before it or by the service manager: where it is to listen there, they
    /// are taken. The process before it serves until [`Running::take_over`].
    ///
    /// ```no_run
    /// use trilane::{Inherited, Router, Server, get};
    /// let mut server = Server::new(|_| Router::new().route("/", get(|| async { "Hello" })));
    /// if let Some(inherited) = Inherited::of_process()? {
    ///     server = server.inherit(inherited);
    /// }
    /// server.listen("127.0.0.1:8080").run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn inherit(mut self, inherited: Inherited) -> Self {
        self.inherited = Some(inherited);
        self
    }

    /// Starts it: sockets first, then the shards.
    ///
    /// # Errors
    /// What stands in the way, and what to do about it.
    pub fn start(mut self) -> Result<Running, RunError> {
        let inherited = self.inherited.take();
        let plan = self.plan()?;
        let writer = plan.log.writer()?;
        let secure = plan.config.secure.as_ref().map_or(&[][..], |secure| &secure.listen);
        let redirect = plan.redirect.map(|(to, listeners)| RedirectAll::new(to, listeners, secure));
        let acceptor = plan.acceptor;
        let app = on_shards(plan.app, redirect.clone(), plan.log, writer.clone());
        let server = trilane_shard::Server::start_with(plan.config, inherited, app)?;
        if let Some(redirect) = &redirect {
            redirect.found(server.secure_addresses());
        }
        let reloader = Reloader::new(server.reloader(), acceptor, redirect, writer);
        Ok(Running::new(server, plan.open, reloader))
    }

    /// What it is to be, before anything is opened.
    pub(crate) fn plan(self) -> Result<Plan<F>, RunError> {
        let mut listen = self.addresses;
        for text in &self.listen {
            listen.push(text.parse().map_err(RunError::Address)?);
        }
        let (open, mut redirect) = (listen.len(), None);
        if let Some((addresses, to)) = self.redirect {
            for text in &addresses {
                listen.push(text.parse().map_err(RunError::Address)?);
            }
            redirect = Some((to, open..listen.len()));
        }
        let mut config = Config::new(listen)?;
        let secure: Result<Vec<_>, _> = self.secure.iter().map(|text| text.parse()).collect();
        let secure: Vec<ListenAddress> = secure.map_err(RunError::Address)?;
        if redirect.as_ref().is_some_and(|(to, _)| !has_somewhere(to, &secure)) {
            return Err(RunError::Nowhere);
        }
        #[cfg(feature = "http3")]
        {
            config.quic = quic(self.quic, self.tls.as_ref())?;
        }
        let acceptor = self.tls.clone();
        config.secure = match self.tls {
            Some(acceptor) if !secure.is_empty() => Some(Secure { listen: secure, acceptor }),
            None if !secure.is_empty() => return Err(RunError::NoCertificate),
            _ => None,
        };
        if let Some(list) = &self.cpus {
            config.topology = Topology::from_list(list)?;
        }
        if let Some(shards) = self.shards {
            config.topology = config.topology.with_shards(shards);
        }
        config.limits = self.limits;
        config.zero_copy_from = self.zero_copy_from;
        config.is_pinned = !self.is_unpinned;
        config.recent_closes = self.recent_closes.unwrap_or(config.recent_closes);
        config.recordings = self.recordings;
        config.h2c = self.h2c;
        config.proxy_protocol = self.proxy_protocol;
        config.connections_per_ip = self.connections_per_ip;
        config.connections = self.connections.unwrap_or(config.connections);
        (config.drain_idle_grace, config.drain_deadline) = self.drain;
        let log = LogPlan { form: self.log, to: self.log_to, excluded: self.log_excluded };
        Ok(Plan { app: self.app, config, open, redirect, acceptor, log })
    }

    /// Starts it, and waits until SIGTERM or SIGINT has drained it.
    ///
    /// # Errors
    /// As [`Server::start`], or the system tore it down.
    pub fn run(self) -> Result<(), RunError> {
        self.start()?.run()
    }
}

/// What a server is to be, before anything is opened.
pub(crate) struct Plan<F> {
    pub(crate) app: F,
    pub(crate) config: Config,
    /// How many of the addresses in clear do more than redirect.
    open: usize,
    /// How the others do, and which they are.
    pub(crate) redirect: Option<(HttpsRedirect, Range<usize>)>,
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) log: LogPlan,
}

/// What becomes of the access log.
#[derive(Clone)]
pub(crate) struct LogPlan {
    form: Log,
    pub(crate) to: Option<LogWriter>,
    excluded: Vec<String>,
}

impl LogPlan {
    /// Where it goes, if it goes anywhere.
    pub(crate) fn writer(&self) -> io::Result<Option<LogWriter>> {
        match (self.form, &self.to) {
            (Log::Off, _) => Ok(None),
            (Log::Json | Log::Text, Some(writer)) => Ok(Some(writer.clone())),
            (Log::Json | Log::Text, None) => LogWriter::new(io::stdout()).map(Some),
        }
    }

    /// The same writer, if it is still wanted.
    pub(crate) fn continued(&self, writer: &LogWriter) -> Option<LogWriter> {
        (self.form != Log::Off).then(|| writer.clone())
    }
}

/// Makes the service of each shard: `app`, with the default layers around it.
pub(crate) fn on_shards(
    app: impl Fn(Shard) -> Router + Send + Sync + 'static,
    redirect: Option<RedirectAll>,
    log: LogPlan,
    writer: Option<LogWriter>,
) -> impl Fn(Shard) -> Result<Rc<dyn Service>, AppError> + Send + Sync + 'static {
    let format = if log.form == Log::Text { Format::Text } else { Format::Json };
    move |shard| {
        let layer = writer.clone().map(|writer| {
            let layer = AccessLog::new(writer).format(format);
            log.excluded.iter().fold(layer, AccessLog::exclude_prefix)
        });
        let mut app = app(shard);
        if let Some(redirect) = &redirect {
            app = app.layer(redirect.clone());
        }
        Ok(Rc::new(app.layer(default_layers(layer)).build()?) as _)
    }
}

/// What is wanted of HTTP/3, if it is.
#[cfg(feature = "http3")]
fn quic(wish: Quic, tls: Option<&Acceptor>) -> Result<Option<trilane_shard::QuicConfig>, RunError> {
    if wish.listen.is_empty() {
        return Ok(None);
    }
    let acceptor = tls.ok_or(RunError::NoCertificate)?.clone();
    let listen = wish.listen.iter().map(|text| match text.parse() {
        Ok(ListenAddress::Tcp(address)) => Ok(ListenAddress::Udp(address)),
        Ok(other) => Err(RunError::NotUdp(other)),
        Err(error) => Err(RunError::Address(error)),
    });
    let listen = listen.collect::<Result<_, _>>()?;
    let mut config = trilane_shard::QuicConfig::new(listen, acceptor, wish.settings);
    (config.qlog, config.steering) = (wish.qlog, !wish.is_unsteered);
    config.advertised_port = wish.advertised_port;
    Ok(Some(config))
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listen", &self.listen).finish_non_exhaustive()
    }
}
