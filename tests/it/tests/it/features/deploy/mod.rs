//! What is in `server/deploy` (FEATURES O6), and what a process says where it cannot run.
//!
//! Programs that are not ours look at it too, where they are there: systemd-analyze, mandoc, shells, and from the environment of
//! `make deps` hadolint and the schemas of Kubernetes.

mod image;
mod manifests;
mod manual;
mod package;
mod preflight;
mod seccomp;
mod units;

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the tree.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A file of `server/deploy`.
fn path(name: &str) -> PathBuf {
    top().join("server/deploy").join(name)
}

#[track_caller]
fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// For who runs the tests. Not by `eprintln!`, which the harness would keep to itself.
fn say(line: &str) {
    let _ = writeln!(stderr(), "\n{line}\n");
}

/// What a program says, and whether it ended well; `None` where there is none such.
fn ask(command: &mut Command) -> Option<(bool, String)> {
    let Ok(output) = command.output() else {
        say(&format!("skipped: {} is not here; see `make deps`", command.get_program().display()));
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// A program of the environment of `make deps`, which is in the target directory.
fn of_environment(name: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    // TARGET/PROFILE/deps/it-HASH
    Command::new(here.ancestors().nth(3).unwrap().join("aioquic/bin").join(name))
}
