//! Accepting: one operation a listener, paused when the process has no descriptor or memory to spare.
//!
//! A multishot accept empties the kernel's queue in one go, however long it is. So near the limit of connections it is
//! single accepts, one connection each, and at the limit it is none.

use std::os::fd::OwnedFd;
use std::time::Duration;

use trilane_exchange::Stats;

use crate::balance::Parcel;
use crate::listen::{ListenAddress, Listener};
use crate::ring::{Completion, Ring, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

/// How long accepting pauses when a connection could not be had. The queue of the kernel holds those who come.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// The listeners of one shard.
pub(crate) struct Acceptors {
    list: Vec<Acceptor>,
    mode: Mode,
    closing: bool,
}

struct Acceptor {
    listener: Option<Listener>,
    /// Of its address: a shard may have several listeners of one.
    number: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Accepting,
    Paused,
}

/// How connections are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Not at all: the queue of the kernel holds those who come.
    Held,
    /// One of each listener, until [`Acceptors::accept`] is called again.
    Single,
    /// As they come.
    Stream,
}

impl Mode {
    /// The mode for a shard that has `room` for so many connections more. `burst` is what the kernel's queues can bring at
    /// once; `elsewhere`: another shard has room.
    pub(crate) const fn with(room: usize, burst: usize, elsewhere: bool) -> Self {
        match room {
            0 if !elsewhere => Self::Held,
            _ if room <= burst => Self::Single,
            _ => Self::Stream,
        }
    }
}

/// What an accept's completion came to.
pub(crate) enum Accepted {
    /// A connection, on a listener of the address of that number.
    Connection(OwnedFd, usize),
    /// Descriptors or memory are short: [`Acceptors::resume`] after [`PAUSE`].
    Paused,
    /// Nothing to do.
    Nothing,
}

impl Acceptors {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        let acceptor = |listener: Listener| {
            let number = listener.number();
            Acceptor { listener: Some(listener), number, state: State::Idle }
        };
        let list = listeners.into_iter().map(acceptor).collect();
        Self { list, mode: Mode::Held, closing: false }
    }

    /// How many listeners there are: as many connections may come after [`Mode::Single`] is over.
    pub(crate) const fn count(&self) -> usize {
        self.list.len()
    }

    /// Accepts in this mode from now on, but for those that pause. Whether it had not held back before, and does now.
    pub(crate) fn accept(&mut self, mode: Mode, ring: &mut Ring) -> bool {
        let before = std::mem::replace(&mut self.mode, mode);
        if mode == Mode::Stream && before == mode {
            // Those go on by themselves.
            return false;
        }
        if before != mode && (mode == Mode::Held || before == Mode::Stream) {
            self.cancel(ring);
        }
        self.begin(State::Idle, ring);
        before != mode && mode == Mode::Held
    }

    /// Goes on after a pause.
    pub(crate) fn resume(&mut self, ring: &mut Ring) {
        self.begin(State::Paused, ring);
    }

    /// Begins to accept where it is in that state, if the mode is to accept.
    fn begin(&mut self, state: State, ring: &mut Ring) {
        for number in 0..self.list.len() {
            if self.list[number].state == state {
                self.list[number].state = self.submit(number, ring);
            }
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
            let listener = acceptor.number;
            if !more && self.mode == Mode::Stream {
                self.list[number].state = self.submit(number, ring);
            }
            return Accepted::Connection(descriptor, listener);
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

    /// Stops accepting, for good. Who is in the kernel's queue still comes, by [`Acceptors::take_queued`].
    pub(crate) fn close(&mut self, ring: &mut Ring) {
        self.closing = true;
        self.cancel(ring);
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

    /// Closes the sockets whose last accept has completed, and takes the connections that the kernel still had for them; not if
    /// they are `left` to another process, which is so or not for an address. Those that descriptors are missing for are lost.
    pub(crate) fn take_queued(&mut self, left: impl Fn(&ListenAddress) -> bool) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for acceptor in &mut self.list {
            if self.closing
                && acceptor.state != State::Accepting
                && let Some(listener) = acceptor.listener.take()
            {
                if left(listener.address()) {
                    // Nor is it made non-blocking, for it is theirs too.
                    continue;
                }
                let (queued, listener) = (listener.into_queued(), acceptor.number);
                parcels.extend(queued.map(|descriptor| Parcel { descriptor, listener }));
            }
        }
        parcels
    }

    /// Whether all sockets are closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.list.iter().all(|acceptor| acceptor.listener.is_none())
    }

    fn submit(&self, number: usize, ring: &mut Ring) -> State {
        let Some(listener) = self.list[number].listener.as_ref().filter(|_| !self.closing) else {
            return State::Idle;
        };
        let token = token(number, Op::Accept);
        ring.push(match self.mode {
            Mode::Held => return State::Idle,
            Mode::Single => Submission::accept_once(listener, token),
            Mode::Stream => Submission::accept(listener, token),
        });
        State::Accepting
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
    fn only_with_room_for_a_whole_burst_they_come_in_one_go() {
        for (room, elsewhere, mode) in [
            (0, false, Mode::Held),
            (0, true, Mode::Single),
            (1, false, Mode::Single),
            (99, false, Mode::Single),
            (100, true, Mode::Single),
            (101, false, Mode::Stream),
        ] {
            assert_eq!(Mode::with(room, 100, elsewhere), mode, "{room} {elsewhere}");
        }
    }

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
