//! The project's own rules as tests, so that no review has to remember them. Each failure names its file and line
//! and says what to do. The rules are those of DESIGN.md and ARCHITECTURE.md; change them there first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may name whom, directly: the arrows of ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("semantics", &[]),
    ("hpack", &["semantics"]),
    ("qpack", &["hpack", "semantics"]),
    ("http1", &["semantics"]),
    ("http2", &["hpack", "semantics"]),
    ("http3", &["qpack", "semantics"]),
    ("websocket", &[]),
    ("exchange", &["semantics"]),
    ("tls", &["exchange"]),
    ("quic", &["tls"]),
    ("record", &["http1", "http2", "http3"]),
    ("connection", &["exchange", "http1", "http2", "http3", "quic", "record", "tls"]),
    ("shard", &["connection", "quic", "record", "tls"]),
    ("profile", &[]),
    ("coding", &["exchange"]),
    ("service", &["coding", "exchange", "websocket"]),
    ("admin", &["pprof", "service", "shard"]),
    ("client", &["coding", "exchange", "websocket"]),
    ("pprof", &["profile", "service", "shard"]),
    ("errand", &["http1", "tls"]),
    ("otlp", &["errand", "service", "tls"]),
    ("acme", &["errand", "service", "tls"]),
    ("proxy", &["client", "exchange"]),
    ("trilane", &["acme", "client", "otlp", "proxy", "quic", "record", "service", "shard", "tls"]),
    ("cli", &["admin", "profile", "trilane"]),
];

/// The two vocabularies: whoever has them behind an arrow may name them directly too.
const VOCABULARY: &[&str] = &["semantics", "exchange"];

/// Never a normal dependency of anything, and free to name what they test.
const TEST_ONLY: &[&str] = &["benches", "fuzz", "it", "sim"];

/// What crates under proto may use from outside.
const PROTO_MAY_USE: &[&str] =
    &["bytes", "flate2", "http", "httparse", "itoa", "memchr", "smallvec"];

/// Outside crates that one crate alone names.
const OWNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "tls"),
    ("backtrace", "profile"),
    ("boring", "quic"),
    ("boring-sys", "quic"),
    ("foreign-types-shared", "quic"),
    ("glommio", "shard"),
    ("io-uring", "shard"),
    ("object", "profile"),
    ("quiche", "quic"),
    ("rustls", "tls"),
    ("rustls-native-certs", "tls"),
];

/// What a pure state machine never says.
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "SystemTime",
    "std::time::Instant",
    "async fn",
    ".await",
    "tokio",
    "unsafe",
    "println",
];

/// The only files with unsafe code, each with its reason in its header.
const UNSAFE: &[&str] = &[
    "runtime/profile/src/heap/allocator.rs",
    "runtime/profile/src/sys.rs",
    "runtime/quic/src/sys.rs",
    "runtime/shard/src/buffers.rs",
    "runtime/shard/src/ring.rs",
    "runtime/shard/src/ring/entry.rs",
    "runtime/shard/src/sending.rs",
    "runtime/shard/src/sending/reads.rs",
    "runtime/shard/src/sys.rs",
    "runtime/shard/src/sys/enter.rs",
    "runtime/shard/src/sys/file.rs",
    "runtime/shard/src/sys/name.rs",
    "runtime/shard/src/sys/splice.rs",
    "runtime/shard/src/tests/ring.rs",
    "runtime/shard/src/udp/sends.rs",
    "runtime/shard/src/wires.rs",
    "server/service/tests/allocations.rs",
    "tests/it/tests/it/process/sandbox.rs",
    "tests/sim/tests/memory/mod.rs",
    "tests/sim/tests/quic/time.rs",
];

/// What may lie at the root besides dotfiles; `target` is cargo's.
const ROOT: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benches",
    "fuzz",
    "proto",
    "runtime",
    "server",
    "target",
    "tests",
];

/// Past this a file is two files. Unit tests at its end are not counted.
const LONGEST: usize = 500;

/// What is never left behind; split, so that this file passes.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("db", "g!("),
];

