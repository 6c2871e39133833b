//! Sockets before shards: every listening socket is open before a shard starts, so that nothing fails
//! half-way.
//!
//! TCP and UDP: one socket a shard in a SO_REUSEPORT group, bound in the order of shards. Unix: one socket, which
//! the shards share. A port is first bound without SO_REUSEPORT, for the kernel would let two servers of
//! one user share it without a word. Sockets are blocking, and only the ring
//! accepts: whether it waits on a non-blocking one or answers EAGAIN is up to the kernel's release.
//!
//! Sockets that we were given (`given`) come first: an address that has some is not opened again. They are shared out as they are,
//! whatever their number: shards without one accept from another's, and a shard may have several. No socket joins a group of TCP
//! that we were given: connections in its queue would end with us, if we do not become ready.

mod address;
mod file;
pub(crate) mod given;
pub(crate) mod steering;
mod udp;

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use self::address::{InvalidAddress, ListenAddress};
use self::file::{SocketFile, remove_stale};
use self::given::{Given, Giver};
use self::steering::Steering;
pub use self::udp::{UdpConfig, UdpSocket};
use crate::preflight::{StartError, listen_error};
use crate::sys::{self, SocketName};
pub use crate::udp::steer::ConnectionIds;

/// Connections that the kernel queues for each socket until they are accepted; `net.core.somaxconn` is a
/// limit as well.
pub const BACKLOG: u16 = 4096;

/// How often an address in use is tried again: the kernel takes a ring apart, and with it the sockets that it accepts on,
/// a little after its process was killed.
const TRIES: usize = 10;
/// Between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(30);

/// A listening socket of one shard.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: ListenAddress,
    /// Of the address: a shard may have several sockets of one.
    number: usize,
    /// It is another shard's, too.
    is_copy: bool,
}

impl Listener {
    /// Where it listens, with the port that the kernel chose if it was left to it.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Which of the server's addresses that is.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Closes it, once the connections that wait in its queue are taken; those only, and as long as there are
    /// descriptors for them. A unix socket is closed at once: other shards may still accept from it.
    pub(crate) fn into_queued(self) -> impl Iterator<Item = OwnedFd> {
        let listener = match self.address {
            ListenAddress::Tcp(_) => Some(TcpListener::from(self.socket)),
            ListenAddress::Udp(_) | ListenAddress::Unix(_) => None,
        };
        let listener = listener.filter(|listener| listener.set_nonblocking(true).is_ok());
        let streams = queued(move || match &listener {
            Some(listener) => listener.accept().map(|(stream, _)| stream),
            None => Err(io::ErrorKind::WouldBlock.into()),
        });
        // The flag of the listener is not inherited; nothing here rests on it if a kernel does otherwise.
        streams.filter(|stream| stream.set_nonblocking(false).is_ok()).map(OwnedFd::from)
    }
}

