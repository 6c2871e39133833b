//! Whether the loops of a server's shards turn, for a watchdog outside; and when it begins to drain.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::control::{Control, Order};

/// How often the loop of a shard has turned. The shard has one, and whoever watches the other. Each has lines of a cache of its
/// own (processors fetch two): every turn writes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Beat(AtomicU64);

impl Beat {
    /// Once more. One thread alone says so.
    pub(crate) fn turned(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// It serves.
    Serving,
    /// It finishes what there is.
    Draining,
    /// All its shards have ended.
    Over,
}

/// Watches a server from another thread.
pub struct Pulse {
    control: Arc<Control>,
    beats: Arc<[Arc<Beat>]>,
    /// What was seen of each.
    seen: Vec<u64>,
    order: Order,
}

impl Pulse {
    pub(crate) fn new(control: Arc<Control>, beats: Arc<[Arc<Beat>]>) -> Self {
        let seen = beats.iter().map(|beat| beat.0.load(Ordering::Relaxed)).collect();
        control.wake_all();
        Self { order: control.order(), control, beats, seen }
    }

    /// Waits that long, or until the server does something else.
    #[must_use]
    pub fn wait(&mut self, time: Duration) -> Stage {
        self.order = self.control.wait(self.order, time);
        match self.order {
            Order::Wait | Order::Serve => Stage::Serving,
            Order::Drain | Order::Stop if self.beats.iter().all(has_ended) => Stage::Over,
            Order::Drain | Order::Stop => Stage::Draining,
        }
    }

    /// Whether every shard that there is has turned since the last time; one that had nothing to do is woken for that. Not to be
    /// asked more often than shards can turn.
    #[must_use]
    pub fn is_beating(&mut self) -> bool {
        let mut all = true;
        for (beat, seen) in self.beats.iter().zip(&mut self.seen) {
            let now = beat.0.load(Ordering::Relaxed);
            all &= now != *seen || has_ended(beat);
            *seen = now;
        }
        self.control.wake_all();
        all
    }

    /// Whether it drains because another process has taken over.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.control.is_left()
    }
}

/// Whether its shard is gone.
fn has_ended(beat: &Arc<Beat>) -> bool {
    Arc::strong_count(beat) == 1
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").field("order", &self.order).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(shards: usize) -> (Pulse, Vec<Arc<Beat>>) {
        let beats: Arc<[Arc<Beat>]> = (0..shards).map(|_| Arc::default()).collect();
        let control = Arc::new(Control::new(Duration::ZERO, Duration::ZERO));
        (Pulse::new(control, Arc::clone(&beats)), beats.to_vec())
    }

    #[test]
    fn one_that_is_stuck_is_enough() {
        let (mut pulse, mut shards) = pulse(2);
        assert!(!pulse.is_beating(), "none has turned");
        shards.iter().for_each(|beat| beat.turned());
        assert!(pulse.is_beating());
        shards[0].turned();
        assert!(!pulse.is_beating());
        shards.pop();
        shards[0].turned();
        assert!(pulse.is_beating(), "who has ended is not stuck");
    }

    #[test]
    fn it_tells_when_it_is_over() {
        let (mut pulse, shards) = pulse(1);
        let (soon, never) = (Duration::from_millis(1), Duration::from_secs(3600));
        assert_eq!(pulse.wait(soon), Stage::Serving);
        let control = Arc::clone(&pulse.control);
        let other = std::thread::spawn(move || control.give(Order::Drain));
        assert_eq!(pulse.wait(never), Stage::Draining);
        other.join().unwrap();
        assert_eq!(pulse.wait(soon), Stage::Draining, "once is enough");
        drop(shards);
        pulse.control.give(Order::Stop);
        assert_eq!(pulse.wait(never), Stage::Over);
        assert!(!pulse.is_left());
    }
}
