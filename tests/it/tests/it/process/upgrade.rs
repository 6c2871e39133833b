//! SIGUSR2 (FEATURES O3): another process takes over, and no request fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use super::Process;
use super::child::Addresses;
use crate::parity::{Ask, LANES, Lane, eventually};

const SOON: Duration = Duration::from_secs(10);

/// Ends the load also when the case fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// What clients do until it is over: each asks again and again, on a connection as long as it lives.
struct Load<'a> {
    addresses: &'a Mutex<Addresses>,
    is_over: &'a AtomicBool,
    answered: &'a AtomicU64,
}

impl Load<'_> {
    fn run(&self, lane: &dyn Lane, targets: &[&str]) {
        while !self.is_over.load(SeqCst) {
            let mut client = lane.open(&*self.addresses.lock().unwrap());
            while client.is_open() && !self.is_over.load(SeqCst) {
                let ids: Vec<_> = targets.iter().map(|it| client.begin(&Ask::get(*it))).collect();
                for id in ids {
                    client.answer(id).whole().status(200);
                    self.answered.fetch_add(1, SeqCst);
                }
            }
        }
    }

    /// Waits for as many more answers.
    fn go_on(&self, more: u64) {
        let before = self.answered.load(SeqCst);
        eventually("the load goes on", || self.answered.load(SeqCst) >= before + more);
    }
}

/// What is done to a process while clients ask.
fn under_load(
    process: &mut Process,
    lanes: &[&dyn Lane],
    act: impl FnOnce(&mut Process, &Load<'_>),
) {
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let addresses = Mutex::new(process.addresses());
    let load = Load { addresses: &addresses, is_over: &is_over, answered: &answered };
    std::thread::scope(|scope| {
        let _ended = Ended(&is_over);
        for lane in lanes {
            for _ in 0..4 {
                scope.spawn(|| load.run(*lane, &["/plaintext"]));
            }
            scope.spawn(|| load.run(*lane, &["/slow/20"]));
        }
        load.go_on(100);
        act(process, &load);
        load.go_on(100);
    });
    println!("{} requests", answered.load(SeqCst));
}

#[test]
fn another_process_takes_over_and_no_request_fails() {
    let mut process = Process::demo(&["--log", "off"]);
    let first = process.addresses();
    under_load(&mut process, &LANES[..5], |process, load| {
        for _ in 0..3 {
            process.upgrade();
            load.go_on(100);
            process.alone_within(SOON);
        }
    });
    drop(first);
}
