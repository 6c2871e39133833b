//! Heads on their way through: what a client has sent becomes what a server behind us is asked, and its answer becomes ours.
//!
//! Whatever was accepted in front leaves in exactly one reading: fields about connections and framing stay behind, and are said anew by
//! the machine that sends; what a client writes under our names is not passed on. The reading order: `policy` (what the
//! configuration says), `facts` (what is known of the exchange), `hops` (which fields go), `target` (where to), `told` (who
//! asked), `websocket` (where an upgrade meets CONNECT), `request`, `location` and `response`.

mod facts;
mod hops;
mod location;
mod policy;
mod request;
mod response;
mod target;
mod told;
mod websocket;

#[cfg(test)]
mod tests;

pub use facts::{Facts, Upstream};
pub use policy::{Host, Policy};
pub use request::{Refusal, Rewritten, request, trailers};
pub use response::{BadAnswer, interim, response};
pub use websocket::Bridge;
