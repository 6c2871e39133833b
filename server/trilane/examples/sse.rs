//! Server-Sent Events: a countdown that a browser's `EventSource` follows, and goes on with where it lost its connection.
//!
//!     cargo run --example sse
//!     curl -N http://127.0.0.1:8080/countdown/5

use std::time::Duration;

use trilane::{
    Event, Html, IntoResponse, LastEventId, Path, Response, Router, RunError, Server, Shard, Sse,
    StatusCode, get,
};

const PAGE: &str = "<!doctype html><title>countdown</title><h1 id=n></h1>
<script>
const events = new EventSource('/countdown/10');
events.onmessage = (event) => { document.getElementById('n').textContent = event.data; };
</script>
";

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/countdown/{from}", get(countdown))
}

/// From that number to 0. Each event's id is the number that is left, so a client that comes back goes on below it.
async fn countdown(shard: Shard, Path(from): Path<u32>, last: LastEventId) -> Response {
    let left = match last.as_str().and_then(|id| id.parse::<u32>().ok()) {
        // A stream that has ended would be asked for again: 204 says that this was all.
        Some(0) => return StatusCode::NO_CONTENT.into_response(),
        Some(last) => last - 1,
        None => from,
    };
    let mut every = shard.interval(Duration::from_millis(100));
    let events = Sse::write(&shard, move |events| async move {
        for number in (0..=left).rev() {
            every.tick().await;
            let text = number.to_string();
            events.send(Event::new().id(&text).data(&text)).await;
        }
        Ok(())
    });
    events.into_response()
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
