//! What a handler may ask of its shard: time, tasks beside it, and work that blocks.
//!
//!     cargo run --example jobs
//!     curl -N http://127.0.0.1:8080/ticks

use std::time::Duration;

use trilane::{
    AbortOnDrop, Error, IntoResponse, Outgoing, Path, Response, Router, RunError, Server, Shard,
    StatusCode, get, join_all, post,
};

/// The most that `/sum` takes.
const MOST: u64 = 1_000_000_000;

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new()
        .route("/nap", get(nap))
        .route("/naps", get(naps))
        .route("/ticks", get(ticks))
        .route("/sum/{n}", get(sum))
        .route("/later", post(later))
}

/// Waits, and holds nobody up.
async fn nap(shard: Shard) -> &'static str {
    shard.sleep(Duration::from_millis(20)).await;
    "slept"
}

/// Ten tasks at once take as long as one. A client that leaves takes them with it.
async fn naps(shard: Shard) -> String {
    let nap = |number: u64| {
        let of_task = shard.clone();
        let task = async move {
            of_task.sleep(Duration::from_millis(20)).await;
            number
        };
        shard.spawn(task).abort_on_drop()
    };
    let naps: Vec<AbortOnDrop<u64>> = (0..10).map(nap).collect();
    format!("{:?}", join_all(naps).await)
}

/// A line every 20 ms, as it comes.
async fn ticks(shard: Shard) -> Response {
    let body = Outgoing::write(|writer| async move {
        let mut every = shard.interval(Duration::from_millis(20));
        for number in 0..5 {
            every.tick().await;
            writer.send(format!("tick {number}\n")).await;
        }
        Ok(())
    });
    Response::new(StatusCode::OK).body(body)
}

/// Work for a processor goes to a thread of its own, so that the shard goes on serving.
async fn sum(shard: Shard, Path(n): Path<u64>) -> Result<String, Error> {
    if n > MOST {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY).message("that is too much work"));
    }
    Ok(shard.blocking(move || (1..=n).sum::<u64>().to_string()).await)
}

/// Answers at once; the task goes on without its request.
async fn later(shard: Shard) -> Response {
    let of_task = shard.clone();
    shard.spawn(async move { of_task.sleep(Duration::from_secs(1)).await });
    (StatusCode::ACCEPTED, "it will be done").into_response()
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
