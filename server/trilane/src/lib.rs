//! trilane: an HTTP server stack with one shard a core. One handler answers every protocol.
//!
//! ```no_run
//! use trilane::{Path, Router, Server, get};
//!
//! fn main() -> Result<(), trilane::RunError> {
//!     Server::new(|_shard| {
//!         Router::new()
//!             .route("/", get(|| async { "Hello, World!" }))
//!             .route("/users/{id}", get(|Path(id): Path<u64>| async move { format!("user {id}") }))
//!     })
//!     .listen("127.0.0.1:8080")
//!     .run()
//! }
//! ```
//!
//! [`Server`] starts, and is [`Running`] until it is stopped; [`Router`] and the rest of [`trilane_service`] is what handlers are written
//! with; [`Shard`] is what a handler may ask of the shard that runs it.
#![forbid(unsafe_code)]

mod error;
pub mod log;
mod log_file;
pub mod notify;
mod redirect;
pub mod reload;
pub mod running;
pub mod server;

pub use bytes::Bytes;
pub use log::{LogWriter, Rotation};
pub use notify::Notify;
pub use reload::Reloader;
pub use running::Running;
pub use server::{Log, RunError, Server};
pub use trilane_acme as acme;
pub use trilane_client as client;
pub use trilane_exchange::{
    AbortOnDrop, Address, Answer, Ask, AskError, AskFailure, BodyError, ByteStream, Caller,
    ClientCertificate, ConnectionInfo, DatagramError, Datagrams, Dial, DialError, Exchange, Frame,
    HintError, Interval, JoinHandle, Link, Outcome, Refusal, Remote, Speak, Stats, Summary,
    TlsInfo, TlsVersion, Undelivered, Writer, join, join_all,
};
pub use trilane_otlp as otlp;
pub use trilane_proxy as proxy;
#[cfg(feature = "http3")]
pub use trilane_quic as quic;
pub use trilane_record as record;
pub use trilane_semantics::{Known, Limits, Payload, RequestHead, ResponseHead};
pub use trilane_service::*;
pub use trilane_shard::handover::HandoverError;
pub use trilane_shard::{
    Inherited, Inspector, InvalidProxyProtocol, ListenAddress, ProxyProtocol, Pulse, Recordings,
    ReloadError, SignalGuard, Stage, StartError, Stopper, Topology, UpgradeError, Upgrader,
    refuse_huge_pages,
};
pub use trilane_tls as tls;
