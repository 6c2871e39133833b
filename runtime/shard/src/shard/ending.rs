//! How a shard ends: what is under way is finished, then what the kernel still does is waited for.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use trilane_semantics::{Cause, Instant};

use super::{Shard, State};
use crate::control::Order;
use crate::core::Timer;
use crate::quic::Quic;
use crate::ring::Completion;
use crate::token::Op;

/// How long a shard that ends waits for the kernel to let go of memory and files: reads of a disk, and what was sent without
/// a copy and is not acknowledged yet.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// For what was ended at once to be gone, at most.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Shard {
    /// Looks whether somebody outside wants something.
    pub(super) fn obey(&mut self, now: Instant) -> ControlFlow<()> {
        self.follow();
        match self.control.order() {
            Order::Wait | Order::Serve => return ControlFlow::Continue(()),
            Order::Drain if self.state == State::Serving => {
                self.drains();
                self.acceptors.close(&mut self.ring);
                let deadline = now + self.control.deadline();
                self.core.wheel.borrow_mut().insert(deadline, Timer::DrainDeadline);
                if let Some(quic) = &mut self.quic {
                    quic.drain(&self.host, now, self.control.grace(), self.control.is_left());
                }
                for key in self.keys() {
                    // What goes to servers is of use to those under way.
                    if let Some(socket) = self.sockets.get_mut(key).filter(|it| !it.is_dialed) {
                        socket.conversation.drain(&self.host, now, self.control.grace());
                        self.drive(now, key);
                    }
                }
            }
            Order::Drain => {}
            Order::Stop => self.shut_all(now, Cause::DrainDeadline),
        }
        if self.state == State::Serving {
            self.drains();
            self.acceptors.close(&mut self.ring);
        }
        // Who was in the kernel's queue came before the end, and is served like the others.
        let control = &self.control;
        for parcel in self.acceptors.take_queued(|address| control.has_left(address)) {
            self.host.stats().accepted.add(1);
            if self.control.order() == Order::Drain {
                self.adopt(now, parcel);
            }
        }
        let is_unused = self.acceptors.is_closed()
            && self.served() == 0
            && self.surplus.is_empty()
            && self.quic.as_ref().is_none_or(Quic::is_empty);
        if is_unused && self.asks() {
            self.shut_all(now, Cause::Drain);
        }
        let is_empty = is_unused && self.sockets.is_empty() && !self.asks();
        // What has been ended for so long, and is still there, is not waited for any longer.
        let is_late = self.ends_by.is_some_and(|at| at <= now);
        let is_closed = (is_empty || is_late) && self.balance.close(self.host.shard().id());
        if is_closed || is_late {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn drains(&mut self) {
        self.state = State::Draining;
        self.core.is_draining.set(true);
    }

    pub(super) fn shut_all(&mut self, now: Instant, cause: Cause) {
        if cause == Cause::DrainDeadline {
            self.ends_by.get_or_insert(now + LAST_WORDS);
        }
        self.surplus.clear();
        if let Some(quic) = &mut self.quic {
            quic.shut(&self.host, now, cause);
        }
        for key in self.keys() {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.conversation.shut(&self.host, now, cause);
                self.drive(now, key);
            }
        }
    }

    /// Sees to it that the kernel has everything that was pushed, above all what closes descriptors, and that nothing
    /// outlives the shard: what the kernel still reads from or fills is waited for, [`LAST_WAIT`] at most. What it has not
    /// let go of by then is never freed.
    pub(super) async fn end(&mut self, completions: &mut Vec<Completion>) -> io::Result<()> {
        // Those who have asked for a read may hold the shard that holds them, as tasks may.
        self.core.drop_tasks();
        let wanted = self.core.wanted.take();
        drop(wanted);
        self.reads.forget_waiting();
        self.wires.close(&mut self.ring);
        self.core.dials.forget();
        let last = self.core.tick() + LAST_WAIT;
        if let Some(quic) = &mut self.quic {
            quic.close(&mut self.ring);
        }
        while self.ring.has_submissions() || self.has_under_way() {
            self.ring.turn(completions)?;
            let now = self.core.tick();
            for mut completion in completions.drain(..) {
                match completion.token().map(|token| (token.op, token.key)) {
                    Some((Op::Datagrams | Op::Train | Op::CancelDatagrams, _)) => {
                        if let Some(quic) = &mut self.quic {
                            quic.completed(&self.host, now, &mut completion, &mut self.ring);
                        }
                    }
                    // Nobody is left who wants to know.
                    Some((Op::Read, _)) => drop(self.reads.finish(&completion, &mut self.ring)),
                    Some((Op::Send, key)) => drop(self.sendings.let_go(key)),
                    Some(_) => self.wires.completed(&completion, &mut self.ring),
                    None => {}
                }
            }
            if self.ring.has_submissions() {
                continue;
            }
            if now >= last {
                break;
            }
            if self.has_under_way() {
                self.ring.sleep(Some(last.since(now))).await?;
            }
        }
        // What has ended since may have left tasks behind.
        self.core.drop_tasks();
        // What is woken holds the queue that holds it.
        self.queue.drain(&mut Vec::new());
        Ok(())
    }

    /// Whether the kernel still reads from our memory, or fills it.
    fn has_under_way(&self) -> bool {
        let quic = self.quic.as_ref().is_some_and(|quic| !quic.is_idle());
        let files = !self.reads.is_empty();
        quic || files || !self.sendings.is_empty() || !self.wires.is_empty()
    }
}
