//! Socket addresses between std's shape and the kernel's. Never asks a socket; `sys` does.

use std::ffi::c_int;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// An address as the kernel takes it.
pub(crate) struct SocketName {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: libc::socklen_t,
}

impl SocketName {
    /// `AF_INET` or `AF_INET6`, whichever it is.
    pub(crate) fn inet(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::of(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => Self::of(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }

    /// A path in the file system.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty, has a NUL, or is over 107 bytes long (`unix(7)`).
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        // SAFETY: all-zero bytes are a valid sockaddr_un: integers only.
        let mut name: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        // One byte of sun_path stays for the NUL at the end.
        if bytes.is_empty() || bytes.len() >= name.sun_path.len() || bytes.contains(&0) {
            let text = "the path of a unix socket has 1 to 107 bytes and no NUL";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        name.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in name.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        Ok(Self::of(name))
    }

    fn of<T>(name: T) -> Self {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        const { assert!(align_of::<T>() <= align_of::<libc::sockaddr_storage>()) };
        // SAFETY: all-zero bytes are a valid sockaddr_storage: integers only.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        // SAFETY: the storage is large enough and aligned for T (asserted above), and T is one of the
        // sockaddr types.
        unsafe { ptr::write(ptr::from_mut(&mut storage).cast::<T>(), name) };
        Self { storage, len: size_of::<T>() as libc::socklen_t }
    }

    /// The IP address and port in a name as the kernel writes it; `None` if it is none, or cut short.
    pub(crate) fn parse(name: &[u8]) -> Option<SocketAddr> {
        let (family, rest) = name.split_first_chunk()?;
        let (port, rest) = rest.split_first_chunk()?;
        let port = u16::from_be_bytes(*port);
        match c_int::from(libc::sa_family_t::from_ne_bytes(*family)) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                let (flow, rest) = rest.split_first_chunk()?;
                let (ip, rest) = rest.split_first_chunk::<16>()?;
                let scope = u32::from_ne_bytes(*rest.first_chunk()?);
                let (ip, flow) = (Ipv6Addr::from(*ip), u32::from_ne_bytes(*flow));
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }

    /// Where it is, and how long.
    pub(crate) fn as_raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        (self.as_ptr(), self.len)
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        ptr::from_ref(&self.storage).cast()
    }

    /// The IP address and port; `None` for a unix socket.
    pub(super) fn ip(&self) -> Option<SocketAddr> {
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says that the kernel wrote a sockaddr_in, which the storage is large
                // enough for.
                let name = unsafe { &*self.as_ptr().cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: the family says that the kernel wrote a sockaddr_in6, which the storage is large
                // enough for.
                let name = unsafe { &*self.as_ptr().cast::<libc::sockaddr_in6>() };
                let (ip, port) = (Ipv6Addr::from(name.sin6_addr.s6_addr), name.sin6_port);
                let (flow, scope) = (name.sin6_flowinfo, name.sin6_scope_id);
                Some(SocketAddrV6::new(ip, u16::from_be(port), flow, scope).into())
            }
            _ => None,
        }
    }
}
