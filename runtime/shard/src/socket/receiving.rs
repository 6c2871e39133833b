//! What comes out of a socket: bytes into buffers of the ring or large pieces of our own, content into pipes.

use trilane_connection::{Host, LEASE_FROM, PIPE_LEAST, Piping, Received};
use trilane_semantics::Instant;

use super::{GROUP, Receiving, Socket, Waits, is_later};
use crate::buffers::Buffer;
use crate::bulk::{self, Bulks};
use crate::pipes::{Piped, Pipes};
use crate::ring::{Ring, Submission};
use crate::slots::Key;
use crate::sys;
use crate::token::{Op, Token};

/// Large pieces that a socket may receive in one go, before others have their turn.
const BULKS: usize = 4;

impl Socket {
    /// Bytes, the end, or a failure came. `more` when the operation goes on.
    pub(crate) fn received(
        &mut self,
        host: &Host,
        now: Instant,
        buffer: Option<Buffer>,
        may_lease: bool,
        result: i32,
        more: bool,
    ) {
        if !more {
            self.under_way -= 1;
            self.receiving = Receiving::No;
        }
        match (buffer, result) {
            (Some(mut buffer), 1..) => {
                host.stats().received.add(buffer.len() as u64);
                self.traffic.receive(now, buffer.len() as u64);
                self.is_bulky = buffer.is_full();
                if self.closing {
                    return;
                }
                if self.conversation.decrypts() {
                    self.conversation.receive_in_place(host, now, &mut buffer);
                } else if may_lease && buffer.len() >= LEASE_FROM {
                    let memory = buffer.lease();
                    self.conversation.receive(host, now, Received::leasable(&memory));
                } else {
                    self.conversation.receive(host, now, Received::copied(&buffer));
                }
                // The messages are small again.
                self.by_piece &= self.is_bulky || self.conversation.takes_content();
            }
            (_, 0) => {
                self.ended = true;
                self.conversation.receive_end(host, now);
            }
            (_, error) if error == -libc::ENOBUFS => {
                host.stats().starved.add(1);
                self.receiving = Receiving::Starved;
            }
            (_, error) if error == -libc::ECANCELED => {}
            _ => {
                self.ended = true;
                self.conversation.failed(host, now);
            }
        }
    }

    /// Whether it waits for a free buffer.
    pub(crate) fn is_starved(&self) -> bool {
        self.receiving == Receiving::Starved
    }

    /// Tries again to receive, if it still should: there are buffers again.
    pub(crate) fn feed(&mut self, host: &Host, key: Key, ring: &mut Ring) {
        if self.is_starved() {
            self.receiving = Receiving::No;
            if !self.closing && !self.ended && self.conversation.wants_input(host) {
                // One piece each, so that there is something for everybody.
                self.piece(key, ring);
            }
        }
    }

    /// Something has come that is to be received into a pipe.
    pub(crate) const fn readable(&mut self) {
        self.under_way -= 1;
        self.receiving = Receiving::No;
    }

    /// Receives what comes faster than it fits into the ring's buffers. Whether nothing else may be received now.
    pub(super) fn receive_much(
        &mut self,
        host: &Host,
        now: Instant,
        key: Key,
        ring: &mut Ring,
        (bulks, pipes): (&Bulks, &Pipes),
    ) -> bool {
        if self.receiving != Receiving::No || self.closing || self.ended {
            return false;
        }
        match self.conversation.piping(host) {
            Piping::Soon => return true,
            Piping::UpTo(most) if self.is_bulky => match pipes.receive(&self.descriptor, most) {
                Ok(Piped::Content(content)) => {
                    host.stats().received.add(content.len() as u64);
                    self.traffic.receive(now, content.len() as u64);
                    self.is_bulky = content.len() >= PIPE_LEAST;
                    self.conversation.receive_piped(host, now, content);
                    // The next one, if it may be, when somebody has taken this.
                    return self.conversation.piping(host) != Piping::No;
                }
                Ok(Piped::End) => {
                    self.ended = true;
                    self.conversation.receive_end(host, now);
                }
                Ok(Piped::None) => {}
                Err(error) if is_later(&error) => self.wait_for_more(key, ring),
                Err(_) => {
                    self.ended = true;
                    self.conversation.failed(host, now);
                }
            },
            Piping::UpTo(_) | Piping::No => {}
        }
        self.receive_bulk(host, now, bulks);
        false
    }

