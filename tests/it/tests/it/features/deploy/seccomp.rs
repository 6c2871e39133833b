//! `server/deploy/seccomp.json`, as a container's runtime would apply it: the server starts under it and does all that it can do. And
//! stricter than a runtime does: what is not in the file ends the process, so that nothing can be missing unseen.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

use super::super::super::parity::{Ask, Folder, House, LANES, Length, eventually};
use super::super::super::process::{Process, Refusal, sandbox};

const ALLOW: &str = "SCMP_ACT_ALLOW";
/// Of the demo, one of each kind.
const TARGETS: &[&str] = &[
    "/plaintext",
    "/json",
    "/bytes/300000",
    "/stream/3",
    "/stats",
    "/metrics",
    "/health/detailed",
    "/slow/20",
    "/static/style.css",
    "/cached/a",
    "/api/v1/users",
    "/hints",
];
const RINGS: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

/// The profile, as it is in the tree.
fn profile() -> Value {
    serde_json::from_str(&super::read("seccomp.json")).unwrap()
}

/// What the kernel takes, the first filter first; `default` is what becomes of calls that are not in the file. A filter here has one
/// action, so a call that the file answers with an error of its own has a filter of its own, and goes through the last one.
fn compile(profile: &Value, default: Value) -> Vec<BpfProgram> {
    let rules: Vec<_> = profile["syscalls"].as_array().unwrap().iter().flat_map(rules).collect();
    let refused = rules.iter().filter(|(action, _)| *action != json!("allow"));
    let mut filters: Vec<_> = refused
        .map(|(action, rule)| filter(&json!("allow"), action, std::slice::from_ref(rule)))
        .collect();
    let all: Vec<_> = rules.into_iter().map(|(_, rule)| rule).collect();
    filters.push(filter(&default, &json!("allow"), &all));
    filters
}

/// One filter: what becomes of calls that no rule is about, and of the others.
fn filter(mismatch: &Value, matched: &Value, rules: &[Value]) -> BpfProgram {
    let filter =
        json!({ "all": { "mismatch_action": mismatch, "match_action": matched, "filter": rules } });
    let compiled = compile_from_json(filter.to_string().as_bytes(), arch());
    compiled.unwrap_or_else(|error| panic!("{error}")).remove("all").unwrap()
}

fn arch() -> TargetArch {
    TargetArch::try_from(std::env::consts::ARCH).unwrap()
}

/// An entry of the profile in the words of the compiler: each name with what becomes of it.
fn rules(entry: &Value) -> Vec<(Value, Value)> {
    let action = match entry["action"].as_str() {
        Some(ALLOW) => json!("allow"),
        Some("SCMP_ACT_ERRNO") => json!({ "errno": entry["errnoRet"] }),
        other => panic!("{other:?}"),
    };
    let condition = |of: &Value| {
        let (op, value) = match of["op"].as_str() {
            Some("SCMP_CMP_EQ") => (json!("eq"), &of["value"]),
            Some("SCMP_CMP_MASKED_EQ") => (json!({ "masked_eq": of["value"] }), &of["valueTwo"]),
            other => panic!("{other:?}"),
        };
        json!({ "index": of["index"], "type": "qword", "op": op, "val": value })
    };
    let conditions = entry["args"].as_array().map(|all| all.iter().map(condition).collect());
    let names = entry["names"].as_array().unwrap().iter();
    let rule = |name: &Value| match &conditions {
        None => json!({ "syscall": name }),
        Some(Value::Array(all)) => json!({ "syscall": name, "args": all }),
        Some(_) => unreachable!("an array was collected"),
    };
    names.map(|name| (action.clone(), rule(name))).collect()
}

/// Whether the tests know the machine's calls by name. Those of x86-64 are all in the profile.
fn is_known() -> bool {
    let known = cfg!(target_arch = "x86_64");
    if !known {
        super::say("skipped: the profile's test knows the system calls of x86-64");
    }
    known
}

#[track_caller]
fn start(arguments: &[&str]) -> Process {
    let strict = compile(&profile(), json!("kill_process"));
    let started = Process::start(arguments, |command| sandbox::filter(command, strict));
    started.unwrap_or_else(|refusal| panic!("a system call is missing: {refusal:?}"))
}

/// What the operator reads where rings are refused.
pub(super) fn refusal(set: impl FnOnce(&mut Command)) -> Refusal {
    let started = Process::start(&["--http", "127.0.0.1:0", "--https", "off"], set);
    started.map(|process| process.ready.clone()).unwrap_err()
}

/// All may be done, but nothing with rings.
pub(super) fn only_rings(command: &mut Command) {
    let rules: Vec<_> = RINGS.iter().map(|name| json!({ "syscall": name })).collect();
    let refused = json!({ "errno": libc::EPERM });
    sandbox::filter(command, vec![filter(&json!("allow"), &refused, &rules)]);
}

/// As containers are by default: all but rings.
pub(super) fn without_rings(command: &mut Command) {
    let mut profile = profile();
    for entry in profile["syscalls"].as_array_mut().unwrap() {
        entry["names"]
            .as_array_mut()
            .unwrap()
            .retain(|name| !RINGS.iter().any(|ring| name == ring));
    }
    profile["syscalls"].as_array_mut().unwrap().retain(|entry| entry["names"] != json!([]));
    let default = json!({ "errno": profile["defaultErrnoRet"] });
    sandbox::filter(command, compile(&profile, default));
}

