//! A router that serves: finds the route, and runs its stack of layers and its handler.
//!
//! Allocates nothing itself. Matches what [`path`] lets through, and nothing else.

use std::fmt;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use smallvec::SmallVec;
use trilane_exchange::{
    ConnectionInfo, Error, Exchange, Params, Refusal, Reply, Request, Response, Service, Summary,
    Template,
};
use trilane_semantics::{Form, Method, RequestHead, StatusCode};

use crate::allow::Allowed;
use crate::chain::{Chain, Stack};
use crate::fixed::FixedPaths;
use crate::handler::Endpoint;
use crate::host::Hosts;
use crate::method::{Filter, MethodRouter};
use crate::path::{self, BadPath};
use crate::router::Moved;

/// The only `:protocol` that routes know (RFC 8441 §5).
const WEBSOCKET: &str = "websocket";

/// A router that serves. One a shard.
pub struct App {
    routes: Vec<Route>,
    tree: matchit::Router<usize>,
    fixed: FixedPaths,
    /// Those with routes of their own.
    hosts: Hosts<Self>,
    /// The fallbacks of nested routers.
    nested: Vec<Rc<Stack>>,
    fallbacks: matchit::Router<usize>,
    fallback: Rc<Stack>,
    bad_path: Rc<Stack>,
    not_found: Rc<Stack>,
    asterisk: Rc<Stack>,
    connect: Rc<Stack>,
    /// Where each route's template lies in memory, sorted, and the route's number: from an exchange
    /// back to its route without comparing text.
    templates: Vec<(usize, usize)>,
    /// Whether some layer wants to know that an exchange is over.
    has_done: bool,
    /// Wants to know of clients that move.
    moved: Option<Rc<Moved>>,
}

/// What a router gives to its app.
pub(crate) struct Parts {
    pub(crate) hosts: Hosts<App>,
    pub(crate) routes: Vec<Route>,
    pub(crate) tree: matchit::Router<usize>,
    pub(crate) nested: Vec<Rc<Stack>>,
    pub(crate) fallbacks: matchit::Router<usize>,
    pub(crate) fallback: Option<Rc<Stack>>,
    pub(crate) moved: Option<Rc<Moved>>,
}

/// One path.
pub(crate) struct Route {
    template: Rc<Template>,
    handlers: Vec<(Method, Rc<Stack>)>,
    any: Option<Rc<Stack>>,
    /// Opens WebSockets.
    websocket: Option<Rc<Stack>>,
    /// Answers what no handler does.
    other: Rc<Stack>,
    /// Whose handlers take early data.
    early: Vec<Filter>,
}

impl Route {
    /// `known` are the methods that some path of the app has.
    pub(crate) fn new(
        path: &str,
        names: Box<[Box<str>]>,
        methods: MethodRouter,
        known: &Rc<[Method]>,
    ) -> Self {
        let filters = methods.handlers.iter().map(|entry| &entry.filter);
        let other = methods.chain.around(Rc::new(Allowed::new(filters, Rc::clone(known))));
        let (mut handlers, mut early) = (Vec::new(), Vec::new());
        let (mut any, mut websocket) = (None, None);
        for entry in methods.handlers {
            if entry.takes_early {
                early.push(entry.filter.clone());
            }
            let stack = entry.chain.around((entry.make)(&()));
            if entry.takes_websocket {
                websocket = Some(Rc::clone(&stack));
            }
            match entry.filter {
                Filter::Any => any = Some(stack),
                Filter::Only(method) => handlers.push((method, stack)),
            }
        }
        let template = Rc::new(Template { text: path.into(), names });
        Self { template, handlers, any, websocket, other, early }
    }

    fn has_done(&self) -> bool {
        let stacks = self.handlers.iter().map(|(_, stack)| stack).chain(&self.any);
        stacks.chain([&self.other]).any(|stack| stack.has_done())
    }

    fn stack(&self, head: &RequestHead) -> &Rc<Stack> {
        let method = &head.method;
        let of = |wanted: &Method| {
            self.handlers.iter().find(|(method, _)| method == wanted).map(|(_, stack)| stack)
        };
        of(method)
            // RFC 9110 §9.3.2: HEAD is GET without the content, which the machine leaves out.
            .or_else(|| if *method == Method::HEAD { of(&Method::GET) } else { None })
            .or_else(|| {
                self.websocket.as_ref().filter(|_| head.connect_protocol() == Some(WEBSOCKET))
            })
            .or_else(|| {
                let asked_for = *method == Method::CONNECT || *method == Method::TRACE;
                self.any.as_ref().filter(|_| !asked_for)
            })
            .unwrap_or(&self.other)
    }
}

