//! A chat over WebSockets: what one says all hear, whichever shard they are on and whichever protocol they speak.
//!
//!     cargo run --example chat
//!     open http://127.0.0.1:8080/ in two windows

use std::cell::RefCell;

use trilane::ws::{Message, Sender, WebSocketUpgrade};
use trilane::{Html, Response, Router, RunError, Server, Shard, get, websocket};

const PAGE: &str = "<!doctype html><title>chat</title><form><input autofocus></form><ul></ul>
<script>
const socket = new WebSocket(location.href.replace('http', 'ws') + 'chat');
const [form, input, list] = ['form', 'input', 'ul'].map((name) => document.querySelector(name));
socket.onmessage = (event) => { list.append(Object.assign(document.createElement('li'), { textContent: event.data })); };
form.onsubmit = (event) => { event.preventDefault(); socket.send(input.value); input.value = ''; };
</script>
";

thread_local! {
    /// Who is in the room on this shard: a shard is a thread.
    static HERE: RefCell<Vec<Sender>> = const { RefCell::new(Vec::new()) };
}

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new().route("/", get(|| async { Html(PAGE) })).route("/chat", websocket(chat))
}

async fn chat(shard: Shard, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(4 << 10).on_upgrade(|socket| async move {
        let (sender, mut receiver) = socket.split();
        HERE.with_borrow_mut(|here| here.push(sender));
        while let Some(Ok(message)) = receiver.recv().await {
            if let Message::Text(text) = message {
                tell_all(&shard, text.as_str());
            }
        }
    })
}

/// Every shard tells its own. One that has ended has nobody to be told.
fn tell_all(shard: &Shard, text: &str) {
    for other in 0..shard.shards() {
        let text = text.to_owned();
        let _ = shard.send_to(other, move |_| tell_here(&text));
    }
}

/// Who is gone, or so slow that too much waits already, is in the room no more.
fn tell_here(text: &str) {
    HERE.with_borrow_mut(|here| {
        here.retain(|sender| sender.try_send(Message::from(text)).is_ok());
    });
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
