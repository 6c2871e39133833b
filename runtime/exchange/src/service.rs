//! Who answers requests, and how its future is kept: polled in place, in a box that is used again.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use smallvec::SmallVec;
use trilane_semantics::{Reason, RequestHead};

use crate::connection::ConnectionInfo;
use crate::error::Error;
use crate::exchange::{Exchange, Request};
use crate::response::Response;
use crate::shard::Shard;
use crate::summary::Summary;

/// Boxes kept for reuse, a route and shard.
const KEEP: usize = 128;

/// A message that gets no handler's answer.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Why.
    pub reason: Reason,
    /// Its exchange, if its head could be read.
    pub exchange: Option<&'a Exchange>,
    /// The connection it came over.
    pub connection: &'a ConnectionInfo,
    /// The shard that serves it.
    pub shard: &'a Shard,
}

/// Answers requests: a router, or anything else. One a shard; need not be `Send`.
pub trait Service {
    /// Starts an exchange, and polls it once.
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply;

    /// Makes the answer to a message that was refused before or instead of a handler.
    fn refuse(&self, refusal: &Refusal<'_>) -> Response {
        Error::from(refusal.reason).into()
    }

    /// Whether the handler of such a request does no harm when the request is replayed, although its method is not safe
    /// (RFC 8470 §4).
    fn takes_early(&self, head: &RequestHead) -> bool {
        let _ = head;
        false
    }

    /// The peer of a connection has another address than before, by its will or by a NAT's (RFC 9000 §9).
    fn moved(&self, old: &ConnectionInfo, new: &ConnectionInfo) {
        let _ = (old, new);
    }

    /// A step of a handler, or of a task that belongs to no request, has kept its shard from everything else for that long:
    /// [`BLOCKED`](crate::BLOCKED) or more. It is counted already.
    fn blocked(&self, exchange: Option<&Exchange>, took: Duration) {
        let _ = (exchange, took);
    }

    /// An exchange is over.
    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        let _ = (exchange, summary);
    }
}

/// What became of a call.
#[derive(Debug)]
#[must_use]
pub enum Reply {
    /// The answer.
    Ready(Response),
    /// Not yet; poll on.
    Pending(Running),
}

/// Something to be done to a response, whenever it is ready.
pub trait After {
    /// Changes the response.
    fn after(&self, exchange: &Exchange, response: &mut Response);
}

type Then = (Rc<dyn After>, Rc<Exchange>);

/// A handler that is not ready yet. Dropping it cancels it.
#[must_use = "dropping it cancels the handler"]
pub struct Running {
    future: Pin<Box<dyn Future<Output = Response>>>,
    after: SmallVec<[Then; 1]>,
}

impl Running {
    /// Polls the handler.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        let mut response = std::task::ready!(self.future.as_mut().poll(cx));
        for (after, exchange) in &self.after {
            after.after(exchange, &mut response);
        }
        Poll::Ready(response)
    }

    /// Does `after` to the response, after what was to be done before.
    pub fn then(mut self, exchange: Rc<Exchange>, after: Rc<dyn After>) -> Self {
        self.after.push((after, exchange));
        self
    }
}

impl Future for Running {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        Self::poll(&mut self, cx)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

/// The free list of one route's futures: all of one type and size, so that each box fits the next.
pub struct Pool<F> {
    free: RefCell<Vec<Place<F>>>,
}

impl<F> Default for Pool<F> {
    fn default() -> Self {
        Self { free: RefCell::default() }
    }
}

impl<F> fmt::Debug for Pool<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} free)", self.free.borrow().len())
    }
}

impl<F: Future<Output = Response> + 'static> Pool<F> {
    /// Places `future` in a recycled box and polls it once. A panic is the answer 500.
    pub fn run(self: &Rc<Self>, future: F, cx: &mut Context<'_>) -> Reply {
        let free = self.free.borrow_mut().pop();
        let mut place = match free {
            Some(mut place) => {
                place.set(Some(future));
                place
            }
            None => Box::pin(Some(future)),
        };
        match poll_place(&mut place, cx) {
            Poll::Ready(response) => {
                self.give(place);
                Reply::Ready(response)
            }
            Poll::Pending => {
                let recycled = Recycled { place: Some(place), home: Rc::clone(self) };
                Reply::Pending(Running { future: Box::pin(recycled), after: SmallVec::new() })
            }
        }
    }
}

impl<F> Pool<F> {
    /// Takes a box back, empty.
    fn give(&self, mut place: Place<F>) {
        // A destructor that panics costs its box, not the shard.
        if catch_unwind(AssertUnwindSafe(|| place.set(None))).is_err() {
            return;
        }
        let mut free = self.free.borrow_mut();
        if free.len() < KEEP {
            free.push(place);
        }
    }
}

/// The box of a future, empty between two calls.
type Place<F> = Pin<Box<Option<F>>>;

/// Polls the future in its box. A panic is the answer 500.
fn poll_place<F>(place: &mut Place<F>, cx: &mut Context<'_>) -> Poll<Response>
where
    F: Future<Output = Response>,
{
    let Some(future) = place.as_mut().as_pin_mut() else { return Poll::Pending };
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(panicked(&*panic)),
    }
}

/// A future in a box of its pool; the box goes back when this is dropped.
struct Recycled<F> {
    place: Option<Place<F>>,
    home: Rc<Pool<F>>,
}

impl<F: Future<Output = Response>> Future for Recycled<F> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        self.place.as_mut().map_or(Poll::Pending, |place| poll_place(place, cx))
    }
}

impl<F> Drop for Recycled<F> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.home.give(place);
        }
    }
}

/// The answer to a panic: 500, its message for the log only.
#[must_use]
pub fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned());
    Error::panic(text).into()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use trilane_semantics::StatusCode;

    use super::*;

    fn run<F: Future<Output = Response> + 'static>(pool: &Rc<Pool<F>>, future: F) -> Reply {
        pool.run(future, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn boxes_are_used_again() {
        let pool = Rc::new(Pool::default());
        let work = |wait: bool| async move {
            if wait {
                std::future::pending::<()>().await;
            }
            Response::new(StatusCode::OK)
        };
        assert!(matches!(run(&pool, work(false)), Reply::Ready(_)));
        let first = &raw const **pool.free.borrow().first().unwrap();
        let reply = run(&pool, work(true));
        assert!(matches!(reply, Reply::Pending(_)) && pool.free.borrow().is_empty());
        drop(reply);
        assert_eq!(first, &raw const **pool.free.borrow().first().unwrap());
    }

    #[test]
    fn a_panic_is_an_answer() {
        let pool = Rc::new(Pool::default());
        let Reply::Ready(response) = run(&pool, async { panic!("on purpose") }) else { panic!() };
        let error = response.error.unwrap();
        assert_eq!((error.status().as_u16(), error.is_panic()), (500, true));
        assert_eq!(error.internal_text(), Some("on purpose"));
    }
}
