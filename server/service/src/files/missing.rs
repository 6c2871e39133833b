//! Names that stand for no file, as of just now: bounded in number, the oldest goes first.
//!
//! Kept apart from files, so that who asks for names that are not there drives out none that are.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::Instant;

/// Longer names are not kept, in bytes.
const LONGEST: usize = 256;

/// What a name stands for, if not for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    /// A directory, without its slash.
    Directory,
    Missing,
}

/// The names that are kept.
#[derive(Debug)]
pub(super) struct Missing {
    /// Names at most.
    most: usize,
    names: HashMap<Rc<str>, (Nothing, Instant)>,
    /// Oldest first; each name once.
    order: VecDeque<Rc<str>>,
}

impl Missing {
    pub(super) fn new(most: usize) -> Self {
        Self { most, names: HashMap::new(), order: VecDeque::new() }
    }

    /// What that name stood for not longer ago than that.
    pub(super) fn find(&self, name: &str, now: Instant, fresh: Duration) -> Option<Nothing> {
        let (nothing, checked) = self.names.get(name)?;
        (now.since(*checked) < fresh).then_some(*nothing)
    }

    pub(super) fn keep(&mut self, name: &str, nothing: Nothing, now: Instant) {
        if let Some(known) = self.names.get_mut(name) {
            *known = (nothing, now);
            return;
        }
        if self.most == 0 || name.len() > LONGEST {
            return;
        }
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        let name: Rc<str> = name.into();
        self.order.push_back(Rc::clone(&name));
        self.names.insert(name, (nothing, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_nanos(10);

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn what_is_kept_is_bounded_and_grows_old() {
        let mut missing = Missing::new(2);
        for name in ["a", "b", "a", "c"] {
            missing.keep(name, Nothing::Missing, at(0));
        }
        let found = |missing: &Missing, now| {
            ["a", "b", "c"].map(|name| missing.find(name, at(now), FRESH).is_some())
        };
        assert_eq!(found(&missing, 9), [false, true, true]);
        assert_eq!(found(&missing, 10), [false; 3]);
        missing.keep("b", Nothing::Directory, at(10));
        assert_eq!(missing.find("b", at(19), FRESH), Some(Nothing::Directory));
        assert_eq!((missing.names.len(), missing.order.len()), (2, 2));
        let long = "x".repeat(LONGEST + 1);
        missing.keep(&long, Nothing::Missing, at(10));
        assert_eq!(missing.find(&long, at(10), FRESH), None);
        let mut none = Missing::new(0);
        none.keep("a", Nothing::Missing, at(0));
        assert_eq!(none.find("a", at(0), FRESH), None);
    }
}
