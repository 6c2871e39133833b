//! Virtual time for code that reads the clock itself, as quiche does: `clock_gettime` of this binary, which
//! `std::time::Instant::now` calls, shows a thread the time that it was given. A test is a thread, so tests do not disturb each
//! other; a thread that was given none has the real time.
//!
//! `unsafe` because a function of C is defined here, and called.

use std::cell::Cell;
use std::time::Duration;

use libc::{CLOCK_MONOTONIC, c_int, clockid_t, timespec};

thread_local! {
    static NOW: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// What the clock of this thread shows from now on; none is the real one.
pub(crate) fn set(now: Option<Duration>) {
    NOW.set(now);
}

/// What the C library's function is, but for the virtual time.
///
/// # Safety
/// `into` can be written to.
// SAFETY: it takes the place of the C library's function of that name, has its signature, and does what that does.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int {
    match NOW.get().filter(|_| clock == CLOCK_MONOTONIC) {
        Some(now) => {
            let (tv_sec, tv_nsec) = (now.as_secs() as i64, i64::from(now.subsec_nanos()));
            // SAFETY: the caller keeps the contract of `clock_gettime`.
            unsafe { into.write(timespec { tv_sec, tv_nsec }) };
            0
        }
        // SAFETY: the same call, of the kernel.
        None => unsafe { libc::syscall(libc::SYS_clock_gettime, clock, into) as c_int },
    }
}

#[test]
fn the_clock_of_a_thread_is_its_own() {
    use std::time::Instant;
    set(Some(Duration::from_secs(100)));
    let then = Instant::now();
    assert_eq!(Instant::now(), then);
    set(Some(Duration::from_secs(161)));
    assert_eq!(then.elapsed(), Duration::from_secs(61));
    let there = std::thread::spawn(Instant::now).join().expect("it only looks");
    assert_ne!(there, Instant::now());
    set(None);
    assert!(Instant::now() >= there);
}
