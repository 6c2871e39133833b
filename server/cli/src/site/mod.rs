//! What a file has served: hosts, their routes, and what becomes of the requests for them.
//!
//! `schema` is what the file may say, `pattern` which requests a route is for, `action` what it does with them, `behind` the servers
//! that some of it needs, `measures` what became of what they were asked. A router is made of it once a shard, and once before, to find what is wrong.

mod action;
mod behind;
pub mod headers;
mod measures;
mod pattern;
pub mod proxy;
pub mod redirect;
pub mod respond;
pub mod schema;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use toml::Spanned;
use trilane::proxy::Upstream;
use trilane::testing::TestClient;
use trilane::{Error, Method, Metrics, Router, Shard, StatusCode};

use crate::config::Config;
use crate::files::FilesSection;
use crate::layers::Layers;
use action::{Action, Around};
use behind::Behind;
pub(crate) use measures::Counted;
use pattern::{Places, patterns};
use schema::{HostSection, RouteSection};

/// The hosts and routes of a file, with what is made once for all shards.
#[derive(Clone, Debug)]
pub struct Site {
    files: FilesSection,
    behind: Behind,
    counted: Counted,
    /// What we are called in Via: the same on all shards, and not by anybody else (RFC 9110 §7.6.3).
    pseudonym: String,
    /// Of hosts that are not named.
    routes: Vec<Routed>,
    hosts: Vec<Host>,
}

/// Hosts that are named, with their layers.
#[derive(Clone, Debug)]
struct Host {
    names: Vec<String>,
    /// What it was made of.
    section: HostSection,
    layers: Layers,
    routes: Vec<Routed>,
}

/// A route with its layers.
#[derive(Clone, Debug)]
struct Routed {
    section: RouteSection,
    layers: Layers,
}

impl Site {
    /// The site that a file describes; `None` if it has neither hosts nor routes.
    ///
    /// # Errors
    /// What is wrong, in words, with its line.
    pub fn new(config: &Config) -> Result<Option<Self>, String> {
        Self::with(config, &Counted::new(Metrics::new(), false), None)
    }

    /// The same, whose requests and servers are counted. Of the site `before` it in this process it keeps what is
    /// known of servers that have not changed, and the limits and stores of layers that have not changed.
    ///
    /// # Errors
    /// As [`Site::new`].
    pub(crate) fn with(
        config: &Config,
        counted: &Counted,
        before: Option<&Self>,
    ) -> Result<Option<Self>, String> {
        let mut site = Self {
            files: config.files.clone(),
            behind: Behind::default(),
            counted: counted.clone(),
            pseudonym: format!("trilane-{:08x}", RandomState::new().hash_one(0) as u32),
            routes: routed(&config.routes)?,
            hosts: config.hosts.iter().map(Host::new).collect::<Result<_, _>>()?,
        };
        site.behind = site.servers(config, true, &Behind::default())?;
        if config.hosts.is_empty() && config.routes.is_empty() {
            return Ok(None);
        }
        // Most is found with its line. What is left is told without.
        let mut wrong = None;
        let built = TestClient::with(|shard| {
            let router = site.try_router(&shard);
            router.map_err(|error| wrong = Some(error)).unwrap_or_default()
        });
        match (wrong, built) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => return Err(error.to_string()),
            (None, Ok(_)) => (),
        }
        let none = Behind::default();
        site.behind = site.servers(config, false, before.map_or(&none, |it| &it.behind))?;
        if let Some(before) = before {
            site.keep(before);
        }
        Ok(Some(site))
    }

    /// Keeps of another site what has not changed.
    fn keep(&mut self, before: &Self) {
        self.pseudonym.clone_from(&before.pseudonym);
        keep(&mut self.routes, &before.routes);
        for host in &mut self.hosts {
            let Some(old) = before.hosts.iter().find(|old| old.names == host.names) else {
                continue;
            };
            host.layers.keep(&old.layers, host.section == old.section);
            keep(&mut host.routes, &old.routes);
        }
    }

    /// All servers behind it.
    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.behind.all()
    }

    /// All servers that the file names; nobody asks them how they are for a trial.
    fn servers(&self, config: &Config, is_trial: bool, before: &Behind) -> Result<Behind, String> {
        let mut behind = Behind::default();
        for (name, upstream) in &config.upstreams {
            let upstream = upstream.get_ref();
            let added = match name.contains(':') {
                true => Err("no name of an upstream has a colon".to_owned()),
                false => behind.add(name, upstream, is_trial, before),
            };
            added.map_err(|error| format!("line {}: [upstreams.{name}] {error}", upstream.line))?;
        }
        for routed in self.all() {
            routed.check()?;
            if let Some(proxy) = &routed.section.proxy
                && let Some(single) = proxy.single()
                && !behind.has(proxy.upstream())
            {
                let added = behind.add(proxy.upstream(), single, is_trial, before);
                added.map_err(|error| routed.at_line(&format!("proxy: {error}")))?;
            }
        }
        Ok(behind)
    }

    /// Its router, for a shard.
    #[must_use]
    pub fn router(&self, shard: &Shard) -> Router {
        // It was made once already, so it can be made.
        self.try_router(shard).unwrap_or_default()
    }

    fn try_router(&self, shard: &Shard) -> Result<Router, String> {
        let near = self.behind.on(shard);
        let (files, metrics, pseudonym) = (&self.files, &self.counted.metrics, &*self.pseudonym);
        let around = Around { files, near, metrics, pseudonym };
        let mut router = router(&actions(&self.routes, &around)?)?;
        if self.routes.is_empty() {
            router = router.fallback(misdirected);
        }
        for host in &self.hosts {
            // Its names share what the actions remember.
            let actions = actions(&host.routes, &around)?;
            for name in &host.names {
                let inner = host.layers.around(self::router(&actions)?);
                let one = Router::new().host(name, inner);
                router = router.try_merge(one).map_err(|error| error.to_string())?;
            }
        }
        let is_counted = self.counted.always || self.all().any(|routed| routed.section.metrics);
        Ok(if is_counted { router.layer(self.counted.metrics.clone()) } else { router })
    }

    /// All of its routes.
    fn all(&self) -> impl Iterator<Item = &Routed> {
        self.routes.iter().chain(self.hosts.iter().flat_map(|host| &host.routes))
    }
}

