//! The reverse proxy (FEATURES R6), seen from outside, over every protocol and on two shards.
//!
//! `suite` runs cases of others with a proxy between; `heads` is what becomes of heads; `ways` to servers; `pool` counts connections, and
//! `killed` ends servers under load. `nginx` is not ours, and in front.

mod heads;
mod killed;
mod nginx;
mod pool;
mod suite;
mod ways;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use trilane::Router;

use super::super::parity::House;

/// Ends a load, also when its test fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A server whose answer is its name.
fn named(name: &'static str) -> House {
    House::serving(move |_| Router::new().fallback(move || async move { name }))
}
