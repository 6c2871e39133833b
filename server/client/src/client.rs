//! The client of a shard: which pool a request goes to.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use trilane_exchange::{Connector, Dial, Remote, Shard, Speak};
use trilane_semantics::{Method, ResponseHead};

use crate::alt_svc::{Alternatives, HEAD_START};
use crate::config::{ClientBuilder, Config};
use crate::connect::{Connect, Connecting, is_shared};
use crate::error::{ClientError, Failure};
use crate::pool::Pool;
use crate::race::race;
use crate::request::RequestBuilder;
use crate::resolve::Resolver;
use crate::share::Share;
use crate::url::{IntoUrl, Origin};

/// The clients of a process: one budget of connections, one memory of addresses. Clones are the same.
#[derive(Clone)]
pub struct Clients(Arc<Process>);

struct Process {
    config: Config,
    whole: Arc<Share>,
    /// Those of which a shard has a pool, or a connection.
    shares: Mutex<HashMap<Origin, Arc<Share>>>,
    resolver: Arc<Resolver>,
}

impl Clients {
    pub(crate) fn new(config: Config, whole: Arc<Share>, resolver: Resolver) -> Self {
        let (shares, resolver) = (Mutex::default(), Arc::new(resolver));
        Self(Arc::new(Process { config, whole, shares, resolver }))
    }

    /// The client of that shard: one a shard, and clones of it.
    #[must_use]
    pub fn on(&self, shard: &Shard) -> Client {
        let (places, uses) = (RefCell::default(), Cell::new(0));
        let alternatives = Rc::new(Alternatives::new(self.0.config.alternatives()));
        let (shard, process) = (shard.clone(), self.clone());
        Client(Rc::new(Inner { shard, process, places, uses, alternatives }))
    }

    /// How many connections the process has.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.whole.open()
    }

    /// How many connections were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.0.whole.made()
    }

    /// What the process may have of connections to `origin`.
    fn share(&self, origin: &Origin) -> Arc<Share> {
        // A panic while it was held leaves the table whole.
        let mut shares = self.0.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(origin) {
            return Arc::clone(share);
        }
        // Only those stay that a pool or a connection has, and those have bounds.
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let share = Share::within(self.0.config.per_origin, &self.0.whole);
        shares.insert(origin.clone(), Arc::clone(&share));
        share
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("open", &self.open()).finish_non_exhaustive()
    }
}

/// Asks other servers, from handlers. One a shard; clones share its connections.
///
/// ```
/// use trilane_client::{Client, ClientError};
/// # #[derive(serde::Deserialize)] struct User { name: String }
/// async fn name(client: Client, id: u64) -> Result<String, ClientError> {
///     let url = format!("http://users.internal/users/{id}");
///     let user: User = client.get(url).send().await?.error_for_status()?.json().await?;
///     Ok(user.name)
/// }
/// ```
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    shard: Shard,
    process: Clients,
    places: RefCell<HashMap<Origin, Place>>,
    /// Counts requests, so that it is known which place was used last.
    uses: Cell<u64>,
    alternatives: Rc<Alternatives>,
}

/// Connections to an origin.
struct Place {
    pool: Pool,
    used: u64,
}

impl Client {
    /// How clients are to be. What it builds is made once, before the shards.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A GET.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A HEAD.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A POST.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A PUT.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A PATCH.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A DELETE.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A request with that method. A URL that is none is an error of [`send`](RequestBuilder::send).
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        RequestBuilder::new(self, method, url.into_url())
    }

    /// The shard that it belongs to.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.0.shard
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.process.0.config
    }

    /// The connections to `origin`.
    pub(crate) fn pool(&self, origin: &Origin) -> Result<Pool, ClientError> {
        let use_now = self.0.uses.get() + 1;
        self.0.uses.set(use_now);
        let mut places = self.0.places.borrow_mut();
        if let Some(place) = places.get_mut(origin) {
            place.used = use_now;
            return Ok(place.pool.clone());
        }
        let way = self.way(origin)?;
        let gone = if places.len() >= self.config().origins { evict(&mut places) } else { None };
        let (shard, share) = (self.0.shard.clone(), self.0.process.share(origin));
        let pool = Pool::of(shard, way, self.config().pool.clone(), share);
        places.insert(origin.clone(), Place { pool: pool.clone(), used: use_now });
        drop(places);
        // Its connections tell of their end while they go.
        drop(gone);
        Ok(pool)
    }

    /// Heeds what a response says of where else its origin is. Connections that there are serve whom they serve.
    pub(crate) fn hear(&self, origin: &Origin, head: &ResponseHead) {
        if self.0.alternatives.hear(origin, head, self.0.shard.now()) {
            let place = self.0.places.borrow_mut().remove(origin);
            // Its connections tell of their end while they go.
            drop(place);
        }
    }

    fn way(&self, origin: &Origin) -> Result<Way, ClientError> {
        let config = self.config();
        let tls = match (origin.is_secure, &config.tls) {
            (false, _) => None,
            (true, Some(connector)) => Some(connector.clone()),
            (true, None) => {
                let why = "https needs a `tls` of the client's builder";
                return Err(ClientError::new(Failure::Request(why.into())));
            }
        };
        let (shard, process) = (self.0.shard.clone(), self.0.process.clone());
        let (origin, alternatives) = (origin.clone(), Rc::clone(&self.0.alternatives));
        Ok(Way { shard, process, origin, tls, best: Rc::default(), alternatives })
    }
}

