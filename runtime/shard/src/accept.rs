//! Accepting: one multishot operation a listener, paused when the process has no descriptor or memory to spare.

use std::os::fd::OwnedFd;
use std::time::Duration;

use trilane_exchange::Stats;

use crate::balance::Parcel;
use crate::listen::Listener;
use crate::ring::{Completion, Ring, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

/// How long accepting pauses when a connection could not be had. The queue of the kernel holds those who come.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// The listeners of one shard.
pub(crate) struct Acceptors {
    list: Vec<Acceptor>,
    /// There are as many connections as there may be.
    held: bool,
    closing: bool,
}

struct Acceptor {
    listener: Option<Listener>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Accepting,
    Paused,
}

/// What an accept's completion came to.
pub(crate) enum Accepted {
    /// A connection, on the listener of that number.
    Connection(OwnedFd, usize),
    /// Descriptors or memory are short: [`Acceptors::resume`] after [`PAUSE`].
    Paused,
    /// Nothing to do.
    Nothing,
}

impl Acceptors {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        let acceptor = |listener| Acceptor { listener: Some(listener), state: State::Idle };
        Self { list: listeners.into_iter().map(acceptor).collect(), held: false, closing: false }
    }

    /// Begins to accept, or goes on after a pause or [`Acceptors::hold`].
    pub(crate) fn resume(&mut self, ring: &mut Ring) {
        self.held = false;
        for number in 0..self.list.len() {
            self.list[number].state = match self.list[number].state {
                State::Accepting => State::Accepting,
                State::Idle | State::Paused => self.submit(number, ring),
            };
        }
    }

    /// Takes a completion of an accept.
    pub(crate) fn completed(
        &mut self,
        completion: &mut Completion,
        number: usize,
        ring: &mut Ring,
        stats: &Stats,
    ) -> Accepted {
        let Some(acceptor) = self.list.get_mut(number) else { return Accepted::Nothing };
        let (result, more) = (completion.result(), completion.more());
        if !more {
            acceptor.state = State::Idle;
        }
        if let Some(descriptor) = completion.take_descriptor() {
            if !more {
                self.list[number].state = self.submit(number, ring);
            }
            return Accepted::Connection(descriptor, number);
        }
        if is_shortage(-result) {
            acceptor.state = State::Paused;
            stats.accept_pauses.add(1);
            return Accepted::Paused;
        }
        if !more && !self.closing {
            // The connection was gone before we had it (ECONNABORTED and its like): the next one, please.
            self.list[number].state = self.submit(number, ring);
        }
        Accepted::Nothing
    }

    /// Accepts no more until [`Acceptors::resume`]; the queue of the kernel holds those who come. `false` if it was so
    /// already.
    pub(crate) fn hold(&mut self, ring: &mut Ring) -> bool {
        let is_new = !self.held && !self.closing;
        self.held = true;
        if is_new {
            self.cancel(ring);
        }
        is_new
    }

    /// Stops accepting, for good. Who is in the kernel's queue still comes, by [`Acceptors::take_queued`].
    pub(crate) fn close(&mut self, ring: &mut Ring) {
        self.closing = true;
        if !self.held {
            self.cancel(ring);
        }
    }

    fn cancel(&self, ring: &mut Ring) {
        for (number, acceptor) in self.list.iter().enumerate() {
            if acceptor.state == State::Accepting {
                ring.push(Submission::cancel(
                    token(number, Op::Accept),
                    token(number, Op::CancelAccept),
                ));
            }
        }
    }

    /// Closes the sockets whose last accept has completed, and takes the connections that the kernel still had for them.
    /// Those that descriptors are missing for are lost.
    pub(crate) fn take_queued(&mut self) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for (number, acceptor) in self.list.iter_mut().enumerate() {
            if self.closing
                && acceptor.state != State::Accepting
                && let Some(listener) = acceptor.listener.take()
            {
                let queued = listener.into_queued();
                parcels.extend(queued.map(|descriptor| Parcel { descriptor, listener: number }));
            }
        }
        parcels
    }

    /// Whether all sockets are closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.list.iter().all(|acceptor| acceptor.listener.is_none())
    }

    fn submit(&self, number: usize, ring: &mut Ring) -> State {
        match &self.list[number].listener {
            Some(listener) if !self.closing && !self.held => {
                ring.push(Submission::accept(listener, token(number, Op::Accept)));
                State::Accepting
            }
            _ => State::Idle,
        }
    }
}

/// Listeners are few and live as long as the shard: their numbers need no generation.
fn token(number: usize, op: Op) -> Token {
    Token { key: Key { index: number as u32, generation: 0 }, op }
}

/// Whether accepting fails for want of something that others must give back first.
fn is_shortage(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_pause_and_lost_connections_do_not() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert!(is_shortage(errno));
        }
        for errno in [libc::ECONNABORTED, libc::EPERM, libc::EPROTO, libc::ECANCELED, 0] {
            assert!(!is_shortage(errno));
        }
    }
}