/// What `accept` brings, until there is no more, or no descriptor for it. Who is gone already is passed over.
fn queued(mut accept: impl FnMut() -> io::Result<TcpStream>) -> impl Iterator<Item = TcpStream> {
    // A queue holds at most this many, so that a flood of them cannot keep it open.
    let tries = (0..=BACKLOG).map(move |_| accept());
    tries
        .take_while(|result| match result {
            Ok(_) => true,
            Err(error) => {
                let code = error.raw_os_error();
                matches!(code, Some(libc::ECONNABORTED | libc::EPROTO | libc::EINTR))
            }
        })
        .filter_map(Result::ok)
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// All listening sockets of a server, to be kept until its shards have ended. Dropping it closes those not handed out and
/// removes the files of unix sockets.
#[derive(Debug)]
pub struct Listeners {
    addresses: Vec<ListenAddress>,
    shards: Vec<Vec<Listener>>,
    /// By shard, like those.
    udp: Vec<Vec<UdpSocket>>,
    /// The same sockets once more, if there are several shards. When one of a group is closed, the last one takes its number,
    /// and is given what another shard's is: so none is before all shards have ended.
    held: Vec<OwnedFd>,
    /// Some are the very sockets of the process before us.
    is_shared: bool,
    files: Vec<SocketFile>,
    steering: Arc<Steering>,
    config: UdpConfig,
    warnings: Vec<String>,
}

impl Listeners {
    /// Opens the addresses for `shards` shards.
    ///
    /// # Errors
    /// What stands in the way of the first address that cannot be opened; those before it are closed again.
    pub fn open(addresses: &[ListenAddress], shards: NonZero<usize>) -> Result<Self, StartError> {
        Self::open_with(addresses, shards, UdpConfig::default())
    }

    /// As [`Listeners::open`], with UDP sockets set up like that.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        addresses: &[ListenAddress],
        shards: NonZero<usize>,
        config: UdpConfig,
    ) -> Result<Self, StartError> {
        Self::take_over(addresses, shards, config, &mut Given::default())
    }

    /// The same, but for addresses that we were given sockets of: those are taken.
    pub(crate) fn take_over(
        addresses: &[ListenAddress],
        shards: NonZero<usize>,
        config: UdpConfig,
        given: &mut Given,
    ) -> Result<Self, StartError> {
        let mut all = Self {
            addresses: Vec::new(),
            shards: (0..shards.get()).map(|_| Vec::new()).collect(),
            udp: (0..shards.get()).map(|_| Vec::new()).collect(),
            held: Vec::new(),
            is_shared: false,
            files: Vec::new(),
            steering: Arc::new(Steering::new(config.ids, shards.get())),
            config,
            warnings: Vec::new(),
        };
        for address in addresses {
            let mut tries = TRIES;
            let result = loop {
                let result = match address {
                    ListenAddress::Tcp(socket) => all.open_tcp(*socket, given),
                    ListenAddress::Udp(socket) => all.open_udp(*socket, given),
                    ListenAddress::Unix(path) => all.open_unix(path, given),
                };
                let in_use = matches!(&result, Err(e) if e.kind() == io::ErrorKind::AddrInUse);
                if !in_use || tries == 0 {
                    break result;
                }
                tries -= 1;
                thread::sleep(BETWEEN_TRIES);
            };
            result.map_err(|error| listen_error(error, address))?;
        }
        Ok(all)
    }

    /// Where the server listens, in the order asked for, ports chosen.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// What works, but not as it should, for the operator: a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// More of those.
    pub(crate) fn warn(&mut self, lines: impl IntoIterator<Item = String>) {
        self.warnings.extend(lines);
    }

    /// Hands out each shard's sockets, in order of shards; once, after that there are none. Keep `self`
    /// until the shards are done.
    #[must_use]
    pub fn take(&mut self) -> Vec<Vec<Listener>> {
        std::mem::take(&mut self.shards)
    }

    fn open_tcp(&mut self, asked: SocketAddr, given: &mut Given) -> io::Result<()> {
        let mut address = usable(asked)?;
        if let Some((found, sockets)) = given.take(&ListenAddress::Tcp(address)) {
            return self.share_out(found, sockets);
        }
        if address.port() != 0 {
            // Only a probe: it is closed at once, and others can be in the way but not the group to come.
            bind_tcp(address, Sharing::Alone)?;
        }
        let mut sockets = Vec::new();
        for _ in 0..self.shards.len() {
            let socket = bind_tcp(address, Sharing::Group)?;
            sys::listen(&socket, BACKLOG.into())?;
            // The first one settles the port for all.
            address = sys::local_address(&socket)?.unwrap_or(address);
            sockets.push(socket);
        }
        self.share_out(ListenAddress::Tcp(address), sockets)
    }

    /// Gives the stream sockets of an address to the shards: none of them has none, and each of those has a shard.
    fn share_out(&mut self, address: ListenAddress, sockets: Vec<OwnedFd>) -> io::Result<()> {
        let (shards, count, number) = (self.shards.len(), sockets.len(), self.addresses.len());
        let more = (count..shards).map(|at| sockets[at % count].try_clone());
        let more = more.collect::<io::Result<Vec<_>>>()?;
        for (at, socket) in sockets.into_iter().chain(more).enumerate() {
            let (address, is_copy) = (address.clone(), at >= count);
            let listener = Listener { socket, address, number, is_copy };
            self.shards[at % shards].push(listener);
        }
        self.addresses.push(address);
        Ok(())
    }

    /// As [`Listeners::take`], the UDP sockets.
    #[must_use]
    pub fn take_udp(&mut self) -> Vec<Vec<UdpSocket>> {
        std::mem::take(&mut self.udp)
    }

    fn open_udp(&mut self, asked: SocketAddr, given: &mut Given) -> io::Result<()> {
        let mut address = usable(asked)?;
        let (shards, config) = (self.udp.len(), self.config);
        let steering = Arc::clone(&self.steering);
        if let Some((ListenAddress::Udp(found), sockets)) = given.take(&ListenAddress::Udp(address))
        {
            return match given.giver {
                Giver::Manager => {
                    let group = udp::adopt(found, sockets, shards, config, &steering)?;
                    self.add_group(found, group, Vec::new(), 0)
                }
                Giver::Predecessor { generation } => {
                    let group = udp::join(found, &sockets, shards, config)?;
                    self.add_group(found, group, sockets, generation)
                }
            };
        }
        if address.port() == 0 {
            address.set_port(self.tcp_port(address.ip()));
        }
        let group = match udp::open(address, shards, config, &steering) {
            // Nobody has asked for this port in particular.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && asked.port() == 0 => {
                address.set_port(0);
                udp::open(address, shards, config, &steering)?
            }
            result => result?,
        };
        let address = group.sockets.first().map_or(address, UdpSocket::address);
        self.add_group(address, group, Vec::new(), 0)
    }

    /// Gives the sockets of a group to the shards, in the order of its indices when those `before` are gone.
    fn add_group(
        &mut self,
        address: SocketAddr,
        group: udp::Group,
        before: Vec<OwnedFd>,
        generation: u8,
    ) -> io::Result<()> {
        for warning in group.warnings {
            // Each address has the same to say.
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        let shards = self.udp.len();
        self.is_shared |= group.is_shared;
        if let Some(member) = group.sockets.first().filter(|_| !group.is_shared) {
            self.steering.add(member, before, generation)?;
        }
        for (at, socket) in group.sockets.into_iter().enumerate() {
            if shards > 1 && at < group.own {
                self.held.push(socket.as_fd().try_clone_to_owned()?);
            }
            self.udp[at % shards].push(socket);
        }
        self.addresses.push(ListenAddress::Udp(address));
        Ok(())
    }

    /// The port of the last TCP address with this IP address, or 0.
    fn tcp_port(&self, ip: IpAddr) -> u16 {
        let ports = self.addresses.iter().rev().filter_map(|address| match address {
            ListenAddress::Tcp(tcp) if tcp.ip() == ip => Some(tcp.port()),
            _ => None,
        });
        ports.into_iter().next().unwrap_or(0)
    }

    fn open_unix(&mut self, path: &Path, given: &mut Given) -> io::Result<()> {
        let address = ListenAddress::Unix(path.into());
        if let Some((_, sockets)) = given.take(&address) {
            return self.share_out(address, sockets);
        }
        let name = SocketName::unix(path)?;
        let socket = sys::stream_socket(libc::AF_UNIX, 0)?;
        if let Err(error) = sys::bind(&socket, &name) {
            if error.raw_os_error() != Some(libc::EADDRINUSE) {
                return Err(error);
            }
            remove_stale(path, &name)?;
            sys::bind(&socket, &name)?;
        }
        self.files.push(SocketFile::of(path)?);
        sys::listen(&socket, BACKLOG.into())?;
        self.share_out(address, vec![socket])
    }

    /// Each socket that was not handed out yet once more, for whoever takes over from us: by address, and in order.
    pub(crate) fn estate(&self) -> io::Result<Vec<OwnedFd>> {
        let mut streams: Vec<_> = self.shards.iter().flatten().filter(|it| !it.is_copy).collect();
        streams.sort_by_key(|it| it.number);
        let streams = streams.into_iter().map(Listener::as_fd);
        // Those of a single shard are not held.
        let alone =
            self.udp.iter().flatten().filter(|_| self.held.is_empty()).map(UdpSocket::as_fd);
        let datagrams = alone.chain(self.held.iter().map(OwnedFd::as_fd));
        streams.chain(datagrams).map(|socket| socket.try_clone_to_owned()).collect()
    }

    /// Whether the process before us receives by UDP sockets of ours, so that we must not while it is there.
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Who tells the kernel whose datagrams are.
    pub(crate) fn steering(&self) -> &Arc<Steering> {
        &self.steering
    }

    /// The files of unix sockets that the process before us has left to us are ours to remove now.
    pub(crate) fn own_files(&mut self) {
        for address in &self.addresses {
            if let ListenAddress::Unix(path) = address
                && !self.files.iter().any(|file| file.is_at(path))
                // Who cannot be found needs not be removed.
                && let Ok(file) = SocketFile::of(path)
            {
                self.files.push(file);
            }
        }
    }

    /// The files of unix sockets stay, for others listen there by now.
    pub(crate) fn leave_files(&mut self) {
        self.files.drain(..).for_each(SocketFile::leave);
    }
}

