//! Connections of the lane's that lead to servers: how they begin, and what comes for them.

use std::rc::Rc;

use trilane_exchange::{Desk, DialError};
use trilane_quic::{Error, Path};
use trilane_semantics::{ExchangeId, Instant, Limits};
use trilane_tls::Expected;

use super::lane::Lane;
use super::talk::Talk;
use crate::host::Host;

/// What a connection to a server is for.
pub(super) struct Call {
    pub(super) desk: Rc<Desk>,
    pub(super) limits: Rc<Limits>,
}

impl Lane {
    /// Begins a connection to the server at `path`, for the requests at `desk`.
    pub fn dial(
        &mut self,
        host: &Host,
        now: Instant,
        (expected, path): (&Expected, Path),
        limits: Rc<Limits>,
        desk: Rc<Desk>,
    ) {
        let mut session = match self.endpoint.dial(self.clock(now), expected, path) {
            Ok(session) => session,
            Err(error) => return desk.end(failed(&error)),
        };
        if let Some(writer) = self.log.as_ref().and_then(|log| log(session.name())) {
            session.log_to(writer);
        }
        host.stats().dialed.add(1);
        let index = self.insert(|key| {
            desk.attach(host.take_waker(key, ExchangeId(0)).waker().clone());
            Talk::new(session, key, path, now).calling(Call { desk, limits })
        });
        self.calls.push(index);
        if let Some(talk) = self.entries.get_mut(index as usize).and_then(|it| it.talk.as_mut()) {
            self.endpoint.bind(&mut talk.session, index);
            self.touch(index);
        }
    }

    /// A datagram came, that may be changed where it lies, to where connections are only begun: nobody begins one there with us.
    pub fn hear(&mut self, host: &Host, datagram: &mut [u8], path: Path) {
        host.stats().received.add(datagram.len() as u64);
        let Some(index) = self.endpoint.known(datagram) else {
            return self.hear_strange(datagram, path);
        };
        if let Some(talk) = self.talk(index).filter(|talk| talk.session.is_dialed()) {
            // What is wrong with it is QUIC's matter: it tells the peer, or passes over it.
            let _ = talk.session.receive(datagram, path);
            self.touch(index);
        }
    }

    /// A datagram came with no id of ours: a server that has forgotten its connections says so that way, with what only it can know
    /// (RFC 9000 §10.3).
    fn hear_strange(&mut self, datagram: &[u8], path: Path) {
        let Self { calls, entries, scratch, touched, .. } = self;
        let Some(copy) = scratch.get_mut(..datagram.len()) else { return };
        for &index in &*calls {
            let Some(talk) = entries.get_mut(index as usize).and_then(|it| it.talk.as_mut()) else {
                continue;
            };
            if talk.session.path() != path || !talk.session.is_established() {
                continue;
            }
            // Reading changes it.
            copy.copy_from_slice(datagram);
            let _ = talk.session.receive(copy, path);
            if talk.session.ended().is_some() && !std::mem::replace(&mut talk.is_touched, true) {
                touched.push(index);
            }
        }
    }

    /// How many connections lead to servers.
    #[must_use]
    pub const fn calls(&self) -> usize {
        self.calls.len()
    }
}

/// Why a connection cannot even begin.
fn failed(error: &Error) -> DialError {
    DialError::Tls(error.to_string().into())
}
