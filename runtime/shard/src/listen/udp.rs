//! UDP sockets: one a shard and address, in a SO_REUSEPORT group, bound in the order of shards.

use std::ffi::c_int;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::steering::Steering;
use super::{Sharing, family, share};
use crate::sys::{self, SocketName};
use crate::udp::steer::ConnectionIds;

/// A bound UDP socket of one shard.
#[derive(Debug)]
pub struct UdpSocket {
    socket: OwnedFd,
    address: SocketAddr,
}

impl UdpSocket {
    /// One for connections that we begin: in no group, on a port that the kernel chooses. Its end of all paths is where it is bound:
    /// which address of the machine that is, is the kernel's choice for each datagram.
    pub(crate) fn calling(is_ipv6: bool, config: UdpConfig) -> io::Result<Self> {
        let ip = if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let address = SocketAddr::new(ip, 0);
        let socket = sys::datagram_socket(family(address))?;
        share(&socket, address, Sharing::Alone)?;
        options(&socket, address)?;
        // What the kernel refuses of it, listeners have warned of.
        let _ = enlarge(&socket, config)?;
        sys::bind(&socket, &SocketName::inet(address))?;
        let address = sys::local_address(&socket)?.unwrap_or(address);
        Ok(Self { socket, address })
    }

    /// Where it is bound, with its port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether datagrams to any address of the machine come by it.
    pub(crate) const fn is_wildcard(&self) -> bool {
        self.address.ip().is_unspecified()
    }

    /// Whether what is sent from `local` goes by it.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        let (ip, port) = (self.address.ip(), self.address.port());
        let is_ours = self.is_wildcard() && self.address.is_ipv6() == local.is_ipv6();
        port == local.port() && (is_ours || ip == local.ip())
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How UDP sockets are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// The form of connection ids by which a datagram finds the shard whose it is, up to 255 shards. Default: none, and
    /// they go by the addresses of their packets.
    pub ids: Option<ConnectionIds>,
    /// Bytes that a socket holds of what has come, until its shard takes it; what comes beyond that is lost. The kernel counts
    /// its own memory for each datagram as well, and gives no more than `net.core.rmem_max`. Default 4 MiB.
    pub receive_buffer: u32,
    /// The same for what goes out, and `net.core.wmem_max`; what is beyond that waits. Default 4 MiB.
    pub send_buffer: u32,
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self { ids: None, receive_buffer: 4 << 20, send_buffer: 4 << 20 }
    }
}

/// A group of sockets, one a shard.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// In the order of shards.
    pub(super) sockets: Vec<UdpSocket>,
    /// How many of them are sockets of their own: those behind them are copies. The kernel counts only these.
    pub(super) own: usize,
    /// Another process receives by the same sockets as long as it is there.
    pub(super) is_shared: bool,
    /// What is not as it should be.
    pub(super) warnings: Vec<String>,
}

/// Opens the group: a socket for each of `shards` shards, in their order.
pub(super) fn open(
    mut address: SocketAddr,
    shards: usize,
    config: UdpConfig,
    steering: &Steering,
) -> io::Result<Group> {
    if address.port() != 0 {
        // Only a probe, as for TCP.
        sys::bind(unbound(address, Sharing::Alone)?, &SocketName::inet(address))?;
    }
    let mut group = Group::default();
    for shard in 0..shards {
        let (socket, warnings) = member(address, config, |socket| match shard {
            // For all who join the group, and before any datagram can come.
            0 => steering.attach(socket, None),
            _ => Ok(()),
        })?;
        if shard == 0 {
            group.warnings = warnings;
        }
        // The first one settles the port for all.
        address = socket.address;
        group.sockets.push(socket);
    }
    group.own = shards;
    Ok(group)
}

/// Joins the group of the process before us, which has those `before` in it. Until we are ready no datagram comes: its program
/// knows of its own sockets only. The order is told at `Members::place`.
///
/// Where there is no such program, or the kernel refuses us (the group may be of another user), the sockets are shared: the kernel
/// would give us a part of what is of the other process.
pub(super) fn join(
    address: SocketAddr,
    before: &[OwnedFd],
    shards: usize,
    config: UdpConfig,
) -> io::Result<Group> {
    let mut group = Group::default();
    // The same that is there, or ought to be.
    let program = Steering::new(config.ids, before.len());
    let is_steered = before.first().is_some_and(|socket| program.attach(socket, None).is_ok());
    if config.ids.is_none() || !is_steered {
        return share_all(address, before, shards);
    }
    for _ in 0..shards {
        let Some((socket, warnings)) = member(address, config, |_| Ok(())).ok() else {
            return share_all(address, before, shards);
        };
        group.warnings = warnings;
        group.sockets.push(socket);
    }
    group.sockets.rotate_right(before.len() % shards);
    group.own = shards;
    Ok(group)
}

/// The sockets of the process before us are ours as well.
fn share_all(address: SocketAddr, before: &[OwnedFd], shards: usize) -> io::Result<Group> {
    let mut group = Group { own: before.len(), is_shared: true, ..Group::default() };
    for socket in before {
        let socket = socket.try_clone()?;
        group.sockets.push(UdpSocket { socket, address });
    }
    group.copy(shards)?;
    let what = "HTTP/3 is served when the process before this one is gone, and shards pass on to each other what is not \
                theirs";
    group.warnings.push(format!(
        "the UDP sockets are shared, for no other can be bound or steered there: {what}"
    ));
    Ok(group)
}

