//! A service around the one under test that counts how its exchanges end and what is refused.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::task::Context;

use trilane_exchange::{Exchange, Reply, Request, Response, Service, Shard, Summary};
use trilane_semantics::Reason;

/// How often something occurred, by name.
pub type Tally = BTreeMap<String, u64>;

/// Counts, and passes everything on.
pub struct Recorder {
    app: Rc<dyn Service>,
    tally: RefCell<Tally>,
}

impl Recorder {
    /// A recorder around `app`.
    #[must_use]
    pub fn new(app: Rc<dyn Service>) -> Self {
        Self { app, tally: RefCell::default() }
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Counts one more.
    pub fn count(&self, what: String) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }

    /// How many exchanges ended.
    #[must_use]
    pub fn finished(&self) -> u64 {
        let tally = self.tally.borrow();
        tally.iter().filter(|(name, _)| name.starts_with("outcome ")).map(|(_, n)| n).sum()
    }
}

impl Service for Recorder {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        self.app.call(request, cx)
    }

    fn refuse(&self, reason: Reason, exchange: Option<&Exchange>, shard: &Shard) -> Response {
        self.count(format!("reason {}", reason.label()));
        self.app.refuse(reason, exchange, shard)
    }

    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        self.count(format!("outcome {}", summary.outcome.label()));
        self.app.finished(exchange, summary);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("tally", &self.tally).finish_non_exhaustive()
    }
}
