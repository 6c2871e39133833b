//! What becomes of a route's requests: exactly one thing.

use std::collections::BTreeMap;
use std::rc::Rc;

use trilane::proxy::{Proxy, Servers};
use trilane::{Method, MethodRouter, Metrics, Request, ServeDir, any, on};

use super::redirect::RedirectAction;
use super::respond::RespondAction;
use super::schema::RouteSection;
use crate::files::FilesSection;

/// What actions are made of, on one shard.
pub(crate) struct Around<'a> {
    /// How files are served where a route does not say.
    pub(crate) files: &'a FilesSection,
    /// The servers behind us.
    pub(crate) near: BTreeMap<String, Servers>,
    /// What is counted.
    pub(crate) metrics: &'a Metrics,
    /// What we are called in Via.
    pub(crate) pseudonym: &'a str,
}

/// What a route does; clones share what it remembers.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Files(ServeDir),
    Proxy(Proxy, bool),
    Redirect(Rc<RedirectAction>),
    Respond(Rc<RespondAction>),
    Metrics(Metrics),
}

impl Action {
    /// The one that a route names, on a shard.
    ///
    /// # Errors
    /// There is none, or more than one, or it cannot be done there, in words.
    pub(crate) fn of(route: &RouteSection, around: &Around<'_>) -> Result<Self, String> {
        let mut actions = Vec::new();
        if let Some(root) = &route.root {
            let ends_so = |path: &String| path.ends_with('}') && !path.ends_with("}}");
            if !route.path.as_ref().is_none_or(ends_so) {
                return Err("root needs a prefix, or a path that ends with a parameter".to_owned());
            }
            actions.push(Self::Files(route.files.as_ref().unwrap_or(around.files).serve(root)));
        } else if route.files.is_some() {
            return Err("files is for a route with a root".to_owned());
        }
        if let Some(redirect) = &route.redirect {
            let pattern = route.path.as_deref().unwrap_or("{*rest}");
            let is_there = |name: &str| {
                [format!("{{{name}}}"), format!("{{*{name}}}")]
                    .iter()
                    .any(|it| pattern.contains(it))
            };
            if let Some(name) = redirect.parameters().find(|name| !is_there(name)) {
                return Err(format!("redirect: the path has no parameter '{name}'"));
            }
            actions.push(Self::Redirect(Rc::new(redirect.clone())));
        }
        if let Some(respond) = &route.respond {
            actions.push(Self::Respond(Rc::new(respond.clone())));
        }
        if let Some(proxy) = &route.proxy {
            let handler = proxy.handler(&around.near, route.prefix.as_deref(), around.pseudonym)?;
            actions.push(Self::Proxy(handler, proxy.websocket()));
        }
        if route.metrics {
            actions.push(Self::Metrics(around.metrics.clone()));
        }
        match <[Self; 1]>::try_from(actions) {
            Ok([action]) => Ok(action),
            Err(_) => {
                Err("it needs one of root, proxy, redirect, respond, metrics, and no more"
                    .to_owned())
            }
        }
    }

    /// The methods that it answers if the route does not say: all of them, or one.
    pub(crate) fn usual(&self) -> Option<Method> {
        match self {
            Self::Files(_) | Self::Metrics(_) => Some(Method::GET),
            Self::Proxy(..) | Self::Redirect(_) | Self::Respond(_) => None,
        }
    }

    /// It for one method, or for all.
    pub(crate) fn on(&self, method: Option<&Method>) -> MethodRouter {
        macro_rules! handled {
            ($handler:expr) => {
                match method {
                    Some(method) => on(method.clone(), $handler),
                    None => any($handler),
                }
            };
        }
        match self.clone() {
            Self::Files(files) => handled!(files),
            Self::Proxy(proxy, takes_websockets) => {
                let one = handled!(move |request: Request| proxy.clone().forward(request));
                if takes_websockets { one.websockets() } else { one }
            }
            Self::Redirect(redirect) => handled!(move |request: Request| {
                let response = redirect.answer(&request);
                async { response }
            }),
            Self::Metrics(metrics) => handled!(metrics.handler()),
            Self::Respond(respond) => handled!(move || {
                let response = respond.answer();
                async { response }
            }),
        }
    }
}
