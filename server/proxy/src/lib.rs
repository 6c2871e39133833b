//! A reverse proxy: requests of clients are passed on to servers behind us.
//!
//! [`forward`] is the way of a request, with `tunnel` for what is none any more. What is decided on that way is data: [`rewrite`] makes of
//! the head of a client's request one for a server, and the other way round.
#![forbid(unsafe_code)]

pub mod forward;
pub mod rewrite;
mod tunnel;

pub use forward::{Proxy, Server};