#[test]
fn dependencies_follow_the_arrows() {
    let mut wrong = Wrong::default();
    for package in packages() {
        let here = package.name();
        let Some(folder) = here.strip_prefix("trilane-").or((here == "trilane").then_some(here))
        else {
            wrong.add(&package.manifest, 1, "its name is not `trilane-<folder>`: rename it");
            continue;
        };
        let is_proto = package.manifest.starts_with("proto");
        for (name, kind) in package.dependencies() {
            let line = line_of(&package.manifest, name);
            let is_normal = kind != "dev";
            if let Some((_, owner)) = OWNED.iter().find(|(owned, _)| *owned == name)
                && *owner != folder
                && !TEST_ONLY.contains(&folder)
            {
                let what = format!("only runtime/{owner} may name `{name}`: go through it");
                wrong.add(&package.manifest, line, what);
            }
            let Some(to) = name.strip_prefix("trilane-").or((name == "trilane").then_some(name))
            else {
                if is_normal && is_proto && !PROTO_MAY_USE.contains(&name) {
                    let what = format!("proto crates do not use `{name}`: do without it");
                    wrong.add(&package.manifest, line, what);
                }
                continue;
            };
            if is_normal && !TEST_ONLY.contains(&folder) && !may_name(folder, to) {
                let what = format!(
                    "a new edge, {folder} -> {to}: remove it, or draw it in ARCHITECTURE.md first"
                );
                wrong.add(&package.manifest, line, what);
            }
        }
    }
    wrong.finish();
}

/// Whether there is an arrow, or `to` is vocabulary behind one.
fn may_name(from: &str, to: &str) -> bool {
    let Some((_, direct)) = ARROWS.iter().find(|(name, _)| *name == from) else { return false };
    let is_behind = |via: &&str| may_name(via, to);
    direct.contains(&to) || VOCABULARY.contains(&to) && direct.iter().any(is_behind)
}

#[test]
fn arrows_reach_only_what_lies_behind_them() {
    for (from, to, expected) in [
        ("http1", "semantics", true),
        ("shard", "connection", true),
        ("shard", "semantics", true),
        ("shard", "http1", false),
        ("http1", "exchange", false),
        ("semantics", "http1", false),
        ("service", "connection", false),
        ("cli", "sim", false),
        ("unheard-of", "semantics", false),
    ] {
        assert_eq!(may_name(from, to), expected, "{from} -> {to}");
    }
}

#[test]
fn manifests_take_the_workspace_lints() {
    let mut wrong = Wrong::default();
    for package in packages() {
        let text = read(&package.manifest);
        let mut lines = text.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
        if lines.next().is_none_or(|line| line.trim() != "workspace = true") {
            wrong.add(&package.manifest, 1, "add `[lints]` with `workspace = true`");
        }
    }
    wrong.finish();
}

#[test]
fn machines_are_pure() {
    let mut wrong = Wrong::default();
    for path in sources(&["proto"]).iter().filter(|path| is_src(path)) {
        for (number, line) in code(&read(path)) {
            let line = line.replace("unsafe_code", "");
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                let what = format!("a machine never says `{word}`: let the caller do it");
                wrong.add(path, number, what);
            }
        }
    }
    wrong.finish();
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let mut wrong = Wrong::default();
    for package in packages() {
        let root = package.manifest.parent().unwrap();
        let is_safe = root.starts_with("proto")
            || root.starts_with("server")
            || ["runtime/exchange", "runtime/connection", "runtime/record"]
                .iter()
                .any(|safe| root == Path::new(safe));
        for path in ["src/lib.rs", "src/main.rs"].map(|file| root.join(file)) {
            let is_there = is_safe && top().join(&path).exists();
            if is_there && !read(&path).contains("#![forbid(unsafe_code)]") {
                wrong.add(&path, 1, "add `#![forbid(unsafe_code)]`");
            }
        }
    }
    for path in sources(&["proto", "runtime", "server", "tests"]) {
        if UNSAFE.iter().any(|known| path == Path::new(known)) {
            continue;
        }
        for (number, line) in code(&read(&path)) {
            let found = ["{", "fn ", "impl ", "extern "]
                .iter()
                .any(|what| line.contains(&[concat!("uns", "afe "), what].concat()));
            if found {
                wrong.add(&path, number, "unsafe code: move it to a file of `UNSAFE` in tidy.rs");
            }
        }
    }
    for path in UNSAFE.iter().filter(|path| !top().join(path).exists()) {
        wrong.add(Path::new(path), 1, "is gone: take it off `UNSAFE` in tidy.rs");
    }
    wrong.finish();
}

