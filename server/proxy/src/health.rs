//! Which servers of a group are fit: what requests have shown, what checks have shown, what the administrator says.
//!
//! Whoever chooses reads two sets of bits and a time, without a lock. Changes are rare and made under one, so that each is
//! told once a process: to whoever made it. A server that fails too often is ejected for a while and then tried with one request at a
//! time; that is a circuit breaker which is closed, open and half open, so there is no other one for this.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trilane_semantics::Instant;

use crate::members::Members;

/// When a server is fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Failed requests after which a server is ejected; 0 for never. Default 3.
    pub max_fails: u32,
    /// In which time they must have failed, and for how long it is ejected. Default 10 s.
    pub fail_timeout: Duration,
    /// Checks in a row after which a failed server is fit again. Default 2.
    pub rise: u32,
    /// Checks in a row after which a server has failed. Default 3.
    pub fall: u32,
    /// In which time the weight of a server grows to its own that is fit again; none for at once, which is the default.
    pub slow_start: Duration,
    /// Percentage of fit servers below which requests no longer eject any, as if all the failures came from elsewhere: then
    /// a request is better tried than refused. 0 ejects down to the last but one. Default 0; Envoy has 50, which leaves half of a small
    /// group's requests to dead servers.
    pub panic: u8,
    /// Whether even the last fit server is ejected by requests. Default no.
    pub ejects_last: bool,
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            max_fails: 3,
            fail_timeout: Duration::from_secs(10),
            rise: 2,
            fall: 3,
            slow_start: Duration::ZERO,
            panic: 0,
            ejects_last: false,
        }
    }
}

/// What the administrator says of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// It may be asked.
    #[default]
    Serving,
    /// It is asked nothing more; what is under way ends by itself.
    Draining,
    /// It is asked nothing more; what is under way may be broken off.
    Down,
}

/// Why a server is not fit, or is again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Requests.
    Requests,
    /// Checks.
    Checks,
    /// The administrator.
    Admin,
}

/// A change of a server's health. Each is handed out once in a process: for the log, and for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which server.
    pub server: usize,
    /// Whether it is fit now, all things together.
    pub is_fit: bool,
    /// What has changed.
    pub cause: Cause,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Failed requests since `window`.
    fails: u32,
    window: Instant,
    is_ejected: bool,
    /// When it is tried, if it is ejected.
    due: Instant,
    has_failed_checks: bool,
    /// Checks in a row that say the contrary.
    streak: u32,
    admin: Admin,
}

impl State {
    fn is_fit(&self) -> bool {
        !self.is_ejected && !self.has_failed_checks && self.admin == Admin::Serving
    }
}

/// The health of a group's servers.
#[derive(Debug)]
pub struct Health {
    policy: HealthPolicy,
    fit: [AtomicU64; 4],
    /// Those whose weight still grows, since when.
    growing: [AtomicU64; 4],
    since: Box<[AtomicU64]>,
    /// When the next ejected server is to be tried, in nanoseconds.
    next_trial: AtomicU64,
    states: Mutex<Box<[State]>>,
}

/// No server is to be tried.
const NEVER: u64 = u64::MAX;

impl Health {
    pub(crate) fn new(servers: usize, policy: HealthPolicy) -> Self {
        let health = Self {
            policy,
            fit: Default::default(),
            growing: Default::default(),
            since: (0..servers).map(|_| AtomicU64::new(0)).collect(),
            next_trial: AtomicU64::new(NEVER),
            states: Mutex::new(vec![State::default(); servers].into()),
        };
        (0..servers).for_each(|server| set(&health.fit, server, true));
        health
    }

    /// When a server is fit.
    #[must_use]
    pub const fn policy(&self) -> &HealthPolicy {
        &self.policy
    }

    /// The servers that are fit now.
    #[must_use]
    #[inline]
    pub fn fit(&self) -> Members {
        read(&self.fit)
    }

