//! Profiles (FEATURES W10) as `go tool pprof` sees them, which somebody else wrote, of a server under load.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use trilane::{Request, Router, get};
use trilane_pprof::About;

use super::super::parity::{Ask, House, LANES, Over, Place, eventually};
use super::super::process::Process;
use super::admin;

/// Where operators ask.
struct Operators(SocketAddr);

impl Operators {
    fn of(process: &Process) -> Self {
        let address = process.ready.split_once(" admin=").unwrap().1;
        Self(address.split(' ').next().unwrap().parse().unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0)
    }
}

/// Does `what` while clients of all protocols ask for `target`.
fn under_load<T>(place: &(dyn Place + Sync), target: &str, what: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for lane in LANES.iter().cycle() {
                let mut client = lane.open(place);
                client.ask(&Ask::get(target)).status(200);
                client.leave();
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let result = catch_unwind(AssertUnwindSafe(what));
        is_over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The rows that `go tool pprof` makes of a profile; nothing where there is none.
fn go(options: &[&str], from: &str) -> Option<String> {
    let mut command = Command::new("go");
    command.args(["tool", "pprof", "-top", "-nodecount=5000"]).args(options).arg(from);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let command = command.env("HOME", home).env("PPROF_TMPDIR", home.join("pprof"));
    let Ok(output) = command.output() else {
        // Not by `eprintln!`, which the test harness would keep to itself.
        let text = b"\nskipped: there is no go (Debian's golang-go) to read profiles with\n\n";
        std::io::stderr().write_all(text).unwrap();
        return None;
    };
    let (said, wrong) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "go tool pprof {options:?} {from}: {wrong}");
    Some(String::from_utf8_lossy(said).into_owned())
}

#[test]
fn go_reads_profiles_of_the_binary_under_load() {
    let process = Process::demo(&["--admin", "127.0.0.1:0", "--log", "off"]);
    let operators = Operators::of(&process);
    let begun = admin::Operators::at(operators.0).text("POST", "/debug/pprof/heap?every=16384");
    assert!(begun.starts_with("HTTP/1.1 200"), "{begun}");
    under_load(&process.addresses(), "/users/7", || {
        let Some(top) = go(&[], &operators.url("/debug/pprof/profile?seconds=2&hz=500")) else {
            return;
        };
        assert!(top.contains("Type: cpu"), "{top}");
        assert!(top.contains("trilane_shard::shard::Shard::run"), "{top}");
        let top = go(&[], &operators.url("/debug/pprof/heap")).unwrap();
        assert!(top.contains("Type: inuse_space"), "{top}");
        assert!(top.contains("trilane_"), "{top}");
        assert!(!top.contains("trilane_profile::heap"), "{top}");
        let top = go(&["-sample_index=alloc_objects"], &operators.url("/debug/pprof/allocs"));
        assert!(top.unwrap().contains("trilane_connection::"));
    });
}

/// Over each protocol: what is under way there, what has kept a shard from all else, and all of its steps.
#[test]
fn operators_see_what_shards_are_at() {
    let main = House::serving(|_| {
        let stalls = || async {
            std::thread::sleep(Duration::from_millis(30));
            "stalled"
        };
        let spawns = |request: Request| async move {
            let nap = request.shard().sleep(Duration::from_secs(600));
            drop(request.shard().spawn(nap));
            "spawned"
        };
        let waits = |request: Request| async move {
            request.shard().sleep(Duration::from_secs(600)).await;
            "waited"
        };
        Router::new()
            .route("/quick", get(|| async { "quick" }))
            .route("/spawns", get(spawns))
            .route("/stalls/{id}", get(stalls))
            .route("/waits/{id}", get(waits))
    });
    let inspector = main.inspector();
    let house = House::serving(move |_| {
        trilane_pprof::of_shards(&inspector).merge(trilane_pprof::of_process(About::new()))
    });
    for (round, lane) in (1..).zip(LANES) {
        let ask = |path: &str| lane.open(&house).ask(&Ask::get(path)).status(200);
        let mut waiting = lane.open(&main);
        waiting.begin(&Ask::get("/waits/1"));
        lane.open(&main).ask(&Ask::get("/spawns")).status(200);
        lane.open(&main).ask(&Ask::get("/stalls/1")).status(200);
        let has = |path: &str, row: &str| {
            eventually(&format!("{row} over {}", lane.name()), || ask(path).text().contains(row));
        };
        has("/debug/pprof/goroutine?debug=2", "GET /waits/{id}  waits for: handler  age: ");
        has("/debug/pprof/goroutine?debug=1", "Sleep  waits for: being woken");
        has("/debug/pprof/block?debug=1", "handler /stalls/{id}  total: ");
        let stalls = || {
            let text = ask("/debug/pprof/mutex?debug=1").text();
            let rows = text.lines().filter(|line| line.contains("handler /stalls/{id}"));
            rows.map(|row| row.trim().split(' ').next().unwrap().parse::<u64>().unwrap())
                .sum::<u64>()
        };
        eventually("all are counted", || round == stalls());
        let mut profile = Vec::new();
        let packed = ask("/debug/pprof/goroutine").body;
        GzDecoder::new(&packed[..]).read_to_end(&mut profile).unwrap();
        assert!(String::from_utf8_lossy(&profile).contains("GET /waits/{id}"), "{}", lane.name());
        waiting.leave();
    }
    let trace = || LANES[0].open(&house).ask(&Ask::get("/debug/pprof/trace?seconds=1")).text();
    let trace: serde_json::Value =
        serde_json::from_str(&under_load(&main, "/quick", trace)).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    for name in ["handler /quick", "turn"] {
        assert!(
            events.iter().any(|event| event["name"] == name && event["dur"].as_f64() > Some(0.0))
        );
    }
    let url = |path: &str| format!("http://{}{path}", house.at(Over::Tcp));
    let Some(top) = go(&[], &url("/debug/pprof/goroutine")) else { return };
    assert!(top.contains("Type: goroutine") && top.contains("being woken"), "{top}");
    let top = go(&[], &url("/debug/pprof/block")).unwrap();
    assert!(top.contains("Type: delay") && top.contains("handler /stalls/{id}"), "{top}");
}
