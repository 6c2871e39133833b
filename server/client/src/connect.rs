//! How a connection to a place comes about: of this, a pool knows nothing.

use std::future::Future;
use std::pin::Pin;

use trilane_exchange::{Caller, Dial, DialError, Shard, Speak};

/// A connection that is being made. Dropping it gives it up.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Caller, DialError>>>>;

/// Makes connections to one place.
pub trait Connect {
    /// Makes a connection, whose protocol is known when it is there.
    fn connect(&self) -> Connecting;

    /// Whether one takes several requests at once, as far as that is known before there is any.
    fn is_shared(&self) -> Option<bool>;
}

/// Whether a connection like that takes several requests at once: ALPN says it, or we do.
pub(crate) const fn is_shared(is_secure: bool, speak: Speak) -> Option<bool> {
    match speak {
        Speak::Http2 | Speak::Http3 => Some(true),
        Speak::Http1 if is_secure => None,
        Speak::Http1 => Some(false),
    }
}

/// To one address, always the same way.
pub(crate) struct Direct {
    pub(crate) shard: Shard,
    pub(crate) dial: Dial,
}

impl Connect for Direct {
    fn connect(&self) -> Connecting {
        let dialed = self.shard.dial(self.dial.clone());
        Box::pin(async move {
            let caller = dialed?;
            caller.ready().await?;
            Ok(caller)
        })
    }

    fn is_shared(&self) -> Option<bool> {
        is_shared(self.dial.tls.is_some(), self.dial.speak)
    }
}
