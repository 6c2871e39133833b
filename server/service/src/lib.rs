//! Router, extractors, responses and layers: what an application is written with.
//!
//! Built on `trilane-exchange` alone: no I/O, no TLS, no protocol. The vocabulary is axum's;
//! nothing need be `Send`. A handler is an async function of extractors that gives something that
//! is a response:
//!
//! ```
//! use trilane_service::{Error, Path, Router, State, StatusCode, default_layers, get};
//!
//! type Names = &'static [&'static str];
//!
//! async fn user(State(names): State<Names>, Path(id): Path<usize>) -> Result<&'static str, Error>
//! {
//!     names.get(id).copied().ok_or(Error::new(StatusCode::NOT_FOUND))
//! }
//!
//! let app = Router::new()
//!     .route("/users/{id}", get(user))
//!     .route("/plaintext", get(|| async { "Hello, World!" }))
//!     .with_state(&["ann", "bob"][..])
//!     .layer(default_layers(None))
//!     .build()?;
//! # let _: trilane_service::App = app;
//! # Ok::<(), trilane_service::RouteError>(())
//! ```
//!
//! The reading order is the way of a request: [`app`] and [`path`] (which route), [`chain`] and
//! [`layer`] (what stands around it), [`handler`] and [`extract`] (the call), [`respond`] (the
//! answer). [`router`] and [`method`] put it together at the start; [`layers`] and [`body_limit`]
//! are the layers that come with it, and so are [`auth`], [`cache`], [`rate`] (with [`redis`]), [`concurrency`] and [`bandwidth`];
//! [`files`] is a handler that does, [`ws`] are WebSockets, [`sse`] events. [`conditional`] and [`coding`] are what several of them ask of
//! a request. [`health`] and [`events`] are for operators, [`testing`] asks a router without sockets.
#![forbid(unsafe_code)]

mod accept;
mod allow;
pub mod app;
pub mod auth;
pub mod bandwidth;
pub mod body_limit;
pub mod cache;
pub mod chain;
pub mod coding;
pub mod concurrency;
pub mod conditional;
pub mod cookies;
pub mod events;
pub mod extract;
pub mod files;
mod fixed;
pub mod form;
mod forwarded;
pub mod handler;
pub mod health;
mod host;
mod https_redirect;
pub mod json;
pub mod layer;
pub mod layers;
pub mod method;
pub mod multipart;
mod networks;
mod origin;
mod partial;
pub mod path;
mod paths;
mod principal;
mod range;
pub mod rate;
mod redirect;
pub mod redis;
pub mod respond;
mod route_error;
pub mod router;
mod secret;
pub mod sse;
pub mod testing;
mod text;
mod vary;
pub mod ws;

#[cfg(test)]
mod tests;

pub use app::App;
pub use auth::api_key::ApiKeys;
pub use auth::jwt::Jwt;
pub use auth::jwt_keys::{JwtKey, JwtKeyError, JwtKeys};
pub use auth::scope::RequireScope;
pub use auth::{Auth, Denied, Grant, User, Verify};
pub use bandwidth::Bandwidth;
pub use body_limit::BodyLimit;
pub use cache::{Cache, CacheConfig};
pub use chain::Chain;
pub use coding::{Coding, negotiate};
pub use concurrency::ConcurrencyLimit;
pub use cookies::{
    Cookie, CookieJar, CookieKeyError, CookieKeys, Cookies, PrivateCookies, SameSite, SignedCookies,
};
pub use extract::{
    Accept, BasicCredentials, BearerToken, ConnectInfo, ContentType, Extension, FromRef,
    FromRequest, FromRequestParts, Header, Path, Query, State, Tls, TypedHeader,
};
pub use files::{FilesError, ServeDir};
pub use form::Form;
pub use handler::{Endpoint, Handler};
pub use health::Health;
pub use https_redirect::{HttpsRedirect, InvalidHost};
pub use json::Json;
pub use jsonwebtoken::Algorithm as JwtAlgorithm;
pub use layer::{Hook, Layer, Middleware, Next, Phases, from_fn};
pub use layers::{
    AccessLog, ClientField, Compress, Cors, CorsError, Csp, Csrf, Decompress, ETags, Envelope,
    Format, ForwardedHost, IpList, Latency, LogSink, Metrics, Nonce, Recovery, RequestId,
    SampleRatio, SecurityHeaders, Trace, TrustedProxies, default_layers,
};
pub use method::{MethodRouter, any, delete, get, head, on, options, patch, post, put, websocket};
pub use multipart::{Field, Multipart, MultipartLimits};
pub use principal::Principal;
pub use rate::{Quota, RateLimit};
pub use redirect::Redirect;
pub use redis::Redis;
pub use respond::{Html, IntoResponse};
pub use route_error::RouteError;
pub use router::Router;
pub use sse::{Event, EventWriter, LastEventId, Sse};
pub use {prometheus_client, tracing};

pub use trilane_exchange::{Error, ErrorCode, Incoming, Outgoing, Request, Response, Shard};
pub use trilane_semantics::{Fields, Method, Protocol, StatusCode};
pub use ws::{WebSocket, WebSocketUpgrade};
