//! A connection from a proxy that says first for whom it is: the PROXY protocol, in front of whatever follows, TLS too.
//!
//! Until its header is complete it is an HTTP/1.1 conversation to which nothing has come, which also watches the time; then one with
//! the client's address takes its place, if that client may have one more. Whether a header is to be expected is never guessed
//! from what comes: the shard knows by listener and peer.

mod header;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Address, ConnectionInfo};
use trilane_semantics::{Cause, ExchangeId, Instant, Outbox, Payload, Reason};

use crate::connection::{Received, Sends};
use crate::conversation::{Conversation, http1, passed_on_to_current};
use crate::describe::Description;
use crate::ending::Goal;
use crate::guests::{Crowded, Guest};
use crate::host::Host;
use crate::piping::Piping;
use header::{Header, Malformed};

/// Makes the conversation that follows, once it is known whom it is with.
pub type Follow = Box<dyn FnOnce(&Host, Instant, Rc<ConnectionInfo>) -> Box<dyn Conversation>>;

/// A conversation that begins with a header of the PROXY protocol, version 1 or 2, of 4,096 bytes at most; a header that cannot be read
/// closes the connection, and so does a client that has as many as it may; proxies themselves are not counted. `key` is the
/// shard's name for it, `info` what is known of the proxy's connection.
#[must_use]
pub fn proxied(
    host: &Host,
    now: Instant,
    key: u64,
    info: Rc<ConnectionInfo>,
    follow: Follow,
) -> Box<dyn Conversation> {
    let current = http1(host, now, key, Rc::clone(&info), Sends::Bytes);
    let waiting = Waiting { info, follow, kept: Vec::new(), drain: None };
    Box::new(Proxied { current, waiting: Some(Box::new(waiting)), guest: None })
}

struct Proxied {
    current: Box<dyn Conversation>,
    waiting: Option<Box<Waiting>>,
    /// The place of its client.
    guest: Option<Box<Guest>>,
}

/// What is needed while the header is not complete.
struct Waiting {
    info: Rc<ConnectionInfo>,
    follow: Follow,
    /// The front of the header.
    kept: Vec<u8>,
    drain: Option<Duration>,
}

impl Proxied {
    /// Bytes came before the header was complete.
    fn wait(&mut self, host: &Host, now: Instant, bytes: &[u8]) {
        let Some(mut waiting) = self.waiting.take() else { return };
        waiting.kept.extend_from_slice(bytes);
        match header::read(&waiting.kept) {
            Ok(None) => self.waiting = Some(waiting),
            Ok(Some(header)) => self.follow(host, now, *waiting, header),
            Err(Malformed) => self.current.shut(host, now, Cause::Fault(Reason::Preface)),
        }
    }

    fn follow(&mut self, host: &Host, now: Instant, waiting: Waiting, header: Header) {
        let info = match header.ends {
            Some(ends) => {
                match host.admit(Some(ends.client.ip())) {
                    Ok(guest) => self.guest = guest,
                    Err(Crowded) => return self.current.shut(host, now, Cause::Overload),
                }
                let (peer, local) = (Address::Ip(ends.client), Address::Ip(ends.asked));
                Rc::new(ConnectionInfo { peer, local, ..ConnectionInfo::clone(&waiting.info) })
            }
            None => waiting.info,
        };
        self.current = (waiting.follow)(host, now, info);
        if let Some(grace) = waiting.drain {
            self.current.drain(host, now, grace);
        }
        let mut kept = waiting.kept;
        match kept.get_mut(header.len..) {
            None | Some([]) => (),
            Some(rest) if self.current.decrypts() => self.current.receive_in_place(host, now, rest),
            Some(rest) => self.current.receive(host, now, Received::copied(rest)),
        }
    }
}

impl Conversation for Proxied {
    fn receive(&mut self, host: &Host, now: Instant, received: Received<'_>) {
        if self.waiting.is_some() {
            self.wait(host, now, received.bytes());
        } else {
            self.current.receive(host, now, received);
        }
    }

    fn receive_in_place(&mut self, host: &Host, now: Instant, bytes: &mut [u8]) {
        if self.waiting.is_some() {
            self.wait(host, now, bytes);
        } else {
            self.current.receive_in_place(host, now, bytes);
        }
    }

    fn decrypts(&self) -> bool {
        self.waiting.is_none() && self.current.decrypts()
    }

    fn receive_end(&mut self, host: &Host, now: Instant) {
        self.current.receive_end(host, now);
    }

    fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        if let Some(waiting) = &mut self.waiting {
            waiting.drain = Some(grace);
        }
        self.current.drain(host, now, grace);
    }

    passed_on_to_current!();
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.fmt(f)
    }
}
