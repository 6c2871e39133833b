//! The parity suite: one table of cases, the protocol is a parameter.
//!
//! A case speaks in requests, content, trailers, interim responses and resets, never in bytes of a protocol,
//! and never looks at a socket. What a case needs of a protocol is in [`lane`]; a new protocol is one value
//! more in [`lane::LANES`], and no case changes. What a lane cannot do (HTTP/1.0 has no trailers) is asked of
//! it with [`lane::Ability`]. `curl` is the client that we did not write.

mod content;
mod curl;
mod early;
mod errors;
mod files;
pub(crate) mod front;
mod grpc;
mod h1;
mod h2;
mod h3;
mod house;
mod lane;
mod large;
mod leaving;
mod limits;
mod parser;
mod rest;
mod reuse;
mod routes;
pub(crate) mod secure;
mod slow;
mod wire;

pub(crate) use curl::curl_at;
pub(crate) use files::Folder;
pub(crate) use house::{Clear, House, eventually, quietly};
pub(crate) use lane::{
    Ability, Answer, Ask, Client, Got, Head, LANES, Lane, Length, Over, Place, SOON,
};
pub(crate) use wire::Wire;
