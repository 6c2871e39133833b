//! Chains of layers: collected while a router is built, then stacked around an endpoint, once a
//! route.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Context;

use trilane_exchange::service::panicked;
use trilane_exchange::{After, Exchange, Refusal, Reply, Request, Response, Summary};

use crate::handler::Endpoint;
use crate::layer::{Hook, Layer, Next, Phases};
use crate::route_error::RouteError;

/// Layers, innermost first.
#[derive(Clone, Default)]
pub struct Chain {
    links: Vec<Link>,
    /// The first layer that cannot do what it was told to.
    error: Option<RouteError>,
}

#[derive(Clone)]
enum Link {
    Around(Rc<dyn Around>),
    Hook(Rc<dyn Hook>),
}

/// A middleware whose types are forgotten.
pub(crate) trait Around {
    /// Starts it, and polls it once.
    fn call(&self, request: Request, next: Next, cx: &mut Context<'_>) -> Reply;
}

impl Chain {
    /// Adds a layer around those that are there.
    pub fn add(&mut self, layer: impl Layer) {
        layer.add_to(self);
    }

    /// Says that a layer cannot do what it was told to: the router is not built, and the server does not start. The first
    /// one counts.
    pub fn refuse(&mut self, layer: &'static str, reason: impl Into<String>) {
        self.error.get_or_insert(RouteError::Layer { layer, reason: reason.into() });
    }

    /// Why it cannot stand around anything.
    pub(crate) fn error(&self) -> Option<&RouteError> {
        self.error.as_ref()
    }

    pub(crate) fn add_hook(&mut self, hook: Rc<dyn Hook>) {
        self.links.push(Link::Hook(hook));
    }

    pub(crate) fn add_around(&mut self, around: Rc<dyn Around>) {
        self.links.push(Link::Around(around));
    }

    /// Adds another chain around those that are there.
    pub(crate) fn extend(&mut self, outer: &Self) {
        self.links.extend_from_slice(&outer.links);
        if self.error.is_none() {
            self.error.clone_from(&outer.error);
        }
    }

    /// Stacks the layers around an endpoint.
    pub(crate) fn around(&self, endpoint: Rc<dyn Endpoint>) -> Rc<Stack> {
        let (mut hooks, mut inner) = (Vec::new(), Inner::Endpoint(endpoint));
        for link in &self.links {
            match link {
                Link::Hook(hook) => hooks.push(Rc::clone(hook)),
                Link::Around(around) => {
                    let next = Rc::new(Stack::new(std::mem::take(&mut hooks), inner));
                    inner = Inner::Around(Rc::clone(around), next);
                }
            }
        }
        Rc::new(Stack::new(hooks, inner))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({} layers)", self.links.len())
    }
}

/// Hooks around an endpoint, or around a middleware that is around another stack.
pub(crate) struct Stack {
    hooks: Rc<Hooks>,
    inner: Inner,
}

enum Inner {
    Around(Rc<dyn Around>, Rc<Stack>),
    Endpoint(Rc<dyn Endpoint>),
}

impl Stack {
    /// `hooks` come innermost first.
    fn new(mut hooks: Vec<Rc<dyn Hook>>, inner: Inner) -> Self {
        hooks.reverse();
        Self { hooks: Rc::new(Hooks::new(hooks)), inner }
    }

    /// Runs every after-hook on a response that another made.
    pub(crate) fn after(&self, exchange: &Exchange, response: &mut Response) {
        if let Inner::Around(_, next) = &self.inner {
            next.after(exchange, response);
        }
        self.hooks.after(exchange, response);
    }

    /// Runs every hook on the answer to a message that no hook saw.
    pub(crate) fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        each(&self.hooks.all, |hook| hook.refused(refusal, response));
        if let Inner::Around(_, next) = &self.inner {
            next.refused(refusal, response);
        }
    }

    /// Whether somebody wants to know that an exchange is over.
    pub(crate) fn has_done(&self) -> bool {
        let next = matches!(&self.inner, Inner::Around(_, next) if next.has_done());
        next || !self.hooks.done.is_empty()
    }

