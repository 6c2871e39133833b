//! Descriptors run out: accepting pauses, is counted, does not spin, and goes on when some come free.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Process, sandbox};
use crate::parity::{Ask, LANES};

/// What the server wants at least.
const LEAST: u64 = 1024;

#[test]
fn too_few_descriptors_to_start_with() {
    let arguments = ["--http", "127.0.0.1:0", "--shards", "2", "--log", "off"];
    for (limit, starts) in [(LEAST - 1, false), (LEAST, true), (LEAST + 1, true)] {
        let started =
            Process::start(&arguments, |command| sandbox::limit_descriptors(command, limit));
        match started {
            Ok(_) => assert!(starts, "{limit}"),
            Err(refusal) => {
                assert!(!starts && refusal.code == Some(1), "{refusal:?}");
                for word in ["1023", "ulimit -n 1024", "LimitNOFILE=1024"] {
                    assert!(refusal.errors.contains(word), "{word:?} is not in {refusal:?}");
                }
            }
        }
    }
}

#[test]
fn accepting_pauses_and_goes_on() {
    const CONNECTIONS: usize = LEAST as usize + 100;
    assert!(sandbox::raise_own_descriptors() > 2 * LEAST, "this test needs more: ulimit -n");
    for lane in &LANES[..1] {
        let arguments = ["--http", "127.0.0.1:0", "--shards", "2", "--log", "off"];
        let process =
            Process::start(&arguments, |command| sandbox::limit_descriptors(command, LEAST))
                .unwrap();
        let mut watch = lane.open(&process);
        let mut pauses = || {
            let stats = watch.ask(&Ask::get("/stats")).status(200).json();
            (stats["accept_pauses"].as_u64().unwrap(), stats["open"].as_u64().unwrap())
        };
        assert_eq!(pauses(), (0, 1));
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| lane.open(&process)).collect();
        let end = Instant::now() + Duration::from_secs(10);
        while pauses().0 == 0 {
            assert!(Instant::now() < end, "{:?} with {CONNECTIONS} connections", pauses());
            sleep(Duration::from_millis(20));
        }
        // A second of shortage: tried some ten times by each shard, for next to no processor time.
        let (before, ticks) = (pauses().0, process.ticks());
        sleep(Duration::from_secs(1));
        let (after, open) = pauses();
        assert!((1..=60).contains(&(after - before)), "{} pauses a second", after - before);
        assert!(open < LEAST, "{open}");
        let used = process.ticks() - ticks;
        assert!(used <= 20, "{used} hundredths of a second of processor time: it spins");
        // Those who have their connection are served all the while.
        pauses();
        let late = clients.split_off(CONNECTIONS - 50);
        clients.truncate(CONNECTIONS - 350);
        for mut client in late {
            client.ask(&Ask::get("/plaintext")).status(200);
        }
        let settled = pauses().0;
        sleep(Duration::from_millis(300));
        assert_eq!(pauses().0, settled, "it still pauses");
    }
}
