//! Who gets a place: connections that have come are served here, given to another shard, or wait; none is refused.

use std::os::fd::{AsFd, RawFd};

use trilane_connection::Guest;
use trilane_exchange::Address;
use trilane_semantics::Instant;

use super::Shard;
use crate::accept::{Accepted, Mode, PAUSE};
use crate::balance::Parcel;
use crate::control::Order;
use crate::core::Timer;
use crate::proxies::Proxies;
use crate::ring::{Completion, Submission};
use crate::slots::Key;
use crate::sys;
use crate::token::{Op, Token};

impl Shard {
    pub(super) fn accepted(&mut self, now: Instant, completion: &mut Completion, number: usize) {
        let stats = self.host.stats();
        match self.acceptors.completed(completion, number, &mut self.ring, stats) {
            Accepted::Nothing => {}
            Accepted::Paused => {
                self.core.wheel.borrow_mut().insert(now + PAUSE, Timer::Accept);
            }
            Accepted::Connection(descriptor, listener) => {
                stats.accepted.add(1);
                if let Some(parcel) = self.give_away(Parcel { descriptor, listener }) {
                    self.adopt(now, parcel);
                }
            }
        }
    }

    /// Gives a fresh connection to a shard that has far fewer; else it is ours.
    fn give_away(&mut self, parcel: Parcel) -> Option<Parcel> {
        let me = self.host.shard().id();
        let target = match self.control.order() {
            Order::Serve => self.balance.better_than(me),
            Order::Wait | Order::Drain | Order::Stop => None,
        };
        let Some((to, ring)) = target else { return Some(parcel) };
        if let Err(parcel) = self.balance.send(to, parcel) {
            return Some(parcel);
        }
        self.knock(ring);
        self.host.stats().handed_over.add(1);
        None
    }

    /// Wakes the shard whose ring that is.
    pub(super) fn knock(&mut self, ring: RawFd) {
        let token = Token { key: Key { index: 0, generation: 0 }, op: Op::Message };
        self.ring.push(Submission::message(ring, 0, token, token));
    }

    /// Takes a fresh connection: it is served, or waits while there are as many as there may be.
    pub(super) fn adopt(&mut self, now: Instant, parcel: Parcel) {
        if self.served() < self.most {
            self.serve(now, parcel);
        } else {
            self.surplus.push_back(parcel);
            self.balance.has_surplus(self.host.shard().id(), self.surplus.len());
        }
    }

    /// Who has come, whether that is a proxy that says first for whom, and the place of that client; if it has none, the descriptor is
    /// ready to be closed. A proxy's client has its place when it is known.
    pub(super) fn welcome(
        &self,
        listener: usize,
        descriptor: impl AsFd,
    ) -> Option<(Address, bool, Option<Box<Guest>>)> {
        let peer = sys::peer_address(&descriptor).ok().flatten();
        let peer = peer.map_or(Address::Unix, Address::Ip);
        let expects = |proxies: &Proxies| proxies.expect_header(listener, peer);
        if self.proxies.as_ref().is_some_and(expects) {
            return Some((peer, true, None));
        }
        let guest = self.host.admit(peer.ip());
        if guest.is_err() {
            // By a reset: it is to cost us nothing more. It fails only where there is nobody any more.
            let _ = sys::reset_on_close(&descriptor);
        }
        Some((peer, false, guest.ok()?))
    }

    /// Serves those who waited, now that others have left, here or on another shard. Whether there was one.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let waited = self.surplus.len();
        while let Some(parcel) = self.surplus.pop_front() {
            if self.served() < self.most {
                self.serve(now, parcel);
            } else if let Some(parcel) = self.give_away(parcel) {
                self.surplus.push_front(parcel);
                break;
            }
        }
        if self.surplus.len() == waited {
            return false;
        }
        self.balance.has_surplus(self.host.shard().id(), self.surplus.len());
        true
    }

    /// Accepts as fast as there is room for those who come, here or on another shard. Whether there is some by now for one
    /// who waits.
    pub(super) fn regulate(&mut self) -> bool {
        if self.control.order() != Order::Serve {
            return false;
        }
        let (me, waits) = (self.host.shard().id(), !self.surplus.is_empty());
        let room = if waits { 0 } else { self.balance.room(me) };
        let elsewhere = room == 0 && self.balance.hold(me);
        let mode = Mode::with(room, self.burst, elsewhere && !waits);
        if self.acceptors.accept(mode, &mut self.ring) {
            self.host.stats().accept_pauses.add(1);
        }
        elsewhere && waits
    }
}
