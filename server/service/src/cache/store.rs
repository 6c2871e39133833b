//! The responses that a process keeps, and which of them are being fetched: one table behind one lock, which a miss takes and
//! a hit does not (see `near`).
//!
//! A resource is never changed: what is new about it is a new one in its place, and the old one is marked as gone. Its bound
//! in bytes holds after every change; who has been asked for since the hand last came by is passed over once.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trilane_semantics::Fields;

use super::flight::{Boarding, Flight, Leader};
use super::stored::Stored;

/// Counters of invalidations: each is for many resources, so that their number has a bound. One that was counted for another
/// keeps a response from being stored, once.
const EPOCHS: usize = 1024;
/// Resources that are known to have a response for each request: nobody waits for another's.
const LONERS: usize = 4096;
/// Requests for such a resource until one is waited for again.
const LONELY: u32 = 1000;
/// Names of flights that are longer share none, in bytes.
const LONGEST_NAME: usize = 16 << 10;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// All of it, in bytes.
    pub(super) bytes: usize,
    /// One response, in bytes.
    pub(super) largest: usize,
    pub(super) entries: usize,
    /// Of one resource.
    pub(super) variants: usize,
    /// Handlers at work whose answers others may wait for.
    pub(super) flights: usize,
    /// Who waits for one of them.
    pub(super) followers: usize,
}

/// The responses with one key, newest first.
#[derive(Debug)]
pub(super) struct Resource {
    key: Box<str>,
    hash: u64,
    variants: Vec<Arc<Stored>>,
    weight: usize,
    is_used: AtomicBool,
    is_gone: AtomicBool,
}

impl Resource {
    /// Whether it has that key, and is not replaced or thrown out.
    pub(super) fn is(&self, key: &str) -> bool {
        !self.is_gone.load(Ordering::Acquire) && *self.key == *key
    }

    /// The response that the fields of a request choose (RFC 9111 §4.1): of several, the newest.
    pub(super) fn choose(&self, request: &Fields) -> Option<&Arc<Stored>> {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
        self.variants.iter().find(|stored| stored.selection.matches(request))
    }

    /// Writes down what of a request chooses among its responses, as far as is known.
    pub(super) fn write_choice(&self, request: &Fields, out: &mut Vec<u8>) {
        if let Some(newest) = self.variants.first() {
            newest.selection.write(request, out);
        }
    }
}

/// What was known of a resource when its handler was asked: what came meanwhile may make the answer one of yesterday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    hash: u64,
    epoch: u64,
}

/// The table.
pub(super) struct Store {
    state: Mutex<State>,
    /// Nobody can find keys whose hashes are equal.
    chance: RandomState,
    /// Bytes that are remembered while they go out, and are not in the table yet.
    passing: AtomicUsize,
    bounds: Bounds,
}

struct State {
    /// Places by the hashes of keys. Should two keys have one hash, the later takes the place.
    places: HashMap<u64, usize>,
    resources: Vec<Arc<Resource>>,
    /// Who is looked at next when room is needed.
    hand: usize,
    bytes: usize,
    epochs: Box<[u64]>,
    flights: HashMap<Box<[u8]>, Arc<Flight>>,
    /// By the hashes of keys: how many more requests do not wait.
    loners: HashMap<u64, u32>,
}

