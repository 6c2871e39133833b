//! Files on their way into sockets: what of them is in memory, and sending that without waiting.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use super::{check, check_long};

/// `cachestat(2)` (Linux 6.5).
const SYS_CACHESTAT: c_long = 451;
/// How far apart one looks where `cachestat(2)` is not to be had, in bytes: half of what the kernel usually reads ahead.
const STRIDE: u64 = 64 << 10;
/// `struct cachestat_range`.
#[repr(C)]
struct Range {
    offset: u64,
    len: u64,
}

/// `struct cachestat`: numbers of pages.
#[repr(C)]
#[derive(Default)]
struct CacheStat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether `len` bytes of the file from offset `at` are in memory, as far as one can tell: what is gone a moment later
/// is waited for. What lies past the end of the file is not there. overlayfs says of none of its files that they are.
pub(crate) fn is_resident(file: impl AsFd, at: u64, len: usize) -> bool {
    let end = at + len as u64;
    // A page that is being read counts as cached: so the last byte is asked for, too.
    match cached_pages(&file, at, len as u64) {
        Ok(pages) => {
            let (first, last) = (at / page(), end.saturating_sub(1) / page());
            pages > last - first
                && match is_readable_now(&file, end.saturating_sub(1)) {
                    Ok(readable) => readable,
                    // tmpfs cannot be asked, and has no pages that are still being read.
                    Err(error) => error.raw_os_error() == Some(libc::EOPNOTSUPP),
                }
        }
        // An older kernel, or the file is not ours (EPERM).
        Err(_) => {
            let mut places = (at..end).step_by(STRIDE as usize).chain([end.saturating_sub(1)]);
            places.all(|place| is_readable_now(&file, place).unwrap_or(false))
        }
    }
}

/// Bytes of a page.
fn page() -> u64 {
    // SAFETY: takes no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096).max(1)
}

fn cached_pages(file: impl AsFd, offset: u64, len: u64) -> io::Result<u64> {
    let (range, mut stat) = (Range { offset, len }, CacheStat::default());
    let file = c_long::from(file.as_fd().as_raw_fd());
    let (range, stat_at, flags): (_, _, c_long) = (ptr::from_ref(&range), &raw mut stat, 0);
    // SAFETY: reads one `cachestat_range` and writes one `cachestat`, which ours are laid out as.
    check_long(unsafe { libc::syscall(SYS_CACHESTAT, file, range, stat_at, flags) })?;
    Ok(stat.cached)
}

/// Whether the byte there can be read without waiting; an error if the file system cannot tell.
fn is_readable_now(file: impl AsFd, at: u64) -> io::Result<bool> {
    let at = libc::off_t::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut byte = 0u8;
    let piece = libc::iovec { iov_base: ptr::from_mut(&mut byte).cast::<c_void>(), iov_len: 1 };
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: one vector of one byte, ours, and written to only until the call returns.
    let read = unsafe { libc::preadv2(fd, &raw const piece, 1, at, libc::RWF_NOWAIT) };
    match read {
        -1 => Err(io::Error::last_os_error()),
        read => Ok(read > 0),
    }
}

/// Sends at most `len` bytes of the file from offset `at`, as many as the socket takes at once: `WouldBlock` when that
/// is none, 0 at the end of the file. Waits for a disk if they are not in memory: ask [`is_resident`] first. A process
/// that does not ignore SIGPIPE, as Rust programs do, is ended by a peer that has left.
pub(crate) fn send_file(
    socket: impl AsFd,
    file: impl AsFd,
    at: u64,
    len: usize,
) -> io::Result<usize> {
    let mut at = libc::off_t::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (socket, file) = (socket.as_fd().as_raw_fd(), file.as_fd().as_raw_fd());
    // Only the socket's own mode keeps this call from waiting, and the ring's operations want it the other way.
    set_nonblocking(socket, 1)?;
    // SAFETY: writes one offset, which is ours.
    let sent = unsafe { libc::sendfile(socket, file, &raw mut at, len) };
    let result = usize::try_from(sent).map_err(|_| io::Error::last_os_error());
    set_nonblocking(socket, 0)?;
    result
}

/// Receives what is there, as much as fits: `WouldBlock` when that is nothing, 0 at the end. Never waits.
pub(crate) fn receive_now(socket: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: writes no more than `into` has room for.
    let received =
        unsafe { libc::recv(socket, into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// Whether calls, and not the ring's operations, wait for the socket.
pub(super) fn set_nonblocking(socket: c_int, mut on: c_int) -> io::Result<()> {
    let request = libc::FIONBIO as c_uint as libc::Ioctl;
    // SAFETY: reads one int, which is ours.
    check(unsafe { libc::ioctl(socket, request, &raw mut on) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A file without a name, of that many bytes.
    fn file(len: usize) -> File {
        let path = std::env::temp_dir().join(format!("trilane-sys-{}-{len}", std::process::id()));
        let mut file = File::create_new(&path).unwrap();
        file.write_all(&vec![b'f'; len]).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    }

    #[test]
    fn what_was_just_written_is_in_memory() {
        let file = file(200_000);
        for (at, len) in [(0, 200_000), (1, 4096), (199_999, 1), (100_000, 500_000), (200_000, 1)] {
            let there = at + len as u64 <= 200_000;
            assert_eq!(is_resident(&file, at, len), there, "{at} {len}");
        }
    }

    #[test]
    fn of_tmpfs_the_pages_that_are_there_are_in_memory() {
        // SAFETY: reads a string that ends in zero; the descriptor is new, and nobody's.
        let mut file = unsafe {
            let fd = check(libc::memfd_create(c"trilane-sys".as_ptr(), libc::MFD_CLOEXEC)).unwrap();
            <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
        };
        file.write_all(&[b'f'; 100_000]).unwrap();
        // A hole after that.
        file.set_len(200_000).unwrap();
        for (at, len, there) in [
            (0, 100_000, true),
            (1, 4096, true),
            (99_999, 1, true),
            (0, 200_000, false),
            (150_000, 1, false),
            (200_000, 10_000, false),
        ] {
            assert_eq!(is_resident(&file, at, len), there, "{at} {len}");
        }
    }

    #[test]
    fn a_full_socket_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let file = file(64 << 20);
        assert_eq!(send_file(&ours, &file, 64 << 20, 10).unwrap(), 0);
        let mut sent = 0;
        let error = loop {
            match send_file(&ours, &file, sent as u64, (64 << 20) - sent) {
                Ok(n) => sent += n,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(sent > 0);
        // Its mode is as it was.
        drop(ours);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent);
    }
}
