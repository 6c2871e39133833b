//! How fast the content of an exchange must move, where many share a connection. Time that the caller takes, by holding content
//! back, is not the peer's.

use std::time::Duration;

use crate::limits::Limits;
use crate::time::Instant;

/// When a peer will have taken too long. What is waited for is its owner's to know.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For something to come.
    pub body: Instant,
    /// For as much as the least rate asks for.
    pub rate: Instant,
    /// To let content through.
    pub window: Instant,
}

impl Pace {
    /// Of an exchange that begins `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { body: now, rate: now, window: now }
    }

    /// Content is expected from now on.
    pub fn begin(&mut self, now: Instant, limits: &Limits) {
        self.body = now + limits.body_timeout;
        self.rate = now + limits.body_grace;
    }

    /// `n` bytes have come; nothing may come for `span`.
    #[inline]
    pub fn came(&mut self, n: usize, span: Duration, now: Instant, limits: &Limits) {
        self.body = now + span;
        // A lead does not grow: what came fast cannot be followed by hours of nothing.
        let nanos = (n as u64).saturating_mul(1_000_000_000).checked_div(limits.body_rate);
        if let Some(nanos) = nanos {
            let later = self.rate + Duration::from_nanos(nanos);
            self.rate = later.min(now + limits.body_grace);
        }
    }

    /// All that came was released: only now it is the peer's turn, for `span`.
    #[inline]
    pub fn released(&mut self, span: Duration, now: Instant) {
        // What the caller held back, since the last piece came, is not the peer's time.
        let last = self.body.since(Instant::default()).saturating_sub(span);
        let held = now.since(Instant::default()).saturating_sub(last);
        self.rate = self.rate + held;
        self.body = now + span;
    }

    /// When content will be late.
    #[must_use]
    pub fn content_due(&self, limits: &Limits) -> Instant {
        if limits.body_rate == 0 { self.body } else { self.body.min(self.rate) }
    }
}
