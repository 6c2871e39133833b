//! Profiles (FEATURES W10) as `go tool pprof` sees them, which somebody else wrote, of a server under load.

use std::hint::black_box;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trilane::{Router, get};

use super::super::parity::{Ask, House, LANES, Lane, Over};

/// A process takes one CPU profile at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A route that keeps its shard busy, beside the profiles.
fn house() -> House {
    House::serving(|_| {
        let busy = get(|| async { busy_handler().to_string() });
        trilane_pprof::routes(Router::new().route("/busy", busy), Default::default())
    })
}

#[inline(never)]
fn busy_handler() -> u64 {
    (0..20_000).fold(0, |sum, round| black_box(sum ^ round))
}

/// Does `what` while a client asks over `lane`, one request after the other.
fn under_load<T>(house: &House, lane: &dyn Lane, what: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                lane.open(house).ask(&Ask::get("/busy")).status(200);
            }
        });
        let result = catch_unwind(AssertUnwindSafe(what));
        is_over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// What `go tool pprof` says; nothing where there is none.
fn go(arguments: &[&str], from: &str) -> Option<String> {
    let mut command = Command::new("go");
    command.args(["tool", "pprof"]).args(arguments).arg(from);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let command = command.env("HOME", home).env("PPROF_TMPDIR", home.join("pprof"));
    let Ok(output) = command.output() else {
        // Not by `eprintln!`, which the test harness would keep to itself.
        let text = b"\nskipped: there is no go (Debian's golang-go) to read profiles with\n\n";
        std::io::stderr().write_all(text).unwrap();
        return None;
    };
    let (said, wrong) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "go tool pprof {arguments:?} {from}: {wrong}");
    Some(String::from_utf8_lossy(said).into_owned())
}

#[test]
fn go_reads_a_cpu_profile_of_every_protocol() {
    let _alone = alone();
    let house = house();
    let url = format!("http://{}/debug/pprof/profile?seconds=1&hz=500", house.at(Over::Tcp));
    for lane in LANES {
        let top = || go(&["-top", "-nodecount=1000"], &url);
        let Some(top) = under_load(&house, *lane, top) else { return };
        assert!(top.contains("Type: cpu"), "{top}");
        assert!(top.contains("features::pprof::busy_handler"), "{}: {top}", lane.name());
        assert!(top.contains("trilane_shard::shard::Shard::run"), "{}: {top}", lane.name());
    }
}
