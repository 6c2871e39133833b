//! Can a server run here, and if not, what must the operator do? Every reason for not starting, in words
//! that name the fix.
//!
//! Asked before any shard starts; nothing here is on the path of a request.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;

use glommio::CpuSet;

use crate::listen::ListenAddress;
use crate::ring;
use crate::sys::{self, Resource, ResourceLimit};
use crate::topology::InvalidCpus;

/// What `RLIMIT_MEMLOCK` must be at least, in bytes: glommio refuses to start an executor below it.
pub const LOCKED_MEMORY: u64 = 512 << 10;
/// What a shard is asked for when its locked memory does not do, in bytes. Its rings are half of that where the kernel counts them
/// (Linux 6.14 and newer, without `CAP_IPC_LOCK`); and since it counts by user, the other half is for the process that takes over.
pub const LOCKED_A_SHARD: u64 = 1 << 20;

/// Descriptors that a server wants at least, however few shards it has.
const DESCRIPTORS: u64 = 1024;
/// Descriptors of a process that are no shard's.
const OF_PROCESS: u64 = 32;
/// Descriptors of a shard besides its listeners: its rings, what wakes it, and 64 connections, files or pipes.
const OF_SHARD: u64 = 80;
/// Of all descriptors, one in so many may be a pipe's, so that content that passes through takes none from connections.
const PIPES_SHARE: u64 = 8;
/// Where the kernel says whether it has been told to refuse rings.
const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";

