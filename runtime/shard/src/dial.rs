//! Connections to servers for requests: made by the ring, and from then on sockets like those that were accepted.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use trilane_connection::{Conversation, Host, Sends, client, client_secured};
use trilane_exchange::caller::desk;
use trilane_exchange::{Address, Caller, ConnectionInfo, Desk, Dial, DialError, Remote, Speak};
use trilane_semantics::{Instant, Limits, Protocol};
use trilane_tls::{Connector, Expected, Session};

use crate::ring::{Extent, Ring};
use crate::slots::{Key, Slots};
use crate::socket::Socket;
use crate::sys::SocketName;
use crate::wires;

/// Connections that are to be made, in this turn.
#[derive(Default)]
pub(crate) struct Dials {
    wanted: RefCell<Vec<Wanted>>,
    /// Over QUIC.
    calls: RefCell<Vec<Call>>,
}

/// A connection that is to be made over QUIC.
pub(crate) struct Call {
    pub(crate) expected: Expected,
    pub(crate) peer: SocketAddr,
    pub(crate) limits: Rc<Limits>,
    pub(crate) desk: Rc<Desk>,
}

struct Wanted {
    dial: Dial,
    /// For one over TLS.
    session: Option<Session>,
    descriptor: OwnedFd,
    name: SocketName,
    desk: Rc<Desk>,
}

impl Dials {
    /// A connection is wanted.
    ///
    /// # Errors
    /// There can be none.
    pub(crate) fn dial(&self, dial: Dial) -> io::Result<Caller> {
        if dial.speak == Speak::Http3 {
            return self.call(dial);
        }
        let (descriptor, name) = wires::open(&dial.remote)?;
        let (caller, desk) = desk();
        let desk = Rc::new(desk);
        match session(&dial) {
            Ok(session) => {
                let wanted = Wanted { dial, session, descriptor, name, desk };
                self.wanted.borrow_mut().push(wanted);
            }
            Err(error) => desk.end(error),
        }
        Ok(caller)
    }

    fn call(&self, dial: Dial) -> io::Result<Caller> {
        let Dial { remote: Remote::Ip(peer), tls: Some((connector, name)), limits, .. } = dial
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (caller, desk) = desk();
        let desk = Rc::new(desk);
        match of_tls(&connector).and_then(|it| it.expect(&name).map_err(|broken| failed(&broken))) {
            Ok(expected) => self.calls.borrow_mut().push(Call { expected, peer, limits, desk }),
            Err(error) => desk.end(error),
        }
        Ok(caller)
    }

    /// What is wanted over QUIC.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }

    /// Begins what is wanted. Whose names they have, for the caller to drive them.
    pub(crate) fn serve(
        &self,
        host: &Host,
        now: Instant,
        sockets: &mut Slots<Socket>,
        ring: &mut Ring,
    ) -> Vec<Key> {
        let wanted = self.wanted.take();
        let begun = wanted.into_iter();
        begun.map(|it| it.begin(host, now, sockets, ring)).collect()
    }

    /// Nobody is left who could make them.
    pub(crate) fn forget(&self) {
        let wanted = (self.wanted.take(), self.calls.take());
        drop(wanted);
    }
}

impl Wanted {
    fn begin(self, host: &Host, now: Instant, sockets: &mut Slots<Socket>, ring: &mut Ring) -> Key {
        let Self { dial, session, descriptor, name, desk } = self;
        host.stats().dialed.add(1);
        let (peer, extent) = match &dial.remote {
            Remote::Ip(address) => (Address::Ip(*address), Extent::All),
            // What a unix socket's peer has taken is told by completions only.
            Remote::Unix(_) => (Address::Unix, Extent::Part),
        };
        let info = Rc::new(ConnectionInfo::new(Address::Unix, peer));
        let its = Rc::clone(&desk);
        let key = sockets.insert_with(|key| {
            let conversation = conversation(host, now, (key.pack(), info), (dial, session), desk);
            Socket::new(descriptor, conversation, None, extent, now)
        });
        if let Some(socket) = sockets.get_mut(key) {
            socket.connect(Box::new(name), its, key, ring);
        }
        key
    }
}

/// The TLS of a connection, if it is to have any.
fn session(dial: &Dial) -> Result<Option<Session>, DialError> {
    let Some((connector, name)) = &dial.tls else { return Ok(None) };
    let connector = of_tls(connector)?;
    Session::client(&connector, name).map(Some).map_err(|broken| failed(&broken))
}

/// The connector, as TLS has it.
fn of_tls(connector: &trilane_exchange::Connector) -> Result<Arc<Connector>, DialError> {
    connector.get().ok_or_else(|| failed(&"the connector is of another TLS"))
}

fn failed(text: &dyn ToString) -> DialError {
    DialError::Tls(text.to_string().into())
}

fn conversation(
    host: &Host,
    now: Instant,
    place: (u64, Rc<ConnectionInfo>),
    (dial, session): (Dial, Option<Session>),
    desk: Rc<Desk>,
) -> Box<dyn Conversation> {
    let protocol = match dial.speak {
        Speak::Http2 => Protocol::Http2,
        // The other is spoken over QUIC alone.
        Speak::Http1 | Speak::Http3 => Protocol::Http11,
    };
    let (what, first) = ((protocol, dial.limits), dial.preface);
    match session {
        Some(session) => client_secured(host, now, place, what, (session, first), desk),
        None => client(host, now, place, what, (Sends::Files, first), desk),
    }
}

/// What becomes of a connection that is being made.
pub(crate) struct Connecting {
    pub(crate) name: Box<SocketName>,
    desk: Rc<Desk>,
}

impl Connecting {
    pub(crate) fn new(name: Box<SocketName>, desk: Rc<Desk>) -> Self {
        Self { name, desk }
    }

    /// It is made, or cannot be. Whether it is.
    pub(crate) fn end(self, result: i32) -> bool {
        match result {
            0.. => self.desk.connected(),
            _ => self.desk.end(DialError::from(io::Error::from_raw_os_error(-result))),
        }
        result >= 0
    }
}