    /// Tells every hook that the exchange is over.
    pub(crate) fn done(&self, exchange: &Exchange, summary: &Summary) {
        each(&self.hooks.done, |hook| hook.done(exchange, summary));
        if let Inner::Around(_, next) = &self.inner {
            next.done(exchange, summary);
        }
    }
}

impl Endpoint for Stack {
    fn call(&self, mut request: Request, cx: &mut Context<'_>) -> Reply {
        if self.hooks.all.is_empty() {
            return self.inner.call(request, cx);
        }
        if let Some((ran, mut response)) = self.hooks.before(&mut request) {
            self.hooks.after_first(ran, request.exchange(), &mut response);
            return Reply::Ready(response);
        }
        let exchange = Rc::clone(request.exchange());
        match self.inner.call(request, cx) {
            Reply::Ready(mut response) => {
                self.hooks.after(&exchange, &mut response);
                Reply::Ready(response)
            }
            Reply::Pending(running) => {
                let hooks: Rc<Hooks> = Rc::clone(&self.hooks);
                Reply::Pending(running.then(exchange, hooks))
            }
        }
    }
}

impl Inner {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        match self {
            Self::Around(around, next) => around.call(request, Next::new(Rc::clone(next)), cx),
            Self::Endpoint(endpoint) => endpoint.call(request, cx),
        }
    }
}

/// Hooks, outermost first, sorted once into the lists that requests pass. One `catch_unwind` a pass, not a hook:
/// a panic resumes the pass after its hook.
struct Hooks {
    all: Box<[Rc<dyn Hook>]>,
    /// Each with its place in `all`.
    before: Box<[(usize, Rc<dyn Hook>)]>,
    /// Innermost first.
    after: Box<[Rc<dyn Hook>]>,
    done: Box<[Rc<dyn Hook>]>,
}

impl Hooks {
    fn new(all: Vec<Rc<dyn Hook>>) -> Self {
        let with = |phase| all.iter().filter(move |hook| hook.phases().has(phase)).cloned();
        let mut after: Vec<_> = with(Phases::AFTER).collect();
        after.reverse();
        let before = all.iter().cloned().enumerate();
        Self {
            before: before.filter(|(_, hook)| hook.phases().has(Phases::BEFORE)).collect(),
            after: after.into(),
            done: with(Phases::DONE).collect(),
            all: all.into(),
        }
    }

    /// The response of the first hook that gives one, or panics, and how many hooks stand up to it.
    fn before(&self, request: &mut Request) -> Option<(usize, Response)> {
        let at = Cell::new(0);
        let pass = catch_unwind(AssertUnwindSafe(|| {
            self.before.iter().find_map(|(place, hook)| {
                at.set(*place);
                hook.before(request)
            })
        }));
        let response = pass.unwrap_or_else(|panic| Some(panicked(&*panic)))?;
        Some((at.get() + 1, response))
    }

    /// Runs the after-hooks of the first `count` hooks, innermost first.
    fn after_first(&self, count: usize, exchange: &Exchange, response: &mut Response) {
        let ran = self.all[..count].iter().rev().filter(|hook| hook.phases().has(Phases::AFTER));
        pass_back(ran, exchange, response);
    }
}

impl After for Hooks {
    fn after(&self, exchange: &Exchange, response: &mut Response) {
        pass_back(self.after.iter(), exchange, response);
    }
}

/// Runs after-hooks; a panic is the response to those further out.
fn pass_back<'a>(
    mut hooks: impl Iterator<Item = &'a Rc<dyn Hook>>,
    exchange: &Exchange,
    response: &mut Response,
) {
    loop {
        let pass = catch_unwind(AssertUnwindSafe(|| {
            hooks.by_ref().for_each(|hook| hook.after(exchange, response));
        }));
        match pass {
            Ok(()) => return,
            Err(panic) => *response = panicked(&*panic),
        }
    }
}

/// Does something with each hook, in order; what panics is passed over.
fn each(hooks: &[Rc<dyn Hook>], mut work: impl FnMut(&dyn Hook)) {
    let mut left = hooks.iter();
    while catch_unwind(AssertUnwindSafe(|| left.by_ref().for_each(|hook| work(&**hook)))).is_err() {
    }
}