/// Takes out the place that was used the longest ago.
fn evict(places: &mut HashMap<Origin, Place>) -> Option<Place> {
    let oldest = places.iter().min_by_key(|(_, place)| place.used);
    let oldest = oldest.map(|(origin, _)| origin.clone())?;
    places.remove(&oldest)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Client");
        debug.field("origins", &self.0.places.borrow().len()).finish_non_exhaustive()
    }
}

/// How connections to an origin come about.
struct Way {
    shard: Shard,
    process: Clients,
    origin: Origin,
    tls: Option<Connector>,
    /// The address that was there last: it is tried first.
    best: Rc<RefCell<Option<Remote>>>,
    alternatives: Rc<Alternatives>,
}

impl Way {
    fn dial(&self, remote: Remote) -> Dial {
        let mut dial = Dial::new(remote);
        dial.tls = self.tls.clone().map(|connector| (connector, self.origin.host.clone()));
        dial.speak = self.process.0.config.speak;
        dial
    }
}

impl Connect for Way {
    fn connect(&self) -> Connecting {
        let (shard, process) = (self.shard.clone(), &self.process.0);
        if let Some(path) = &process.config.unix {
            let dial = self.dial(Remote::Unix(path.clone()));
            return Box::pin(async move { Ok(race(shard, [dial]).await?.0) });
        }
        let (host, port) = (self.origin.host.clone(), self.origin.port);
        let addresses = Arc::clone(&process.resolver).resolve(shard.clone(), host, port);
        let (like, best) = (self.dial(Remote::Unix("".into())), Rc::clone(&self.best));
        let (origin, alternatives) = (self.origin.clone(), Rc::clone(&self.alternatives));
        Box::pin(async move {
            let addresses = addresses.await?;
            if let Some(port) = alternatives.port(&origin, shard.now()) {
                let dials = addresses.iter().map(|it| Dial {
                    remote: Remote::Ip(SocketAddr::new(it.ip(), port)),
                    speak: Speak::Http3,
                    ..like.clone()
                });
                let dials: Vec<Dial> = dials.collect();
                let made = shard.timeout(HEAD_START, race(shard.clone(), dials)).await;
                if let Some(Ok((caller, _))) = made {
                    return Ok(caller);
                }
                alternatives.failed(&origin, shard.now());
            }
            let mut remotes: Vec<Remote> = addresses.into_iter().map(Remote::Ip).collect();
            let known = remotes.iter().position(|it| Some(it) == best.borrow().as_ref());
            if let Some(at) = known {
                // The others keep their order.
                remotes[..=at].rotate_right(1);
            }
            let dials = remotes.iter().map(|it| Dial { remote: it.clone(), ..like.clone() });
            let dials: Vec<Dial> = dials.collect();
            let (caller, number) = race(shard, dials).await?;
            *best.borrow_mut() = remotes.get(number).cloned();
            Ok(caller)
        })
    }

    fn is_shared(&self) -> Option<bool> {
        let speak = match self.alternatives.port(&self.origin, self.shard.now()) {
            Some(_) => Speak::Http3,
            None => self.process.0.config.speak,
        };
        is_shared(self.origin.is_secure, speak)
    }
}
