//! How a connection begins: with what its proxy says, with a TLS handshake, or with the first request.

use std::rc::Rc;

use trilane_connection::{Conversation, Host, Sends, cleartext, http1, proxied, secured};
use trilane_exchange::ConnectionInfo;
use trilane_semantics::Instant;
use trilane_tls::Session;

/// What is to be expected of a connection.
pub(crate) struct Begin {
    /// For one over TLS.
    pub(crate) session: Option<Session>,
    /// One in clear may begin with the preface of HTTP/2.
    pub(crate) h2c: bool,
    /// A header of the PROXY protocol comes first.
    pub(crate) is_proxied: bool,
}

impl Begin {
    /// Its conversation; `name` is the shard's name for it.
    pub(crate) fn conversation(
        self,
        host: &Host,
        now: Instant,
        name: u64,
        info: Rc<ConnectionInfo>,
    ) -> Box<dyn Conversation> {
        let Self { session, h2c, is_proxied } = self;
        let follow = move |host: &Host, now, info| match session {
            Some(session) => secured(host, now, name, info, session),
            None if h2c => cleartext(host, now, name, info, Sends::Files),
            None => http1(host, now, name, info, Sends::Files),
        };
        if is_proxied {
            return proxied(host, now, name, info, Box::new(follow));
        }
        follow(host, now, info)
    }
}
