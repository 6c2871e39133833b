//! One socket: its conversation, and what the ring is doing for it.

mod receiving;
mod sending;

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use trilane_connection::{Conversation, Goal, Guest, Host, Traffic};
use trilane_exchange::Desk;
use trilane_semantics::Instant;

use crate::bulk::Bulks;
use crate::dial::Connecting;
use crate::pipes::Pipes;
use crate::ring::{Extent, Ring, Submission};
use crate::sending::{Reads, Sending, Sendings};
use crate::slots::Key;
use crate::sys::{self, SocketName};
use crate::token::{Op, Token};
use crate::wheel::TimerKey;
use crate::wires;

/// The group of buffers that TCP receives into.
pub(crate) const GROUP: u16 = 0;

/// Whether a socket may send of files and pipes in this turn: once, so that others have theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Fresh,
    Over,
}

/// One socket, accepted, or connected to a server.
pub(crate) struct Socket {
    pub(crate) descriptor: OwnedFd,
    pub(crate) conversation: Box<dyn Conversation>,
    pub(crate) traffic: Traffic,
    /// The place of its client.
    _guest: Option<Box<Guest>>,
    receiving: Receiving,
    /// What is left of an outbox between two sends.
    sending: Option<Box<Sending>>,
    waits: Waits,
    /// Where it is being connected to, and for whom.
    connecting: Option<Box<Connecting>>,
    /// It is one of those that we began.
    pub(crate) is_dialed: bool,
    extent: Extent,
    /// Operations whose last completion has not come.
    under_way: u8,
    /// Bytes that the peer had taken when we last looked, their low half: idle connections are many.
    acknowledged: u32,
    /// The last piece that came filled all that it was given.
    is_bulky: bool,
    /// The last message was so large that receiving whatever comes had to be stopped.
    by_piece: bool,
    /// The peer's half has ended, or failed.
    ended: bool,
    closing: bool,
    pub(crate) timer: Option<(TimerKey, Instant)>,
}

/// What sending waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    No,
    /// The connection, to be made.
    Connect,
    /// Bytes of a file, from the disk.
    Read,
    /// The kernel, to send.
    Send,
    /// The kernel, to let go of the memory that it has sent from.
    Notice,
    /// The peer, to make room.
    Room,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiving {
    No,
    /// One piece at most.
    Piece,
    /// All that comes, until it is stopped.
    Stream,
    /// The kernel was asked to stop.
    Stopping,
    /// Nothing, until there is something to be piped.
    Readable,
    /// No buffer was free; to be tried again.
    Starved,
}

/// What the shard must do next.
#[derive(PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing; keep it.
    Keep,
    /// Nothing is under way any more: close the descriptor and forget the socket.
    Gone,
}

impl Socket {
    pub(crate) fn new(
        descriptor: OwnedFd,
        conversation: Box<dyn Conversation>,
        guest: Option<Box<Guest>>,
        extent: Extent,
        now: Instant,
    ) -> Self {
        Self {
            descriptor,
            conversation,
            traffic: Traffic::new(now),
            _guest: guest,
            receiving: Receiving::No,
            sending: None,
            waits: Waits::No,
            connecting: None,
            is_dialed: false,
            extent,
            under_way: 0,
            acknowledged: 0,
            is_bulky: false,
            by_piece: false,
            ended: false,
            closing: false,
            timer: None,
        }
    }

    /// Begins to connect it: it was not accepted.
    pub(crate) fn connect(
        &mut self,
        name: Box<SocketName>,
        desk: Rc<Desk>,
        key: Key,
        ring: &mut Ring,
    ) {
        let connecting = self.connecting.insert(Box::new(Connecting::new(name, desk)));
        wires::begin(&self.descriptor, connecting, key, ring);
        (self.is_dialed, self.waits) = (true, Waits::Connect);
        self.under_way += 1;
    }

    /// It is connected, or cannot be.
    pub(crate) fn connected(&mut self, host: &Host, now: Instant, result: i32) {
        self.under_way -= 1;
        self.waits = Waits::No;
        let Some(connecting) = self.connecting.take() else { return };
        if !connecting.end(result) {
            self.ended = true;
            self.conversation.failed(host, now);
        }
    }

    /// An operation that only had to be waited for has completed.
    pub(crate) const fn settled(&mut self) {
        self.under_way -= 1;
    }

    /// Turns what the conversation wants into operations. To be called after anything was done to it.
    pub(crate) fn drive(
        &mut self,
        host: &Host,
        now: Instant,
        key: Key,
        ring: &mut Ring,
        sendings: &mut Sendings,
        (reads, bulks, pipes): (&mut Reads, &Bulks, &Pipes),
    ) -> Verdict {
        let is_held =
            self.waits != Waits::Connect && self.receive_much(host, now, key, ring, (bulks, pipes));
        if !self.closing {
            self.drive_send(host, now, key, ring, sendings, reads);
            match self.conversation.goal() {
                Goal::Open => {}
                Goal::HalfClose => {
                    self.shut_write();
                    self.conversation.half_closed(host, now);
                }
                Goal::Close => self.begin_close(key, ring),
                Goal::Reset => {
                    // It fails only on what is no connection any more; then there is nothing to reset.
                    let _ = sys::reset_on_close(&self.descriptor);
                    self.begin_close(key, ring);
                }
            }
        }
        if !self.closing && !is_held {
            self.drive_receive(host, key, ring);
        }
        if self.closing && self.under_way == 0 { Verdict::Gone } else { Verdict::Keep }
    }

    /// Closes the descriptor, in the next turn.
    pub(crate) fn close(self, key: Key, ring: &mut Ring) {
        ring.push(Submission::close(self.descriptor, Token { key, op: Op::Close }));
    }

    /// Half-closes at once: the ring would hand it to a worker thread.
    fn shut_write(&self) {
        // It fails only when the peer has reset the connection; then receiving says so.
        let _ = sys::shutdown(&self.descriptor, Shutdown::Write);
    }

    /// Ends what the kernel does for this socket; when all of it is over, it can be closed.
    fn begin_close(&mut self, key: Key, ring: &mut Ring) {
        self.closing = true;
        if self.is_starved() {
            self.receiving = Receiving::No;
        }
        self.stop_receiving(key, ring);
        let op = match self.waits {
            Waits::Room => Some(Op::Writable),
            Waits::Send => Some(Op::Send),
            Waits::Connect => Some(Op::Connect),
            // A read ends by itself, and memory is let go of when the descriptor is closed.
            Waits::No | Waits::Notice | Waits::Read => None,
        };
        if let Some(op) = op {
            // The peer takes nothing and its time is over.
            let target = Token { key, op };
            ring.push(Submission::cancel(target, Token { key, op: Op::Cancel }));
            self.under_way += 1;
        }
    }
}

/// Whether it is worth another try.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
