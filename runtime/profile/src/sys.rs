//! The system's part: a signal when a thread has run for a while, and the stack that it interrupts. The only file with unsafe code but
//! `heap`'s allocator: signals, timers, stacks and mapped files have no safe interface.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::mem::{MaybeUninit, zeroed};
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use std::{io, ptr, slice};

use crate::samples::Samples;

/// What the handler writes to.
pub(crate) static SAMPLES: Samples = Samples::new();

/// A clock of what one thread runs, which sends it SIGPROF each time that another period has gone by. It stops when dropped.
pub(crate) struct Timer(libc::timer_t);

// SAFETY: a timer's id is the process's; any thread may set and delete it.
unsafe impl Send for Timer {}

impl Timer {
    /// For that thread of this process.
    pub(crate) fn new(thread: i32, period: Duration) -> io::Result<Self> {
        // The clock of a thread's time by its number: the kernel's CPUCLOCK_PERTHREAD_MASK and CPUCLOCK_SCHED.
        let clock: libc::clockid_t = (!thread << 3) | 4 | 2;
        // SAFETY: all zero is a value of it.
        let mut event: libc::sigevent = unsafe { zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = thread;
        // Comes back with the signal: the handler needs no system call to know where it is.
        event.sigev_value.sival_ptr = ptr::without_provenance_mut(thread as usize);
        let mut timer = MaybeUninit::uninit();
        // SAFETY: the event is read and the timer written, both ours.
        check(unsafe { libc::timer_create(clock, &raw mut event, timer.as_mut_ptr()) })?;
        // SAFETY: it was written, as there was no error.
        let timer = Self(unsafe { timer.assume_init() });
        let seconds = libc::time_t::try_from(period.as_secs()).unwrap_or(libc::time_t::MAX);
        let every = libc::timespec { tv_sec: seconds, tv_nsec: period.subsec_nanos().into() };
        let every = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer is there, the times are read, nothing is written.
        check(unsafe { libc::timer_settime(timer.0, 0, &raw const every, ptr::null_mut()) })?;
        Ok(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and is deleted once. It fails only for one that is not there.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Has SIGPROF handled by us, for good: a signal that is on its way when a profile ends would otherwise end the process.
pub(crate) fn install() -> io::Result<()> {
    // SAFETY: all zero is a value of it: no flags, nothing masked.
    let mut action: libc::sigaction = unsafe { zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the handler has the form that SA_SIGINFO asks for; the old action is not asked for.
    check(unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) })
}

/// `siginfo_t` of a timer's signal.
#[repr(C)]
struct TimerInfo {
    signal: c_int,
    error: c_int,
    code: c_int,
    /// What differs from signal to signal is aligned as an address is.
    _pad: c_int,
    timer: c_int,
    /// Periods beyond the first that are over.
    overrun: c_int,
    value: *mut c_void,
}

extern "C" fn on_signal(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives it for as long as the handler runs, as large as for any signal.
    let info = unsafe { &*info.cast::<TimerInfo>() };
    if !SAMPLES.is_on() || info.code != libc::SI_TIMER {
        return;
    }
    let thread = info.value.addr() as i32;
    let weight = 1 + u32::try_from(info.overrun).unwrap_or(0);
    // SAFETY: errno is this thread's, and always there.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: with SA_SIGINFO it is a ucontext_t.
    let interrupted = unsafe { counter(&*context.cast::<libc::ucontext_t>()) };
    SAMPLES.write(thread, weight, |each| walk(Some(interrupted), each));
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Where the thread was.
#[cfg(target_arch = "x86_64")]
fn counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

/// Where the thread was.
#[cfg(target_arch = "aarch64")]
fn counter(context: &libc::ucontext_t) -> usize {
    context.uc_mcontext.pc as usize
}

/// Gives the frames of this thread's stack, innermost first, each as the address behind its call. With `interrupted`, only those from
/// that address on, which a signal has interrupted.
///
/// Nothing is allocated or locked: the unwinder of the system reads tables that the linker made. Since glibc 2.35 it finds them without
/// a lock, too, so that it may be asked in a signal's handler.
pub(crate) fn walk(interrupted: Option<usize>, each: &mut dyn FnMut(usize) -> bool) {
    let mut skips = interrupted;
    // SAFETY: it is not synchronized with symbols being looked up, which it does not use: it passes frames on alone.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            let at = frame.ip().addr();
            match skips {
                // Behind the first function there is nobody.
                _ if at == 0 => false,
                Some(from) if at != from => true,
                // It has not called anybody: its address is no return address, and must be one.
                Some(_) => {
                    skips = None;
                    each(at + 1)
                }
                None => each(at),
            }
        });
    }
    if let Some(from) = skips {
        // Whoever was interrupted is not known to the unwinder.
        each(from + 1);
    }
}

/// A file as memory, to be read alone. Who cuts it meanwhile ends the process: a binary that runs cannot be.
pub(crate) struct Mapped {
    start: *mut c_void,
    len: usize,
}

impl Mapped {
    /// All of the file.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let (read, private, file) = (libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd());
        // SAFETY: the kernel chooses a place where nothing is.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, read, private, file, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start, len })
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: it is mapped, as long as it says, until it is dropped.
        unsafe { slice::from_raw_parts(self.start.cast(), self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and nobody borrows it any more.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
