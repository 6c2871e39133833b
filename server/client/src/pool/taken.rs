//! A connection on its way to the request that it is for.

use std::fmt;
use std::rc::Rc;

use trilane_exchange::{Ask, Asking, Caller};
use trilane_semantics::Protocol;

use super::Inner;

/// A connection for one request. Who does not ask leaves it to the next.
pub struct Taken {
    pool: Rc<Inner>,
    place: usize,
    caller: Caller,
    is_used: bool,
}

impl Taken {
    pub(super) fn new(pool: &Rc<Inner>, place: usize, caller: Caller) -> Self {
        Self { pool: Rc::clone(pool), place, caller, is_used: false }
    }

    /// The protocol that is spoken on it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.caller.protocol().unwrap_or(Protocol::Http11)
    }

    /// Asks.
    pub fn ask(mut self, ask: Ask) -> Asking {
        self.is_used = true;
        self.caller.ask(ask)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.is_used {
            self.pool.changed(self.place);
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taken").field(&self.caller).finish()
    }
}