/// Why a server did not start. The text says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No interface of this machine has the address.
    AddressNotAvailable {
        /// The address asked for.
        address: ListenAddress,
    },
    /// The application refused to start, such as over two routes that conflict.
    Application(Box<dyn std::error::Error + Send + Sync>),
    /// The list of CPUs cannot be used.
    Cpus(InvalidCpus),
    /// `io_uring_setup` is forbidden: by a seccomp profile, or by a sysctl.
    IoUringBlocked {
        /// What the kernel said.
        error: io::Error,
        /// The sysctl `kernel.io_uring_disabled`: 0 for nobody, 1 for most, 2 for all. `None` where there is none, before Linux 6.6.
        disabled: Option<u8>,
    },
    /// The kernel lacks something that we build on.
    KernelTooOld {
        /// What it lacks, and since which release there is such a thing.
        feature: &'static str,
    },
    /// `RLIMIT_MEMLOCK` is too low for the rings.
    MemlockTooLow {
        /// Bytes the process may lock.
        have: u64,
        /// Bytes it needs.
        need: u64,
    },
    /// The machine's CPUs cannot be read in sysfs.
    NoSysfs {
        /// What was said instead.
        error: io::Error,
    },
    /// We may not listen there.
    PermissionDenied {
        /// The address asked for.
        address: ListenAddress,
    },
    /// Somebody listens there.
    PortInUse {
        /// The address asked for.
        address: ListenAddress,
    },
    /// `RLIMIT_NOFILE` is too low, and the hard limit as well.
    TooFewDescriptors {
        /// Descriptors the process may have.
        have: u64,
        /// Descriptors it was asked to have.
        need: u64,
    },
    /// A unix socket cannot be made at the path.
    UnixPath {
        /// The path asked for.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// Anything else that the system refused.
    Other {
        /// What was being done, as in "could not ...".
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressNotAvailable { address } => write!(
                f,
                "no interface of this machine has the address {address}: listen on one that `ip address` \
                 lists, or on `:PORT` for all of them"
            ),
            Self::Application(error) => write!(f, "the application did not start: {error}"),
            Self::Cpus(error) => error.fmt(f),
            Self::IoUringBlocked { error, disabled } => {
                write!(f, "io_uring is not allowed here ({error}). {}", way_out(error, *disabled))
            }
            Self::KernelTooOld { feature } => {
                write!(
                    f,
                    "the kernel has no {feature}: run Linux 6.1 or newer (`uname -r` says which)"
                )
            }
            Self::MemlockTooLow { have, need } => write!(
                f,
                "only {have} bytes of memory may be locked, {need} are needed: `ulimit -l {}`, \
                 in a systemd unit `LimitMEMLOCK={need}`, in a container `--ulimit memlock={need}`",
                need.div_ceil(1024)
            ),
            Self::NoSysfs { error } => write!(
                f,
                "the CPUs cannot be read below /sys/devices/system ({error}): mount sysfs, or have the sandbox show it"
            ),
            Self::PermissionDenied {
                address: address @ (ListenAddress::Tcp(_) | ListenAddress::Udp(_)),
            } => write!(
                f,
                "not allowed to listen on {address}: `setcap cap_net_bind_service=+ep` on the program, or \
                 take a port from `sysctl net.ipv4.ip_unprivileged_port_start` (1024 unless set) up"
            ),
            Self::PermissionDenied { address } => {
                write!(
                    f,
                    "not allowed to listen on {address}: its directory must be writable for this user"
                )
            }
            Self::PortInUse { address } => write!(
                f,
                "{address} is in use: another process listens there (`ss -xlutnp` says which), \
                 stop it or take another address"
            ),
            Self::TooFewDescriptors { have, need } => write!(
                f,
                "only {have} file descriptors may be open, {need} are needed: `ulimit -n {need}`, \
                 in a systemd unit `LimitNOFILE={need}`, in a container `--ulimit nofile={need}`, \
                 or ask for fewer connections"
            ),
            Self::UnixPath { path, error } => {
                write!(f, "no unix socket can be made at {}: {error}", path.display())
            }
            Self::Other { what, error } => write!(f, "could not {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::IoUringBlocked { error, .. }
            | Self::NoSysfs { error }
            | Self::UnixPath { error, .. }
            | Self::Other { error, .. } => Some(error),
            Self::Cpus(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InvalidCpus> for StartError {
    fn from(error: InvalidCpus) -> Self {
        Self::Cpus(error)
    }
}

/// What to do about a ring that was refused.
fn way_out(error: &io::Error, disabled: Option<u8>) -> &'static str {
    match disabled {
        Some(1) => {
            "On the host, kernel.io_uring_disabled is 1, which leaves it to one group: `sysctl kernel.io_uring_group=GID` with a \
             group of this user, or `sysctl kernel.io_uring_disabled=0` for all"
        }
        Some(2..) => {
            "On the host, the administrator has switched it off (kernel.io_uring_disabled is 2): \
             `sysctl kernel.io_uring_disabled=0`"
        }
        None if error.raw_os_error() == Some(libc::ENOSYS) => {
            "This kernel was built without it (CONFIG_IO_URING), or a sandbox stands in for the kernel: run on one that has it"
        }
        None | Some(0) => {
            "The process is under a seccomp profile that forbids it: allow io_uring_setup, io_uring_enter and io_uring_register, as \
             server/deploy/seccomp.json does. With Docker `--security-opt seccomp=seccomp.json`, in Kubernetes a `seccompProfile` \
             of type Localhost, in a systemd unit `SystemCallFilter=@system-service @aio`"
        }
    }
}

/// Raises the limit of locked memory to the hard limit, and tries a small ring with the flags that shards use.
///
/// # Errors
/// What stands in the way: a profile, a sysctl, the kernel's age, or a limit.
pub fn check_ring() -> Result<(), StartError> {
    let have = raise(Resource::LockedMemory)
        .map_err(|error| StartError::Other { what: "read RLIMIT_MEMLOCK", error })?;
    enough_locked_memory(have)?;
    // On a thread of its own: taking a ring apart interrupts the system calls of the thread that made it.
    let tried = thread::spawn(|| {
        ring::Ring::new(ring::RingConfig { submissions: 2, completions: 4 }).map(drop)
    });
    // Nothing in there panics; if it did, the shards would say more.
    tried.join().unwrap_or(Ok(()))
}

/// Whether the CPUs can be told: glommio panics where they cannot.
///
/// # Errors
/// [`StartError::NoSysfs`].
pub(crate) fn check_cpus() -> Result<(), StartError> {
    let online = CpuSet::online().map_err(|error| StartError::NoSysfs { error: error.into() })?;
    drop(online);
    Ok(())
}

/// Raises the limit of open descriptors to the hard limit; the answer is what holds then.
///
/// # Errors
/// [`StartError::TooFewDescriptors`] when that is below `need`.
pub fn raise_descriptors(need: u64) -> Result<u64, StartError> {
    let have = raise(Resource::Descriptors)
        .map_err(|error| StartError::Other { what: "read RLIMIT_NOFILE", error })?;
    enough_descriptors(have, need)
}

/// Raises a soft limit to the hard one; the answer is what holds then.
fn raise(resource: Resource) -> io::Result<u64> {
    let now = sys::resource_limit(resource)?;
    let raised = ResourceLimit { soft: now.hard, hard: now.hard };
    // A refusal leaves what was there before, and that may be enough.
    Ok(match sys::set_resource_limit(resource, raised) {
        Ok(()) => raised.soft,
        Err(_) => now.soft,
    })
}

/// How many descriptors a server of so many shards and listeners wants at least.
pub(crate) fn descriptors(shards: usize, listeners: usize) -> u64 {
    let shards = shards as u64;
    (OF_PROCESS + shards * (OF_SHARD + listeners as u64)).max(DESCRIPTORS)
}

/// How many pipes each shard may use of `have` descriptors: a pipe has two.
pub(crate) fn pipes(have: u64, shards: usize) -> usize {
    usize::try_from(have / PIPES_SHARE / 2 / (shards as u64).max(1)).unwrap_or(usize::MAX)
}

/// Whether shards may have more connections than there are descriptors; `asked` is how many of them each.
pub(crate) fn too_many_connections(have: u64, shards: usize, asked: usize) -> Option<String> {
    let most = asked.saturating_mul(shards) as u64;
    let need = most.saturating_add(descriptors(shards, 0));
    (have < need).then(|| {
        format!(
            "{most} connections were asked for, and only {have} file descriptors may be open: accepting pauses before \
             the limit is reached. In a systemd unit `LimitNOFILE={need}`, in a container `--ulimit nofile={need}`"
        )
    })
}

/// What one shard was refused is asked for all: the kernel counts locked memory by user.
pub(crate) fn of_all(error: StartError, shards: usize) -> StartError {
    let have = || sys::resource_limit(Resource::LockedMemory).map_or(u64::MAX, |limit| limit.soft);
    of_all_with(error, shards, have())
}

fn of_all_with(error: StartError, shards: usize, have: u64) -> StartError {
    let is_memory = match &error {
        StartError::MemlockTooLow { .. } => true,
        StartError::Other { error, .. } => error.raw_os_error() == Some(libc::ENOMEM),
        _ => false,
    };
    if !is_memory || have == u64::MAX {
        return error;
    }
    let all = LOCKED_A_SHARD.saturating_mul(shards as u64);
    // Who has as much shares it with other processes of the same user.
    let need = if have < all { all } else { have.saturating_mul(2) };
    StartError::MemlockTooLow { have, need }
}

fn enough_locked_memory(have: u64) -> Result<(), StartError> {
    let need = LOCKED_MEMORY;
    if have < need { Err(StartError::MemlockTooLow { have, need }) } else { Ok(()) }
}

fn enough_descriptors(have: u64, need: u64) -> Result<u64, StartError> {
    if have < need { Err(StartError::TooFewDescriptors { have, need }) } else { Ok(have) }
}

/// What an error of `io_uring_setup` means when `have` bytes of memory may be locked.
pub(crate) fn ring_error(error: io::Error, have: u64) -> StartError {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            let disabled = fs::read_to_string(DISABLED).ok();
            let disabled = disabled.and_then(|text| text.trim().parse().ok());
            StartError::IoUringBlocked { error, disabled }
        }
        Some(libc::EINVAL) => StartError::KernelTooOld {
            feature: "IORING_SETUP_SINGLE_ISSUER with IORING_SETUP_DEFER_TASKRUN (Linux 6.1)",
        },
        // Without a limit it is memory itself that lacks.
        Some(libc::ENOMEM) if have < u64::MAX => {
            // Twice what did not do, and never less than what glommio wants.
            StartError::MemlockTooLow { have, need: have.saturating_mul(2).max(LOCKED_MEMORY) }
        }
        _ => StartError::Other { what: "set up an io_uring", error },
    }
}

/// What an error of `bind` or `listen` means.
pub(crate) fn listen_error(error: io::Error, address: &ListenAddress) -> StartError {
    let address = address.clone();
    match (error.raw_os_error(), address) {
        (Some(libc::EADDRINUSE), address) => StartError::PortInUse { address },
        (Some(libc::EACCES | libc::EPERM), address) => StartError::PermissionDenied { address },
        (Some(libc::EMFILE | libc::ENFILE), _) => {
            StartError::Other { what: "open a socket, too many are open: `ulimit -n`", error }
        }
        (_, ListenAddress::Unix(path)) => StartError::UnixPath { path, error },
        (Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT), address) => {
            StartError::AddressNotAvailable { address }
        }
        _ => StartError::Other { what: "listen", error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn ring_errors_name_their_fix() {
        for (errno, words) in [
            (libc::EPERM, &["io_uring is not allowed here"][..]),
            (libc::EACCES, &["io_uring is not allowed here"]),
            (libc::ENOSYS, &["io_uring is not allowed here"]),
            (libc::EINVAL, &["DEFER_TASKRUN", "6.1"]),
            (libc::ENOMEM, &["ulimit -l 512", "LimitMEMLOCK=524288", "65536 bytes"]),
            (libc::EIO, &["could not set up an io_uring"]),
        ] {
            let text = ring_error(os(errno), 64 << 10).to_string();
            for word in words {
                assert!(text.contains(word), "{errno}: {word:?} is not in {text:?}");
            }
        }
        for (errno, disabled, words) in [
            (libc::EPERM, Some(0), &["seccomp=seccomp.json", "Localhost", "@aio"][..]),
            (libc::EPERM, None, &["seccomp=seccomp.json"]),
            (libc::EPERM, Some(1), &["kernel.io_uring_group=GID", "io_uring_disabled=0"]),
            (libc::EPERM, Some(2), &["kernel.io_uring_disabled=0"]),
            (libc::ENOSYS, Some(0), &["seccomp=seccomp.json"]),
            (libc::ENOSYS, None, &["CONFIG_IO_URING"]),
        ] {
            let text = StartError::IoUringBlocked { error: os(errno), disabled }.to_string();
            for word in words {
                assert!(text.contains(word), "{errno}: {word:?} is not in {text:?}");
            }
        }
        let twice = ring_error(os(libc::ENOMEM), 1 << 20);
        assert!(matches!(twice, StartError::MemlockTooLow { have: 0x10_0000, need: 0x20_0000 }));
        let unlimited = ring_error(os(libc::ENOMEM), u64::MAX);
        assert!(matches!(unlimited, StartError::Other { .. }));
        for (have, enough) in
            [(LOCKED_MEMORY - 1, false), (LOCKED_MEMORY, true), (LOCKED_MEMORY + 1, true)]
        {
            assert_eq!(enough_locked_memory(have).is_ok(), enough);
        }
    }

    #[test]
    fn listen_errors_name_their_fix() {
        let tcp: ListenAddress = "127.0.0.1:80".parse().unwrap();
        let unix: ListenAddress = "unix:/run/x".parse().unwrap();
        for (errno, address, words) in [
            (libc::EADDRINUSE, &tcp, &["127.0.0.1:80 is in use", "ss -xlutnp"][..]),
            (libc::EADDRINUSE, &unix, &["unix:/run/x is in use"]),
            (libc::EACCES, &tcp, &["setcap", "net.ipv4.ip_unprivileged_port_start"]),
            (libc::EACCES, &unix, &["unix:/run/x", "directory"]),
            (libc::EADDRNOTAVAIL, &tcp, &["127.0.0.1:80", "ip address"]),
            (libc::EAFNOSUPPORT, &tcp, &["127.0.0.1:80"]),
            (libc::ENOENT, &unix, &["/run/x", "No such file"]),
            (libc::EMFILE, &tcp, &["ulimit -n"]),
            (libc::EMFILE, &unix, &["ulimit -n"]),
            (libc::EIO, &tcp, &["could not listen"]),
        ] {
            let text = listen_error(os(errno), address).to_string();
            for word in words {
                assert!(text.contains(word), "{errno}: {word:?} is not in {text:?}");
            }
        }
    }

    #[test]
    fn descriptors_suffice_at_n_and_above() {
        assert!(matches!(
            enough_descriptors(99, 100),
            Err(StartError::TooFewDescriptors { have: 99, need: 100 })
        ));
        assert_eq!(enough_descriptors(100, 100).unwrap(), 100);
        assert_eq!(enough_descriptors(101, 100).unwrap(), 101);
        let text = enough_descriptors(99, 100).unwrap_err().to_string();
        assert!(text.contains("ulimit -n 100") && text.contains("LimitNOFILE=100"), "{text}");
    }

    #[test]
    fn locked_memory_is_asked_for_all_shards() {
        let lacks =
            || StartError::Other { what: "register receive buffers", error: os(libc::ENOMEM) };
        let need = |error, shards, have| match of_all_with(error, shards, have) {
            StartError::MemlockTooLow { have: of, need } if of == have => Some(need),
            _ => None,
        };
        let mib = |n: u64| n << 20;
        assert_eq!(need(lacks(), 32, mib(8)), Some(mib(32)));
        assert_eq!(
            need(StartError::MemlockTooLow { have: mib(1), need: mib(2) }, 8, mib(1)),
            Some(mib(8))
        );
        // Others of this user have it.
        assert_eq!(need(lacks(), 2, mib(8)), Some(mib(16)));
        // Without a limit it is memory itself that lacks, and what is no memory stays what it is.
        assert_eq!(need(lacks(), 2, u64::MAX), None);
        assert_eq!(need(StartError::Other { what: "x", error: os(libc::EIO) }, 2, mib(1)), None);
    }

    #[test]
    fn descriptors_are_counted_by_shards() {
        assert_eq!(descriptors(2, 3), 1024);
        assert_eq!(descriptors(64, 3), 32 + 64 * 83);
        // An eighth of all, two each.
        assert_eq!([pipes(1024, 2), pipes(1024, 64), pipes(1 << 20, 2)], [32, 1, 32768]);
        assert_eq!(pipes(u64::MAX, 0), usize::MAX >> 4);
        assert_eq!(too_many_connections(3024, 2, 1000), None);
        let text = too_many_connections(3023, 2, 1000).unwrap();
        for word in ["2000 connections", "3023", "LimitNOFILE=3024", "nofile=3024"] {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
        assert!(too_many_connections(u64::MAX - 1, 2, usize::MAX).is_some());
    }

    #[test]
    fn this_machine_passes() {
        check_ring().unwrap();
        assert!(raise_descriptors(64).unwrap() >= 64);
        assert!(raise_descriptors(u64::MAX).is_err());
    }
}
