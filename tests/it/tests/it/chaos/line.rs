//! A line of processes, each of which takes over from the one before.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::parity::{Ask, LANES, eventually};
use crate::process::{Addresses, Process};

/// Two files that are right, and one that is not. Who is gone without a word over QUIC is waited for by its idle time.
const FILES: [&str; 3] = [
    "[limits]\nbody = 3000000\n[drain]\ndeadline = 20\n[quic]\nidle_timeout = 3\n",
    "[drain]\ndeadline = 20\n[quic]\nidle_timeout = 3\n",
    "[limits]\nbdy = 1\n",
];

/// For a process to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// The process that serves, whichever it is.
pub(super) struct Line {
    process: Process,
    config: PathBuf,
}

impl Line {
    pub(super) fn start() -> Self {
        let name = format!("trilane-it-{}-chaos.toml", std::process::id());
        let config = std::env::temp_dir().join(name);
        fs::write(&config, FILES[0]).unwrap();
        let flags = ["--log", "off", "--config", config.to_str().unwrap()];
        Self { process: Process::demo(&flags), config }
    }

    /// They never change.
    pub(super) fn addresses(&self) -> Addresses {
        self.process.addresses()
    }

    pub(super) fn reload(&self, count: usize) {
        fs::write(&self.config, FILES[count % FILES.len()]).unwrap();
        self.process.signal("HUP");
    }

    /// The next process takes over; comes back when the one before has ended.
    pub(super) fn upgrade(&mut self) {
        // The one to come reads it.
        fs::write(&self.config, FILES[0]).unwrap();
        self.process.upgrade();
        self.process.alone_within(PATIENCE);
    }

    pub(super) fn memory(&self) -> u64 {
        self.process.memory()
    }

    pub(super) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.pid())).unwrap().count()
    }

    /// Connections that are open, the one that asks included.
    pub(super) fn open(&self) -> u64 {
        self.counters("trilane_connections_open").values().sum()
    }

    /// Closes by cause.
    pub(super) fn closes(&self) -> BTreeMap<String, u64> {
        self.counters("trilane_connections_closed_total")
    }

    /// The samples of a metric, by what their first label is.
    fn counters(&self, name: &str) -> BTreeMap<String, u64> {
        let text = LANES[0].open(&self.addresses()).ask(&Ask::get("/metrics")).text();
        let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.split_once("} "));
        samples
            .map(|(labels, value)| {
                let label = labels.split('"').nth(1).unwrap_or_default();
                (label.to_owned(), value.parse::<f64>().unwrap() as u64)
            })
            .collect()
    }

    /// Ends the last one, which must have nothing left to do.
    pub(super) fn end(self) {
        self.process.signal("TERM");
        let there = PathBuf::from(format!("/proc/{}", self.process.pid()));
        eventually("it ends", || !there.exists());
        let said = self.process.errors();
        assert!(!said.contains("panic"), "{said}");
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.config);
    }
}
