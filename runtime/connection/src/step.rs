//! Steps of the application: whose each is while it runs, and which of them take so long that all others wait.

use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::current::enter;
use trilane_exchange::{BLOCKED, Exchange};

use crate::host::Host;
use crate::watch::STALL;

impl Host {
    /// Runs a step of what is done for an exchange: a poll of its handler, or of its content.
    #[inline]
    pub(crate) fn run<T>(&self, exchange: &Rc<Exchange>, step: impl FnOnce() -> T) -> T {
        let _entered = enter(Some(Rc::clone(exchange)));
        self.timed(Some(exchange), step)
    }

    /// Runs a step of a task.
    pub fn run_task<T>(&self, step: impl FnOnce() -> T) -> T {
        self.timed(None, step)
    }

    /// The clock for this is a coarse one, which costs next to nothing.
    #[inline]
    fn timed<T>(&self, exchange: Option<&Exchange>, step: impl FnOnce() -> T) -> T {
        if self.watch().is_recording() {
            return self.recorded(exchange, step);
        }
        let began = self.shard().coarse_clock();
        let value = step();
        self.judge(exchange, self.shard().coarse_clock().since(began));
        value
    }

    /// The same, by a clock that tells short times, for who wants to see them all.
    #[cold]
    fn recorded<T>(&self, exchange: Option<&Exchange>, step: impl FnOnce() -> T) -> T {
        let began = self.shard().clock();
        let value = step();
        let took = self.shard().clock().since(began);
        self.watch().stepped(exchange, began, took);
        self.judge(exchange, took);
        value
    }

    #[inline]
    fn judge(&self, exchange: Option<&Exchange>, took: Duration) {
        if took < STALL {
            return;
        }
        self.watch().stalled(exchange, took);
        if took >= BLOCKED {
            self.stats().blocked.add(1);
            self.app().blocked(exchange, took);
        }
    }
}
