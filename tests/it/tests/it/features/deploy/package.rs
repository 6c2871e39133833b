//! The Debian package's description, without building one: what it takes is there, and versions agree.

use std::fs;

use super::{read, top};

#[test]
fn assets_are_there() {
    let crate_ = top().join("server/cli");
    let manifest = fs::read_to_string(crate_.join("Cargo.toml")).unwrap();
    let assets = manifest.split("assets = [").nth(1).unwrap().split("\n]").next().unwrap();
    let sources: Vec<_> = assets.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert!(sources.len() > 10, "{sources:?}");
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    for source in sources {
        match source.strip_prefix("target/release/") {
            Some("trilane") => {}
            Some(made) => {
                assert!(makefile.contains(&format!("/{made}\"")), "nobody makes {source}")
            }
            None => assert!(crate_.join(source.trim_end_matches('*')).exists(), "{source}"),
        }
    }
    // Changed by who runs it: kept when the package is replaced.
    assert!(manifest.contains("conf-files = [\"/etc/trilane/trilane.toml\"]"));
}

#[test]
fn the_folder_says_what_is_in_it() {
    let text = read("README.md");
    for entry in fs::read_dir(super::path("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap();
        assert!(name == "README.md" || text.contains(stem), "{name}");
    }
}

/// cargo-deb's defaults would stop it and start it again, and every connection with it.
#[test]
fn its_upgrade_loses_no_connection() {
    let manifest = fs::read_to_string(top().join("server/cli/Cargo.toml")).unwrap();
    let units = manifest.lines().find(|line| line.starts_with("systemd-units = ")).unwrap();
    for setting in ["start", "restart-after-upgrade", "stop-on-upgrade"] {
        assert!(units.contains(&format!(" {setting} = false")), "{setting}: {units}");
    }
    let script = read("debian/postinst");
    assert!(script.contains("[ -n \"$2\" ]") && script.contains("-s SIGUSR2 trilane"), "{script}");
}

#[test]
fn its_version_is_ours() {
    let first = read("debian/changelog").lines().next().unwrap().to_owned();
    assert!(first.starts_with(&format!("trilane ({}-1) ", env!("CARGO_PKG_VERSION"))), "{first}");
    let images = read("kubernetes/kustomization.yaml");
    assert!(images.contains(&format!("newTag: {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn its_scripts_are_shell_and_leave_room_for_others() {
    for name in ["postinst", "postrm"] {
        let script = read(&format!("debian/{name}"));
        assert!(
            script.starts_with("#!/bin/sh\nset -e\n") && script.contains("\n#DEBHELPER#\n"),
            "{name}"
        );
        let path = super::path(&format!("debian/{name}"));
        let (is_well, said) =
            super::ask(std::process::Command::new("sh").arg("-n").arg(path)).unwrap();
        assert!(is_well, "{name}: {said}");
    }
}
