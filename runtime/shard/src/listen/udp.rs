//! UDP sockets: one a shard and address, in a SO_REUSEPORT group, bound in the order of shards.

use std::ffi::c_int;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Sharing, family, share};
use crate::sys::{self, SocketName};
use crate::udp::steer::{ConnectionIds, program};

/// A bound UDP socket of one shard.
#[derive(Debug)]
pub struct UdpSocket {
    socket: OwnedFd,
    address: SocketAddr,
}

impl UdpSocket {
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

/// How datagrams find the shard whose they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steering {
    pub(super) ids: ConnectionIds,
    pub(super) seed: u32,
}

/// A group of sockets, one a shard.
pub(super) struct Group {
    /// In the order of shards.
    pub(super) sockets: Vec<UdpSocket>,
    /// Why the kernel does not steer.
    pub(super) unsteered: Option<io::Error>,
}

/// Opens the group: a socket for each of `shards` shards, in their order.
pub(super) fn open(
    mut address: SocketAddr,
    shards: usize,
    steering: Option<Steering>,
) -> io::Result<Group> {
    if address.port() != 0 {
        // Only a probe, as for TCP.
        sys::bind(unbound(address, Sharing::Alone)?, &SocketName::inet(address))?;
    }
    let mut group = Group { sockets: Vec::with_capacity(shards), unsteered: None };
    for shard in 0..shards {
        let socket = unbound(address, Sharing::Group)?;
        if shard == 0
            && let Some(Steering { ids, seed }) = steering
        {
            // For all who join the group, and before any datagram can come.
            let count = u8::try_from(shards).unwrap_or(u8::MAX);
            group.unsteered = sys::attach_reuseport(&socket, &program(ids, count, seed)).err();
        }
        sys::bind(&socket, &SocketName::inet(address))?;
        // The first one settles the port for all.
        address = sys::local_address(&socket)?.unwrap_or(address);
        group.sockets.push(UdpSocket { socket, address });
    }
    Ok(group)
}

/// A socket that tells of each datagram what QUIC asks, and sends none in fragments.
fn unbound(address: SocketAddr, sharing: Sharing) -> io::Result<OwnedFd> {
    let socket = sys::datagram_socket(family(address))?;
    share(&socket, address, sharing)?;
    options(&socket, address)?;
    Ok(socket)
}

fn options(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let set = |level: c_int, name, value| sys::setsockopt_int(socket, level, name, value);
    // Trains in; a kernel without them (before Linux 5.0) brings single datagrams.
    let _ = set(libc::SOL_UDP, libc::UDP_GRO, 1);
    // How many were lost for want of room. It is only for counting.
    let _ = set(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
    let is_wildcard = address.ip().is_unspecified();
    // RFC 9000 §14: datagrams are not fragmented (DF is set); and their size is for the sender to find out, not for the
    // kernel to remember. An IPv6 socket sends IPv4, too.
    set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    // What ICMP says of a path is not authenticated, and ends no socket.
    set(libc::IPPROTO_IP, libc::IP_RECVERR, 0)?;
    if address.is_ipv6() {
        set(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 0)?;
    }
    match address {
        SocketAddr::V4(_) if is_wildcard => set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) if is_wildcard => set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        _ => Ok(()),
    }
}
