//! What stands around one connection: a virtual shard, a socket's buffers, and the rule of use, asserted.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use trilane_connection::{Conversation, Goal, Host, Received, Sends, http1, http2};
use trilane_exchange::{Address, ConnectionInfo, Service, Shard, Wake, WakeQueue};
use trilane_semantics::{Cause, Instant, Limits, Memory, Outbox, Piece};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::rng::Rng;

/// Bytes that one receive delivers at most.
pub(crate) const BUFFER: usize = 16 << 10;
/// The smallest piece that is leased rather than copied: a buffer is pinned for at least as much.
const LEASE_FROM: usize = 2 << 10;
/// The largest content that a handler gives in one piece, and heads and framing on top.
pub(crate) const LARGEST: usize = 40_000;
const FRAMING: usize = 16 << 10;
/// Things that may happen in one instant; more is a loop that makes no progress.
const TURNS: usize = 50_000;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

/// One connection and its surroundings.
pub(crate) struct Transport {
    host: Host,
    shard: Rc<SimShard>,
    clock: Rc<Clock>,
    queue: WakeQueue,
    conversation: Box<dyn Conversation>,
    /// How many may be under way at once.
    exchanges: usize,
    /// What may be received ahead of readers, in bytes.
    ahead: usize,
    /// Received by the kernel, not yet by us.
    pub(crate) waiting: VecDeque<Vec<u8>>,
    /// The peer has closed its half; taken when it is told.
    pub(crate) fin: Option<()>,
    sending: Option<(Outbox, usize)>,
    /// Whether the peer takes only what it is told to.
    pub(crate) is_slow: bool,
    /// All that the peer has got.
    pub(crate) got: Vec<u8>,
    half_closed: bool,
    pub(crate) is_over: bool,
    leased: Rc<Cell<usize>>,
}

/// A receive buffer; counted while it lives.
struct Buffer(Vec<u8>, Rc<Cell<usize>>);

impl Memory for Buffer {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.1.set(self.1.get() - self.0.len());
    }
}

impl Drop for Transport {
    /// What is woken and never drained keeps its queue, which keeps it.
    fn drop(&mut self) {
        self.conversation.shut(&self.host, self.clock.now(), Cause::Transport);
        self.queue.drain(&mut Vec::new());
    }
}

