//! What a shard answers of itself while it serves: how it is, who is connected, who left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use trilane_connection::{Close, Description, Traffic};
use trilane_semantics::{Cause, Instant};

use super::{Shard, State};
use crate::inspect::{Around, BufferReport, ConnectionEntry, ConnectionId, Filter, Report, SLICE};
use crate::slots::Key;
use crate::socket::Socket;
use crate::sys;
use crate::tap::{Tap, tap};

impl Shard {
    /// Answers what was asked.
    #[inline]
    pub(super) fn answer(&mut self, now: Instant) {
        for question in self.questions.take(self.core.number()) {
            if catch_unwind(AssertUnwindSafe(|| question(self, now))).is_err() {
                self.host.stats().panics.add(1);
            }
        }
    }

    /// How it is.
    pub(crate) fn report(&mut self) -> Report {
        let quic = self.quic.as_ref().map_or(0, |quic| quic.len());
        Report {
            shard: self.core.number(),
            is_draining: self.state == State::Draining,
            cpu: sys::thread_cpu(),
            connections: self.served() + quic,
            outward: self.outward + self.quic.as_ref().map_or(0, |quic| quic.calls()),
            quic,
            surplus: self.surplus.len(),
            slots: self.sockets.capacity(),
            tasks: self.core.tasks.borrow().len(),
            timers: self.core.wheel.borrow().len(),
            reads: self.reads.len(),
            waiting: self.host.waiting(),
            buffers: BufferReport {
                in_use: self.buffers.in_use().into(),
                free: self.buffers.free().into(),
                leased: self.buffers.leased().into(),
                most: self.buffers.most().into(),
                size: self.buffers.size(),
                starved: self.starved.len(),
            },
            bulk: self.bulks.spare(),
            pipes: self.pipes.used(),
            ring: self.ring.report(),
        }
    }

    /// The connections that `filter` wants, of the next [`SLICE`] slots from `around` on, and where to go on.
    pub(crate) fn look(
        &self,
        now: Instant,
        around: Around,
        filter: Filter,
    ) -> (Vec<ConnectionEntry>, Option<Around>) {
        let mut found = Vec::new();
        let next = self.walk(around, |key, is_outward, description, traffic| {
            if filter.wants(&description) {
                let id = ConnectionId { shard: self.core.number(), key };
                found.push(ConnectionEntry::new(id, now, is_outward, &description, traffic));
            }
        });
        (found, next)
    }

    /// Gives the connections of the next [`SLICE`] slots from `around` on to `take`. Where to go on.
    pub(super) fn walk(
        &self,
        around: Around,
        mut take: impl FnMut(u64, bool, Description, Traffic),
    ) -> Option<Around> {
        match around {
            Around::Sockets(from) => {
                for (key, socket) in self.sockets.iter_from(from).take(SLICE) {
                    if let Some(socket) = socket {
                        let described = socket.describe();
                        take(key.pack(), socket.is_dialed, described, socket.traffic);
                    }
                }
                let is_last = from + SLICE >= self.sockets.capacity();
                Some(if is_last { Around::Quic(0) } else { Around::Sockets(from + SLICE) })
            }
            Around::Quic(from) => {
                let quic = self.quic.as_ref();
                let left = quic.is_some_and(|quic| quic.look(from, SLICE, &mut take));
                left.then_some(Around::Quic(from + SLICE))
            }
        }
    }

    /// Those that closed last, the youngest first.
    pub(crate) fn closes(&self) -> Vec<Close> {
        self.host.closes()
    }

    /// Has a connection over QUIC write its qlog, if there is one of that name.
    pub(crate) fn log(&mut self, key: u64) -> Option<Tap> {
        let quic = self.quic.as_mut().filter(|quic| quic.is_key(key))?;
        let (tap, writer) = tap();
        quic.log(key, Box::new(writer)).then_some(tap)
    }

    /// Ends a connection at once. Whether there is one of that name.
    pub(crate) fn cut(&mut self, now: Instant, key: u64) -> bool {
        if let Some(quic) = self.quic.as_mut().filter(|quic| quic.is_key(key)) {
            return quic.cut(&self.host, now, key);
        }
        let key = Key::unpack(key);
        let Some(socket) = self.sockets.get_mut(key) else { return false };
        socket.conversation.shut(&self.host, now, Cause::Operator);
        self.drive(now, key);
        true
    }
}

impl Socket {
    /// What it does.
    pub(crate) fn describe(&self) -> Description {
        self.conversation.describe()
    }
}