impl Group {
    /// Until each shard has a socket, they have copies.
    fn copy(&mut self, shards: usize) -> io::Result<()> {
        for at in self.sockets.len()..shards {
            let UdpSocket { socket, address } = &self.sockets[at % self.own];
            let copy = UdpSocket { socket: socket.try_clone()?, address: *address };
            self.sockets.push(copy);
        }
        Ok(())
    }
}

/// Makes sockets of the service manager a group, and joins it until each shard has one. Where that is refused, such as for a
/// socket of another user, the shards share what there is.
pub(super) fn adopt(
    address: SocketAddr,
    given: Vec<OwnedFd>,
    shards: usize,
    config: UdpConfig,
    steering: &Steering,
) -> io::Result<Group> {
    let mut group = Group::default();
    for socket in given {
        sys::setsockopt_int(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        options(&socket, address)?;
        tell_address(&socket, address)?;
        group.warnings = enlarge(&socket, config)?;
        group.sockets.push(UdpSocket { socket, address });
    }
    group.own = group.sockets.len();
    // One that nobody has bound another one to is no group yet, and nobody could join it who is to take over from us.
    let first =
        if group.own >= shards { member(address, config, |_| Ok(())).map(drop) } else { Ok(()) };
    while group.sockets.len() < shards {
        let Ok((socket, _)) = member(address, config, |_| Ok(())) else { break };
        group.sockets.push(socket);
        group.own += 1;
    }
    if group.sockets.len() < shards {
        group.copy(shards)?;
        let what =
            "shards share it, and pass on to each other what is not theirs, which costs time";
        group
            .warnings
            .push(format!("no other socket can be bound where we were given one: {what}"));
        return Ok(group);
    }
    // A single one of another user's needs no program.
    if shards > 1 || first.is_ok() {
        group.warnings.extend(steering.attach(&group.sockets[0].socket, None).err());
    }
    Ok(group)
}

/// A socket of a group, bound after `prepare`, and what is not as it should be.
fn member(
    address: SocketAddr,
    config: UdpConfig,
    prepare: impl FnOnce(&OwnedFd) -> Result<(), String>,
) -> io::Result<(UdpSocket, Vec<String>)> {
    let socket = unbound(address, Sharing::Group)?;
    let mut warnings = enlarge(&socket, config)?;
    warnings.extend(prepare(&socket).err());
    sys::bind(&socket, &SocketName::inet(address))?;
    let address = sys::local_address(&socket)?.unwrap_or(address);
    Ok((UdpSocket { socket, address }, warnings))
}

/// Makes room for what comes and goes. What the kernel refuses of it is a warning.
fn enlarge(socket: &OwnedFd, config: UdpConfig) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (name, asked, what, limit) in [
        (libc::SO_RCVBUF, config.receive_buffer, "what comes", "net.core.rmem_max"),
        (libc::SO_SNDBUF, config.send_buffer, "what goes out", "net.core.wmem_max"),
    ] {
        // The kernel doubles what is asked for, for its own needs, and says so when asked.
        let asked = c_int::try_from(asked).unwrap_or(c_int::MAX).min(c_int::MAX / 2);
        sys::setsockopt_int(socket, libc::SOL_SOCKET, name, asked)?;
        let got = sys::getsockopt_int(socket, libc::SOL_SOCKET, name)? / 2;
        if got < asked {
            warnings.push(format!(
                "UDP sockets hold {got} bytes of {what} where {asked} were asked for, and are slow or lose datagrams \
                 under load: `sysctl -w {limit}={asked}`"
            ));
        }
    }
    Ok(warnings)
}

/// A socket that tells of each datagram what QUIC asks, and sends none in fragments.
fn unbound(address: SocketAddr, sharing: Sharing) -> io::Result<OwnedFd> {
    let socket = sys::datagram_socket(family(address))?;
    share(&socket, address, sharing)?;
    options(&socket, address)?;
    tell_address(&socket, address)?;
    Ok(socket)
}

/// Has a socket that is bound to all addresses tell to which of them each datagram was sent.
fn tell_address(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let set = |level: c_int, name| sys::setsockopt_int(socket, level, name, 1);
    match address {
        _ if !address.ip().is_unspecified() => Ok(()),
        SocketAddr::V4(_) => set(libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    }
}

fn options(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let set = |level: c_int, name, value| sys::setsockopt_int(socket, level, name, value);
    // Trains in; a kernel without them (before Linux 5.0) brings single datagrams.
    let _ = set(libc::SOL_UDP, libc::UDP_GRO, 1);
    // How many were lost for want of room. It is only for counting.
    let _ = set(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
    // RFC 9000 §14: datagrams are not fragmented (DF is set); and their size is for the sender to find out, not for the
    // kernel to remember. An IPv6 socket sends IPv4, too.
    set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    // What ICMP says of a path is not authenticated, and ends no socket.
    set(libc::IPPROTO_IP, libc::IP_RECVERR, 0)?;
    if address.is_ipv6() {
        set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 0)?;
    }
    Ok(())
}
