//! Whether the server is alive, and whether it takes requests: for who starts it again, and for who sends it any.

use trilane_exchange::join_all;
use trilane_service::{Error, IntoResponse, Json, Request, Response, Router, StatusCode, get};
use trilane_shard::Inspector;

use crate::asked::{self, Missing};

/// `/health` and `/ready`.
pub(crate) fn routes(inspector: &Inspector) -> Router {
    Router::new()
        .route("/health", get(asked::of(inspector, health)))
        .route("/ready", get(asked::of(inspector, ready)))
}

/// 200 if every shard turns.
async fn health(inspector: Inspector, request: Request) -> Response {
    let shard = request.shard();
    let all = (0..inspector.shards()).map(|number| inspector.ask(shard, number, |_| ()));
    let answers = join_all(all).await;
    let silent: Vec<_> = (0..)
        .zip(answers)
        .filter_map(|(number, answer)| Some(Missing::new(&inspector, number, answer.err()?)))
        .collect();
    if silent.is_empty() {
        return "OK".into_response();
    }
    let mut response = Json(silent).into_response();
    response.head.status = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// 200 if it takes what comes.
async fn ready(inspector: Inspector, _: Request) -> Result<&'static str, Error> {
    match inspector.is_draining() {
        false => Ok("OK"),
        true => Err(Error::new(StatusCode::SERVICE_UNAVAILABLE).message("the server drains")),
    }
}
