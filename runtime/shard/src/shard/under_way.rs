//! What a shard is at: its exchanges and tasks, what kept it from all else, and all of its steps for a while.

use std::time::Duration;

use trilane_connection::{Description, Event, Stall, Waits, Work};
use trilane_exchange::Exchange;
use trilane_semantics::Instant;

use super::Shard;
use crate::inspect::{Around, TaskEntry};

/// Exchanges and tasks of a shard that are told, at most.
const MOST_TASKS: usize = 10_000;

impl Shard {
    /// The exchanges of the next slots from `around` on, and where to go on; the spawned tasks with the last of them.
    pub(crate) fn under_way(
        &self,
        now: Instant,
        around: Around,
        before: usize,
    ) -> (Vec<TaskEntry>, Option<Around>) {
        let mut found = Vec::new();
        let next = self.walk(around, |_, is_outward, description: Description, _| {
            for (exchange, waits) in &description.exchanges {
                found.push(TaskEntry::of(exchange, *waits, is_outward, now));
            }
        });
        if next.is_none() {
            let tasks = self.core.tasks.borrow();
            let entry = |(name, since): (&str, Instant)| TaskEntry::task(name, now.since(since));
            found.extend(tasks.all().map(entry));
        }
        found.truncate(MOST_TASKS.saturating_sub(before));
        (found, next)
    }

    /// What kept it from all else.
    pub(crate) fn stalls(&self) -> Vec<(Work, Stall)> {
        self.host.watch().stalls()
    }

    /// Records its steps for so long.
    pub(crate) fn record(&self, now: Instant, time: Duration) {
        self.host.watch().record_until(now + time);
    }

    /// What was recorded.
    pub(crate) fn recorded(&self) -> Vec<Event> {
        self.host.watch().recorded()
    }
}

impl TaskEntry {
    fn of(exchange: &Exchange, waits: Waits, is_outward: bool, now: Instant) -> Self {
        let (route, head) = (exchange.params().template(), exchange.head());
        // Of a request of ours there is no route.
        let what = match (is_outward, route) {
            (true, _) => format!("request {}", head.method),
            (false, Some(route)) => format!("{} {route}", head.method),
            (false, None) => head.method.to_string(),
        };
        Self { what, is_task: false, waits: waits.label(), age: now.since(exchange.started()) }
    }

    fn task(name: &str, age: Duration) -> Self {
        Self { what: name.to_owned(), is_task: true, waits: "being woken", age }
    }
}
