//! Layers: what stands around handlers. A hook never waits and costs one virtual call; a middleware
//! is an async function around the rest.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use trilane_exchange::{Exchange, Pool, Refusal, Reply, Request, Response, Running, Summary};

use crate::chain::{Around, Chain, Stack};
use crate::handler::Endpoint;
use crate::respond::IntoResponse;

/// Which methods of a [`Hook`] are called on the way of every request. Sets are joined by `|`.
///
/// ```
/// use trilane_service::Phases;
/// assert!((Phases::BEFORE | Phases::DONE).has(Phases::DONE));
/// assert!(!Phases::BEFORE.has(Phases::AFTER));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// [`Hook::before`].
    pub const BEFORE: Self = Self(1);
    /// [`Hook::after`].
    pub const AFTER: Self = Self(2);
    /// [`Hook::done`].
    pub const DONE: Self = Self(4);
    /// All of them.
    pub const ALL: Self = Self(7);

    /// Whether `phase` is one of them.
    #[must_use]
    pub const fn has(self, phase: Self) -> bool {
        self.0 & phase.0 != 0
    }
}

impl std::ops::BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A layer that never waits. A panic in one is a 500, and takes nothing else down.
pub trait Hook {
    /// Which of the three methods below that every request passes it has. Those it has not cost nothing. Asked once,
    /// at the start.
    fn phases(&self) -> Phases {
        Phases::ALL
    }

    /// Before the handler, outermost hook first. A response is the answer: what is further in does
    /// not run, and [`Hook::after`] runs on this hook and on those further out.
    fn before(&self, request: &mut Request) -> Option<Response> {
        let _ = request;
        None
    }

    /// After the handler, innermost hook first.
    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let _ = (exchange, response);
    }

    /// An answer that the server made before any layer saw a request, such as to a malformed head.
    /// Outermost hook first. There is an exchange if the head could be read; no handler will see it.
    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        let _ = (refusal, response);
    }

    /// The exchange is over, its content sent or lost. Outermost hook first.
    fn done(&self, exchange: &Exchange, summary: &Summary) {
        let _ = (exchange, summary);
    }
}

/// Something to be put around handlers: a [`Hook`], a [`Middleware`], or several of them.
pub trait Layer {
    /// Adds its parts to the chain, innermost first.
    fn add_to(self, chain: &mut Chain);
}

impl<H: Hook + 'static> Layer for H {
    fn add_to(self, chain: &mut Chain) {
        chain.add_hook(Rc::new(self));
    }
}

/// An async function around the rest. Clones share the memory of its futures.
#[derive(Clone)]
pub struct Middleware(Rc<dyn Around>);

/// A middleware of an async function. [`Next::run`] runs what is further in.
///
/// ```
/// use trilane_service::{Next, Request, Response, from_fn};
/// let timed = from_fn(|request: Request, next: Next| async move {
///     let (shard, started) = (request.shard().clone(), request.exchange().started());
///     let response: Response = next.run(request).await;
///     response.field("server-timing", format!("app;dur={}",
///     shard.now().since(started).as_millis())) });
/// ```
pub fn from_fn<M, F>(middleware: M) -> Middleware
where
    M: Fn(Request, Next) -> F + 'static,
    F: Future<Output: IntoResponse> + 'static,
{
    let middleware = Rc::new(middleware);
    Middleware(function(move |request, next| {
        let middleware = Rc::clone(&middleware);
        // Called inside the future, where a panic is caught.
        async move { middleware(request, next).await.into_response() }
    }))
}

impl Layer for Middleware {
    fn add_to(self, chain: &mut Chain) {
        chain.add_around(self.0);
    }
}

impl fmt::Debug for Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Middleware")
    }
}

/// What is further in than a middleware.
pub struct Next(Rc<Stack>);

impl Next {
    pub(crate) const fn new(inner: Rc<Stack>) -> Self {
        Self(inner)
    }

    /// Runs it. Allocates nothing when it is ready at once.
    pub fn run(self, request: Request) -> impl Future<Output = Response> {
        Rest::Start(Some((self.0, request)))
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

/// The future of [`Next::run`].
enum Rest {
    Start(Option<(Rc<Stack>, Request)>),
    Running(Running),
}

impl Future for Rest {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match &mut *self {
            Self::Running(running) => running.poll(cx),
            Self::Start(start) => {
                let Some((stack, request)) = start.take() else { return Poll::Pending };
                match stack.call(request, cx) {
                    Reply::Ready(response) => Poll::Ready(response),
                    Reply::Pending(running) => {
                        *self = Self::Running(running);
                        Poll::Pending
                    }
                }
            }
        }
    }
}

pub(crate) fn function<M, F>(make: M) -> Rc<dyn Around>
where
    M: Fn(Request, Next) -> F + 'static,
    F: Future<Output = Response> + 'static,
{
    Rc::new(Function { make, pool: Rc::default() })
}

struct Function<M, F> {
    make: M,
    pool: Rc<Pool<F>>,
}

impl<M, F> Around for Function<M, F>
where
    M: Fn(Request, Next) -> F,
    F: Future<Output = Response> + 'static,
{
    fn call(&self, request: Request, next: Next, cx: &mut Context<'_>) -> Reply {
        self.pool.run((self.make)(request, next), cx)
    }
}