/// Whether a socket lets others of ours have the same port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Group,
}

/// The address itself, or IPv4's "all interfaces" for IPv6's on a machine without IPv6.
fn usable(address: SocketAddr) -> io::Result<SocketAddr> {
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return Ok(address);
    }
    match sys::stream_socket(libc::AF_INET6, 0) {
        Ok(_) => Ok(address),
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        Err(error) => Err(error),
    }
}

/// A bound socket with the options that connections inherit from it.
fn bind_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<OwnedFd> {
    let socket = sys::stream_socket(family(address), 0)?;
    share(&socket, address, sharing)?;
    // A restart must not wait for the last connections' TIME_WAIT.
    sys::setsockopt_int(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    sys::setsockopt_int(&socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    sys::bind(&socket, &SocketName::inet(address))?;
    Ok(socket)
}

const fn family(address: SocketAddr) -> c_int {
    if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET }
}

/// What of the address others may have: IPv4 is ours on an IPv6 socket, and the port our group's.
fn share(socket: &OwnedFd, address: SocketAddr, sharing: Sharing) -> io::Result<()> {
    if address.is_ipv6() {
        // Whatever `net.ipv6.bindv6only` says.
        sys::setsockopt_int(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
    }
    if sharing == Sharing::Group {
        sys::setsockopt_int(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/listen.rs"]
mod tests;
