//! What keeps a shard from everything else: steps and turns that took too long, added up; and, while somebody asks for that, every step
//! with its time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use trilane_exchange::Exchange;
use trilane_semantics::Instant;

/// From when on a step, or a turn of the loop, is a stall.
pub const STALL: Duration = Duration::from_millis(10);
/// Kinds of work that are told apart, at most; the others are one.
const MOST_KINDS: usize = 256;
/// Events that are recorded, at most; recording ends with the last.
const MOST_EVENTS: usize = 1 << 16;

/// What a shard does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// A handler, or the content of its answer, by the template of its route; none for those without one.
    Handler(Option<Box<str>>),
    /// A task.
    Task,
    /// What else is done in a turn of the loop: protocols, system calls.
    Turn,
    /// Handlers of other routes, beyond the bound.
    Others,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(Some(route)) => write!(f, "handler {route}"),
            Self::Handler(None) => f.write_str("handler"),
            Self::Task => f.write_str("task"),
            Self::Turn => f.write_str("turn"),
            Self::Others => f.write_str("handlers of other routes"),
        }
    }
}

/// How often some work was a stall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// How often.
    pub count: u64,
    /// How long altogether.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Some work, when it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it was.
    pub work: Work,
    /// Its beginning.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What was noted of a shard.
#[derive(Debug, Default)]
pub struct Watch {
    stalls: RefCell<BTreeMap<Work, Stall>>,
    /// What of this turn is noted as a stall of a step.
    noted: Cell<Duration>,
    /// When recording ends; 0 while nothing is recorded.
    until: Cell<Instant>,
    events: RefCell<Vec<Event>>,
}

impl Watch {
    /// Whether steps are recorded.
    #[inline]
    pub(crate) fn is_recording(&self) -> bool {
        self.until.get() != Instant::default()
    }

    /// A step has taken so long.
    #[cold]
    pub(crate) fn stalled(&self, exchange: Option<&Exchange>, took: Duration) {
        self.noted.set(self.noted.get() + took);
        self.add(work(exchange), took);
    }

    /// A step is over.
    #[cold]
    pub(crate) fn stepped(&self, exchange: Option<&Exchange>, at: Instant, took: Duration) {
        self.record(Event { work: work(exchange), at, took });
    }

    /// A turn of the loop is over, and the next begins.
    #[inline]
    pub fn turned(&self, from: Instant, to: Instant) {
        let took = to.since(from);
        if took >= STALL || self.is_recording() {
            self.turned_slowly(from, took);
        }
    }

    #[cold]
    fn turned_slowly(&self, at: Instant, took: Duration) {
        let rest = took.saturating_sub(self.noted.take());
        if rest >= STALL {
            self.add(Work::Turn, rest);
        }
        if self.is_recording() {
            self.record(Event { work: Work::Turn, at, took });
            if at >= self.until.get() {
                self.until.take();
            }
        }
    }

    /// The stalls since the shard began.
    #[must_use]
    pub fn stalls(&self) -> Vec<(Work, Stall)> {
        self.stalls.borrow().iter().map(|(work, stall)| (work.clone(), *stall)).collect()
    }

    /// Records until then, or until there is no more room. What was recorded before is forgotten.
    pub fn record_until(&self, until: Instant) {
        self.events.take();
        self.until.set(until);
    }

    /// Ends recording, and gives what was recorded.
    pub fn recorded(&self) -> Vec<Event> {
        self.until.take();
        self.events.take()
    }

    fn add(&self, work: Work, took: Duration) {
        let mut stalls = self.stalls.borrow_mut();
        let has_room = stalls.len() < MOST_KINDS || stalls.contains_key(&work);
        let stall = stalls.entry(if has_room { work } else { Work::Others }).or_default();
        stall.count += 1;
        stall.total += took;
        stall.longest = stall.longest.max(took);
    }

    fn record(&self, event: Event) {
        let mut events = self.events.borrow_mut();
        if events.len() < MOST_EVENTS {
            events.push(event);
        } else {
            self.until.take();
        }
    }
}

/// Whose step it is.
fn work(exchange: Option<&Exchange>) -> Work {
    let route = |exchange: &Exchange| exchange.params().template().map(Into::into);
    exchange.map_or(Work::Task, |exchange| Work::Handler(route(exchange)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    fn stall(count: u64, total: u64, longest: u64) -> Stall {
        let (total, longest) = (Duration::from_millis(total), Duration::from_millis(longest));
        Stall { count, total, longest }
    }

    #[test]
    fn a_turn_has_what_no_step_has_taken() {
        let watch = Watch::default();
        watch.turned(at(0), at(9));
        watch.stalled(None, Duration::from_millis(30));
        watch.turned(at(9), at(45));
        assert_eq!(watch.stalls(), [(Work::Task, stall(1, 30, 30))]);
        watch.stalled(None, Duration::from_millis(10));
        watch.turned(at(45), at(67));
        watch.turned(at(67), at(82));
        let expected = [(Work::Task, stall(2, 40, 30)), (Work::Turn, stall(2, 27, 15))];
        assert_eq!(watch.stalls(), expected);
    }

    #[test]
    fn kinds_of_work_have_a_bound() {
        let watch = Watch::default();
        for number in 0..MOST_KINDS + 5 {
            let work = Work::Handler(Some(number.to_string().into()));
            watch.add(work, STALL);
        }
        let stalls = watch.stalls();
        assert_eq!(stalls.len(), MOST_KINDS + 1);
        assert_eq!(stalls.last(), Some(&(Work::Others, stall(5, 50, 10))));
    }

    #[test]
    fn recording_ends_by_itself() {
        let watch = Watch::default();
        watch.record_until(at(100));
        watch.stepped(None, at(2), STALL);
        watch.turned(at(1), at(3));
        assert!(watch.is_recording());
        watch.turned(at(100), at(101));
        assert!(!watch.is_recording());
        let works: Vec<_> = watch.recorded().into_iter().map(|event| event.work).collect();
        assert_eq!(works, [Work::Task, Work::Turn, Work::Turn]);
        watch.record_until(at(1000));
        (0..MOST_EVENTS + 1).for_each(|_| watch.stepped(None, at(2), STALL));
        assert!(!watch.is_recording());
        assert_eq!((watch.recorded().len(), watch.recorded().len()), (MOST_EVENTS, 0));
    }
}
