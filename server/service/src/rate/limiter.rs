//! The layer: charges a request before it is handled, and tells the client afterwards.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use smallvec::SmallVec;
use trilane_exchange::{Error, Exchange, Request, Response};
use trilane_semantics::{Fields, StatusCode};

use super::key::{By, Key};
use super::load::Load;
use super::quota::{Decision, Quota};
use super::table::Table;
use super::{Policy, RateLimit, Tally, fields};
use crate::chain::Chain;
use crate::layer::{Hook, Layer, Phases};

/// What is to be charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    pub(super) class: usize,
    pub(super) quota: Quota,
    pub(super) cost: u64,
}

/// What was charged, left on the exchange for the way back. One of each limit.
#[derive(Clone, Debug, Default)]
struct Charged(SmallVec<[(usize, Entry); 1]>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    charge: Charge,
    decision: Decision,
}

impl Layer for RateLimit {
    fn add_to(self, chain: &mut Chain) {
        if is_usable(&self.0, chain) {
            chain.add(Limiter::new(self.0));
        }
    }
}

/// Whether a limit can do what it was told to; if not, the chain knows why.
pub(super) fn is_usable(policy: &Policy, chain: &mut Chain) -> bool {
    let bad = policy.classes.iter().find(|class| !fields::is_name(&class.name));
    if let Some(class) = bad {
        let reason = format!("the name {:?} cannot stand in a field (RFC 9651 §3.3.3)", class.name);
        chain.refuse("RateLimit", reason);
    }
    bad.is_none()
}

/// A limit at work on one shard.
struct Limiter {
    policy: Arc<Policy>,
    tally: Arc<Tally>,
    load: Load,
    usual: Box<[Fields]>,
}

impl Limiter {
    fn new(policy: Arc<Policy>) -> Self {
        let (tally, usual) = (policy.tally(), policy.usual());
        Self { policy, tally, load: Load::default(), usual }
    }

    /// What tells this limit from others on the same exchange.
    fn id(&self) -> usize {
        Arc::as_ptr(&self.policy).addr()
    }
}

impl Hook for Limiter {
    fn phases(&self) -> Phases {
        Phases::BEFORE | Phases::AFTER
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let mut key = Key::default();
        let charge = self.policy.charge(request, &self.load, &mut key)?;
        let (table, now) = (self.policy.table(), request.shard().now());
        let hash = table.hash(key.bytes());
        let (decision, gave_way) =
            table.with(hash, now, |account| charge.quota.take(account, now, charge.cost));
        if gave_way {
            self.policy.evicted.fetch_add(1, Relaxed);
        }
        self.tally.count(&decision);
        note(request.exchange(), self.id(), Entry { hash, charge, decision });
        (!decision.is_allowed).then(refusal)
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let Some(charged) = exchange.noted::<Charged>() else { return };
        let id = self.id();
        let Some((_, entry)) = charged.0.iter().find(|(of, _)| *of == id) else { return };
        let Entry { hash, charge, mut decision } = *entry;
        if decision.is_allowed && self.policy.counts.as_ref().is_some_and(|it| !it(response)) {
            let give_back = |account: &mut _| charge.quota.give_back(account, charge.cost);
            self.policy.table().with(hash, exchange.shard().now(), give_back);
            decision.left = (decision.left + charge.cost).min(decision.most);
        }
        self.policy.tell(response, charge.class, &self.usual, &decision);
    }
}

impl Policy {
    /// What a request costs whom; nothing if it is not limited.
    pub(super) fn charge(&self, request: &Request, load: &Load, key: &mut Key) -> Option<Charge> {
        if self.by.is_empty() {
            By::Ip.add(request, key);
        }
        for by in &self.by {
            if let Some(class) = by.add(request, key) {
                key.class = self.classes.iter().position(|it| *it.name == *class).unwrap_or(0);
            }
        }
        if key.is_exempt {
            return None;
        }
        let class = key.class;
        if class > 0 {
            // The classes are different budgets, also for one client.
            key.fixed(b'c', class.to_ne_bytes());
        }
        let mut quota = self.classes.get(class)?.quota;
        if let Some(target) = self.adapts {
            quota = quota.scaled(load.percent(request.exchange(), target));
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(request).into());
        Some(Charge { class, quota, cost })
    }

    /// Says on an answer what was decided.
    pub(super) fn tell(
        &self,
        response: &mut Response,
        class: usize,
        usual: &[Fields],
        decision: &Decision,
    ) {
        if let (Some(class), Some(usual)) = (self.classes.get(class), usual.get(class)) {
            fields::add(response, class, usual, decision);
        }
    }

    /// What answers say of each class however much is left, to be copied.
    pub(super) fn usual(&self) -> Box<[Fields]> {
        self.classes.iter().map(fields::usual).collect()
    }

    pub(super) fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::new(self.entries))
    }

    /// Counters for one shard more.
    pub(super) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::<Tally>::default();
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }
}

impl Tally {
    pub(super) fn count(&self, decision: &Decision) {
        if decision.is_allowed { self.allowed.add(1) } else { self.limited.add(1) }
    }
}

/// The answer to a request beyond the limit (RFC 6585 §4).
pub(super) fn refusal() -> Response {
    Error::new(StatusCode::TOO_MANY_REQUESTS).message("too many requests: come back later").into()
}

fn note(exchange: &Exchange, id: usize, entry: Entry) {
    let mut charged = exchange.noted::<Charged>().map(Rc::unwrap_or_clone).unwrap_or_default();
    charged.0.push((id, entry));
    exchange.note(charged);
}