    /// The servers that may be asked at all: for groups that would rather try one that is not fit than refuse. What the administrator has
    /// taken out is not among them.
    #[must_use]
    pub fn admitted(&self) -> Members {
        let states = self.lock();
        let serving = states.iter().enumerate().filter(|(_, it)| it.admin == Admin::Serving);
        serving.map(|(server, _)| server).collect()
    }

    /// An ejected server that is to be tried with the next request, and is not tried by another one now. [`Health::succeeded`] or
    /// [`Health::failed`] says how it went; if nobody does, it is tried again after the time of an ejection.
    #[must_use]
    #[inline]
    pub fn trial(&self, tried: &Members, now: Instant) -> Option<usize> {
        if now.as_nanos() < self.next_trial.load(Relaxed) {
            return None;
        }
        self.claim(tried, now)
    }

    #[cold]
    fn claim(&self, tried: &Members, now: Instant) -> Option<usize> {
        let mut states = self.lock();
        let may = |state: &State| state.is_ejected && !state.has_failed_checks;
        let due = |(server, state): &(usize, &mut State)| {
            may(state) && state.admin == Admin::Serving && state.due <= now && !tried.has(*server)
        };
        let (server, state) = states.iter_mut().enumerate().find(due)?;
        state.due = now + self.policy.fail_timeout;
        self.note_trials(&states);
        Some(server)
    }

    /// A server has answered a request.
    #[inline]
    pub fn succeeded(&self, server: usize, now: Instant) -> Option<Change> {
        // Of a fit server there is nothing to be said.
        if has(&self.fit, server) { None } else { self.readmit(server, now) }
    }

    #[cold]
    fn readmit(&self, server: usize, now: Instant) -> Option<Change> {
        self.change(server, now, Cause::Requests, |state, _| {
            (state.is_ejected, state.fails) = (false, 0);
        })
    }

    /// A server has failed a request: it could not be reached, or has not answered.
    pub fn failed(&self, server: usize, now: Instant) -> Option<Change> {
        let policy = self.policy;
        self.change(server, now, Cause::Requests, |state, now| {
            if state.is_ejected {
                // Its trial, or what was under way.
                state.due = now + policy.fail_timeout;
                return;
            }
            if now.since(state.window) > policy.fail_timeout || state.fails == 0 {
                (state.window, state.fails) = (now, 0);
            }
            state.fails = state.fails.saturating_add(1);
            if policy.max_fails > 0 && state.fails >= policy.max_fails && !self.spares(server) {
                (state.is_ejected, state.due) = (true, now + policy.fail_timeout);
            }
        })
    }

    /// Whether a server must not be ejected by requests, because too few others are fit. Asked under the lock, so that two that fail
    /// at once are not the last two that go.
    fn spares(&self, server: usize) -> bool {
        let fit = self.fit();
        let others = fit.len() - usize::from(fit.has(server));
        let is_last = others == 0 && !self.policy.ejects_last;
        is_last || others * 100 < usize::from(self.policy.panic) * self.since.len()
    }

    /// A check of a server has ended.
    pub fn checked(&self, server: usize, is_good: bool, now: Instant) -> Option<Change> {
        let policy = self.policy;
        self.change(server, now, Cause::Checks, |state, _| {
            if state.has_failed_checks != is_good {
                // As before.
                state.streak = 0;
                return;
            }
            state.streak = state.streak.saturating_add(1);
            if state.streak >= if is_good { policy.rise } else { policy.fall } {
                (state.has_failed_checks, state.streak) = (!is_good, 0);
                // Who answers checks again need not be tried with a request.
                if is_good {
                    (state.is_ejected, state.fails) = (false, 0);
                }
            }
        })
    }

    /// The administrator has said something else of a server.
    pub fn set_admin(&self, server: usize, admin: Admin, now: Instant) -> Option<Change> {
        self.change(server, now, Cause::Admin, |state, _| state.admin = admin)
    }

    /// What the administrator has said of a server.
    #[must_use]
    pub fn admin(&self, server: usize) -> Admin {
        self.lock().get(server).map_or(Admin::Serving, |state| state.admin)
    }

