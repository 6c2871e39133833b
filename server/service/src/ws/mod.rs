//! WebSockets (RFC 6455), the same over HTTP/1.1 (Upgrade), HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220).
//!
//! ```
//! use trilane_service::ws::{Message, WebSocketUpgrade};
//! use trilane_service::{Response, Router, websocket};
//!
//! async fn echo(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(|mut socket| async move {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if message.is_data() && socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//!
//! let router: Router = Router::new().route("/ws", websocket(echo));
//! ```
//!
//! The frames are `trilane-websocket`'s. Here the reading order is: [`upgrade`] (what is agreed on) with `handshake`, [`socket`]
//! (what handlers hold), `link` with `reading` and `writing` (what lies between a socket and its connection), `drive` (who moves it).

pub(crate) mod drive;
mod handshake;
pub(crate) mod link;
mod reading;
pub mod socket;
pub mod upgrade;
mod writing;

pub use socket::{Error, Receiver, Sender, WebSocket};
pub use trilane_websocket::{
    CloseCode, CloseFrame, Deflate, Error as ProtocolError, Message, Text,
};
pub use upgrade::WebSocketUpgrade;
