//! A client without sockets for tests: requests go straight to a router, on a shard whose time, chance and tasks are the
//! test's own.
//!
//! ```
//! use std::time::Duration;
//! use trilane_service::testing::TestClient;
//! use trilane_service::{Request, Router, default_layers, get};
//!
//! async fn nap(request: Request) -> &'static str {
//!     request.shard().sleep(Duration::from_secs(20)).await;
//!     "rested"
//! }
//!
//! let router = Router::new().route("/nap", get(nap)).layer(default_layers(None));
//! let client = TestClient::new(router)?;
//! let mut answer = client.get("/nap").field("accept", "text/plain").send();
//! assert_eq!((answer.status(), answer.text().as_str()), (200, "rested"));
//! let mut answer = client.get("/elsewhere").send();
//! assert_eq!(answer.json::<serde_json::Value>()?["error"]["code"], "NOT_FOUND");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing waits: whenever all that runs does, the clock goes on to the next timer at once. So the test above takes no 20 seconds,
//! and the same test does the same thing each time. What a protocol would add to an answer (Date, Content-Length) is not
//! there, and neither are its limits, but for the size of content and for the time of a handler.

mod call;
mod response;
mod world;

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Address, ConnectionInfo, Shard, Stats};
use trilane_semantics::{Limits, Method};

pub use call::{TestCall, TestRequest};
pub use response::TestResponse;

use crate::app::App;
use crate::route_error::RouteError;
use crate::router::Router;
use world::World;

/// Who asks, if the test does not say (RFC 5737).
const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 4711);

/// A client of a router, and the shard that serves it. The layers that a server adds by itself are not there, unless the
/// router has them: [`default_layers`](crate::default_layers).
pub struct TestClient {
    world: Rc<World>,
    shard: Shard,
    app: Rc<App>,
    limits: Limits,
}

impl TestClient {
    /// A client of that router.
    ///
    /// # Errors
    /// What [`Router::build`] says.
    pub fn new(router: Router) -> Result<Self, RouteError> {
        Self::with(|_| router)
    }

    /// A client of the router that `make` gives to its shard, as `Server::new` does.
    ///
    /// # Errors
    /// What [`Router::build`] says.
    pub fn with(make: impl FnOnce(Shard) -> Router) -> Result<Self, RouteError> {
        let world = Rc::new(World::default());
        let shard = Shard::new(Rc::<World>::clone(&world));
        let app = Rc::new(make(shard.clone()).build()?);
        Ok(Self { world, shard, app, limits: Limits::default() })
    }

    /// With these limits: of them, `body` and `handler_timeout` count here.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A request to be made.
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(self, method, target)
    }

    /// A GET.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::GET, target)
    }

    /// A HEAD.
    pub fn head(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::HEAD, target)
    }

    /// A POST.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::POST, target)
    }

    /// A PUT.
    pub fn put(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PUT, target)
    }

    /// A PATCH.
    pub fn patch(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, target)
    }

    /// A DELETE.
    pub fn delete(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, target)
    }

    /// An OPTIONS.
    pub fn options(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::OPTIONS, target)
    }

    /// The shard, as handlers have it.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Its counters. Of those of requests, `requests` and `panics` are counted here.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.shard.stats()
    }

    /// Lets time pass: all timers of it go off in their order, and what they wake runs.
    pub fn advance(&self, time: Duration) {
        self.world.advance(time);
    }

    /// Runs what can go on now: spawned tasks, and requests that have [begun](TestRequest::begin).
    pub fn settle(&self) {
        self.world.advance(Duration::ZERO);
    }

    /// Lets the shard [drain](Shard::is_draining), as far as handlers can see.
    pub fn drain(&self) {
        self.world.is_draining.set(true);
    }

    fn peer() -> ConnectionInfo {
        let local = Address::Ip(([192, 0, 2, 80], 80).into());
        ConnectionInfo::new(local, Address::Ip(SocketAddr::from(PEER)))
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        // Tasks may hold the shard that holds them.
        self.world.end();
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("app", &self.app).finish_non_exhaustive()
    }
}
