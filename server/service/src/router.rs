//! Routers: paths, prefixes and layers, put together at the start into an [`App`].
//!
//! Conflicts are found while it is put together, never while it serves. [`path`] has the rule by
//! which paths are matched.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use trilane_exchange::ConnectionInfo;
use trilane_semantics::Method;

use crate::allow::{Allowed, methods};
use crate::app::{App, Parts, Route};
use crate::chain::Chain;
use crate::files::ServeDir;
use crate::handler::Handler;
use crate::host::Hosts;
use crate::layer::Layer;
use crate::method::{Entry, Filter, Make, MethodRouter, get, make};
use crate::path;
use crate::route_error::RouteError;

/// Routes by path and method. `S` is the state that its handlers still need.
///
/// A path is `/users/{id}` with a parameter that takes one segment, or `/static/{*path}` with one
/// that takes the rest; `{{` and `}}` are the braces themselves.
pub struct Router<S = ()> {
    routes: Vec<(String, MethodRouter<S>)>,
    index: HashMap<String, usize>,
    tree: matchit::Router<usize>,
    fallback: Option<Fallback<S>>,
    /// Of nested routers, by the two patterns of their prefix.
    nested: Vec<(String, Fallback<S>)>,
    chain: Chain,
    hosts: Hosts<Self>,
    moved: Option<Rc<Moved>>,
    error: Option<RouteError>,
}

/// Is told of both addresses of a connection, before and after.
pub(crate) type Moved = dyn Fn(&ConnectionInfo, &ConnectionInfo);

struct Fallback<S> {
    make: Make<S>,
    chain: Chain,
}

