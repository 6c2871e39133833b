//! What must be done to a process between fork and exec, or to this one, and the kernel only takes from C.
//!
//! The one file of these tests with unsafe code: `pre_exec`, and the system calls made there. All of them are
//! async-signal-safe (signal-safety(7)), and nothing there allocates.

#![allow(unsafe_code, reason = "pre_exec and raw system calls; see the header")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::BpfProgram;

/// Puts the process under these filters of system calls, the first one first.
pub(crate) fn filter(command: &mut Command, filters: Vec<BpfProgram>) {
    let install = move || {
        let refused = filters.iter().any(|filter| seccompiler::apply_filter(filter).is_err());
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure makes two system calls a filter, on memory of its own, and allocates nothing.
    unsafe { command.pre_exec(install) };
}

/// Lets the process have that many descriptors and no more.
pub(crate) fn limit_descriptors(command: &mut Command, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    let set = move || {
        // SAFETY: it only reads `limit`.
        let refused = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0;
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure makes one system call on memory of its own, and allocates nothing.
    unsafe { command.pre_exec(set) };
}

/// Lets this process have as many descriptors as it may; how many those are.
pub(crate) fn raise_own_descriptors() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the first call only writes `limit`, the second only reads it.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    limit.rlim_cur
}
