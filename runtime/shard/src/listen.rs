//! Sockets before shards: every listening socket is open before a shard starts, so that nothing fails
//! half-way.
//!
//! TCP and UDP: one socket a shard in a SO_REUSEPORT group, bound in the order of shards. Unix: one socket, which
//! the shards share. A port is first bound without SO_REUSEPORT, for the kernel would let two servers of
//! one user share it without a word. Sockets are blocking, and only the ring
//! accepts: whether it waits on a non-blocking one or answers EAGAIN is up to the kernel's release.

mod udp;

use std::ffi::c_int;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;

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

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `:8080` (IPv4 and IPv6, on all interfaces), or
/// `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 lets the kernel choose. `[::]` takes IPv4 as well.
    Tcp(SocketAddr),
    /// The same for UDP. Port 0 is the port of the TCP address before it with the same IP address, if there is one and
    /// UDP has it free: that is where clients look for HTTP/3 first (RFC 9114 §3.1.1). Never read from text.
    Udp(SocketAddr),
    /// The path of a socket.
    Unix(PathBuf),
}

/// Not a [`ListenAddress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAddress {
    text: String,
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address to listen on: write `127.0.0.1:8080`, `[::1]:8080`, \
             `:8080` for all interfaces, or `unix:/path`",
            self.text
        )
    }
}

impl std::error::Error for InvalidAddress {}

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        let Some(port) = text.strip_prefix(':') else {
            return text.parse().map(Self::Tcp).map_err(|_| invalid());
        };
        // `parse` would take a sign.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let port = port.parse().map_err(|_| invalid())?;
        Ok(Self::Tcp(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "udp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket of one shard.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: ListenAddress,
}

impl Listener {
    /// Where it listens, with the port that the kernel chose if it was left to it.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
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
    files: Vec<SocketFile>,
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
        let mut all = Self {
            addresses: Vec::new(),
            shards: (0..shards.get()).map(|_| Vec::new()).collect(),
            udp: (0..shards.get()).map(|_| Vec::new()).collect(),
            held: Vec::new(),
            files: Vec::new(),
            config,
            warnings: Vec::new(),
        };
        for address in addresses {
            let mut tries = TRIES;
            let result = loop {
                let result = match address {
                    ListenAddress::Tcp(socket) => all.open_tcp(*socket),
                    ListenAddress::Udp(socket) => all.open_udp(*socket),
                    ListenAddress::Unix(path) => all.open_unix(path),
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

    /// Hands out each shard's sockets, in order of shards; once, after that there are none. Keep `self`
    /// until the shards are done.
    #[must_use]
    pub fn take(&mut self) -> Vec<Vec<Listener>> {
        std::mem::take(&mut self.shards)
    }

    fn open_tcp(&mut self, asked: SocketAddr) -> io::Result<()> {
        let mut address = usable(asked)?;
        if address.port() != 0 {
            // Only a probe: it is closed at once, and others can be in the way but not the group to come.
            bind_tcp(address, Sharing::Alone)?;
        }
        for shard in &mut self.shards {
            let socket = bind_tcp(address, Sharing::Group)?;
            sys::listen(&socket, BACKLOG.into())?;
            // The first one settles the port for all.
            address = sys::local_address(&socket)?.unwrap_or(address);
            shard.push(Listener { socket, address: ListenAddress::Tcp(address) });
        }
        self.addresses.push(ListenAddress::Tcp(address));
        Ok(())
    }

    /// As [`Listeners::take`], the UDP sockets.
    #[must_use]
    pub fn take_udp(&mut self) -> Vec<Vec<UdpSocket>> {
        std::mem::take(&mut self.udp)
    }

    fn open_udp(&mut self, asked: SocketAddr) -> io::Result<()> {
        let mut address = usable(asked)?;
        if address.port() == 0 {
            address.set_port(self.tcp_port(address.ip()));
        }
        let shards = self.udp.len();
        let group = match udp::open(address, shards, self.config) {
            // Nobody has asked for this port in particular.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && asked.port() == 0 => {
                address.set_port(0);
                udp::open(address, shards, self.config)?
            }
            result => result?,
        };
        let address = ListenAddress::Udp(group.sockets.first().map_or(address, UdpSocket::address));
        for warning in group.warnings {
            // Each address has the same to say.
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        for (shard, socket) in self.udp.iter_mut().zip(group.sockets) {
            if shards > 1 {
                self.held.push(socket.as_fd().try_clone_to_owned()?);
            }
            shard.push(socket);
        }
        self.addresses.push(address);
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

    fn open_unix(&mut self, path: &Path) -> io::Result<()> {
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
        let address = ListenAddress::Unix(path.into());
        for shard in &mut self.shards {
            shard.push(Listener { socket: socket.try_clone()?, address: address.clone() });
        }
        self.addresses.push(address);
        Ok(())
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

/// Removes a socket that nobody answers on.
fn remove_stale(path: &Path, name: &SocketName) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    // Non-blocking: a server with a full queue says EAGAIN, and is alive.
    let probe = sys::stream_socket(libc::AF_UNIX, libc::SOCK_NONBLOCK)?;
    match sys::connect(&probe, name) {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => fs::remove_file(path),
        Ok(()) => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
            Err(io::Error::from_raw_os_error(libc::EADDRINUSE))
        }
        Err(error) => Err(error),
    }
}

/// The file of a unix socket, removed when dropped, unless another one stands in its place by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        // Absolute, for the process may change its directory.
        Ok(Self { path: std::path::absolute(path)?, identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // If it cannot be removed, the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode: the same file, not only the same name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
#[path = "tests/listen.rs"]
mod tests;
