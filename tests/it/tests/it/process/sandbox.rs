//! What must be done to a process between fork and exec, or to this one, and the kernel only takes from C.
//!
//! The one file of these tests with unsafe code: `pre_exec`, and the system calls made there. All of them are
//! async-signal-safe (signal-safety(7)), and nothing there allocates.

#![allow(unsafe_code, reason = "pre_exec and raw system calls; see the header")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the process live without `io_uring_setup`: EPERM, as a container's seccomp profile says it.
pub(crate) fn deny_io_uring(command: &mut Command) {
    const fn statement(code: u32, k: u32, if_true: u8, if_false: u8) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: if_true, jf: if_false, k }
    }
    let setup = libc::SYS_io_uring_setup as u32;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut filter = [
        // The number is the first word of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, setup, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, refuse, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let install = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: both calls only read their arguments, and `program` outlives the second, which copies it.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
                    != 0
        };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure makes two system calls on memory of its own, and allocates nothing.
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
