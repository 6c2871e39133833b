//! Connections to servers: when they begin, and whether there are any.

use std::io;
use std::rc::Rc;

use trilane_connection::Host;
use trilane_semantics::Instant;

use super::Shard;
use crate::quic::Quic;
use crate::ring::Ring;

impl Shard {
    /// Begins the connections that are wanted to servers.
    pub(super) fn dial(&mut self, now: Instant) {
        let core = Rc::clone(&self.core);
        for key in core.dials.serve(&self.host, now, &mut self.sockets, &mut self.ring) {
            self.outward += 1;
            self.drive(now, key);
        }
        let calls = core.dials.calls();
        if calls.is_empty() {
            return;
        }
        for call in calls {
            let desk = Rc::clone(&call.desk);
            match self.quic() {
                Ok((quic, host, ring)) => quic.dial(host, now, call, ring),
                Err(error) => desk.end(error.into()),
            }
        }
        if let Some(quic) = &mut self.quic {
            quic.run(&self.host, now, &core, &mut self.ring);
        }
    }

    /// What makes connections over QUIC: there is none before the first, where we do not listen.
    fn quic(&mut self) -> io::Result<(&mut Quic, &Host, &mut Ring)> {
        let quic = match self.quic.take() {
            Some(quic) => quic,
            None => Quic::dialing(&self.core, &mut self.ring)?,
        };
        Ok((self.quic.insert(quic), &self.host, &mut self.ring))
    }

    /// Whether there are connections to servers.
    pub(super) fn asks(&self) -> bool {
        self.outward > 0 || self.quic.as_ref().is_some_and(|quic| quic.calls() > 0)
    }

    /// How many connections clients have.
    pub(crate) fn served(&self) -> usize {
        self.sockets.len() - self.outward
    }
}
