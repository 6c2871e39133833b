//! The hook of one shard: a request that is over becomes a few additions to counters that are found by the address of its route.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use trilane_exchange::stats::Counter;
use trilane_exchange::{Exchange, Refusal, Response, Summary};
use trilane_semantics::Method;

use super::series::{OTHER, Series, Table};
use super::settings::Settings;
use crate::layer::{Hook, Phases};

/// The path of what no route has matched.
const UNMATCHED: &str = "unmatched";

/// Records the requests of one shard.
pub(super) struct Recorder {
    settings: Arc<Settings>,
    table: Arc<Table>,
    /// Sorted by their keys.
    known: RefCell<Vec<(Key, Entry)>>,
}

/// Where a route's template lies in memory, the method's number, and the status.
type Key = (usize, u8, u16);

struct Entry {
    series: Arc<Series>,
    count: Arc<Counter>,
}

impl Recorder {
    pub(super) fn new(settings: Arc<Settings>, table: Arc<Table>) -> Self {
        Self { settings, table, known: RefCell::default() }
    }

    /// Has `record` write to what such a request counts for.
    fn find(
        &self,
        template: Option<&str>,
        method: Option<&Method>,
        status: u16,
        record: impl FnOnce(&Entry),
    ) {
        let (number, name) = known_method(method);
        let path = template.unwrap_or(UNMATCHED);
        let key = (path.as_ptr() as usize, number, status);
        let mut known = self.known.borrow_mut();
        let at = known.binary_search_by_key(&key, |(key, _)| *key);
        // Another route may have come to lie where one was that is gone.
        if let Ok(at) = at
            && *known[at].1.series.path == *path
        {
            return record(&known[at].1);
        }
        let is_within = known.len() < self.settings.series;
        let series =
            self.table.series(name, if is_within { path } else { OTHER }, self.settings.series);
        let entry = Entry { count: series.status(status), series };
        record(&entry);
        match at {
            Ok(at) => known[at].1 = entry,
            Err(at) if is_within => known.insert(at, (key, entry)),
            // What is beyond the bound is looked for anew each time.
            Err(_) => (),
        }
    }
}

impl Hook for Recorder {
    fn phases(&self) -> Phases {
        Phases::DONE
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        // With an exchange there is an end of it to be counted.
        if refusal.exchange.is_none() {
            let status = response.head.status.as_u16();
            self.find(None, None, status, |entry| entry.count.add(1));
        }
    }

    fn done(&self, exchange: &Exchange, summary: &Summary) {
        if self.settings.excluded.iter().any(|path| path == exchange.head().path()) {
            return;
        }
        let status = summary.status.map_or(0, |status| status.as_u16());
        let (template, method) = (exchange.params().template(), &exchange.head().method);
        let took = u64::try_from(summary.duration.as_nanos()).unwrap_or(u64::MAX);
        self.find(template, Some(method), status, |entry| {
            entry.count.add(1);
            entry.series.durations.observe(took);
        });
        self.table.latencies.observe(took);
        self.table.request_sizes.observe(summary.bytes_in);
        self.table.response_sizes.observe(summary.bytes_out);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} series)", self.known.borrow().len())
    }
}

/// A method's number and its label. Clients may make up methods, and labels must be few.
fn known_method(method: Option<&Method>) -> (u8, &'static str) {
    match method.map_or("", Method::as_str) {
        "GET" => (1, "GET"),
        "HEAD" => (2, "HEAD"),
        "POST" => (3, "POST"),
        "PUT" => (4, "PUT"),
        "PATCH" => (5, "PATCH"),
        "DELETE" => (6, "DELETE"),
        "OPTIONS" => (7, "OPTIONS"),
        "CONNECT" => (8, "CONNECT"),
        "TRACE" => (9, "TRACE"),
        _ => (0, OTHER),
    }
}
