//! Which connections are recorded, and which recordings are kept: decided here, for a shard, by the plan of the process.

use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trilane_semantics::{Cause, Closed, Instant, Limits, Protocol};

use crate::header::Header;
use crate::recorded::{Noted, Recordable, Recorded};
use crate::recording::Recording;
use crate::secret::Secrets;
use crate::tape::{Account, Depth, Tape};

/// Addresses that can be waited for at once.
const ARMED: usize = 64;

/// What is recorded, and what is kept of it, in a process. By default nothing is.
#[derive(Debug, Default)]
pub struct Plan {
    depth: Depth,
    sample: Option<NonZero<u32>>,
    causes: Vec<&'static str>,
    budget: Option<usize>,
    /// How many addresses are waited for.
    armed: AtomicUsize,
    addresses: Mutex<Vec<(IpAddr, u32)>>,
}

impl Plan {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with that much noted of a connection.
    #[must_use]
    pub const fn depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }

    /// The same, and one connection of so many is recorded and kept, however it ends.
    #[must_use]
    pub const fn sample(mut self, one_of: NonZero<u32>) -> Self {
        self.sample = Some(one_of);
        self
    }

    /// The same, and every connection is recorded, and kept if it ends because its peer broke the protocol or a limit.
    #[must_use]
    pub fn faults(self) -> Self {
        let faults = Cause::all().filter(|cause| matches!(cause, Cause::Fault(_)));
        faults.fold(self, Self::cause)
    }

    /// The same, and every connection is recorded, and kept if it ends for that reason.
    #[must_use]
    pub fn cause(mut self, cause: Cause) -> Self {
        self.causes.push(cause.label());
        self
    }

    /// The same, with so many bytes for all recordings under way on a shard. Beyond them new ones are not begun, and others end there. Default
    /// 16 MiB.
    #[must_use]
    pub const fn budget(mut self, bytes: usize) -> Self {
        self.budget = Some(bytes);
        self
    }

    /// The next `connections` of that address are recorded and kept, however they end; 0 is none any more. Whether there is room to wait
    /// for it: 64 addresses are waited for at most.
    pub fn arm(&self, address: IpAddr, connections: u32) -> bool {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|(armed, _)| *armed != address);
        let is_taken = connections == 0 || addresses.len() < ARMED;
        if connections > 0 && is_taken {
            addresses.push((address, connections));
        }
        self.armed.store(addresses.len(), Ordering::Relaxed);
        is_taken
    }

    /// Whether that address was waited for: one time less from now on.
    fn was_armed(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address.filter(|_| self.armed.load(Ordering::Relaxed) > 0) else {
            return false;
        };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = addresses.iter().position(|(armed, _)| *armed == address) else {
            return false;
        };
        addresses[at].1 -= 1;
        if addresses[at].1 == 0 {
            addresses.swap_remove(at);
            self.armed.store(addresses.len(), Ordering::Relaxed);
        }
        true
    }
}

/// A connection that begins.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether we are the client.
    pub is_client: bool,
    /// The limits of its machine.
    pub limits: &'a Limits,
    /// Whether it has datagrams (HTTP/3).
    pub has_datagrams: bool,
    /// Who speaks to us; nobody that has an address over a unix socket.
    pub peer: Option<SocketAddr>,
    /// When, in milliseconds since 1970.
    pub when: u64,
    /// When, as its machine is told.
    pub now: Instant,
    /// A number that a peer cannot guess, if the recorder [draws](Recorder::draws).
    pub chance: u64,
}

type Keep = dyn Fn(Recording);

/// Records connections of a shard.
pub struct Recorder {
    plan: Arc<Plan>,
    account: Rc<Account>,
    keep: Rc<Keep>,
}

impl Recorder {
    /// By that plan. Recordings that are kept are given to `keep`, which does not wait for a disk.
    #[must_use]
    pub fn new(plan: Arc<Plan>, keep: impl Fn(Recording) + 'static) -> Self {
        let most = plan.budget.unwrap_or(16 << 20);
        let account = Rc::new(Account { most, used: Cell::new(0) });
        Self { plan, account, keep: Rc::new(keep) }
    }

    /// Whether chance decides which connections are recorded.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.plan.sample.is_some_and(|one_of| one_of.get() > 1)
    }

    /// What is to be recorded of a connection that begins, if it is.
    #[must_use]
    pub fn begin(&self, of: &Beginning<'_>) -> Option<Begun> {
        let is_sample = self
            .plan
            .sample
            .is_some_and(|one_of| of.chance.is_multiple_of(u64::from(one_of.get())));
        let is_kept = is_sample || self.plan.was_armed(of.peer.map(|peer| peer.ip()));
        let is_full = self.account.used.get() >= self.account.most;
        if is_full || !is_kept && self.plan.causes.is_empty() {
            return None;
        }
        let hides = of.protocol <= Protocol::Http11 && !self.plan.depth.secrets;
        let mut header = Header::new(of.protocol, of.limits.clone());
        (header.when, header.peer) =
            (of.when, of.peer.map_or("unix".to_owned(), |peer| peer.to_string()));
        (header.is_redacted, header.has_datagrams) = (hides, of.has_datagrams);
        header.is_client = of.is_client;
        (header.began, header.has_content) = (of.now.as_nanos(), self.plan.depth.content);
        let secrets = if hides { Secrets::Hidden } else { Secrets::Shown };
        let tape = Tape::new(self.plan.depth, secrets, of.now, Rc::clone(&self.account));
        let (plan, keep) = (Arc::clone(&self.plan), Rc::clone(&self.keep));
        Some(Begun { header, tape, is_kept, plan, keep })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// A recording that has begun.
pub struct Begun {
    header: Header,
    tape: Tape,
    is_kept: bool,
    plan: Arc<Plan>,
    keep: Rc<Keep>,
}

impl Begun {
    /// Records `machine`, which is new.
    pub fn around<M: Recordable>(self, machine: M) -> Recorded<M> {
        let Self { header, tape, is_kept, plan, keep } = self;
        let done = move |noted: Noted| {
            // What was dropped without an end was none: its bytes went to another machine, or the shard is gone.
            let Some(closed) = noted.closed else { return };
            if is_kept || plan.causes.contains(&closed.cause.label()) {
                keep(noted.finish(header, closed));
            }
        };
        Recorded::new(machine, tape, 0, Some(Box::new(done)))
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Noted {
    /// All of it, under what was known at the beginning.
    fn finish(self, mut header: Header, closed: Closed) -> Recording {
        let later = self.began.since(Instant::from_nanos(header.began));
        header.when += u64::try_from(later.as_millis()).unwrap_or_default();
        (header.began, header.exchanges) = (self.began.as_nanos(), self.exchanges);
        header.is_truncated = self.tape.is_full();
        closed.cause.label().clone_into(&mut header.cause);
        header.tail = self.tape.tail().len();
        Recording::new(header, [self.tape.steps(), self.tape.tail()].concat())
    }
}
