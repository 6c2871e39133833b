//! What a conversation over TLS is while its handshake is under way, in either role: what it will begin with.

use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{ConnectionInfo, Desk, DialError, TlsInfo};
use trilane_semantics::{Instant, Limits, Protocol};

use crate::connection::Sends;
use crate::conversation::{Conversation, client, http1, http2};
use crate::host::Host;

/// The name of HTTP/2 in ALPN (RFC 9113 §3.1).
const H2: &[u8] = b"h2";

/// What the conversation to come needs.
pub(crate) struct Pending {
    pub(crate) key: u64,
    pub(crate) info: Rc<ConnectionInfo>,
    pub(crate) deadline: Instant,
    pub(crate) drain: Option<Duration>,
    /// In the client role.
    pub(crate) asks: Option<Asks>,
}

/// What the client role needs.
pub(crate) struct Asks {
    /// What is spoken if ALPN does not say.
    pub(crate) protocol: Protocol,
    pub(crate) limits: Rc<Limits>,
    /// What goes first, in clear.
    pub(crate) first: Vec<u8>,
    pub(crate) desk: Rc<Desk>,
}

impl Pending {
    /// The conversation that the handshake has agreed on, which has found this out.
    pub(crate) fn open(
        &mut self,
        host: &Host,
        now: Instant,
        found: TlsInfo,
    ) -> Box<dyn Conversation> {
        let spoken = found.alpn.as_deref().map(|name| match name {
            H2 => Protocol::Http2,
            _ => Protocol::Http11,
        });
        let mut info = ConnectionInfo::clone(&self.info);
        info.tls = Some(Rc::new(found));
        let (key, info) = (self.key, Rc::new(info));
        let mut conversation = match (self.asks.take(), spoken) {
            (Some(Asks { protocol, limits, desk, .. }), spoken) => {
                let what = (spoken.unwrap_or(protocol), limits);
                client(host, now, (key, info), what, (Sends::Bytes, Vec::new()), desk)
            }
            (None, Some(Protocol::Http2)) => http2(host, now, key, info),
            (None, _) => http1(host, now, key, info, Sends::Bytes),
        };
        if let Some(grace) = self.drain {
            conversation.drain(host, now, grace);
        }
        conversation
    }

    /// Who asks is told that there is no connection. The first reason stays.
    pub(crate) fn fail(&self, error: impl FnOnce() -> DialError) {
        if let Some(Asks { desk, .. }) = &self.asks {
            desk.end(error());
        }
    }
}
