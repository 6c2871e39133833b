//! Worlds whose connections are recorded: nothing goes another way because of that, and each replay is what was recorded, with the same end.

mod service;

use std::rc::Rc;
use std::time::Duration;

use service::Demo;
use trilane_sim::replays::Replays;
use trilane_sim::{Report, World};

/// What is kept of a connection, in bytes: enough for most of them.
const BYTES: usize = 256 << 10;

fn world(seed: u64) -> World {
    let world = World::new(seed, Rc::new(Demo::default())).clients(40, 8).h2_clients(40, 8);
    match seed % 3 {
        2 => world.draining(
            Duration::from_millis(3_000),
            Duration::from_secs(1),
            Duration::from_secs(10),
        ),
        _ => world,
    }
}

fn recorded(seed: u64, bytes: usize) -> (Report, Rc<Replays>) {
    let (recorder, replays) = Replays::recorder(bytes);
    (world(seed).recording(recorder).run(), replays)
}

#[test]
fn a_replay_is_what_was_recorded_and_a_recording_changes_nothing() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload_as_str() != Some("on purpose") {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{info}");
        }
    }));
    let seeds = std::env::var("SOAK").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    let (mut faults, mut steps) = (0, 0);
    for seed in 0..seeds {
        let (report, replays) = recorded(seed, BYTES);
        assert!(report.failures.is_empty(), "seed {seed}:\n{}", report.failures.join("\n"));
        assert_eq!(report, world(seed).run(), "seed {seed}");
        let causes = replays.causes.borrow();
        assert!(causes.values().sum::<usize>() >= 80, "seed {seed}: {causes:?}");
        let is_fault = |label: &str| {
            trilane_semantics::Reason::ALL.iter().any(|reason| reason.label() == label)
        };
        faults += causes.keys().filter(|label| is_fault(label)).count();
        steps += replays.steps.get();
    }
    assert!(faults > 15 && steps > 20_000, "{faults} {steps}");
}

/// What was cut replays as far as it goes.
#[test]
fn a_short_recording_replays_too() {
    for bytes in [0, 500, 4_000] {
        let (report, replays) = recorded(1, bytes);
        assert!(report.failures.is_empty());
        assert!(replays.truncated.get() > 10, "{bytes}");
    }
}
