//! The system calls of a ring: `io_uring_enter(2)`, and its descriptor registered with the thread.

use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use super::check_long;

/// `IORING_ENTER_GETEVENTS`: run the deferred work.
const GETEVENTS: c_long = 1;
/// `IORING_ENTER_EXT_ARG`: the argument is an [`Arguments`].
const EXT_ARG: c_long = 1 << 3;
/// `IORING_ENTER_REGISTERED_RING`: the descriptor is an index from [`register_ring_fd`].
const REGISTERED_RING: c_long = 1 << 4;

const REGISTER_RING_FDS: c_long = 20;
const UNREGISTER_RING_FDS: c_long = 21;

/// How a ring is entered.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    /// By its descriptor.
    Descriptor(RawFd),
    /// By its index from [`register_ring_fd`]: no descriptor is looked up.
    Index(c_int),
}

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct Arguments {
    mask: u64,
    mask_size: u32,
    least_wait: u32,
    time: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

impl Entry {
    /// Submits so many entries, and nothing else.
    pub(crate) fn submit(self, count: u32) -> io::Result<()> {
        self.enter(count, 0, 0, None)
    }

    /// Submits so many entries, and runs the deferred work.
    pub(crate) fn turn(self, count: u32) -> io::Result<()> {
        self.enter(count, 0, GETEVENTS, None)
    }

    /// As [`Entry::turn`], and then waits for a completion, at most so long. That it was longer is no error.
    pub(crate) fn wait(self, count: u32, most: Duration) -> io::Result<()> {
        let seconds = i64::try_from(most.as_secs()).unwrap_or(i64::MAX);
        let time = Time { seconds, nanoseconds: i64::from(most.subsec_nanos()) };
        // The kernel takes the address as a number.
        let place = (&raw const time).addr() as u64;
        let arguments = Arguments { mask: 0, mask_size: 0, least_wait: 0, time: place };
        match self.enter(count, 1, GETEVENTS | EXT_ARG, Some(&arguments)) {
            Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
            other => other,
        }
    }

    fn enter(
        self,
        count: u32,
        least: c_long,
        flags: c_long,
        arguments: Option<&Arguments>,
    ) -> io::Result<()> {
        let (ring, flags) = match self {
            Self::Descriptor(ring) => (ring, flags),
            Self::Index(index) => (index, flags | REGISTERED_RING),
        };
        let (ring, count) = (c_long::from(ring), c_long::from(count));
        let (argument, size) = match arguments {
            Some(arguments) => (ptr::from_ref(arguments).cast(), size_of::<Arguments>()),
            None => (ptr::null::<c_void>(), 0),
        };
        // SAFETY: no signal mask; an argument is laid out as EXT_ARG says and only read, as is the time it names, which
        // lives as long as it. What the entries point at is `Ring::push`'s concern.
        check_long(unsafe {
            libc::syscall(libc::SYS_io_uring_enter, ring, count, least, flags, argument, size)
        })
        .map(drop)
    }
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RingFd {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// Registers a ring's descriptor with this thread; the answer is its index (Linux 5.18).
pub(crate) fn register_ring_fd(ring: RawFd) -> io::Result<c_int> {
    let data = u64::try_from(ring).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    let mut update = RingFd { offset: u32::MAX, reserved: 0, data };
    ring_fds(ring, REGISTER_RING_FDS, &mut update)?;
    c_int::try_from(update.offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Takes the registration back: until then this thread keeps the ring alive.
pub(crate) fn unregister_ring_fd(ring: RawFd, index: c_int) -> io::Result<()> {
    let offset = u32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    ring_fds(ring, UNREGISTER_RING_FDS, &mut RingFd { offset, reserved: 0, data: 0 })
}

fn ring_fds(ring: RawFd, opcode: c_long, update: &mut RingFd) -> io::Result<()> {
    let (update, count): (*mut RingFd, c_long) = (update, 1);
    // SAFETY: both opcodes read and write one io_uring_rsrc_update, which ours is laid out as.
    check_long(unsafe {
        libc::syscall(libc::SYS_io_uring_register, c_long::from(ring), opcode, update, count)
    })
    .map(drop)
}
