//! Where a process cannot start: each reason, in the exact words that the operator reads, with its fix.

use std::fs;

use super::super::super::parity::Folder;
use super::super::super::process::Process;
use super::seccomp;

const ARGUMENTS: [&str; 6] = ["demo", "--http", "127.0.0.1:0", "--https", "off", "--cpus"];

#[test]
fn a_profile_without_rings() {
    let refusal = seccomp::refusal(seccomp::without_rings);
    assert_eq!(refusal.code, Some(1));
    assert_eq!(
        refusal.errors,
        "trilane: io_uring is not allowed here (Operation not permitted (os error 1)). The process is under a seccomp profile that \
         forbids it: allow io_uring_setup, io_uring_enter and io_uring_register, as server/deploy/seccomp.json does. With Docker \
         `--security-opt seccomp=seccomp.json`, in Kubernetes a `seccompProfile` of type Localhost, in a systemd unit \
         `SystemCallFilter=@system-service @aio`\n"
    );
}

/// What the machine's own setting is, a namespace hides: the kernel's refusal and what it says of it are as if there were that setting.
#[test]
fn an_administrator_who_has_switched_rings_off() {
    let folder = Folder::new();
    for (setting, words) in [
        (
            "1",
            "sysctl kernel.io_uring_group=GID` with a group of this user, or `sysctl kernel.io_uring_disabled=0` for all\n",
        ),
        ("2", "(kernel.io_uring_disabled is 2): `sysctl kernel.io_uring_disabled=0`\n"),
    ] {
        let file = folder.0.join("io_uring_disabled");
        fs::write(&file, setting).unwrap();
        let script = format!(
            "mount --bind {} /proc/sys/kernel/io_uring_disabled && exec setpriv --no-new-privs \"$@\"",
            file.display()
        );
        let arguments = [&ARGUMENTS[..], &["0"]].concat();
        // A profile that lets the mount through and rings not: the setting itself is the whole machine's.
        let launcher = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        let Some((is_well, said)) = Process::said_by(&launcher, &arguments, seccomp::only_rings)
        else {
            return super::say("skipped: unshare is not here");
        };
        if said.contains("unshare") || said.contains("mount:") {
            return super::say(&format!("skipped: no namespace of mounts is to be had: {said}"));
        }
        assert!(!is_well && said.ends_with(words), "{said}");
    }
}

#[test]
fn a_sandbox_without_sysfs() {
    let launcher =
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys && exec \"$@\"", "sh"];
    let arguments = [&ARGUMENTS[..], &["0"]].concat();
    let Some((is_well, said)) = Process::said_by(&launcher, &arguments, |_| {}) else {
        return super::say("skipped: unshare is not here");
    };
    if said.contains("unshare") || said.contains("mount:") {
        return super::say(&format!("skipped: no namespace of mounts is to be had: {said}"));
    }
    assert!(!is_well);
    assert_eq!(
        said,
        "trilane: the CPUs cannot be read below /sys/devices/system (No such file or directory (os error 2)): mount sysfs, or have the \
         sandbox show it\n"
    );
}

#[test]
fn too_little_memory_may_be_locked() {
    // A limit that root has as well.
    let (is_well, said) = said_with("--memlock=524287");
    assert!(!is_well);
    assert_eq!(
        said,
        "trilane: only 524287 bytes of memory may be locked, 1048576 are needed: `ulimit -l 1024`, in a systemd unit \
         `LimitMEMLOCK=1048576`, in a container `--ulimit memlock=1048576`\n"
    );
}

#[test]
fn too_few_descriptors() {
    let (is_well, said) = said_with("--nofile=1000");
    assert!(!is_well);
    assert_eq!(
        said,
        "trilane: only 1000 file descriptors may be open, 1024 are needed: `ulimit -n 1024`, in a systemd unit `LimitNOFILE=1024`, in a \
         container `--ulimit nofile=1024`, or ask for fewer connections\n"
    );
}

fn said_with(limit: &str) -> (bool, String) {
    let said = Process::said_by(&["prlimit", limit], &[&ARGUMENTS[..], &["0"]].concat(), |_| {});
    said.expect("prlimit is part of every Linux system")
}
