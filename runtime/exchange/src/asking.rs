//! A request of ours: what is asked, what was answered, and who gave up. Between whoever asks and the connection to the server.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_semantics::{Cause, Effect, Reason, RequestHead, ResponseHead};

use crate::dial::DialError;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;

/// Interim responses that wait for whoever asked; what comes beyond that is dropped, for they are hints (RFC 9110 §15.2).
const INTERIMS: usize = 16;
/// Kept for reuse, a thread.
const POOL: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<Rc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// A request to a server.
#[derive(Debug)]
pub struct Ask {
    /// Its head.
    pub head: RequestHead,
    /// Its content.
    pub body: Outgoing,
    /// It asks for a tunnel (RFC 9110 §7.8, §9.3.6): `body` is what goes through it, and is not looked at before it is there.
    pub is_tunnel: bool,
    /// How long the head of its response may take from when all content was sent or, without content and for a tunnel, from now.
    pub timeout: Duration,
}

impl Ask {
    /// A request without content, to be answered within 60 seconds.
    #[must_use]
    pub const fn new(head: RequestHead) -> Self {
        let timeout = Duration::from_secs(60);
        Self { head, body: Outgoing::Empty, is_tunnel: false, timeout }
    }
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// Its head.
    pub head: ResponseHead,
    /// Its content. Dropping it before its end gives the exchange up.
    pub body: Incoming,
}

/// Why a request has no response.
#[derive(Debug)]
#[non_exhaustive]
pub enum AskFailure {
    /// There is no connection, or no longer.
    Connection(DialError),
    /// The connection takes no more requests now, or none of that kind.
    NotNow,
    /// The server gave it up, with this code where the protocol has one.
    Reset(u64),
    /// What the server sent is no response.
    Fault(Reason),
    /// The response did not begin in time.
    Timeout,
    /// Its content could not be made; for this reason, if it comes from a peer of ours.
    Content(Option<Reason>),
}

/// A request that has no response.
#[derive(Debug)]
pub struct AskError {
    /// Why.
    pub failure: AskFailure,
    /// What it may have caused.
    pub effect: Effect,
    /// The connection had answered before: it may have been ended by its server for having been idle, and not for this request.
    pub is_reused: bool,
    /// The request, if it can be made again: all of its content is still there.
    pub request: Option<Box<(RequestHead, Outgoing)>>,
}

impl AskError {
    /// Nothing of it was sent.
    #[must_use]
    pub fn unsent(failure: AskFailure, ask: Ask) -> Self {
        let request = Some(Box::new((ask.head, ask.body)));
        Self { failure, effect: Effect::None, is_reused: false, request }
    }
}

impl fmt::Display for AskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::NotNow => f.write_str("the connection takes no such request now"),
            Self::Reset(code) => write!(f, "the server gave up the request (code {code})"),
            Self::Fault(reason) => write!(f, "no response: {}", reason.text()),
            Self::Timeout => f.write_str("no response in time"),
            Self::Content(_) => f.write_str("the content of the request could not be made"),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for AskError {}

/// What both ends share.
#[derive(Debug, Default)]
struct Shared {
    outcome: RefCell<Option<Result<Answer, AskError>>>,
    interims: RefCell<VecDeque<ResponseHead>>,
    asker: RefCell<Option<Waker>>,
    connection: RefCell<Option<Waker>>,
    /// The asker has gone, with the outcome or without.
    is_gone: Cell<bool>,
}

impl Shared {
    fn wake_asker(&self) {
        let waker = self.asker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The future of a response. Dropping it gives the request up.
#[must_use = "dropping it gives the request up"]
pub struct Asking(Rc<Shared>);

/// The connection's end of an [`Asking`].
#[derive(Debug)]
pub struct Asked(Rc<Shared>);

/// Both ends of a request.
pub(crate) fn asking() -> (Asking, Asked) {
    let shared = FREE.with(|free| free.borrow_mut().pop()).unwrap_or_default();
    (Asking(Rc::clone(&shared)), Asked(shared))
}

impl Asking {
    /// The next interim response, or nothing once the final one is there.
    pub fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<Option<ResponseHead>> {
        if let Some(head) = self.0.interims.borrow_mut().pop_front() {
            return Poll::Ready(Some(head));
        }
        if self.0.outcome.borrow().is_some() {
            return Poll::Ready(None);
        }
        self.wait(cx);
        Poll::Pending
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut asker = self.0.asker.borrow_mut();
        if !asker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *asker = Some(cx.waker().clone());
        }
    }
}

impl Future for Asking {
    type Output = Result<Answer, AskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.0.outcome.borrow_mut().take() {
            return Poll::Ready(outcome);
        }
        self.wait(cx);
        Poll::Pending
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.is_gone.set(true);
        // What nobody wants is dropped outside of all borrows: it has wakers of its own.
        let outcome = self.0.outcome.borrow_mut().take();
        drop(outcome);
        let waker = self.0.connection.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
        recycle(&mut self.0);
    }
}

impl Asked {
    /// Has `waker` woken when the asker gives up.
    pub fn notify_gone(&self, waker: &Waker) {
        *self.0.connection.borrow_mut() = Some(waker.clone());
    }

    /// Nobody waits for the response any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.is_gone.get()
    }

    /// An interim response came.
    pub fn interim(&self, head: ResponseHead) {
        let mut interims = self.0.interims.borrow_mut();
        if interims.len() < INTERIMS && !self.is_gone() {
            interims.push_back(head);
            drop(interims);
            self.0.wake_asker();
        }
    }

    /// The response came, or never will.
    pub fn end(self, outcome: Result<Answer, AskError>) {
        // Nobody need be told of the end of what is over.
        let waker = self.0.connection.borrow_mut().take();
        drop(waker);
        if self.is_gone() {
            return drop(outcome);
        }
        *self.0.outcome.borrow_mut() = Some(outcome);
        self.0.wake_asker();
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // A connection that forgets somebody is one that has ended.
        if !self.is_gone() && self.0.outcome.borrow().is_none() {
            let failure = AskFailure::Connection(DialError::Closed(Cause::Aborted));
            let (effect, is_reused) = (Effect::Unknown, false);
            let error = AskError { failure, effect, is_reused, request: None };
            *self.0.outcome.borrow_mut() = Some(Err(error));
            self.0.wake_asker();
        }
        recycle(&mut self.0);
    }
}

/// Keeps it for reuse, if this is the last of its two ends.
fn recycle(shared: &mut Rc<Shared>) {
    let Some(last) = Rc::get_mut(shared) else { return };
    let Shared { outcome, interims, asker, connection, is_gone } = last;
    drop((outcome.take(), asker.take(), connection.take()));
    interims.get_mut().clear();
    is_gone.set(false);
    // At thread exit the list may be gone already: then it is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < POOL {
            free.push(Rc::clone(shared));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also if nobody has looked for the answer yet.
    #[test]
    fn who_is_forgotten_hears_of_it() {
        for is_polled in [false, true] {
            let (asking, asked) = asking();
            let mut asking = std::pin::pin!(asking);
            let mut poll =
                || asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
            if is_polled {
                assert!(!poll());
            }
            drop(asked);
            assert!(poll(), "{is_polled}");
        }
    }
}
