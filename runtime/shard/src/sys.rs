//! The system calls that neither std nor the io-uring crate has, as functions that return `io::Result`.
//!
//! Nothing is decided here; who calls says what an error means.
#![allow(unsafe_code)]

mod enter;
mod file;
mod name;
pub(crate) mod splice;

use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trilane_semantics::Instant;

pub(crate) use self::enter::{Entry, register_ring_fd, unregister_ring_fd};
pub(crate) use self::file::{is_resident, receive_now, send_file};
pub(crate) use self::name::SocketName;

/// The kernel's rule for errors: -1, and `errno` says which.
fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// As [`check`], for calls made by number.
fn check_long(result: c_long) -> io::Result<c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Has the kernel give this process no huge pages on its own account (`PR_SET_THP_DISABLE`).
pub(crate) fn refuse_huge_pages() -> io::Result<()> {
    let (on, unused): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) }).map(drop)
}

/// The monotonic clock as of the kernel's last tick: no more than a read of memory.
pub(crate) fn coarse_clock() -> Instant {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which is ours. It cannot fail: this clock is as old as Linux 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    let (seconds, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
    Instant::from_nanos(seconds * 1_000_000_000 + nanos)
}

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which is ours. It cannot fail: every thread has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A stream socket of that family, close-on-exec; `flags` may add `SOCK_NONBLOCK`.
pub(crate) fn stream_socket(family: c_int, flags: c_int) -> io::Result<OwnedFd> {
    socket(family, libc::SOCK_STREAM | flags)
}

/// A UDP socket of that family, close-on-exec.
pub(crate) fn datagram_socket(family: c_int) -> io::Result<OwnedFd> {
    socket(family, libc::SOCK_DGRAM)
}

fn socket(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: takes no memory of ours.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the call has just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option that is an int.
pub(crate) fn setsockopt_int(
    fd: impl AsFd,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let (value, len) = (ptr::from_ref(&value).cast(), size_of::<c_int>() as libc::socklen_t);
    // SAFETY: `value` points at `len` bytes that live until the call returns.
    check(unsafe { libc::setsockopt(fd, level, name, value, len) }).map(drop)
}

/// What an option that is an int says.
pub(crate) fn getsockopt_int(fd: impl AsFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let (mut value, mut len): (c_int, _) = (0, size_of::<c_int>() as libc::socklen_t);
    let (fd, value_at) = (fd.as_fd().as_raw_fd(), (&raw mut value).cast());
    // SAFETY: writes at most `len` bytes, which is the size of `value`; any bytes are a valid int.
    check(unsafe { libc::getsockopt(fd, level, name, value_at, &raw mut len) })?;
    Ok(value)
}

/// Has the program choose who of the SO_REUSEPORT group of this socket gets a datagram: its result is an index, in the
/// order of binding.
pub(crate) fn attach_reuseport(fd: impl AsFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let (value, len) = (ptr::from_ref(&program).cast(), size_of_val(&program) as libc::socklen_t);
    let (fd, level, name) =
        (fd.as_fd().as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF);
    // SAFETY: `value` points at a sock_fprog that names `len` operations; both live until the call returns, and the kernel
    // copies and checks them.
    check(unsafe { libc::setsockopt(fd, level, name, value, len) }).map(drop)
}

/// Gives the socket its address.
pub(crate) fn bind(fd: impl AsFd, name: &SocketName) -> io::Result<()> {
    // SAFETY: `name` holds `len` initialised bytes.
    check(unsafe { libc::bind(fd.as_fd().as_raw_fd(), name.as_ptr(), name.len) }).map(drop)
}

/// Lets the kernel queue connections, up to `backlog` or `net.core.somaxconn`.
pub(crate) fn listen(fd: impl AsFd, backlog: c_int) -> io::Result<()> {
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::listen(fd.as_fd().as_raw_fd(), backlog) }).map(drop)
}

/// Connects; a non-blocking socket answers at once.
pub(crate) fn connect(fd: impl AsFd, name: &SocketName) -> io::Result<()> {
    // SAFETY: `name` holds `len` initialised bytes.
    check(unsafe { libc::connect(fd.as_fd().as_raw_fd(), name.as_ptr(), name.len) }).map(drop)
}

/// Bytes that the peer of a TCP connection has acknowledged, ever; an error on other sockets.
pub(crate) fn bytes_acknowledged(fd: impl AsFd) -> io::Result<u64> {
    /// Where `tcpi_bytes_acked` lies in `struct tcp_info` (Linux 4.1), in words of 8 bytes.
    const WORD: usize = 15;
    let mut info = [0u64; WORD + 1];
    let mut len = size_of_val(&info) as libc::socklen_t;
    let (fd, info_at) = (fd.as_fd().as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: writes at most `len` bytes, which is the size of `info`; any bytes are valid integers.
    check(unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info_at, &raw mut len)
    })?;
    Ok(info[WORD])
}

/// Makes closing the socket a reset: what was not sent is thrown away, and the peer is told so.
pub(crate) fn reset_on_close(fd: impl AsFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (value, len) = (ptr::from_ref(&linger).cast(), size_of_val(&linger) as libc::socklen_t);
    let (fd, level, name) = (fd.as_fd().as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER);
    // SAFETY: `value` points at `len` bytes that live until the call returns.
    check(unsafe { libc::setsockopt(fd, level, name, value, len) }).map(drop)
}

/// Ends one or both directions of a connection. Never blocks.
pub(crate) fn shutdown(fd: impl AsFd, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => libc::SHUT_RD,
        Shutdown::Write => libc::SHUT_WR,
        Shutdown::Both => libc::SHUT_RDWR,
    };
    // SAFETY: takes no memory of ours.
    check(unsafe { libc::shutdown(fd.as_fd().as_raw_fd(), how) }).map(drop)
}