impl Route {
    fn takes_early(&self, method: &Method) -> bool {
        let takes = |wanted: &Filter| self.early.contains(wanted);
        let is_handled = self.handlers.iter().any(|(handled, _)| handled == method);
        if is_handled { takes(&Filter::Only(method.clone())) } else { takes(&Filter::Any) }
    }
}

impl App {
    /// `chain` is around all that no route answers, `server` answers `OPTIONS *`.
    pub(crate) fn new(parts: Parts, chain: &Chain, server: Allowed) -> Self {
        let refusal = |status, message| chain.around(Rc::new(Fixed { status, message }));
        let not_found = refusal(StatusCode::NOT_FOUND, "there is nothing at this path");
        let mut templates: Vec<_> = (0..)
            .zip(&parts.routes)
            .map(|(at, route)| (address(&route.template.text), at))
            .collect();
        templates.sort_unstable();
        let fixed = FixedPaths::new(parts.routes.iter().map(|route| &*route.template.text));
        let of_routes = parts.routes.iter().any(Route::has_done);
        Self {
            has_done: of_routes
                || parts.hosts.all().any(|app| app.has_done)
                || not_found.has_done()
                || parts.nested.iter().any(|it| it.has_done()),
            templates,
            moved: parts.moved,
            tree: parts.tree,
            fixed,
            hosts: parts.hosts,
            nested: parts.nested,
            fallbacks: parts.fallbacks,
            fallback: parts.fallback.unwrap_or_else(|| Rc::clone(&not_found)),
            bad_path: refusal(StatusCode::BAD_REQUEST, "the path is badly encoded"),
            not_found,
            asterisk: chain.around(Rc::new(server)),
            connect: refusal(StatusCode::NOT_IMPLEMENTED, "tunnels are not served here"),
            routes: parts.routes,
        }
    }

    /// The routes for the host that a request is for.
    fn of(&self, head: &RequestHead) -> &Self {
        self.hosts.find(head).unwrap_or(self)
    }

    /// The stack for a request; notes in it which route it took.
    fn find(&self, request: &mut Request) -> &Rc<Stack> {
        // RFC 9220 §3: a protocol that is not known here. RFC 8441 §5: WebSockets have paths as GET has.
        if request.head().connect_protocol().is_some_and(|protocol| protocol != WEBSOCKET) {
            return &self.connect;
        }
        // Such a path was checked when its route was added, and begins with a slash: it needs no other look.
        if let Some(at) = self.fixed.at(request.path()) {
            return self.routed(request, at, SmallVec::new());
        }
        match request.head().form() {
            Form::Asterisk => return &self.asterisk,
            Form::Authority => return &self.connect,
            Form::Absolute | Form::Origin => (),
        }
        match path::check(request.path()) {
            Ok(()) => (),
            Err(BadPath::DotSegment) => return &self.not_found,
            Err(BadPath::Encoding) => return &self.bad_path,
        }
        let path = request.path();
        match self.tree.at(path) {
            Ok(found) if self.is_walked_around(path, Ok(*found.value)) => &self.bad_path,
            Ok(found) => {
                let (at, values) = (*found.value, places(path, &found.params));
                self.routed(request, at, values)
            }
            Err(_) => {
                let fallback = self.fallback_for(path);
                let is_odd = self.is_walked_around(path, Err(fallback));
                if is_odd { &self.bad_path } else { fallback }
            }
        }
    }

    /// Whether `path` has that route or fallback only because of how it is written. A route that has no parameters is the one that was
    /// meant.
    fn is_walked_around(&self, path: &str, found: Result<usize, &Rc<Stack>>) -> bool {
        let Some(plain) = path::plain(path) else { return false };
        let is_exact = |at: usize| self.routes[at].template.names.is_empty();
        match (found, self.tree.at(&plain)) {
            (Ok(at), _) if is_exact(at) => false,
            (Ok(at), Ok(meant)) => *meant.value != at,
            (Ok(_), Err(_)) => false,
            // There is nothing there, written in whatever way.
            (Err(fallback), _) if Rc::ptr_eq(fallback, &self.not_found) => false,
            (Err(_), Ok(_)) => true,
            (Err(fallback), Err(_)) => !Rc::ptr_eq(fallback, self.fallback_for(&plain)),
        }
    }

