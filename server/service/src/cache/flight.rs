//! Several requests for the same response, of which one asks the handler (FEATURES R5).
//!
//! The first to miss leads: it is an ordinary request on its own shard. The others, on any shard, wait until it has landed,
//! and then look whether its response is for them; nobody gets what the store would not have given a moment later.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::store::{Store, Ticket};
use super::stored::Stored;

/// How a flight has ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// With a response that may be for others.
    Landed(Arc<Stored>),
    /// With an error, for which a stale response stands in (RFC 5861 §4).
    StoodIn(Arc<Stored>),
    /// With an error, or its client has left: another may have better luck.
    Failed,
    /// With a response that is for nobody else.
    Alone,
}

impl Outcome {
    /// What the others get of a response.
    pub(super) fn of(stored: &Arc<Stored>) -> Self {
        if stored.is_shareable() { Self::Landed(Arc::clone(stored)) } else { Self::Alone }
    }
}

/// What becomes of who wants to fetch something.
#[derive(Debug)]
pub(super) enum Boarding {
    /// It fetches, and tells the others.
    Lead(Leader),
    /// It waits.
    Follow(Follower),
    /// It fetches for itself: too many wait already.
    Alone,
}

/// A handler at work.
#[derive(Debug)]
pub(super) struct Flight {
    ticket: Ticket,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    /// One place for each that waits.
    waiting: Vec<Option<Waker>>,
}

impl Flight {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self { ticket, state: Mutex::default() }
    }

    pub(super) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// As one of at most `most` that wait.
    pub(super) fn join(flight: &Arc<Self>, most: usize) -> Boarding {
        let mut state = flight.lock();
        if state.waiting.len() >= most {
            return Boarding::Alone;
        }
        state.waiting.push(None);
        let place = state.waiting.len() - 1;
        drop(state);
        Boarding::Follow(Follower { flight: Arc::clone(flight), place })
    }

    fn land(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.outcome = Some(outcome);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether somebody has waited for it.
    pub(super) fn is_followed(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// A panic while it was held leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who fetches. Dropped, it has failed.
pub(super) struct Leader {
    store: Arc<Store>,
    name: Box<[u8]>,
    flight: Arc<Flight>,
    outcome: Outcome,
}

impl Leader {
    pub(super) const fn new(store: Arc<Store>, name: Box<[u8]>, flight: Arc<Flight>) -> Self {
        Self { store, name, flight, outcome: Outcome::Failed }
    }

    /// It is over.
    pub(super) fn land(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Failed);
        // First of all nobody joins any more.
        self.store.end(&self.name, &self.flight, matches!(outcome, Outcome::Alone));
        self.flight.land(outcome);
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leader({})", String::from_utf8_lossy(&self.name))
    }
}

/// Who waits.
#[derive(Debug)]
pub(super) struct Follower {
    flight: Arc<Flight>,
    place: usize,
}

impl Follower {
    /// How it has ended; `None` when `patience` has first.
    pub(super) async fn wait(self, patience: impl Future<Output = ()>) -> Option<Outcome> {
        let mut patience = pin!(patience);
        poll_fn(|cx| {
            let mut state = self.flight.lock();
            if let Some(outcome) = &state.outcome {
                return Poll::Ready(Some(outcome.clone()));
            }
            if let Some(place) = state.waiting.get_mut(self.place) {
                *place = Some(cx.waker().clone());
            }
            drop(state);
            patience.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}