    /// How much of its weight a server has now, in 256ths; at least 1.
    #[inline]
    pub(crate) fn share(&self, server: usize, now: Instant) -> u64 {
        if !has(&self.growing, server) { 256 } else { self.grown(server, now) }
    }

    /// Whether any weight still grows.
    #[inline]
    pub(crate) fn is_growing(&self) -> bool {
        !read(&self.growing).is_empty()
    }

    #[cold]
    fn grown(&self, server: usize, now: Instant) -> u64 {
        let since = self.since.get(server).map_or(0, |since| since.load(Relaxed));
        let passed = u128::from(now.as_nanos().saturating_sub(since));
        let whole = self.policy.slow_start.as_nanos().max(1);
        if passed >= whole {
            set(&self.growing, server, false);
            return 256;
        }
        // Less than 256.
        ((passed * 256 / whole) as u64).max(1)
    }

    /// Changes what is known of a server, and says so if it is fit now and was not, or the other way round.
    fn change(
        &self,
        server: usize,
        now: Instant,
        cause: Cause,
        how: impl FnOnce(&mut State, Instant),
    ) -> Option<Change> {
        let mut states = self.lock();
        let state = states.get_mut(server)?;
        let before = state.is_fit();
        how(state, now);
        let is_fit = state.is_fit();
        self.note_trials(&states);
        if is_fit == before {
            return None;
        }
        let grows = is_fit && !self.policy.slow_start.is_zero();
        if let Some(since) = self.since.get(server) {
            since.store(now.as_nanos(), Relaxed);
        }
        set(&self.growing, server, grows);
        set(&self.fit, server, is_fit);
        Some(Change { server, is_fit, cause })
    }

