//! One socket: its conversation, and what the ring is doing for it.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use trilane_connection::{Conversation, Goal, Guest, Host, LEASE_FROM, Received};
use trilane_exchange::Desk;
use trilane_semantics::{Cause, Instant};

use crate::buffers::Buffer;
use crate::bulk::{self, Bulks};
use crate::dial::Connecting;
use crate::ring::{Extent, Ring, Submission};
use crate::sending::{Next, Reader, Reads, Sending, Sendings, Wanted};
use crate::slots::Key;
use crate::sys::{self, SocketName};
use crate::token::{Op, Token};
use crate::wheel::TimerKey;
use crate::wires;

/// The group of buffers that TCP receives into.
pub(crate) const GROUP: u16 = 0;

/// Bytes of a file that are read at once when they are not in memory.
const READ: usize = 256 << 10;

/// Large pieces that a socket may receive in one go, before others have their turn.
const BULKS: usize = 4;

/// Whether a socket may send of files in this turn: once, so that others have theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Fresh,
    Over,
}

/// One socket, accepted, or connected to a server.
pub(crate) struct Socket {
    pub(crate) descriptor: OwnedFd,
    pub(crate) conversation: Box<dyn Conversation>,
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
    ) -> Self {
        Self {
            descriptor,
            conversation,
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

    /// Receives content in large pieces, while there is that much.
    fn receive_bulk(&mut self, host: &Host, now: Instant, bulks: &Bulks) {
        for _ in 0..BULKS {
            let is_wanted = !self.closing
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

    /// A send is over.
    pub(crate) fn sent(
        &mut self,
        host: &Host,
        now: Instant,
        result: i32,
        mut sending: Box<Sending>,
    ) {
        self.waits = Waits::No;
        match usize::try_from(result) {
            Ok(n) => self.advance(host, now, n, sending),
            Err(_) if sending.falls_back(result) => self.sending = Some(sending),
            Err(_) => {
                self.ended = true;
                self.conversation.failed(host, now);
            }
        }
    }

    /// `n` bytes more of `sending` were sent.
    fn advance(&mut self, host: &Host, now: Instant, n: usize, mut sending: Box<Sending>) {
        host.stats().sent.add(n as u64);
        sending.advance(n);
        if n > 0 && !matches!(sending.next(), Next::Done) {
            self.conversation.progress(host, now);
        }
        self.sending = Some(sending);
    }

    /// A send is over but for the memory, which the kernel still reads: it outlives the socket, if need be.
    pub(crate) const fn is_held(&mut self) {
        self.under_way -= 1;
        self.waits = Waits::Notice;
    }

    /// There may be room to send again.
    pub(crate) const fn writable(&mut self) {
        self.under_way -= 1;
        self.waits = Waits::No;
    }

    /// Bytes of a file were read that had not been in memory.
    pub(crate) fn filled(&mut self, host: &Host, now: Instant, result: io::Result<Vec<u8>>) {
        self.under_way -= 1;
        self.waits = Waits::No;
        match result {
            Ok(bytes) if !bytes.is_empty() => {
                self.conversation.progress(host, now);
                if let Some(sending) = &mut self.sending {
                    sending.fill(bytes);
                }
            }
            // It was promised, and is not there any more.
            Ok(_) | Err(_) => {
                // Nothing more of it is read or sent.
                self.sending = None;
                self.conversation.shut(host, now, Cause::Aborted);
            }
        }
    }

    /// Tells the conversation if the peer has taken something since the last time: the kernel finishes a send by
    /// itself, and says nothing before.
    pub(crate) fn note_progress(&mut self, host: &Host, now: Instant) {
        match self.waits {
            Waits::No => return,
            Waits::Connect => return,
            // It is the disk that takes its time.
            Waits::Read => return self.conversation.progress(host, now),
            Waits::Notice | Waits::Room | Waits::Send => {}
        }
        // The kernel's count only grows, and not by 4 GiB to the byte between two looks.
        let acknowledged = sys::bytes_acknowledged(&self.descriptor).unwrap_or(0) as u32;
        if acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            self.conversation.progress(host, now);
        }
    }

    /// An operation that only had to be waited for has completed.
    pub(crate) const fn settled(&mut self) {
        self.under_way -= 1;
    }

    /// Whether it waits for a free buffer.
    pub(crate) fn is_starved(&self) -> bool {
        self.receiving == Receiving::Starved
    }

    /// Turns what the conversation wants into operations. To be called after anything was done to it.
    pub(crate) fn drive(
        &mut self,
        host: &Host,
        now: Instant,
        key: Key,
        ring: &mut Ring,
        sendings: &mut Sendings,
        (reads, bulks): (&mut Reads, &Bulks),
    ) -> Verdict {
        if self.is_bulky && self.receiving == Receiving::No && self.waits != Waits::Connect {
            self.receive_bulk(host, now, bulks);
        }
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
        if !self.closing {
            self.drive_receive(host, key, ring);
        }
        if self.closing && self.under_way == 0 { Verdict::Gone } else { Verdict::Keep }
    }

    fn drive_send(
        &mut self,
        host: &Host,
        now: Instant,
        key: Key,
        ring: &mut Ring,
        sendings: &mut Sendings,
        reads: &mut Reads,
    ) {
        let mut files = Turn::Fresh;
        while self.waits == Waits::No {
            let sending = match self.sending.take() {
                // The rest: the kernel took only a part.
                Some(sending) => Some(sending),
                None => {
                    let outbox = self.conversation.take_output(host, now);
                    outbox.map(|outbox| sendings.take(outbox))
                }
            };
            let Some(sending) = sending else { return };
            match sending.next() {
                Next::Bytes => {
                    sendings.start(sending, &self.descriptor, key, self.extent, ring);
                    self.waits = Waits::Send;
                    self.under_way += 1;
                }
                Next::Done => {
                    let ends = sending.ends();
                    host.give_outbox(sendings.give(sending));
                    if ends {
                        self.shut_write();
                    }
                    self.conversation.sent(host, now);
                }
                Next::File(..) if files == Turn::Over => {
                    self.sending = Some(sending);
                    self.wait_for_room(key, ring);
                }
                Next::File(file, at, len) if sys::is_resident(&file, at, len) => {
                    files = Turn::Over;
                    self.send_file(
                        host,
                        now,
                        sending,
                        sys::send_file(&self.descriptor, &file, at, len),
                    );
                }
                Next::File(file, at, len) => {
                    self.sending = Some(sending);
                    let (most, reader) = (len.min(READ), Reader::Socket(key));
                    reads.start(Wanted { file, at, most, reader }, ring);
                    self.waits = Waits::Read;
                    self.under_way += 1;
                }
            }
        }
    }

    /// What became of a range of a file: the next try, if one is needed, is for another turn.
    fn send_file(
        &mut self,
        host: &Host,
        now: Instant,
        sending: Box<Sending>,
        result: io::Result<usize>,
    ) {
        match result {
            // It has become shorter than was promised.
            Ok(0) => self.conversation.shut(host, now, Cause::Aborted),
            Ok(n) => {
                host.stats().file_sent.add(n as u64);
                self.advance(host, now, n, sending);
            }
            Err(error) if is_later(&error) => self.sending = Some(sending),
            Err(_) => {
                self.ended = true;
                self.conversation.failed(host, now);
            }
        }
    }

    /// Goes on when the peer has taken something, in another turn at the earliest.
    fn wait_for_room(&mut self, key: Key, ring: &mut Ring) {
        ring.push(Submission::writable(&self.descriptor, Token { key, op: Op::Writable }));
        self.waits = Waits::Room;
        self.under_way += 1;
    }

    fn drive_receive(&mut self, host: &Host, key: Key, ring: &mut Ring) {
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

    /// Closes the descriptor, in the next turn.
    pub(crate) fn close(self, key: Key, ring: &mut Ring) {
        ring.push(Submission::close(self.descriptor, Token { key, op: Op::Close }));
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

    fn stop_receiving(&mut self, key: Key, ring: &mut Ring) {
        if matches!(self.receiving, Receiving::Piece | Receiving::Stream) {
            let target = Token { key, op: Op::Receive };
            ring.push(Submission::cancel(target, Token { key, op: Op::Cancel }));
            self.receiving = Receiving::Stopping;
            self.under_way += 1;
        }
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