#[test]
fn the_profile_is_of_the_form_that_runtimes_read() {
    let profile = profile();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(profile["defaultErrnoRet"], libc::EPERM);
    assert_eq!(profile["architectures"], json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]));
    let mut seen = BTreeSet::new();
    for entry in profile["syscalls"].as_array().unwrap() {
        for (key, _) in entry.as_object().unwrap() {
            let known = ["comment", "names", "action", "errnoRet", "args"];
            assert!(known.contains(&key.as_str()), "{key}");
        }
        let names: Vec<_> =
            entry["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.is_sorted(), "{names:?}");
        if entry["action"] == ALLOW && entry["args"].is_null() {
            seen.extend(names.into_iter().map(str::to_owned));
        }
    }
    assert!(RINGS.iter().all(|ring| seen.contains(*ring)));
    // What leads out of a container, or into others.
    for name in [
        "bpf",
        "mount",
        "ptrace",
        "setns",
        "unshare",
        "init_module",
        "kexec_load",
        "keyctl",
        "process_vm_readv",
        "socket",
        "clone",
        "clone3",
    ] {
        assert!(!seen.contains(name), "{name}");
    }
    let mut entries = profile["syscalls"].as_array().unwrap().iter();
    let clone3 = entries.find(|entry| entry["names"] == json!(["clone3"])).unwrap();
    assert_eq!(clone3["errnoRet"], libc::ENOSYS);
}

#[test]
fn the_demo_lives_under_it() {
    if !is_known() {
        return;
    }
    let folder = Folder::new();
    let log = folder.0.join("access.log");
    let (two, log_file) = (
        ["--http", "127.0.0.1:0", "--h2c", "--shards", "2", "--log", "json"],
        log.to_str().unwrap(),
    );
    let rest = ["--log-file", log_file, "--admin", "127.0.0.1:0"];
    let mut process = start(&[&two[..], &rest].concat());
    let operators = process.ready.split_once(" admin=").unwrap().1.split(' ').next().unwrap();
    for path in ["ready", "metrics", "connections", "debug/pprof/profile?seconds=1"] {
        let url = format!("http://{operators}/{path}");
        let (is_well, said) = Process::said(&["health", "--timeout", "20", &url]);
        assert!(is_well, "{said}");
    }
    for lane in LANES {
        for target in TARGETS {
            lane.open(&process).ask(&Ask::get(*target)).status(200);
        }
        let (post, content) = (Ask::post("/echo", Length::Exact(1 << 20)), vec![b'x'; 1 << 20]);
        lane.open(&process).ask_with(&post, &content).status(200);
        lane.open(&process).ask(&Ask::get("/panic")).status(500);
    }
    process.signal("HUP");
    eventually("the log is written", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("/panic"))
    });
    // Another process, under the same filters as children are.
    process.upgrade();
    process.alone_within(Duration::from_secs(20));
    for lane in LANES {
        lane.open(&process).ask(&Ask::get("/plaintext")).status(200);
    }
    process.signal("TERM");
    assert_eq!(process.exit_within(Duration::from_secs(20)).code(), Some(0));
}

#[test]
fn a_site_of_files_and_upstreams_lives_under_it() {
    if !is_known() {
        return;
    }
    let (folder, house) = (Folder::new(), House::new(|_| {}));
    folder.write("small.txt", "small");
    folder.write("large.bin", vec![7; 3 << 20]);
    let (root, port) = (folder.0.display(), house.address().port());
    let unix = folder.0.join("up.sock");
    let _upstream =
        start(&["--http", &format!("unix:{}", unix.display()), "--https", "off", "--log", "off"]);
    let text = format!(
        "log = 'off'\n[files]\nlisting = true\n[cache]\n[compression]\n[rate_limit]\nrequests = 100000\nperiod = 1\n\
         [[routes]]\nprefix = '/files'\nroot = '{root}'\n\
         [[routes]]\nprefix = '/up'\nproxy = {{ upstream = 'up', strip_prefix = true }}\n\
         [[routes]]\nprefix = '/unix'\nproxy = {{ upstream = 'unix', strip_prefix = true }}\n\
         [[routes]]\nprefix = '/name'\nproxy = {{ upstream = 'name', strip_prefix = true }}\n\
         [upstreams.up]\nservers = ['127.0.0.1:{port}']\nhealth = {{ path = '/health', interval = 1 }}\n\
         [upstreams.unix]\nservers = ['unix:{}']\n\
         [upstreams.name]\nservers = ['localhost:{port}']\n",
        unix.display(),
    );
    folder.write("site.toml", text);
    let file = folder.0.join("site.toml");
    let mut process = start(&[
        "serve",
        "--config",
        file.to_str().unwrap(),
        "--http",
        "127.0.0.1:0",
        "--h2c",
        "--shards",
        "2",
    ]);
    for lane in LANES {
        let get = |target: &str| lane.open(&process).ask(&Ask::get(target)).status(200).body.len();
        assert_eq!(get("/files/small.txt"), 5);
        assert_eq!(get("/files/large.bin"), 3 << 20);
        assert!(get("/files/") > 0);
        for prefix in ["up", "unix", "name"] {
            assert_eq!(get(&format!("/{prefix}/bytes/2000000")), 2_000_000, "{prefix}");
        }
    }
    process.signal("HUP");
    LANES[0].open(&process).ask(&Ask::get("/files/small.txt")).status(200);
    process.signal("TERM");
    assert_eq!(process.exit_within(Duration::from_secs(20)).code(), Some(0));
}
