//! How a server is set up.

use std::num::NonZero;
use std::time::Duration;

use trilane_semantics::Limits;
use trilane_tls::Acceptor;

use crate::listen::ListenAddress;
use crate::preflight::StartError;
use crate::proxies::{Proxies, ProxyProtocol};
use crate::recordings::Recordings;
use crate::topology::Topology;

/// Connections of a shard, unless said otherwise.
pub(crate) const CONNECTIONS: NonZero<usize> = NonZero::new(1 << 20).unwrap();

/// How a server is set up. Everything has a default but where to listen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen for HTTP in clear.
    pub listen: Vec<ListenAddress>,
    /// Where to listen for HTTP over TLS, and how TLS is done there. Default: nowhere.
    pub secure: Option<Secure>,
    /// HTTP/3. Default: none.
    #[cfg(feature = "http3")]
    pub quic: Option<crate::quic::QuicConfig>,
    /// Which CPUs, one shard each.
    pub topology: Topology,
    /// The limits of every connection.
    pub limits: Limits,
    /// Connections that a shard serves at once, at most. Then it accepts for other shards that have room; when there is
    /// none, those who come wait in the kernel's queue ([`BACKLOG`](crate::listen::BACKLOG)) for their turn. Beyond the
    /// limit a shard has one descriptor a listener at most. Default 1,048,576, which is more than
    /// descriptors allow nearly everywhere.
    pub connections: NonZero<usize>,
    /// Connections of one client at once, in the whole process: of an IPv4 address, or of the /64 of an IPv6 one. Others are closed
    /// by a reset, or refused over QUIC, and counted ([`Stats::crowded`](trilane_exchange::Stats::crowded)). 0 is any number. Default 0:
    /// many may come by one proxy.
    pub connections_per_ip: usize,
    /// The Server field of responses; empty for none. Default `trilane`.
    pub server_field: &'static str,
    /// What is sent at once and has as many bytes or more is not copied into the kernel; 0 for never. Default 0. The next
    /// bytes of a connection wait until its peer has acknowledged these, the pages count against `RLIMIT_MEMLOCK` (past it
    /// they are copied), and over the loopback the kernel copies all the same: measure before you switch it on.
    pub zero_copy_from: usize,
    /// Whether HTTP/2 is spoken in clear too, to clients that begin with its preface (RFC 9113 §3.3). Default: no.
    pub h2c: bool,
    /// Proxies that say first for whom a connection is. Default: none.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Connections that closed last, and why: so many are remembered on each shard. Default 128.
    pub recent_closes: usize,
    /// Connections that are recorded. Default: none.
    pub recordings: Option<Recordings>,
    /// Whether the threads of shards stay on their CPUs. Default: yes. A server beside another one, which is hardly ever asked, is better off
    /// without.
    pub is_pinned: bool,
    /// How long a drain keeps an idle connection open for a request that is on its way. Default 2 s.
    pub drain_idle_grace: Duration,
    /// How long a drain may take. Default 30 s.
    pub drain_deadline: Duration,
}

/// HTTP over TLS.
#[derive(Clone, Debug)]
pub struct Secure {
    /// Where to listen for it.
    pub listen: Vec<ListenAddress>,
    /// What connections begin with.
    pub acceptor: Acceptor,
}

impl Config {
    /// The defaults, on these addresses, a shard on every CPU that this process may use.
    ///
    /// # Errors
    /// The CPUs cannot be told.
    pub fn new(listen: Vec<ListenAddress>) -> Result<Self, StartError> {
        Ok(Self {
            listen,
            secure: None,
            #[cfg(feature = "http3")]
            quic: None,
            topology: Topology::detect()?,
            limits: Limits::default(),
            connections: CONNECTIONS,
            connections_per_ip: 0,
            server_field: "trilane",
            zero_copy_from: 0,
            h2c: false,
            proxy_protocol: None,
            recent_closes: 128,
            recordings: None,
            is_pinned: true,
            drain_idle_grace: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(30),
        })
    }

    /// Another one for a server that listens where this one says.
    pub(crate) fn renewed(&self, other: Self) -> Self {
        let Self { listen, secure, .. } = self.clone();
        Self {
            #[cfg(feature = "http3")]
            quic: self.quic.clone(),
            listen,
            secure,
            ..other
        }
    }

    /// The port that clients see for HTTP/3, where we listen on that one.
    pub(crate) fn advertised(&self, port: u16) -> u16 {
        #[cfg(feature = "http3")]
        let port =
            self.quic.as_ref().and_then(|quic| quic.advertised_port).map_or(port, NonZero::get);
        port
    }

    pub(crate) fn proxies(&self) -> Option<Proxies> {
        let protocol = self.proxy_protocol.clone()?;
        Some(Proxies::new(protocol, &self.all_listen()))
    }

    /// All addresses: those in clear, those for TLS, those for QUIC.
    pub(crate) fn all_listen(&self) -> Vec<ListenAddress> {
        let secure = self.secure.iter().flat_map(|secure| &secure.listen);
        self.listen.iter().chain(secure).cloned().chain(self.udp_listen()).collect()
    }
}
