//! What is in `server/deploy` (FEATURES O6), and what a process says where it cannot run.

mod preflight;
mod seccomp;

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

/// A file of `server/deploy`.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/deploy").join(name)
}

#[track_caller]
fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// For who runs the tests. Not by `eprintln!`, which the harness would keep to itself.
fn say(line: &str) {
    let _ = writeln!(stderr(), "\n{line}\n");
}
