use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use trilane_exchange::caller::desk;
use trilane_exchange::shard::LocalTask;
use trilane_exchange::{Caller, Capabilities, Desk, Dial, Stats};
use trilane_semantics::Instant;

use super::*;
use crate::group::Member;
use crate::proxy_protocol::Version;
use crate::upstream::{Place, Terms};

/// A shard that notes what is dialed.
#[derive(Default)]
struct Noting {
    dialed: RefCell<Vec<(Dial, Desk)>>,
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

/// A server that wants to be told whose a connection is takes none that does not begin so, also if it is nobody's.
#[test]
fn a_check_begins_as_all_connections_do() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (proxy_protocol, first) in
        [(None, &b""[..]), (Some(Version::V1), b"PROXY UNKNOWN\r\n"), (Some(Version::V2), local)]
    {
        let noting = Rc::new(Noting::default());
        let shard = Shard::new(Rc::clone(&noting) as Rc<dyn Capabilities>);
        let place = Place::Ip(([127, 0, 0, 1], 1).into());
        let target = Target { member: Member::new("a"), place, authority: "a".into() };
        let terms = Terms { proxy_protocol, ..Terms::default() };
        let upstream = Upstream::new("servers", vec![target], terms).unwrap();
        let policy = CheckPolicy::default();
        let good = pin!(is_good(&upstream, &upstream.targets[0], &policy, &shard));
        assert!(good.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(noting.dialed.borrow()[0].0.preface, first);
    }
}