impl Store {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State {
            places: HashMap::new(),
            resources: Vec::new(),
            hand: 0,
            bytes: 0,
            epochs: vec![0; EPOCHS].into(),
            flights: HashMap::new(),
            loners: HashMap::new(),
        };
        let (chance, passing) = (RandomState::new(), AtomicUsize::new(0));
        Self { state: Mutex::new(state), chance, passing, bounds }
    }

    pub(super) const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(super) fn hash(&self, key: &str) -> u64 {
        self.chance.hash_one(key)
    }

    /// What is there for a key, and a ticket to put something there.
    pub(super) fn look(&self, hash: u64, key: &str) -> (Option<Arc<Resource>>, Ticket) {
        let state = self.lock();
        (state.get(hash).filter(|it| it.is(key)).map(Arc::clone), state.ticket(hash))
    }

    /// Puts a response there, in place of one that the same requests choose. `false` when there is no room for it at all, or
    /// its resource was changed since.
    pub(super) fn keep(&self, key: &str, ticket: Ticket, stored: &Arc<Stored>) -> bool {
        self.keep_instead(key, ticket, stored, None)
    }

    /// The same, in place also of the response that it was made of.
    pub(super) fn keep_instead(
        &self,
        key: &str,
        ticket: Ticket,
        stored: &Arc<Stored>,
        of: Option<&Arc<Stored>>,
    ) -> bool {
        if stored.weight() > self.bounds.largest.min(self.bounds.bytes) {
            return false;
        }
        let mut state = self.lock();
        if state.ticket(ticket.hash) != ticket {
            return false;
        }
        let old = state.get(ticket.hash).filter(|it| it.is(key));
        let others = old.iter().flat_map(|old| &old.variants);
        let is_other = |other: &&Arc<Stored>| {
            other.selection != stored.selection && of.is_none_or(|of| !Arc::ptr_eq(of, other))
        };
        let others = others.filter(is_other).cloned();
        let variants: Vec<_> = [Arc::clone(stored)].into_iter().chain(others).collect();
        let dropped = state.insert(key, ticket.hash, variants, &self.bounds);
        drop(state);
        // Not under the lock: it may be much.
        drop(dropped);
        true
    }

    /// Nothing that was made before now is an answer for that key (RFC 9111 §4.4).
    pub(super) fn forget(&self, key: &str) {
        let hash = self.hash(key);
        let mut state = self.lock();
        state.epochs[hash as usize % EPOCHS] += 1;
        let dropped = state.remove(hash);
        drop(state);
        drop(dropped);
    }

    /// Joins who fetches the same, or becomes the one whom others join.
    pub(super) fn board(self: &Arc<Self>, name: Vec<u8>, ticket: Ticket) -> Boarding {
        if name.len() > LONGEST_NAME {
            return Boarding::Alone;
        }
        let mut state = self.lock();
        if state.is_loner(ticket.hash) {
            return Boarding::Alone;
        }
        match state.flights.get(&*name) {
            Some(flight) if flight.ticket() == ticket => {
                Flight::join(flight, self.bounds.followers)
            }
            // Who joined one that began before a change may have its answer; who comes now may not.
            None if state.flights.len() >= self.bounds.flights => Boarding::Alone,
            _ => {
                let flight = Arc::new(Flight::new(ticket));
                let name = name.into_boxed_slice();
                state.flights.insert(name.clone(), Arc::clone(&flight));
                Boarding::Lead(Leader::new(Arc::clone(self), name, flight))
            }
        }
    }

    /// A flight is over. If `is_alone`, others have waited for what was not for them: the next ones shall not.
    pub(super) fn end(&self, name: &[u8], flight: &Arc<Flight>, is_alone: bool) {
        let mut state = self.lock();
        if is_alone && flight.is_followed() {
            if state.loners.len() >= LONERS {
                state.loners.clear();
            }
            state.loners.insert(flight.ticket().hash, LONELY);
        }
        if state.flights.get(name).is_some_and(|other| Arc::ptr_eq(other, flight)) {
            state.flights.remove(name);
        }
    }

    /// Whether so many bytes more may be remembered while they go out: as many at a time as may be stored.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let sum = self.passing.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if sum > self.bounds.bytes {
            self.release(bytes);
        }
        sum <= self.bounds.bytes
    }

    /// So many bytes have gone out, or into the table.
    pub(super) fn release(&self, bytes: usize) {
        self.passing.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// How many bytes and resources there are.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.bytes, state.resources.len())
    }

    /// A panic while it was held would have left it as it was, or with less: nothing below can.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, entries) = self.size();
        write!(f, "Store({entries} entries, {bytes} bytes)")
    }
}

impl State {
    fn get(&self, hash: u64) -> Option<&Arc<Resource>> {
        self.resources.get(*self.places.get(&hash)?)
    }

    fn ticket(&self, hash: u64) -> Ticket {
        Ticket { hash, epoch: self.epochs[hash as usize % EPOCHS] }
    }

    /// Whether a request does not wait for another one's answer; counts it.
    fn is_loner(&mut self, hash: u64) -> bool {
        let Some(left) = self.loners.get_mut(&hash) else { return false };
        *left -= 1;
        if *left == 0 {
            self.loners.remove(&hash);
        }
        true
    }

    /// What has to go for it.
    fn insert(
        &mut self,
        key: &str,
        hash: u64,
        mut variants: Vec<Arc<Stored>>,
        bounds: &Bounds,
    ) -> Vec<Arc<Resource>> {
        let weight_of = |variants: &[Arc<Stored>]| {
            key.len() + variants.iter().map(|stored| stored.weight()).sum::<usize>()
        };
        variants.truncate(bounds.variants.max(1));
        while variants.len() > 1 && weight_of(&variants) > bounds.bytes {
            variants.pop();
        }
        let mut dropped: Vec<_> = self.remove(hash).into_iter().collect();
        let weight = weight_of(&variants);
        while !self.resources.is_empty()
            && (self.bytes + weight > bounds.bytes || self.resources.len() >= bounds.entries)
        {
            dropped.extend(self.evict());
        }
        self.places.insert(hash, self.resources.len());
        self.bytes += weight;
        self.resources.push(Arc::new(Resource {
            key: key.into(),
            hash,
            variants,
            weight,
            is_used: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
        }));
        dropped
    }

    /// Moves the hand to one that was not asked for since it last came by. Ends: it is not asked for under the lock.
    fn evict(&mut self) -> Option<Arc<Resource>> {
        for _ in 0..=2 * self.resources.len() {
            self.hand %= self.resources.len().max(1);
            let resource = self.resources.get(self.hand)?;
            if resource.is_used.swap(false, Ordering::Relaxed) {
                self.hand += 1;
                continue;
            }
            return self.remove(resource.hash);
        }
        // Others ask for each as soon as the hand has passed it: this one, then.
        let hash = self.resources.get(self.hand)?.hash;
        self.remove(hash)
    }

    fn remove(&mut self, hash: u64) -> Option<Arc<Resource>> {
        let place = self.places.remove(&hash)?;
        let removed = self.resources.swap_remove(place);
        if let Some(moved) = self.resources.get(place) {
            self.places.insert(moved.hash, place);
        }
        removed.is_gone.store(true, Ordering::Release);
        self.bytes -= removed.weight;
        Some(removed)
    }
}

#[cfg(test)]
#[path = "../tests/cache/store.rs"]
mod tests;