    /// Goes on when something has come.
    fn wait_for_more(&mut self, key: Key, ring: &mut Ring) {
        ring.push(Submission::readable(&self.descriptor, Token { key, op: Op::Readable }));
        self.receiving = Receiving::Readable;
        self.under_way += 1;
    }

    /// Receives content in large pieces, while there is that much.
    fn receive_bulk(&mut self, host: &Host, now: Instant, bulks: &Bulks) {
        for _ in 0..BULKS {
            let is_wanted = self.receiving == Receiving::No
                && !self.closing
                && !self.ended
                && host.waiting() < host.limits().receive_budget
                && self.conversation.takes_content()
                && self.conversation.wants_input(host);
            if !is_wanted || !self.is_bulky {
                return;
            }
            let mut piece = bulks.take();
            let received = sys::receive_now(&self.descriptor, &mut piece);
            self.is_bulky = matches!(received, Ok(n) if n == piece.len());
            match received {
                Ok(n @ 1..) => {
                    host.stats().received.add(n as u64);
                    self.traffic.receive(now, n as u64);
                    let bytes = &mut piece[..n];
                    if self.conversation.decrypts() {
                        self.conversation.receive_in_place(host, now, bytes);
                    } else if n < bulk::LEND_FROM {
                        self.conversation.receive(host, now, Received::copied(bytes));
                    } else {
                        let memory = bulks.lend(piece, n);
                        self.conversation.receive(host, now, Received::leasable(&memory));
                        continue;
                    }
                }
                Ok(_) => {
                    self.ended = true;
                    self.conversation.receive_end(host, now);
                }
                Err(error) if is_later(&error) => {}
                Err(_) => {
                    self.ended = true;
                    self.conversation.failed(host, now);
                }
            }
            bulks.give(piece);
        }
    }

    pub(super) fn drive_receive(&mut self, host: &Host, key: Key, ring: &mut Ring) {
        let is_there = !self.ended && self.waits != Waits::Connect;
        let wanted = is_there && self.conversation.wants_input(host);
        let takes_content = self.conversation.takes_content();
        match self.receiving {
            Receiving::No if wanted && (takes_content || self.by_piece) => self.piece(key, ring),
            Receiving::No if wanted => self.stream(key, ring),
            Receiving::Stream if !wanted || takes_content => {
                self.by_piece = takes_content;
                self.stop_receiving(key, ring);
            }
            _ => {}
        }
    }

    /// Begins to receive whatever comes: what costs least while requests are small.
    fn stream(&mut self, key: Key, ring: &mut Ring) {
        let token = Token { key, op: Op::Receive };
        ring.push(Submission::receive(&self.descriptor, GROUP, token));
        self.receiving = Receiving::Stream;
        self.under_way += 1;
    }

    /// Receives one piece: the credit of a reader who may fall behind.
    fn piece(&mut self, key: Key, ring: &mut Ring) {
        let token = Token { key, op: Op::Receive };
        ring.push(Submission::receive_once(&self.descriptor, GROUP, token));
        self.receiving = Receiving::Piece;
        self.under_way += 1;
    }

    pub(super) fn stop_receiving(&mut self, key: Key, ring: &mut Ring) {
        let op = match self.receiving {
            Receiving::Piece | Receiving::Stream => Some(Op::Receive),
            Receiving::Readable => Some(Op::Readable),
            Receiving::No | Receiving::Starved | Receiving::Stopping => None,
        };
        if let Some(op) = op {
            let target = Token { key, op };
            ring.push(Submission::cancel(target, Token { key, op: Op::Cancel }));
            self.receiving = Receiving::Stopping;
            self.under_way += 1;
        }
    }
}
