//! Whose handler runs: what a log line, or a call to somewhere else, belongs to, with nothing passed by hand.
//!
//! A cell of the thread, set around each poll of a handler, of its content, and of the tasks that end with it. It is a note, not
//! state: whoever set it puts back what was there.

use std::cell::Cell;
use std::rc::Rc;

use crate::exchange::Exchange;

thread_local! {
    static CURRENT: Cell<Option<Rc<Exchange>>> = const { Cell::new(None) };
}

/// The exchange whose handler runs on this thread now; `None` outside of handlers, in [`Shard::blocking`](crate::Shard::blocking)
/// and in tasks that go on without their request.
///
/// ```
/// use trilane_exchange::current;
/// // In a handler, or in anything that it calls:
/// let id = current().and_then(|exchange| exchange.request_id().map(str::to_owned));
/// # assert_eq!(id, None);
/// ```
#[must_use]
pub fn current() -> Option<Rc<Exchange>> {
    CURRENT.with(|cell| {
        let current = cell.take();
        cell.set(current.clone());
        current
    })
}

/// Makes it the current one until the guard goes. For connections, and for those who run handlers in their place.
pub fn enter(exchange: Option<Rc<Exchange>>) -> Entered {
    Entered { before: CURRENT.replace(exchange) }
}

/// As long as this lives, an exchange is [`current`].
#[derive(Debug)]
#[must_use = "dropping it puts back what was current before"]
pub struct Entered {
    before: Option<Rc<Exchange>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // At thread exit the cell may be gone already, and with it whoever could ask.
        let _ = CURRENT.try_with(|cell| cell.set(self.before.take()));
    }
}

#[cfg(test)]
mod tests {
    use trilane_semantics::{Instant, Method, RequestHead};

    use super::*;
    use crate::tests::shard;
    use crate::{Address, ConnectionInfo};

    #[test]
    fn what_was_current_comes_back() {
        let shard = shard();
        let exchange = |path| {
            let head = RequestHead::new(Method::GET, path).unwrap();
            let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
            Rc::new(Exchange::new(head, info, shard.clone(), Instant::default()))
        };
        let path = || current().map(|exchange| exchange.head().path().to_owned());
        let outer = enter(Some(exchange("/outer")));
        {
            let _inner = enter(Some(exchange("/inner")));
            assert_eq!(path().as_deref(), Some("/inner"));
            let _none = enter(None);
            assert_eq!(path(), None);
        }
        assert_eq!(path().as_deref(), Some("/outer"));
        drop(outer);
        assert_eq!(path(), None);
    }
}
