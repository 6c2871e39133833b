//! What operators see of a server at work, and the little that they can do to it: routes for a listener of their own.
//!
//! The routes are served by a second server, of one shard on a thread of its own, so that a main shard that is stuck or overloaded
//! does not hide itself, none of this counts in the main one's limits, and it stays while the main one drains. What it tells
//! comes from an [`Inspector`]. The reading order: [`exposure`], `guard` and `token` (who may ask), `health`, `shards`, `connections`, `closes` and `live`
//! (what there is), `actions` (what can be done), `page` (for people).
#![forbid(unsafe_code)]

mod actions;
mod asked;
mod closes;
mod connections;
pub mod exposure;
mod guard;
mod health;
mod live;
mod page;
mod qlog;
mod shards;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use trilane_semantics::Limits;
use trilane_service::{Csrf, Metrics, Request, Router, Shard, get, post};
use trilane_shard::Inspector;

use actions::Act;
pub use exposure::Exposed;
use guard::{HostGuard, TokenGuard};
use live::Live;
use qlog::Qlogs;
pub use token::Token;
pub use trilane_pprof::About;

/// The routes for operators: made once, before the shard that serves them.
///
/// | route | answer |
/// | --- | --- |
/// | `/health` | 200, or 503 while a shard does not turn |
/// | `/ready` | 200, or 503 while the server drains |
/// | `/metrics` | Prometheus, with the counters of the server that is looked at |
/// | `/shards` | how each shard is |
/// | `/connections` | the connections of all shards |
/// | `/closes` | those that closed last, and how many there were of each cause |
/// | `/live` | what charts are drawn of, an event a second |
/// | `/` | a page that shows all that |
/// | POST `/connections/{id}/close` | ends a connection |
/// | POST `/connections/{id}/qlog` | begins the qlog of a connection over QUIC; GET reads it as it comes |
/// | POST `/drain`, POST `/reload` | as the signals do |
/// | `/debug/info`, `/debug/flamegraph`, `/debug/pprof/` | profiles, for people and `go tool pprof` |
///
/// ```
/// use trilane_admin::Admin;
/// use trilane_service::Shard;
/// # fn routes(inspector: trilane_shard::Inspector) {
/// let admin = Admin::new(inspector).token("a secret of many characters");
/// // For a server of one shard, with the limits of `trilane_admin::limits`:
/// let app = move |shard: Shard| admin.router(&shard);
/// # drop(app);
/// # }
/// ```
#[derive(Clone)]
pub struct Admin {
    inspector: Inspector,
    metrics: Metrics,
    about: About,
    token: Option<Token>,
    is_guarded: bool,
    reload: Option<Act>,
}

impl Admin {
    /// Of that server, to be had without a token by who asks for a loopback name.
    #[must_use]
    pub fn new(inspector: Inspector) -> Self {
        let (metrics, about) = (Metrics::new(), About::new());
        Self { inspector, metrics, about, token: None, is_guarded: false, reload: None }
    }

    /// Shows these metrics, of the same server. Without, those of requests are missing.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Tells this of the program, at `/debug/info`.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    /// Asks for this token, as a bearer token (RFC 6750) or as the password of any name (RFC 7617), on every route.
    /// Who keeps a [`Token`] can replace it.
    #[must_use]
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Clients show a certificate before they ask: they may name us as they like.
    #[must_use]
    pub const fn behind_certificates(mut self) -> Self {
        self.is_guarded = true;
        self
    }

    /// What POST `/reload` does, on a thread that may block; it tells what came of it, in words. Default: nothing.
    #[must_use]
    pub fn on_reload(
        mut self,
        reload: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.reload = Some(Arc::new(reload));
        self
    }

    /// The routes, for the shard that serves them.
    #[must_use]
    pub fn router(&self, _: &Shard) -> Router {
        let inspector = &self.inspector;
        let stats = Arc::clone(inspector.stats());
        let live = Live::new(inspector.clone(), self.metrics.clone());
        let reload = self.reload.clone();
        let begin = Qlogs::new(inspector.clone());
        let read = begin.clone();
        let qlogs = post(move |request: Request| begin.clone().begin(request))
            .get(move |request: Request| read.clone().read(request));
        let profiles = trilane_pprof::of_process(self.about.clone())
            .merge(trilane_pprof::of_shards(inspector));
        let mut router = Router::new()
            .merge(health::routes(inspector))
            .route("/metrics", get(self.metrics.handler_for(stats)))
            .route("/shards", get(asked::of(inspector, shards::shards)))
            .route("/connections", get(asked::of(inspector, connections::table)))
            .route("/closes", get(asked::of(inspector, closes::closes)))
            .route("/live", get(move |shard: Shard| live.clone().events(shard)))
            .route("/connections/{id}/close", post(asked::of(inspector, actions::close)))
            .route("/connections/{id}/qlog", qlogs)
            .route("/drain", post(asked::of(inspector, actions::drain)))
            .route("/reload", post(move |request: Request| actions::act(request, reload.clone())))
            .merge(page::routes())
            .layer(page::headers())
            .merge(profiles.layer(page::headers_of_profiles()))
            .layer(Csrf::new());
        if let Some(token) = &self.token {
            router = router.layer(TokenGuard::layer(token));
        } else if !self.is_guarded {
            router = router.layer(HostGuard);
        }
        router
    }
}

/// The limits of a server for operators: a profile may be taken for five minutes.
#[must_use]
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.handler_timeout = Duration::from_secs(trilane_pprof::cpu::MOST_SECONDS + 60);
    limits
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("has_token", &self.token.is_some()).finish_non_exhaustive()
    }
}
