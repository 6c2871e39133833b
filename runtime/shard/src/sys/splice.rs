//! Pipes between sockets: content goes by without being copied to us. Nothing here waits.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use super::check;
use super::file::set_nonblocking;

/// A pipe that holds `capacity` bytes, or as many as we are allowed: where to read from it, and where to write.
pub(crate) fn pipe(capacity: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: writes two descriptors, for which there is room.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    // SAFETY: they are new, and nobody else names them.
    let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    // SAFETY: takes no memory of ours. What it refuses leaves the pipe as it was.
    let _ = unsafe { libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, capacity) };
    Ok((read, write))
}

/// Moves what has come, at most `most` bytes and as much as fits: `WouldBlock` when nothing has, or nothing fits; 0 at the end.
pub(crate) fn from_socket(socket: impl AsFd, pipe: impl AsFd, most: usize) -> io::Result<usize> {
    splice(&socket, &pipe, &socket, most, 0)
}

/// Moves what lies in the pipe, at most `most` bytes and as much as the socket takes: `WouldBlock` when that is none. `followed` as in
/// [`Manner`](crate::ring::Manner). As [`send_file`](super::send_file), it needs SIGPIPE to be ignored.
pub(crate) fn to_socket(
    pipe: impl AsFd,
    socket: impl AsFd,
    most: usize,
    followed: bool,
) -> io::Result<usize> {
    let more = if followed { libc::SPLICE_F_MORE } else { 0 };
    splice(&pipe, &socket, &socket, most, more)
}

fn splice(
    from: impl AsFd,
    into: impl AsFd,
    socket: impl AsFd,
    most: usize,
    more: c_uint,
) -> io::Result<usize> {
    let (from, into) = (from.as_fd().as_raw_fd(), into.as_fd().as_raw_fd());
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK | more;
    // The flag is for the pipe; only the socket's own mode keeps this call from waiting for the socket.
    let socket = socket.as_fd().as_raw_fd();
    set_nonblocking(socket, 1)?;
    // SAFETY: takes no memory of ours: neither end has an offset.
    let moved = unsafe { libc::splice(from, ptr::null_mut(), into, ptr::null_mut(), most, flags) };
    let result = usize::try_from(moved).map_err(|_| io::Error::last_os_error());
    set_nonblocking(socket, 0)?;
    result
}

/// Whether nothing lies in the pipe; not, if it cannot be said.
pub(crate) fn is_empty(pipe: impl AsFd) -> bool {
    let mut left: c_int = 0;
    let request = libc::FIONREAD as c_uint as libc::Ioctl;
    // SAFETY: writes one int, which is ours.
    let asked = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), request, &raw mut left) };
    asked == 0 && left == 0
}