    /// The stack of route `at`, noted in the request.
    fn routed(&self, request: &mut Request, at: usize, values: Places) -> &Rc<Stack> {
        // Every number in the tree, and every fixed path's, is a route's.
        let route = &self.routes[at];
        let stack = route.stack(request.head());
        request.set_params(Params::new(Rc::clone(&route.template), values));
        stack
    }

    /// The stack for a path that no route has.
    fn fallback_for(&self, path: &str) -> &Rc<Stack> {
        let nested = self.fallbacks.at(path).ok().and_then(|found| self.nested.get(*found.value));
        nested.unwrap_or(&self.fallback)
    }

    /// The stack that an exchange went through, as far as can be told from its route.
    fn stack_of(&self, exchange: &Exchange) -> &Rc<Stack> {
        let template = exchange.params().template().map(address);
        let found = template.and_then(|template| {
            let at =
                self.templates.binary_search_by_key(&template, |(address, _)| *address).ok()?;
            self.routes.get(self.templates[at].1)
        });
        found.map_or(&self.not_found, |route| route.stack(exchange.head()))
    }
}

impl Service for App {
    fn call(&self, mut request: Request, cx: &mut Context<'_>) -> Reply {
        self.of(request.head()).find(&mut request).call(request, cx)
    }

    /// Layers that saw the request see its answer; of a message that none of them saw, the router's
    /// own are told.
    fn refuse(&self, refusal: &Refusal<'_>) -> Response {
        let mut response = Error::from(refusal.reason).into();
        let routed = |exchange: &&Exchange| {
            exchange.params().template().is_some() || exchange.request_id().is_some()
        };
        match refusal.exchange.filter(routed) {
            Some(exchange) => {
                self.of(exchange.head()).stack_of(exchange).after(exchange, &mut response);
            }
            None => self.not_found.refused(refusal, &mut response),
        }
        response
    }

    fn takes_early(&self, head: &RequestHead) -> bool {
        let app = self.of(head);
        let found = app.tree.at(head.path()).ok();
        found.and_then(|found| app.routes.get(*found.value)).is_some_and(|route| {
            path::check(head.path()).is_ok() && route.takes_early(&head.method)
        })
    }

    fn moved(&self, old: &ConnectionInfo, new: &ConnectionInfo) {
        if let Some(moved) = &self.moved {
            moved(old, new);
        }
    }

    fn blocked(&self, exchange: Option<&Exchange>, took: Duration) {
        let head = exchange.map(Exchange::head);
        tracing::warn!(
            route = exchange.and_then(|exchange| exchange.params().template()),
            method = head.map(|head| head.method.as_str()),
            took_ms = took.as_millis() as u64,
            "{} has kept its shard from all others",
            if exchange.is_some() { "a handler" } else { "a task" }
        );
    }

    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        if self.has_done {
            // The summary knows the turns of the loop only; a handler may take all of one.
            let duration = exchange.shard().clock().since(exchange.started());
            let summary = Summary { duration, ..*summary };
            self.of(exchange.head()).stack_of(exchange).done(exchange, &summary);
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes.iter().map(|route| &route.template.text)).finish()
    }
}

/// Beginning and end of each parameter.
type Places = SmallVec<[(u32, u32); 4]>;

/// Where in the path the parameters lie.
fn places(path: &str, params: &matchit::Params<'_, '_>) -> Places {
    let values = params.iter().map(|(_, value)| {
        let start = value.as_ptr() as usize - path.as_ptr() as usize;
        (start as u32, (start + value.len()) as u32)
    });
    values.collect()
}

fn address(template: &str) -> usize {
    template.as_ptr() as usize
}

/// Answers with an error that never changes.
struct Fixed {
    status: StatusCode,
    message: &'static str,
}

impl Endpoint for Fixed {
    fn call(&self, _: Request, _: &mut Context<'_>) -> Reply {
        Reply::Ready(Error::new(self.status).message(self.message).into())
    }
}
