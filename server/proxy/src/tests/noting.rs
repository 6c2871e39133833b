//! A shard that notes what is dialed, for tests.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use trilane_exchange::caller::desk;
use trilane_exchange::shard::LocalTask;
use trilane_exchange::{Caller, Capabilities, Desk, Dial, Shard, Stats};
use trilane_semantics::Instant;

use crate::group::Member;
use crate::upstream::{Place, Target, Terms, Upstream};

/// A shard that notes what is dialed.
#[derive(Default)]
pub(crate) struct Noting {
    pub(crate) dialed: RefCell<Vec<(Dial, Desk)>>,
    stats: Stats,
}

impl Capabilities for Noting {
    fn id(&self) -> usize {
        0
    }
    fn now(&self) -> Instant {
        Instant::default()
    }
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH
    }
    fn random(&self) -> u64 {
        1
    }
    fn set_timer(&self, _: Instant, _: Waker) -> u64 {
        0
    }
    fn cancel_timer(&self, _: u64) {}
    fn spawn(&self, _: LocalTask) {}
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
    fn dial(&self, dial: Dial) -> io::Result<Caller> {
        let (caller, desk) = desk();
        self.dialed.borrow_mut().push((dial, desk));
        Ok(caller)
    }
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
}

impl Noting {
    pub(crate) fn new() -> (Rc<Self>, Shard) {
        let noting = Rc::new(Self::default());
        let shard = Shard::new(Rc::clone(&noting) as Rc<dyn Capabilities>);
        (noting, shard)
    }

    /// A group of one server.
    pub(crate) fn upstream(terms: Terms) -> Upstream {
        let place = Place::Ip(([127, 0, 0, 1], 1).into());
        let target = Target { member: Member::new("a"), place, authority: "a".into() };
        Upstream::new("servers", vec![target], terms).unwrap()
    }
}