    fn note_trials(&self, states: &[State]) {
        let due = states.iter().filter(|it| it.is_ejected).map(|it| it.due.as_nanos()).min();
        self.next_trial.store(due.unwrap_or(NEVER), Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Box<[State]>> {
        // Nothing under it panics; and if it did, each state is whole.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(words: &[AtomicU64; 4]) -> Members {
    Members::from_words(|at| words.get(at).map_or(0, |word| word.load(Relaxed)))
}

#[inline]
fn has(words: &[AtomicU64; 4], server: usize) -> bool {
    let (word, bit) = Members::place(server);
    words.get(word).is_some_and(|word| word.load(Relaxed) & bit != 0)
}

fn set(words: &[AtomicU64; 4], server: usize, is_in: bool) {
    let (word, bit) = Members::place(server);
    let Some(word) = words.get(word) else { return };
    if is_in {
        word.fetch_or(bit, Relaxed);
    } else {
        word.fetch_and(!bit, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn fit(health: &Health) -> Vec<usize> {
        health.fit().iter().collect()
    }

    fn changed(server: usize, is_fit: bool, cause: Cause) -> Option<Change> {
        Some(Change { server, is_fit, cause })
    }

    #[test]
    fn a_server_that_fails_is_ejected_tried_and_readmitted() {
        let health = Health::new(3, HealthPolicy::default());
        let none = Members::default();
        assert_eq!(health.failed(1, at(1)), None);
        assert_eq!(health.failed(1, at(5)), None);
        // The first is too long ago: a new count.
        assert_eq!(health.failed(1, at(12)), None);
        assert_eq!(health.failed(1, at(13)), None);
        assert_eq!(health.failed(1, at(14)), changed(1, false, Cause::Requests));
        assert_eq!((fit(&health), health.failed(1, at(15))), (vec![0, 2], None));
        // What failed later has moved its trial.
        assert_eq!(health.trial(&none, at(24)), None);
        assert_eq!(health.trial(&none.with(1), at(25)), None);
        assert_eq!(health.trial(&none, at(25)), Some(1));
        assert_eq!(health.trial(&none, at(26)), None, "one request at a time");
        assert_eq!(health.failed(1, at(27)), None);
        assert_eq!(health.trial(&none, at(37)), Some(1));
        // Nobody has said how that went.
        assert_eq!(health.trial(&none, at(47)), Some(1));
        assert_eq!(health.succeeded(1, at(48)), changed(1, true, Cause::Requests));
        assert_eq!((fit(&health), health.succeeded(1, at(48))), (vec![0, 1, 2], None));
        assert_eq!(health.trial(&none, at(99)), None);
        assert_eq!(health.failed(1, at(100)), None, "it counts anew");
        let never = Health::new(2, HealthPolicy { max_fails: 0, ..HealthPolicy::default() });
        assert!((0..1000).all(|_| never.failed(0, at(1)).is_none()));
    }

    #[test]
    fn the_last_one_stays_unless_asked_to_go() {
        let policy = HealthPolicy { max_fails: 1, ..HealthPolicy::default() };
        for (ejects_last, panic, expected) in [
            (false, 0, vec![3]),
            (true, 0, vec![]),
            (false, 50, vec![2, 3]),
            (true, 25, vec![3]),
            (false, 100, vec![0, 1, 2, 3]),
        ] {
            let health = Health::new(4, HealthPolicy { ejects_last, panic, ..policy });
            for server in 0..4 {
                let _ = health.failed(server, at(1));
            }
            assert_eq!(fit(&health), expected, "{ejects_last} {panic}");
        }
        // Checks and the administrator know: they take out the last one too.
        let health = Health::new(1, HealthPolicy { fall: 1, ..policy });
        assert_eq!(health.checked(0, false, at(1)), changed(0, false, Cause::Checks));
        assert!(health.fit().is_empty() && health.admitted().has(0));
        assert_eq!(health.set_admin(0, Admin::Draining, at(1)), None);
        assert!(health.admitted().is_empty());
    }

    #[test]
    fn checks_rise_and_fall() {
        let health = Health::new(2, HealthPolicy::default());
        let check = |good: &[bool]| {
            good.iter().map(|good| health.checked(0, *good, at(1))).collect::<Vec<_>>()
        };
        assert_eq!(check(&[false, false, true, false, false]), [None; 5]);
        assert_eq!(check(&[false]), [changed(0, false, Cause::Checks)]);
        assert_eq!(check(&[false, true, false, true]), [None; 4]);
        // A request that went well all the same is no check.
        assert_eq!(health.succeeded(0, at(1)), None);
        assert_eq!(check(&[true]), [changed(0, true, Cause::Checks)]);
        // Who is ejected too is back when checks say so.
        for _ in 0..3 {
            let _ = (health.failed(0, at(2)), health.checked(0, false, at(2)));
        }
        assert_eq!(health.trial(&Members::default(), at(60)), None, "checks say it is down");
        assert_eq!(check(&[true, true]), [None, changed(0, true, Cause::Checks)]);
    }

    #[test]
    fn the_administrator_is_asked_first() {
        let health = Health::new(2, HealthPolicy::default());
        let down = changed(0, false, Cause::Admin);
        assert_eq!(health.set_admin(0, Admin::Draining, at(1)), down);
        assert_eq!(health.set_admin(0, Admin::Down, at(1)), None);
        assert_eq!((health.admin(0), fit(&health)), (Admin::Down, vec![1]));
        assert_eq!(health.succeeded(0, at(1)), None);
        let up = changed(0, true, Cause::Admin);
        assert_eq!(health.set_admin(0, Admin::Serving, at(1)), up);
        assert_eq!(health.set_admin(9, Admin::Down, at(1)), None);
    }

    #[test]
    fn a_weight_grows_after_a_pause() {
        let slow_start = Duration::from_secs(64);
        let health = Health::new(2, HealthPolicy { slow_start, ..HealthPolicy::default() });
        assert_eq!(health.share(0, at(0)), 256, "at the start all are the same");
        let _ = health.set_admin(0, Admin::Down, at(0));
        let _ = health.set_admin(0, Admin::Serving, at(100));
        for (seconds, expected) in [(100, 1), (101, 4), (132, 128), (163, 252), (164, 256)] {
            assert_eq!(health.share(0, at(seconds)), expected, "{seconds}");
        }
        assert!(!has(&health.growing, 0));
    }
}
