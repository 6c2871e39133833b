//! `/ws`: every message sent back as it came, text and bytes.

use trilane::ws::{Deflate, WebSocketUpgrade};
use trilane::{Response, Router, websocket};

/// Subprotocols that say nothing of what an echo would have to do otherwise; RFC 6455 §1.3 has two of them.
const PROTOCOLS: [&str; 3] = ["echo", "chat", "superchat"];

pub(super) fn routes() -> Router {
    Router::new().route("/ws", websocket(echo))
}

/// Up to 16 MiB, which is what is taken if nothing else is said. Even the shortest are deflated where that is agreed on: whoever
/// tries it out wants to see it.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.deflate(Deflate::new().from(0)).protocols(PROTOCOLS);
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if !message.is_data() || socket.send(message).await.is_err() {
                break;
            }
        }
    })
}
