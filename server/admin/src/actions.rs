//! What operators can do: end a connection, read the configuration again, drain.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use trilane_service::extract::FromRequestParts;
use trilane_service::{Error, Json, Path, Request, StatusCode};
use trilane_shard::{ConnectionId, Inspector, Silent};

/// Something that is done on a thread that may block, and what came of it, in words.
pub(crate) type Act = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// What was done.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    done: String,
}

impl Done {
    pub(crate) fn new(done: impl Into<String>) -> Json<Self> {
        Json(Self { done: done.into() })
    }
}

/// Does what `act` does.
pub(crate) async fn act(request: Request, act: Option<Act>) -> Result<Json<Done>, Error> {
    let nothing =
        || Error::new(StatusCode::NOT_IMPLEMENTED).message("there is nothing for this here");
    let act = act.ok_or_else(nothing)?;
    let done = request.shard().blocking(move || act()).await;
    done.map(Done::new).map_err(|why| Error::new(StatusCode::CONFLICT).message(why))
}

/// Begins to drain.
pub(crate) async fn drain(inspector: Inspector, _: Request) -> Json<Done> {
    inspector.stopper().drain();
    Done::new("the server drains")
}

/// The connection that a path names.
pub(crate) fn named(request: &mut Request) -> Result<ConnectionId, Error> {
    let Path(text) = Path::<String>::from_request_parts(request, &())?;
    text.parse().map_err(bad)
}

fn bad(error: impl fmt::Display) -> Error {
    Error::new(StatusCode::BAD_REQUEST).message(error.to_string())
}

/// There is no such connection.
pub(crate) fn unknown() -> Error {
    Error::new(StatusCode::NOT_FOUND).message("there is no such connection")
}

/// A shard did not answer.
pub(crate) fn silent(silent: Silent) -> Error {
    match silent {
        Silent::Stalled => Error::new(StatusCode::SERVICE_UNAVAILABLE).message(silent.to_string()),
        Silent::Gone => unknown(),
    }
}

/// Ends a connection.
pub(crate) async fn close(inspector: Inspector, mut request: Request) -> Result<Json<Done>, Error> {
    let id = named(&mut request)?;
    match inspector.close(request.shard(), id).await {
        Ok(true) => Ok(Done::new("the connection is closed")),
        Ok(false) => Err(unknown()),
        Err(why) => Err(silent(why)),
    }
}
