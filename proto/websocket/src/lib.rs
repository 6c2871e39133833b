//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), both roles: bytes in, messages out, and the other way round.
//!
//! No I/O, no clock, no HTTP: a handshake is its caller's, from [`offer`] on. [`Receiver`] and [`Sender`] are the two halves of a
//! connection and know nothing of each other: whoever holds both answers a ping with a pong, and a close with a close.
//!
//! ```
//! use trilane_websocket::{Limits, Message, Receiver, Role, Sender};
//! let (mut client, mut wire) = (Sender::new(Role::Client), Vec::new());
//! let rest = client.push(Message::from("hello"), [1, 2, 3, 4], &mut wire)?;
//! assert!(rest.is_none());
//!
//! let mut server = Receiver::new(Role::Server, Limits::default());
//! let mut input = &wire[..];
//! assert_eq!(server.poll(&mut input)?, Some(Message::from("hello")));
//! assert_eq!(server.poll(&mut input)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The reading order: [`code`] and [`error`] (how it ends), [`text`] and [`message`] (what is said), [`frame`] and [`mask`] (the wire),
//! [`receive`], [`send`], and for compression [`offer`], `inflate` and `deflate`.
#![forbid(unsafe_code)]

pub mod code;
mod deflate;
pub mod error;
pub mod frame;
mod inflate;
pub mod mask;
pub mod message;
pub mod offer;
pub mod receive;
pub mod send;
pub mod text;

#[cfg(test)]
mod tests;

pub use code::CloseCode;
pub use error::Error;
pub use frame::{Header, Opcode};
pub use message::{CloseFrame, Message};
pub use offer::{Agreed, Deflate, Malformed};
pub use receive::{Limits, Receiver};
pub use send::{Closed, Sender};
pub use text::Text;

/// Whose end of a connection it is: frames of a client are masked, those of a server are not (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that was asked.
    Server,
    /// The one that asked.
    Client,
}
