//! What only a transport of many streams has to say: streams that end one by one, how much each takes, early data, other addresses,
//! datagrams. Over QUIC all of it is `quic`'s to say.

use std::rc::Rc;

use trilane_exchange::{Address, ConnectionInfo};
use trilane_semantics::{ExchangeId, Instant, Machine, budget};

use crate::connection::{Connection, Received};
use crate::host::Host;
use crate::slot::Slot;

/// The most that the name of an exchange takes of its datagrams, in bytes: a number of QUIC's (RFC 9000 §16).
const DATAGRAM_NAME: usize = 8;

impl<M: Machine> Connection<M> {
    /// What comes from now on comes in early data, or does no more: it may be a replay (RFC 8470 §2).
    pub const fn set_early(&mut self, is_early: bool) {
        self.is_early = is_early;
    }

    /// The peer, or we, have another address from now on (RFC 9000 §9): so it is told of requests to come.
    pub fn moved(&mut self, host: &Host, local: Address, peer: Address) {
        let info = ConnectionInfo { local, peer, ..ConnectionInfo::clone(&self.info) };
        host.app().moved(&self.info, &info);
        self.info = Rc::new(info);
    }

    /// As [`Machine::set_room`]. [`Connection::look`] must follow, or anything else that asks for events.
    pub fn set_room(&mut self, stream: M::Stream, room: usize) {
        // A server may take many frames of a few bytes for a flood, as ours does: a request waits for more room, which comes as what was
        // sent is acknowledged.
        let is_little = self.desk.is_some() && room < budget::TINY_BELOW;
        self.machine.set_room(stream, if is_little { 0 } else { room });
    }

    /// The exchanges that are under way.
    pub fn exchanges(&self) -> impl Iterator<Item = ExchangeId> {
        self.slots.iter().map(|slot| slot.id)
    }

    /// Something has changed that is not bytes. Whether there is something to send now.
    pub fn look(&mut self, host: &Host, now: Instant) -> bool {
        self.resume(host, now);
        !self.out.is_empty()
    }

    /// Unreliable datagrams of the transport may be so long; none if it has none.
    pub const fn set_datagram_room(&mut self, room: Option<usize>) {
        self.datagram_room = room;
    }

    /// An unreliable datagram came.
    pub fn receive_datagram(&mut self, host: &Host, now: Instant, datagram: &[u8]) {
        match self.machine.datagram(datagram) {
            Ok(Some((id, data))) => {
                let slot = self.slot(id);
                if let Some(queue) = slot.and_then(|slot| slot.exchange.datagrams()) {
                    queue.push(data);
                }
            }
            Ok(None) => {}
            Err(fault) => {
                self.on_fault(host, now, fault);
                self.resume(host, now);
            }
        }
    }

    /// The peer gave up sending on `stream`, with this code.
    pub fn receive_reset(&mut self, host: &Host, now: Instant, stream: M::Stream, code: u64) {
        drop(self.carry.take(stream));
        self.machine.reset(stream, code);
        self.receive(host, now, stream, Received::copied(&[]), false);
    }

    /// The peer wants nothing more on `stream`, for this reason.
    pub fn receive_stop(&mut self, host: &Host, now: Instant, stream: M::Stream, code: u64) {
        self.machine.stopped(stream, code);
        self.receive(host, now, stream, Received::copied(&[]), false);
    }

    /// How many bytes of `stream` may be read now; 0 is none. For transports that give credit on reading;
    /// others ask [`Connection::wants_input`].
    #[must_use]
    pub fn wanted(&self, host: &Host, stream: M::Stream) -> usize {
        // After the end everything is read, to be discarded.
        if self.closed.is_some() {
            return usize::MAX;
        }
        // What is not looked at now would only wait here, where no window counts it.
        if self.is_held(host) {
            return 0;
        }
        // What was read and waits here, for a slow reader say, is not read again.
        self.machine.wanted(stream).saturating_sub(self.carry.len_of(stream))
    }

    /// How long a datagram of an exchange may be: less than the transport's, by the name of the exchange (RFC 9297 §2.1).
    pub(crate) fn most_datagram(&self) -> Option<usize> {
        self.datagram_room?.checked_sub(DATAGRAM_NAME)
    }

    /// Sends the datagrams that an exchange wants sent.
    pub(crate) fn send_datagrams(&mut self, slot: &Slot) {
        let Some(queue) = slot.exchange.datagrams() else { return };
        queue.attach(slot.waker.waker(), self.most_datagram());
        while let Some(datagram) = queue.pop() {
            if self.machine.send_datagram(slot.id, &datagram, &mut self.out).is_err() {
                // It has none any more, or never had: so it is told by the next one.
                queue.attach(slot.waker.waker(), None);
            }
        }
    }
}