impl<S: Clone + 'static> Router<S> {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            routes: Vec::new(),
            index: HashMap::new(),
            tree: matchit::Router::new(),
            fallback: None,
            nested: Vec::new(),
            chain: Chain::default(),
            hosts: Hosts::default(),
            moved: None,
            error: None,
        }
    }

    /// Adds a path, or methods to a path that is there. An error is kept for [`Router::build`].
    #[must_use]
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        let added = self.add(path.to_owned(), methods);
        self.note(added);
        self
    }

    /// Adds a path, or methods to a path that is there.
    ///
    /// # Errors
    /// [`RouteError`] of this path.
    pub fn try_route(mut self, path: &str, methods: MethodRouter<S>) -> Result<Self, RouteError> {
        self.add(path.to_owned(), methods)?;
        Ok(self)
    }

    /// Adds the routes of another router below a prefix, such as `/api` or `/orgs/{org}`; its `/`
    /// is the prefix itself. Its layers stay around its routes and its fallback. An error is kept
    /// for [`Router::build`].
    #[must_use]
    pub fn nest(mut self, prefix: &str, inner: Self) -> Self {
        let added = self.add_nested(prefix, inner);
        self.note(added);
        self
    }

    /// As [`Router::nest`].
    ///
    /// # Errors
    /// The first [`RouteError`] of the prefix or of the other router.
    pub fn try_nest(mut self, prefix: &str, inner: Self) -> Result<Self, RouteError> {
        self.add_nested(prefix, inner)?;
        Ok(self)
    }

    /// Adds the routes of another router as they are. An error is kept for [`Router::build`].
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        let added = self.add_merged(other);
        self.note(added);
        self
    }

    /// As [`Router::merge`].
    ///
    /// # Errors
    /// The first [`RouteError`] of the two.
    pub fn try_merge(mut self, other: Self) -> Result<Self, RouteError> {
        self.add_merged(other)?;
        Ok(self)
    }

    /// Adds the routes of another router for one host alone (RFC 9110 §7.2), such as `example.org`
    /// or `[::1]`: any port, any case. `*.example.org` is for every host with one label before that, but for those that
    /// are named. The other routes are for all other hosts; to a path that the host's router does not have, its own fallback
    /// answers. An error is kept for [`Router::build`].
    ///
    /// ```
    /// use trilane_service::{Router, get};
    /// let api = Router::new().route("/", get(|| async { "the API" }));
    /// let router: Router =
    ///     Router::new().host("api.example.org", api).route("/", get(|| async { "the site" }));
    /// ```
    #[must_use]
    pub fn host(mut self, host: &str, inner: Self) -> Self {
        let added = self.add_host(host, inner);
        self.note(added);
        self
    }

    /// Serves files below a prefix such as `/static`, or `/` for all paths that no other route has. An error is kept for
    /// [`Router::build`].
    #[must_use]
    pub fn serve_dir(mut self, prefix: &str, files: ServeDir) -> Self {
        if let Some(error) = files.error() {
            let error = RouteError::Files { prefix: prefix.into(), error: error.clone() };
            self.note(Err(error));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let router = match prefix {
            "" => self,
            _ => self.route(prefix, get(files.clone())),
        };
        router
            .route(&format!("{prefix}/"), get(files.clone()))
            .route(&format!("{prefix}/{{*path}}"), get(files))
    }

    /// Calls `moved` when the client of a connection has another address than before (RFC 9000 §9), by its own will or by its
    /// network's, with what is known of the connection before and after. Only HTTP/3 has such connections. The last one counts; of
    /// nested routers, none.
    ///
    /// ```
    /// use trilane_service::Router;
    /// let router: Router = Router::new().on_migration(|old, new| {
    ///     let _ = format!("{} is at {} now", old.peer, new.peer);
    /// });
    /// ```
    #[must_use]
    pub fn on_migration(
        mut self,
        moved: impl Fn(&ConnectionInfo, &ConnectionInfo) + 'static,
    ) -> Self {
        self.moved = Some(Rc::new(moved));
        self
    }

    /// Answers requests whose path no route has, instead of 404; below the prefix if this router is
    /// nested.
    #[must_use]
    pub fn fallback<H: Handler<T, S>, T: 'static>(mut self, handler: H) -> Self {
        self.fallback = Some(Fallback { make: make(handler), chain: Chain::default() });
        self
    }

    /// Puts a layer around every route that is there so far, nested ones included, and around
    /// fallbacks and the answers the router makes itself. The layer added last is outermost.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        let mut outer = Chain::default();
        outer.add(layer);
        self.surround(&outer);
        self
    }

    fn surround(&mut self, outer: &Chain) {
        for (_, methods) in &mut self.routes {
            methods.surround(outer);
        }
        for (_, fallback) in &mut self.nested {
            fallback.chain.extend(outer);
        }
        for inner in self.hosts.routers() {
            inner.surround(outer);
        }
        self.chain.extend(outer);
    }

    /// Gives the handlers the state they need.
    #[must_use]
    pub fn with_state(self, state: S) -> Router {
        let bound = |make: Make<S>| -> Make<()> {
            let endpoint = make(&state);
            Box::new(move |()| endpoint)
        };
        let fallback = |it: Fallback<S>| Fallback { make: bound(it.make), chain: it.chain };
        let methods = |it: MethodRouter<S>| {
            let handlers = it.handlers.into_iter().map(|entry| Entry {
                filter: entry.filter,
                make: bound(entry.make),
                chain: entry.chain,
                takes_early: entry.takes_early,
                takes_websocket: entry.takes_websocket,
            });
            MethodRouter { handlers: handlers.collect(), chain: it.chain }
        };
        Router {
            routes: self.routes.into_iter().map(|(path, it)| (path, methods(it))).collect(),
            index: self.index,
            tree: self.tree,
            fallback: self.fallback.map(fallback),
            nested: self.nested.into_iter().map(|(path, it)| (path, fallback(it))).collect(),
            chain: self.chain,
            hosts: self.hosts.map(|inner| inner.with_state(state.clone())),
            moved: self.moved,
            error: self.error,
        }
    }

    /// The first error of its routes, or of its layers.
    fn wrong(&self) -> Option<&RouteError> {
        self.error.as_ref().or_else(|| self.chain.error())
    }

    fn note(&mut self, added: Result<(), RouteError>) {
        if let Err(error) = added {
            self.error.get_or_insert(error);
        }
    }

    fn add(&mut self, path: String, methods: MethodRouter<S>) -> Result<(), RouteError> {
        let visible = path.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
        // One that could be written plainly no request would ever have (see `path`).
        let is_odd = path::check(&path).is_err() || path::plain(&path).is_some();
        if !path.starts_with('/') || !visible || is_odd {
            return Err(RouteError::Path { path });
        }
        if let Some(error) = methods.chain.error() {
            return Err(error.clone());
        }
        let at = match self.index.get(&path) {
            Some(&at) => at,
            None => {
                names(&path)?;
                insert(&mut self.tree, &path, self.routes.len())?;
                self.index.insert(path.clone(), self.routes.len());
                let (handlers, chain) = (Vec::new(), methods.chain);
                self.routes.push((path.clone(), MethodRouter { handlers, chain }));
                self.routes.len() - 1
            }
        };
        let route = &mut self.routes[at].1;
        route.handlers.extend(methods.handlers);
        match route.duplicate() {
            None => Ok(()),
            Some(filter) => Err(RouteError::Duplicate { path, method: filter.to_string() }),
        }
    }

    fn add_host(&mut self, host: &str, inner: Self) -> Result<(), RouteError> {
        let wrong = || RouteError::Host { host: host.to_owned() };
        if inner.hosts.is_some() {
            return Err(wrong());
        }
        if self.hosts.add(host, inner) { Ok(()) } else { Err(wrong()) }
    }

    fn add_nested(&mut self, prefix: &str, inner: Self) -> Result<(), RouteError> {
        let takes_rest = prefix.contains("{*");
        if !prefix.starts_with('/') || prefix.ends_with('/') || takes_rest {
            return Err(RouteError::Prefix { prefix: prefix.to_owned() });
        }
        if let Some(error) = inner.wrong() {
            return Err(error.clone());
        }
        if let Some(host) = inner.hosts.into_first() {
            return Err(RouteError::Host { host });
        }
        for (path, methods) in inner.routes {
            let rest = if path == "/" { "" } else { &path };
            self.add(format!("{prefix}{rest}"), methods)?;
        }
        for (inner_prefix, fallback) in inner.nested {
            self.add_fallback(format!("{prefix}{inner_prefix}"), fallback)?;
        }
        if let Some(mut fallback) = inner.fallback {
            fallback.chain.extend(&inner.chain);
            self.add_fallback(prefix.to_owned(), fallback)?;
        }
        Ok(())
    }

    fn add_merged(&mut self, other: Self) -> Result<(), RouteError> {
        if let Some(error) = other.wrong() {
            return Err(error.clone());
        }
        self.moved = self.moved.take().or(other.moved);
        for (path, methods) in other.routes {
            self.add(path, methods)?;
        }
        for (host, inner) in other.hosts {
            self.add_host(&host, inner)?;
        }
        for (prefix, fallback) in other.nested {
            self.add_fallback(prefix, fallback)?;
        }
        let Some(mut fallback) = other.fallback else { return Ok(()) };
        if self.fallback.is_some() {
            return Err(RouteError::Fallback { prefix: String::new() });
        }
        fallback.chain.extend(&other.chain);
        self.fallback = Some(fallback);
        Ok(())
    }

    fn add_fallback(&mut self, prefix: String, fallback: Fallback<S>) -> Result<(), RouteError> {
        if self.nested.iter().any(|(other, _)| *other == prefix) {
            return Err(RouteError::Fallback { prefix });
        }
        self.nested.push((prefix, fallback));
        Ok(())
    }
}

