//! How fast content may leave a connection (FEATURES R7), all its answers together.

use trilane_exchange::Allowance;
use trilane_semantics::{Instant, Limits};

/// The throttle of one connection. Nothing, where there is none.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    allowance: Allowance,
    /// Somebody waits until then.
    due: Option<Instant>,
}

impl Throttle {
    /// How many bytes of content may go now. If none, it is [`due`](Self::due) later.
    pub(crate) fn room(&mut self, limits: &Limits, now: Instant) -> usize {
        if limits.bandwidth == 0 {
            return usize::MAX;
        }
        self.allowance.room(limits.bandwidth, now).unwrap_or_else(|due| {
            self.due = Some(due);
            0
        })
    }

    /// So many bytes have gone.
    pub(crate) fn spend(&mut self, limits: &Limits, now: Instant, bytes: usize) {
        if limits.bandwidth > 0 {
            self.allowance.spend(limits.bandwidth, now, bytes);
        }
    }

    /// When those who wait may go on.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// They go on.
    pub(crate) const fn go_on(&mut self) {
        self.due = None;
    }
}