/// What routes do, on a shard.
fn actions<'a>(
    routes: &'a [Routed],
    around: &Around<'_>,
) -> Result<Vec<(&'a Routed, Action)>, String> {
    let action = |routed: &'a Routed| {
        let action = Action::of(&routed.section, around);
        Ok((routed, action.map_err(|error| routed.at_line(&error))?))
    };
    routes.iter().map(action).collect()
}

/// The router of one host.
fn router(routes: &[(&Routed, Action)]) -> Result<Router, String> {
    let mut places = Places::default();
    let is_exact = |(routed, _): &&(&Routed, Action)| routed.section.path.is_some();
    let (exact, below): (Vec<_>, Vec<_>) = routes.iter().partition(is_exact);
    exact.into_iter().chain(below).try_fold(Router::new(), |router, (routed, action)| {
        let one = routed.router(action, &mut places).map_err(|error| routed.at_line(&error))?;
        router.try_merge(one).map_err(|error| routed.at_line(&error.to_string()))
    })
}

impl Host {
    fn new(section: &HostSection) -> Result<Self, String> {
        let [first, ..] = &section.names[..] else {
            return Err("[[hosts]] needs names".to_owned());
        };
        let layers = Layers::of(&section.sections());
        let layers = layers.map_err(|error| format!("[[hosts]] {first}: {error}"))?;
        let (names, routes) = (section.names.clone(), routed(&section.routes)?);
        Ok(Self { names, section: section.clone(), layers, routes })
    }
}

impl Routed {
    /// The router of this route alone, at the places that it gets.
    fn router(&self, action: &Action, places: &mut Places) -> Result<Router, String> {
        let methods = match self.section.methods.as_slice() {
            [] => vec![action.usual()],
            names => names.iter().map(|name| method(name).map(Some)).collect::<Result<_, _>>()?,
        };
        let at = |path: String| methods.iter().map(move |method| (path.clone(), method.clone()));
        let wanted = patterns(&self.section)?.into_iter().flat_map(at).collect();
        let mut router = Router::new();
        for (path, method) in places.take(&self.section, wanted)? {
            let added = router.try_route(&path, action.on(method.as_ref()));
            router = added.map_err(|error| error.to_string())?;
        }
        Ok(self.layers.around(router))
    }

    /// Whether its root is there. One that goes away later is no error: then there are no files.
    fn check(&self) -> Result<(), String> {
        let Some(root) = &self.section.root else { return Ok(()) };
        let problem = match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(_) => "not a directory".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(self.at_line(&format!("root {}: {problem}", root.display())))
    }

    fn at_line(&self, error: &str) -> String {
        format!("line {}: {error}", self.section.line)
    }
}

/// The routes with their layers.
fn routed(routes: &[Spanned<RouteSection>]) -> Result<Vec<Routed>, String> {
    let one = |route: &Spanned<RouteSection>| {
        let section = route.get_ref().clone();
        let layers = Layers::of(&section.sections());
        let layers = layers.map_err(|error| format!("line {}: {error}", section.line))?;
        Ok(Routed { section, layers })
    };
    routes.iter().map(one).collect()
}

/// Keeps what layers of routes remember, where a route for the same requests was there before.
fn keep(routes: &mut [Routed], before: &[Routed]) {
    for routed in routes {
        let place = |it: &Routed| {
            let section = &it.section;
            (section.path.clone(), section.prefix.clone(), section.methods.clone())
        };
        let Some(old) = before.iter().find(|old| place(old) == place(routed)) else { continue };
        routed.layers.keep(&old.layers, routed.section == old.section);
    }
}

fn method(name: &str) -> Result<Method, String> {
    Method::from_bytes(name.as_bytes()).map_err(|_| format!("methods: '{name}' is no method"))
}

/// The answer where no host has routes but those that are named (RFC 9110 §15.5.20).
async fn misdirected() -> Error {
    let error = Error::new(StatusCode::MISDIRECTED_REQUEST).with_code("MISDIRECTED_REQUEST");
    error.message("this host is not served here")
}