impl Router {
    /// Puts it all together.
    ///
    /// # Errors
    /// The first [`RouteError`] of any path in it.
    pub fn build(self) -> Result<App, RouteError> {
        if let Some(error) = self.wrong() {
            return Err(error.clone());
        }
        let mut fallbacks = matchit::Router::new();
        let mut nested = Vec::with_capacity(self.nested.len());
        for (prefix, fallback) in self.nested {
            for pattern in [prefix.clone(), format!("{prefix}/"), format!("{prefix}/{{*fallback}}")]
            {
                insert(&mut fallbacks, &pattern, nested.len())?;
            }
            nested.push(fallback.chain.around((fallback.make)(&())));
        }
        let filters =
            || self.routes.iter().flat_map(|(_, it)| it.handlers.iter().map(|entry| &entry.filter));
        let known: Rc<[Method]> = methods(filters()).into();
        let server = Allowed::new(filters(), Rc::clone(&known));
        let routes: Result<Vec<Route>, RouteError> = self
            .routes
            .into_iter()
            .map(|(path, methods)| Ok(Route::new(&path, names(&path)?, methods, &known)))
            .collect();
        let fallback = self.fallback.map(|fallback| {
            let mut chain = fallback.chain;
            chain.extend(&self.chain);
            chain.around((fallback.make)(&()))
        });
        let hosts = self.hosts.try_map(Self::build)?;
        let (tree, moved) = (self.tree, self.moved);
        let parts = Parts { hosts, routes: routes?, tree, fallbacks, nested, fallback, moved };
        Ok(App::new(parts, &self.chain, server))
    }
}

fn insert(tree: &mut matchit::Router<usize>, path: &str, at: usize) -> Result<(), RouteError> {
    tree.insert(path, at).map_err(|error| match error {
        matchit::InsertError::Conflict { with } => {
            RouteError::Conflict { path: path.to_owned(), with }
        }
        _ => RouteError::Parameter { path: path.to_owned() },
    })
}

/// The names of the parameters of a path, in order. Braces that are doubled stand for themselves; a
/// name has none, so that nobody reads another end of it than matchit does.
fn names(path: &str) -> Result<Box<[Box<str>]>, RouteError> {
    let malformed = || RouteError::Parameter { path: path.to_owned() };
    let is_brace = |c| matches!(c, '{' | '}');
    let mut names: Vec<Box<str>> = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find(is_brace) {
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            rest = after;
            continue;
        }
        let (name, after) = rest[1..].split_once(is_brace).ok_or_else(malformed)?;
        let is_closed = rest.starts_with('{') && rest[1 + name.len()..].starts_with('}');
        let name = name.strip_prefix('*').unwrap_or(name);
        let is_new = !name.is_empty() && names.iter().all(|other| **other != *name);
        if !is_closed || !is_new || after.starts_with('}') {
            return Err(malformed());
        }
        names.push(name.into());
        rest = after;
    }
    Ok(names.into())
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Only(method) => method.fmt(f),
        }
    }
}

impl<S: Clone + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl TryFrom<Router> for App {
    type Error = RouteError;

    fn try_from(router: Router) -> Result<Self, RouteError> {
        router.build()
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.routes.iter().map(|(path, methods)| (path, methods))).finish()
    }
}
