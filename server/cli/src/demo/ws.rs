//! `/ws`: every message sent back as it came, text and bytes.

use trilane::ws::WebSocketUpgrade;
use trilane::{Response, Router, websocket};

pub(super) fn routes() -> Router {
    Router::new().route("/ws", websocket(echo))
}

/// Up to 16 MiB, which is what is taken if nothing else is said.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if !message.is_data() || socket.send(message).await.is_err() {
                break;
            }
        }
    })
}
