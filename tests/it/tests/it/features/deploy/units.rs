//! The units of systemd: its own programs have nothing to say, and what they allow is what the server needs.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::super::super::parity::Folder;
use super::{ask, read};

/// What a unit says of a key; all of its lines.
fn said<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The units in a folder of their own, as the systemd that is here can read them, and with a program that is here.
fn units() -> Folder {
    let folder = Folder::new();
    let here = std::env::current_exe().unwrap();
    let service =
        read("systemd/trilane.service").replace("/usr/bin/trilane", here.to_str().unwrap());
    // systemd 253 knows the type; an older one is shown what the drop-in makes of it.
    let drop_in = read("systemd/old.conf");
    assert_eq!(said(&drop_in, "Type"), ["notify"]);
    assert!(said(&drop_in, "ExecReload")[0].contains("-HUP $MAINPID"));
    let is_old = ask(Command::new("systemd-analyze").arg("--version"))
        .and_then(|(_, said)| said.split_whitespace().nth(1)?.parse::<u32>().ok())
        .is_some_and(|version| version < 253);
    let service = if is_old { service.replace("notify-reload", "notify") } else { service };
    folder.write("trilane.service", service);
    folder.write("trilane.socket", read("systemd/trilane.socket"));
    folder
}

#[test]
fn systemd_reads_them_and_finds_little_exposed() {
    let folder = units();
    let file = |name: &str| folder.0.join(name);
    let mut verify = Command::new("systemd-analyze");
    verify
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(file("trilane.service"))
        .arg(file("trilane.socket"));
    let Some((is_well, said)) = ask(&mut verify) else { return };
    assert!(is_well && !said.contains("trilane"), "{said}");
    let mut security = Command::new("systemd-analyze");
    // Its grade times ten: 19 at the time of writing.
    security.args(["security", "--offline=true", "--threshold=25"]).arg(file("trilane.service"));
    let (is_well, said) = ask(&mut security).unwrap();
    assert!(is_well, "{said}");
}

#[test]
fn they_say_what_the_server_does() {
    let unit = read("systemd/trilane.service");
    assert_eq!(said(&unit, "Type"), ["notify-reload"]);
    assert_eq!(said(&unit, "NotifyAccess"), ["all"]);
    assert_eq!(
        said(&unit, "ExecStart"),
        ["/usr/bin/trilane serve --config /etc/trilane/trilane.toml"]
    );
    // Longer than a drain takes by default.
    let stop: u64 = said(&unit, "TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > trilane_cli::config::Config::default().drain().1.as_secs());
    assert!(said(&unit, "LimitNOFILE")[0].parse::<u64>().unwrap() >= 1 << 20);
    assert_eq!(said(&unit, "CapabilityBoundingSet"), said(&unit, "AmbientCapabilities"));
    let socket = read("systemd/trilane.socket");
    assert!(
        !said(&socket, "ListenStream").is_empty() && !said(&socket, "ListenDatagram").is_empty()
    );
}

/// The names in a set of systemd's, and in the sets in it.
fn set(name: &str) -> Option<BTreeSet<String>> {
    let (_, text) = ask(Command::new("systemd-analyze").args(["syscall-filter", name]))?;
    let mut names = BTreeSet::new();
    for line in text
        .lines()
        .skip(1)
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.starts_with('@') {
            true => names.extend(set(line)?),
            false => drop(names.insert(line.to_owned())),
        }
    }
    Some(names)
}

/// All that the profile of containers allows, but for what is their runtimes', and what the server can do without.
#[test]
fn the_filter_of_system_calls_lets_the_server_work() {
    let unit = read("systemd/trilane.service");
    let Some(mut allowed) = set("@default") else { return };
    for line in said(&unit, "SystemCallFilter") {
        let (is_denied, names) =
            line.strip_prefix('~').map_or((false, line), |names| (true, names));
        for name in names.split(' ') {
            let names =
                if name.starts_with('@') { set(name).unwrap() } else { [name.to_owned()].into() };
            match is_denied {
                true => allowed.retain(|name| !names.contains(name)),
                false => allowed.extend(names),
            }
        }
    }
    let profile: Value = serde_json::from_str(&read("seccomp.json")).unwrap();
    let without = ["cachestat", "mincore"];
    for entry in profile["syscalls"].as_array().unwrap() {
        let is_ours = !entry["comment"].as_str().unwrap().contains("container's runtime");
        for name in entry["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            assert!(!is_ours || without.contains(&name) || allowed.contains(name), "{name}");
        }
    }
    for name in ["bpf", "mount", "ptrace", "swapon", "kexec_load"] {
        assert!(!allowed.contains(name), "{name}");
    }
}

#[test]
fn sysctls_are_as_the_server_asks() {
    let text = read("systemd/trilane.sysctl.conf");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.split_once(" = ").unwrap();
        let file = format!("/proc/sys/{}", name.replace('.', "/"));
        assert!(fs::exists(&file).unwrap(), "{name}");
    }
    // UdpConfig's defaults, and the backlog of listeners.
    for wanted in ["rmem_max = 4194304", "wmem_max = 4194304", "somaxconn = 4096"] {
        assert!(text.contains(wanted), "{wanted}");
    }
}