type NameCall = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

/// Our end's address; `None` for a unix socket.
pub(crate) fn local_address(fd: impl AsFd) -> io::Result<Option<SocketAddr>> {
    address(fd, libc::getsockname)
}

/// The other end's address; `None` for a unix socket.
pub(crate) fn peer_address(fd: impl AsFd) -> io::Result<Option<SocketAddr>> {
    address(fd, libc::getpeername)
}

fn address(fd: impl AsFd, call: NameCall) -> io::Result<Option<SocketAddr>> {
    let mut name = SocketName {
        // SAFETY: all-zero bytes are a valid sockaddr_storage: integers only.
        storage: unsafe { std::mem::zeroed() },
        len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
    };
    let storage = ptr::from_mut(&mut name.storage).cast();
    // SAFETY: both pointers are to live memory of ours, and `len` says how much of it there is.
    check(unsafe { call(fd.as_fd().as_raw_fd(), storage, &raw mut name.len) })?;
    Ok(name.ip())
}

/// An event counter that blocks its reader, close-on-exec.
pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: takes no memory of ours.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
    // SAFETY: the call has just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The descriptors from 3 on, `count` of them, that the service manager has opened for this process; close-on-exec. They are
/// taken once: a second call finds none.
pub(crate) fn given_descriptors(count: usize) -> io::Result<Vec<OwnedFd>> {
    const FIRST: c_int = 3;
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let count = c_int::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
    let take = |number| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        // SAFETY: it is open, as the call before has shown, and the service manager's protocol says that it is for whoever
        // reads its variables, which nobody has done before.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    };
    (FIRST..FIRST + count).map(take).collect()
}

/// A resource limit, in the resource's unit; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceLimit {
    /// What holds.
    pub(crate) soft: u64,
    /// What the process may raise it to.
    pub(crate) hard: u64,
}

/// A resource that has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `RLIMIT_NOFILE`: one more than the highest descriptor.
    Descriptors,
    /// `RLIMIT_MEMLOCK`: bytes.
    LockedMemory,
}

impl Resource {
    const fn number(self) -> libc::__rlimit_resource_t {
        match self {
            Self::Descriptors => libc::RLIMIT_NOFILE,
            Self::LockedMemory => libc::RLIMIT_MEMLOCK,
        }
    }
}

/// What the limit is.
pub(crate) fn resource_limit(resource: Resource) -> io::Result<ResourceLimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one rlimit, which is ours.
    check(unsafe { libc::getrlimit(resource.number(), &raw mut limit) })?;
    Ok(ResourceLimit { soft: limit.rlim_cur, hard: limit.rlim_max })
}

/// Sets the limit, for the whole process.
pub(crate) fn set_resource_limit(resource: Resource, limit: ResourceLimit) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
    // SAFETY: reads one rlimit, which is ours.
    check(unsafe { libc::setrlimit(resource.number(), &raw const limit) }).map(drop)
}

/// The CPUs this thread may run on, in order.
pub(crate) fn affinity() -> io::Result<Vec<usize>> {
    // SAFETY: all-zero bytes are an empty cpu_set_t: integers only.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes at most the size that we pass, which is the set's.
    check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
    let all = 0..usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: reads one bit of a set that is at least CPU_SETSIZE bits long.
    Ok(all.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::*;

    #[test]
    fn both_ends_know_their_addresses() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(any) else { continue };
            let there = listener.local_addr().unwrap();
            let stream = TcpStream::connect(there).unwrap();
            assert_eq!(peer_address(&stream).unwrap(), Some(there));
            assert_eq!(local_address(&stream).unwrap(), Some(stream.local_addr().unwrap()));
            assert_eq!(SocketName::inet(there).ip(), Some(there));
        }
        let (a, _b) = UnixStream::pair().unwrap();
        assert_eq!(peer_address(&a).unwrap(), None);
        assert!(peer_address(TcpListener::bind("127.0.0.1:0").unwrap()).is_err());
    }

    #[test]
    fn acknowledged_bytes_are_counted() {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let before = bytes_acknowledged(&ours).unwrap();
        ours.write_all(&[0; 1000]).unwrap();
        theirs.read_exact(&mut [0; 1000]).unwrap();
        let late = (0..500).find(|_| {
            std::thread::sleep(Duration::from_millis(1));
            bytes_acknowledged(&ours).unwrap() >= before + 1000
        });
        assert!(late.is_some());
        assert!(bytes_acknowledged(UnixStream::pair().unwrap().0).is_err());
    }

    #[test]
    fn closing_can_be_a_reset() {
        use std::io::Read;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for resets in [false, true] {
            let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut theirs, _) = listener.accept().unwrap();
            if resets {
                reset_on_close(&ours).unwrap();
            }
            drop(ours);
            let end = theirs.read(&mut [0]).map_err(|error| error.kind());
            let expected = if resets { Err(io::ErrorKind::ConnectionReset) } else { Ok(0) };
            assert_eq!(end, expected);
        }
    }

    #[test]
    fn a_unix_path_has_1_to_107_bytes() {
        for (len, good) in [(0, false), (1, true), (106, true), (107, true), (108, false)] {
            let path = "p".repeat(len);
            assert_eq!(SocketName::unix(Path::new(&path)).is_ok(), good, "{len}");
        }
        assert!(SocketName::unix(Path::new("a\0b")).is_err());
    }

    #[test]
    fn this_thread_may_run_somewhere() {
        let cpus = affinity().unwrap();
        assert!(!cpus.is_empty() && cpus.is_sorted());
    }
}
