//! A server at work: where it is reached, what it counts, how it is stopped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use trilane_exchange::Stats;
use trilane_shard::{
    Inspector, ListenAddress, Pulse, SignalGuard, Stopper, Upgrader, drain_on_signals, on_signals,
    on_upgrade_signals,
};

use crate::reload::Reloader;
use crate::server::RunError;

/// A server at work. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    server: trilane_shard::Server,
    /// How many of its addresses in clear do more than redirect.
    open: usize,
    reloader: Reloader,
}

impl Running {
    pub(crate) const fn new(
        server: trilane_shard::Server,
        open: usize,
        reloader: Reloader,
    ) -> Self {
        Self { server, open, reloader }
    }

    /// Where it listens for HTTP in clear, ports chosen.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        self.clear().0
    }

    /// Where it listens in clear to redirect to HTTPS, ports chosen.
    #[must_use]
    pub fn redirect_addresses(&self) -> &[ListenAddress] {
        self.clear().1
    }

    /// Those that do more than redirect, and the others.
    fn clear(&self) -> (&[ListenAddress], &[ListenAddress]) {
        let all = self.server.addresses();
        all.split_at(self.open.min(all.len()))
    }

    /// The port of the first address in clear; `None` if there is none, or if it is a unix socket.
    ///
    /// ```
    /// use trilane::{Router, Server, get};
    /// let app = |_| Router::new().route("/", get(|| async { "Hello" }));
    /// let running = Server::new(app).listen("127.0.0.1:0").start()?;
    /// assert_eq!(running.url(), running.port().map(|port| format!("http://127.0.0.1:{port}")));
    /// // Any client may ask it now; dropping it stops it.
    /// # Ok::<(), trilane::RunError>(())
    /// ```
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        tcp(self.addresses()).map(|address| address.port())
    }

    /// What the paths of the first address in clear begin with, such as `http://127.0.0.1:8080`; all interfaces are reached over
    /// loopback.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        tcp(self.addresses()).map(|address| format!("http://{}", reached(address)))
    }

    /// The same for TLS, such as `https://127.0.0.1:8443`.
    #[must_use]
    pub fn secure_url(&self) -> Option<String> {
        tcp(self.secure_addresses()).map(|address| format!("https://{}", reached(address)))
    }

    /// Where it listens for HTTP over TLS, ports chosen.
    #[must_use]
    pub fn secure_addresses(&self) -> &[ListenAddress] {
        self.server.secure_addresses()
    }

    /// What works, but not as it should, for the operator: a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.server.warnings()
    }

    /// Where it listens for HTTP/3, ports chosen.
    #[must_use]
    pub fn udp_addresses(&self) -> &[ListenAddress] {
        self.server.udp_addresses()
    }

    /// The counters of its shards.
    #[must_use]
    pub fn stats(&self) -> &[Arc<Stats>] {
        self.server.stats()
    }

    /// A handle on what it does: for [`trilane_shard::Inspector`]'s users, such as a page for operators.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        self.server.inspector()
    }

    /// Stops it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.server.stopper()
    }

    /// Sets it up anew while it is at work, from elsewhere.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Log lines that were dropped because they could not be written, or not fast enough.
    #[must_use]
    pub fn dropped_log_lines(&self) -> u64 {
        self.reloader.dropped_log_lines()
    }

    /// Whether its shards turn, for a watchdog.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.server.pulse()
    }

    /// Takes over from the process before this one, if there is one ([`Server::inherit`](crate::Server::inherit)): until then that one serves, and nothing
    /// is lost if this one does not get so far. [`Running::wait`] does so if nobody has.
    ///
    /// # Errors
    /// That one is there, and does not let it.
    pub fn take_over(&mut self) -> Result<(), RunError> {
        Ok(self.server.take_over()?)
    }

    /// Has another process take over from it. A service manager's or an operator's way to say so is a signal:
    /// [`Running::on_upgrade_signals`].
    #[must_use]
    pub fn upgrader(&self) -> Upgrader {
        self.server.upgrader()
    }

    /// Calls `upgrade` for each SIGUSR2, on a thread of its own that may block, as long as the guard lives.
    ///
    /// # Errors
    /// As [`Running::drain_on_signals`].
    pub fn on_upgrade_signals(
        &self,
        upgrade: impl Fn() + Send + Sync + 'static,
    ) -> Result<SignalGuard, RunError> {
        Ok(on_upgrade_signals(upgrade)?)
    }

    /// Waits until it has ended, by [`Running::stopper`].
    ///
    /// # Errors
    /// The system tore it down.
    pub fn wait(self) -> Result<(), RunError> {
        Ok(self.server.wait()?)
    }

    /// Lets SIGTERM and SIGINT drain it, and a second one stop it at once, as long as the guard lives.
    ///
    /// # Errors
    /// The system takes no more signal handlers or threads.
    pub fn drain_on_signals(&self) -> Result<SignalGuard, RunError> {
        Ok(drain_on_signals(self.stopper())?)
    }

    /// The same, and SIGHUP calls `reload`, on a thread of its own that may block.
    ///
    /// # Errors
    /// As [`Running::drain_on_signals`].
    pub fn on_signals(
        &self,
        reload: impl FnMut() + Send + 'static,
    ) -> Result<SignalGuard, RunError> {
        Ok(on_signals(self.stopper(), reload)?)
    }

    /// Waits until SIGTERM or SIGINT has drained it; a second one stops it at once.
    ///
    /// # Errors
    /// The system tore it down.
    pub fn run(self) -> Result<(), RunError> {
        let _signals = self.drain_on_signals()?;
        self.wait()
    }
}

/// The first of them with a port.
fn tcp(addresses: &[ListenAddress]) -> Option<SocketAddr> {
    addresses.iter().find_map(|address| match address {
        ListenAddress::Tcp(address) => Some(*address),
        _ => None,
    })
}

/// Where a client on this machine finds it.
const fn reached(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => (),
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_where_it_is_reached() {
        let reached = |text: &str| reached(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("192.0.2.1:80"), "192.0.2.1:80");
        let unix = ListenAddress::Unix("/x".into());
        let second = ListenAddress::Tcp(SocketAddr::from(([192, 0, 2, 1], 80)));
        assert_eq!(tcp(std::slice::from_ref(&unix)), None);
        assert_eq!(tcp(&[unix, second]).map(|address| address.port()), Some(80));
    }
}
