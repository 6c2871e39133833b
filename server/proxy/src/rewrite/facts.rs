//! What is known of an exchange when its request is rewritten.

use trilane_exchange::{Address, Client, Exchange, TraceContext};
use trilane_semantics::Protocol;

/// What is known of a request besides its head, and which server is asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks: the peer, or whom a proxy that we trust names.
    pub client: Client,
    /// The other end of the connection that the request came over.
    pub peer: Address,
    /// Whether the peer is a proxy that we trust: then what it says of those before it is passed on.
    pub is_trusted: bool,
    /// Whether the request came in early data (RFC 8470).
    pub is_early: bool,
    /// Its id; empty for none.
    pub request_id: &'a [u8],
    /// Its place in a trace: the span that asks the server.
    pub trace: Option<TraceContext>,
    /// Chance, for the key of a WebSocket that came by extended CONNECT (RFC 6455 §4.1).
    pub nonce: u128,
    /// The server that is asked.
    pub upstream: Upstream<'a>,
}

/// The server that is asked, as far as heads depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upstream<'a> {
    /// What is spoken with it.
    pub protocol: Protocol,
    /// Whether that goes over TLS.
    pub is_secure: bool,
    /// Its authority: for [`Host::Server`](crate::rewrite::Host), and for requests that name none.
    pub authority: &'a str,
}

impl<'a> Facts<'a> {
    /// What an exchange knows. Its peer counts as trusted where a layer has learned of it who asks
    /// ([`Exchange::set_client`]): a layer does so for those alone that it trusts.
    #[must_use]
    pub fn of(exchange: &'a Exchange, upstream: Upstream<'a>) -> Self {
        let (client, connection) = (exchange.client(), exchange.connection());
        let nonce = exchange.head().connect_protocol().map_or(0, |_| {
            let random = || u128::from(exchange.shard().random());
            random() << 64 | random()
        });
        Self {
            client,
            peer: connection.peer,
            is_trusted: client != Client::of(connection),
            is_early: exchange.is_early(),
            request_id: exchange.request_id_bytes(),
            trace: exchange.trace(),
            nonce,
            upstream,
        }
    }
}
