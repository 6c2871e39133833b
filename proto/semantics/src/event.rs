//! What a machine tells its caller.

use crate::closed::Closed;
use crate::fields::Fields;
use crate::head::{RequestHead, ResponseHead};

/// One request and its response on a connection: a count over HTTP/1.1, the stream id over HTTP/2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// What follows a head (RFC 9110 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing, and no [`Event::End`] will say so.
    None,
    /// That many bytes. [`Event::End`] follows, also after 0.
    Exact(u64),
    /// As many as come until [`Event::End`].
    Unknown,
    /// Nothing now. If the answer is 101, or 2xx to CONNECT, the tunnel's bytes, until
    /// [`Event::End`] (RFC 9110 §7.8, §9.3.6).
    Tunnel,
}

/// What happened. Slices borrow the caller's input, never the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A request begins (server role).
    Request {
        /// Its exchange, new.
        id: ExchangeId,
        /// Its head.
        head: RequestHead,
        /// What follows.
        content: Content,
    },
    /// The final response begins (client role).
    Response {
        /// The exchange it answers.
        id: ExchangeId,
        /// Its head.
        head: ResponseHead,
        /// What follows.
        content: Content,
    },
    /// An interim response, 1xx but 101 (client role). Any number may come.
    Interim {
        /// The exchange it belongs to.
        id: ExchangeId,
        /// Its head.
        head: ResponseHead,
    },
    /// Content bytes, framing removed. They count against flow control until
    /// [`release`](crate::Machine::release).
    Body {
        /// Their exchange.
        id: ExchangeId,
        /// At least one byte.
        data: &'b [u8],
    },
    /// Trailer fields (RFC 9110 §6.5). [`Event::End`] follows.
    Trailers {
        /// Their exchange.
        id: ExchangeId,
        /// The fields.
        fields: Fields,
    },
    /// The incoming message, or the tunnel's incoming half, is complete.
    End {
        /// Its exchange.
        id: ExchangeId,
    },
    /// The peer gave up the exchange: nothing more comes, nothing more is taken.
    Reset {
        /// The exchange.
        id: ExchangeId,
        /// The code of the wire, where the protocol has one.
        code: u64,
        /// What the request may have caused.
        effect: Effect,
    },
    /// The server promises the answer to a request that nobody made (client role, RFC 9113 §8.4). An exchange of its own
    /// from now on: its response comes, unless it is cancelled.
    Promise {
        /// The exchange whose answer this goes with.
        id: ExchangeId,
        /// The promised exchange, new.
        promised: ExchangeId,
        /// The request, GET or HEAD, without content. Whether the server may speak for its authority is for the caller to
        /// judge.
        head: RequestHead,
    },
    /// More of the outgoing body is welcome, after `send_body` took less than it was given.
    Writable {
        /// The exchange.
        id: ExchangeId,
    },
}

/// What a request may have caused that its peer gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: no part of it was processed, so that any request can be made again (RFC 9113 §8.7, RFC 9114 §4.1.1).
    None,
    /// Anything: only what is idempotent can be made again (RFC 9110 §9.2.2).
    Unknown,
}

/// The answer to "what now?".
#[derive(Debug)]
#[must_use]
pub enum Next<'b> {
    /// This happened; ask again.
    Event(Event<'b>),
    /// All that can be done was done; come back with more bytes. What was not taken must be kept.
    NeedInput,
    /// The caller must act first; bytes do not help.
    Paused(Why),
    /// It is over. What the outbox holds must still be sent.
    Closed(Closed),
}

/// Why a machine takes no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The request before must be answered first (HTTP/1.1 pipelining, tunnels).
    Answer,
    /// A request must be sent first (HTTP/1.1 client role).
    Request,
}