#[test]
fn the_root_holds_what_the_design_says() {
    let mut wrong = Wrong::default();
    for entry in fs::read_dir(top()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') && !ROOT.contains(&&*name) {
            let what = "is not of the tree: move it into a folder, or make it a dotfile";
            wrong.add(Path::new(&name), 1, what);
        }
    }
    wrong.finish();
}

#[test]
fn files_are_short_and_finished_and_say_what_they_are() {
    let mut wrong = Wrong::default();
    for path in sources(&["proto", "runtime", "server", "fuzz", "benches", "tests"]) {
        let text = read(&path);
        let length = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let is_product = !path.starts_with("fuzz") && !path.starts_with("tests");
        if is_product && is_src(&path) && !is_tests(&path) && length > LONGEST {
            wrong.add(&path, LONGEST, format!("has {length} lines: find the second thing in it"));
        }
        if (is_src(&path) || path.starts_with("tests/it")) && !text.starts_with("//!") {
            wrong.add(&path, 1, "begin it with `//!`: what it is and what it never does");
        }
        for (number, line) in text.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                wrong.add(&path, number + 1, format!("`{word}`: finish it"));
            }
        }
    }
    wrong.finish();
}

#[test]
fn every_outside_dependency_has_its_reason() {
    let mut wrong = Wrong::default();
    let reasons = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap_or_default();
    let manifest = read(Path::new("Cargo.toml"));
    let lines = manifest.lines().enumerate();
    let section = lines.skip_while(|(_, line)| *line != "[workspace.dependencies]").skip(1);
    for (number, line) in section.take_while(|(_, line)| !line.starts_with('[')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if !name.starts_with('#')
            && !value.contains("path =")
            && !reasons.contains(&format!("`{name}`"))
        {
            let what = format!("`{name}` has no reason: give it a line in ARCHITECTURE.md");
            wrong.add(Path::new("Cargo.toml"), number + 1, what);
        }
    }
    wrong.finish();
}

/// What was found to be wrong, a line each.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn add(&mut self, path: &Path, line: usize, what: impl AsRef<str>) {
        self.0.push(format!("{}:{line}: {}", path.display(), what.as_ref()));
    }

    fn finish(self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}

/// A member of the workspace; its manifest's path is relative to the root.
struct Package {
    manifest: PathBuf,
    value: Value,
}

impl Package {
    fn name(&self) -> &str {
        self.value["name"].as_str().unwrap()
    }

    /// Each with its kind: normal, dev or build.
    fn dependencies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.value["dependencies"].as_array().unwrap().iter().map(|dependency| {
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            (dependency["name"].as_str().unwrap(), kind)
        })
    }
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("no packages") };
    packages
        .into_iter()
        .map(|value| {
            let path = Path::new(value["manifest_path"].as_str().unwrap());
            Package { manifest: path.strip_prefix(top()).unwrap().to_owned(), value }
        })
        .collect()
}

/// The root of the checkout.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// Every Rust file under these folders, relative to the root.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut open: Vec<_> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        // A folder of the tree that has not come yet.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let is_built = path.file_name().is_some_and(|name| name == "target");
            if path.is_dir() && !is_built {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(top()).unwrap().to_owned());
            }
        }
    }
    assert!(!found.is_empty(), "nothing under {folders:?}");
    found.sort();
    found
}

fn is_src(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
}

/// `src/tests/*.rs` and `src/tests.rs`.
fn is_tests(path: &Path) -> bool {
    let mut inside = path.components().skip_while(|part| part.as_os_str() != "src").skip(1);
    inside.any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// The lines of a file that are not comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Where a manifest names a dependency; 1 where it cannot be told.
fn line_of(manifest: &Path, name: &str) -> usize {
    let text = read(manifest);
    let found = text.lines().position(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    });
    found.map_or(1, |at| at + 1)
}
