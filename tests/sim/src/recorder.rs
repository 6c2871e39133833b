//! A service around the one under test that counts how its exchanges end and what is refused, and has the strange
//! handlers that no application has.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::task::Context;

use trilane_exchange::{Exchange, Pool, Refusal, Reply, Request, Response, Service, Summary};

use crate::strange;

/// How often something occurred, by name.
pub type Tally = BTreeMap<String, u64>;

/// Counts, and passes everything on.
pub struct Recorder {
    app: Rc<dyn Service>,
    tally: RefCell<Tally>,
    strange: Rc<Pool<strange::Handler>>,
}

impl Recorder {
    /// A recorder around `app`.
    #[must_use]
    pub fn new(app: Rc<dyn Service>) -> Self {
        Self { app, tally: RefCell::default(), strange: Rc::default() }
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
        match strange::find(&request) {
            Some(handler) => {
                self.count("strange".to_owned());
                self.strange.run(handler(request), cx)
            }
            None => self.app.call(request, cx),
        }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Response {
        self.count(format!("reason {}", refusal.reason.label()));
        self.app.refuse(refusal)
    }

    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        self.count(format!("outcome {}", summary.outcome.label()));
        if !strange::is_strange(exchange.head().path()) {
            self.app.finished(exchange, summary);
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("tally", &self.tally).finish_non_exhaustive()
    }
}