impl Transport {
    pub(crate) fn new(app: Rc<dyn Service>, limits: Limits, speaks: Speaks) -> Self {
        let (clock, queue) = (Rc::new(Clock::default()), WakeQueue::new(|| ()));
        let shard = Rc::new(SimShard::new(Rc::clone(&clock), Rng::new(1), queue.clone()));
        let limits = Rc::new(limits);
        let capabilities = Shard::new(Rc::clone(&shard) as _);
        let host = Host::new(app, Rc::clone(&limits), capabilities, queue.clone(), "");
        let address = Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80));
        let info = Rc::new(ConnectionInfo::new(address, address));
        let conversation = match speaks {
            Speaks::Http1 => http1(&host, clock.now(), 1, info, Sends::Bytes),
            Speaks::Http2 => http2(&host, clock.now(), 1, info),
        };
        // Answers that are at hand may all be queued, one an exchange.
        let exchanges = if speaks == Speaks::Http1 { 1 } else { limits.streams };
        let ahead = limits.receive_queue.max(limits.connection_window);
        Self {
            host,
            shard,
            clock,
            queue,
            conversation,
            exchanges,
            ahead,
            waiting: VecDeque::new(),
            fin: None,
            sending: None,
            is_slow: false,
            got: Vec::new(),
            half_closed: false,
            is_over: false,
            leased: Rc::default(),
        }
    }

    /// Makes one call, then does what the rule of use asks for.
    pub(crate) fn call(&mut self, call: impl FnOnce(&mut dyn Conversation, &Host, Instant)) {
        if self.is_over {
            return;
        }
        let now = self.clock.now();
        call(&mut *self.conversation, &self.host, now);
        if self.sending.is_none()
            && let Some(outbox) = self.conversation.take_output(&self.host, now)
        {
            assert!(!self.half_closed || outbox.is_empty(), "output after the half-close");
            let largest = LARGEST * self.exchanges;
            let most = self.host.limits().send_queue + largest + FRAMING;
            assert!(outbox.len() <= most, "{} bytes to be sent", outbox.len());
            self.sending = Some((outbox, 0));
        }
        if self.conversation.goal() == Goal::HalfClose {
            assert!(self.sending.is_none() && !self.half_closed, "a half-close at the wrong time");
            self.half_closed = true;
            self.conversation.half_closed(&self.host, now);
        }
        if matches!(self.conversation.goal(), Goal::Close | Goal::Reset) {
            assert!(self.conversation.cause().is_some(), "closed without a cause");
            self.is_over = true;
        }
        let limits = self.host.limits();
        let most = self.ahead + limits.send_queue + LARGEST * self.exchanges;
        let pieces = most / LEASE_FROM + 2;
        assert!(self.leased.get() <= pieces * BUFFER, "{} bytes leased", self.leased.get());
    }

    /// The peer takes up to `most` bytes.
    pub(crate) fn take(&mut self, most: usize) {
        let Some((outbox, at)) = &mut self.sending else { return };
        let mut bytes = Vec::with_capacity(outbox.len());
        for piece in outbox.pieces() {
            if let Piece::Bytes(piece) = piece {
                bytes.extend_from_slice(piece);
            }
        }
        let end = bytes.len().min(at.saturating_add(most));
        self.got.extend_from_slice(&bytes[*at..end]);
        *at = end;
        if end < bytes.len() {
            self.call(|conversation, host, now| conversation.progress(host, now));
        } else if let Some((outbox, _)) = self.sending.take() {
            self.host.give_outbox(outbox);
            self.call(|conversation, host, now| conversation.sent(host, now));
        }
    }

    /// Does all that can be done in this instant.
    pub(crate) fn settle(&mut self) {
        let mut turns = 0;
        while !self.is_over && self.turn() {
            turns += 1;
            assert!(turns < TURNS, "never quiet");
        }
        let timeout = self.conversation.poll_timeout().filter(|_| !self.is_over);
        assert!(timeout.is_none_or(|at| at > self.clock.now()), "a timeout was not handled");
    }

    /// Whether anything was done.
    fn turn(&mut self) -> bool {
        let now = self.clock.now();
        self.host.tick();
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        let mut is_busy = !woken.is_empty();
        for wake in woken {
            match wake {
                Wake::Task(key) => self.shard.poll_task(key),
                Wake::Exchange(_, id) => {
                    self.call(|conversation, host, now| conversation.wake(host, now, id));
                }
            }
        }
        if self.sending.is_some() && !self.is_slow {
            self.take(usize::MAX);
            is_busy = true;
        }
        if !self.is_over && self.conversation.wants_input(&self.host) {
            if let Some(bytes) = self.waiting.pop_front() {
                self.receive(bytes);
                return true;
            }
            if self.fin.take().is_some() {
                self.call(|conversation, host, now| conversation.receive_end(host, now));
                return true;
            }
        }
        if !self.is_over && self.conversation.poll_timeout().is_some_and(|at| at <= now) {
            self.call(|conversation, host, now| conversation.timeout(host, now));
            return true;
        }
        is_busy
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        self.leased.set(self.leased.get() + bytes.len());
        let buffer: Rc<dyn Memory> = Rc::new(Buffer(bytes, Rc::clone(&self.leased)));
        let received = Received::leasable(&buffer);
        self.call(|conversation, host, now| conversation.receive(host, now, received));
    }

    /// Time goes by; everything that is due in between happens.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.clock.now() + duration;
        while let Some(next) = self.next().filter(|next| *next <= end && !self.is_over) {
            self.clock.advance(next);
            self.settle();
        }
        self.clock.advance(end);
        self.settle();
    }

    /// When something is due next.
    fn next(&self) -> Option<Instant> {
        let timers = Instant::earliest(self.clock.next(), self.conversation.poll_timeout());
        timers.filter(|at| *at > self.clock.now())
    }

    /// The peer takes everything, sends no more, and time goes by until the connection is over.
    pub(crate) fn end(&mut self) {
        (self.is_slow, self.fin) = (false, Some(()));
        self.settle();
        for _ in 0..5_000 {
            if self.is_over {
                return;
            }
            let Some(next) = self.next() else { break };
            self.clock.advance(next);
            self.settle();
        }
        panic!("the connection never ends: {:?}", self.conversation);
    }

    pub(crate) fn shut(&mut self) {
        self.call(|conversation, host, now| conversation.shut(host, now, Cause::DrainDeadline));
    }

    pub(crate) fn drain(&mut self) {
        self.call(|conversation, host, now| conversation.drain(host, now, Duration::from_secs(1)));
    }

    pub(crate) fn fail(&mut self) {
        self.sending = None;
        self.waiting.clear();
        self.call(|conversation, host, now| conversation.failed(host, now));
        assert!(self.is_over, "failed, and the goal is not to close");
    }
}
