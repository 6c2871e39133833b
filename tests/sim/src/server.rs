//! The loop of a shard without the shard: drives conversations by their rule of use, and asserts it.
//!
//! After every call: output is taken if nothing is being sent, then the goal is looked at, then whether bytes
//! are welcome, then the timer is armed. A broken rule is a failure in the trace, never a panic.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use trilane_connection::{Conversation, Goal, Host, Received, Sends, cleartext, secured};
use trilane_exchange::read::read_now;
use trilane_exchange::{Address, ConnectionInfo, Service, Shard, Stats, Wake, WakeQueue};
use trilane_semantics::{Cause, Command, Instant, Limits, Memory, Outbox, Piece};
use trilane_tls::Session;

use crate::capabilities::SimShard;
use crate::clock::Clock;
use crate::pipe::{Arrival, Link};
use crate::recorder::Recorder;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::veil;

/// The largest content that a client asks for in one piece: bounds what may wait to be sent on top of
/// [`Limits::send_queue`].
pub const LARGEST: usize = 320 << 10;
/// Heads and framing on top of content.
const FRAMING: usize = 64 << 10;
/// Steps of one connection in one instant; more is a loop that makes no progress.
const STEPS: usize = 20_000;

/// One simulated server.
#[derive(Debug)]
pub struct Server {
    host: Host,
    shard: Rc<SimShard>,
    clock: Rc<Clock>,
    queue: WakeQueue,
    recorder: Rc<Recorder>,
    trace: Rc<Trace>,
    connections: BTreeMap<u64, Served>,
    last: u64,
    is_draining: bool,
    /// When the drain cuts what is left.
    deadline: Option<Instant>,
}

/// A connection and what a socket would know of it.
#[derive(Debug)]
struct Served {
    conversation: Box<dyn Conversation>,
    sends: Sends,
    link: Rc<RefCell<Link>>,
    sending: Option<Sending>,
    is_half_closed: bool,
    is_input_over: bool,
}

#[derive(Debug)]
struct Sending {
    outbox: Outbox,
    bytes: Vec<u8>,
    at: usize,
    fin: bool,
    /// A file had less than was promised.
    is_cut: bool,
}

/// A receive buffer that can be leased.
struct Buffer(Vec<u8>);

impl Memory for Buffer {
    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Server {
    /// A server of `app` in that time.
    #[must_use]
    pub fn new(app: Rc<dyn Service>, clock: Rc<Clock>, rng: Rng, trace: Rc<Trace>) -> Self {
        let queue = WakeQueue::new(|| ());
        let shard = Rc::new(SimShard::new(Rc::clone(&clock), rng, queue.clone()));
        let recorder = Rc::new(Recorder::new(app));
        let (service, capabilities) = (Rc::clone(&recorder), Rc::clone(&shard));
        let limits = Rc::new(Limits::default());
        let host = Host::new(service, limits, Shard::new(capabilities), queue.clone(), "trilane");
        let (connections, last) = (BTreeMap::new(), 0);
        let (is_draining, deadline) = (false, None);
        Self {
            host,
            shard,
            clock,
            queue,
            recorder,
            trace,
            connections,
            last,
            is_draining,
            deadline,
        }
    }

    /// The same, and its connections are recorded.
    #[must_use]
    pub fn recording(mut self, recorder: trilane_record::Recorder) -> Self {
        self.host = self.host.recording(Some(recorder));
        self
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.host.stats()
    }

    /// What occurred.
    #[must_use]
    pub const fn recorder(&self) -> &Rc<Recorder> {
        &self.recorder
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.len()
    }

    /// Whether spawned tasks or blocking work are under way.
    #[must_use]
    pub fn has_tasks(&self) -> bool {
        self.shard.tasks() > 0 || self.shard.next_work().is_some()
    }

    /// Whether it drains: then it accepts nobody.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether its drain has cut what was left.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_draining && self.deadline.is_none()
    }

    /// Accepts a connection; its name, or nothing while it drains.
    pub fn accept(&mut self, link: Rc<RefCell<Link>>) -> Option<u64> {
        if self.is_draining() {
            return None;
        }
        self.last += 1;
        let stats = self.host.stats();
        stats.accepted.add(1);
        stats.open.add(1);
        let address = |port| Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        let info = Rc::new(ConnectionInfo::new(address(80), address(40_000)));
        let (host, now, key) = (&self.host, self.clock.now(), self.last);
        // Every other connection in clear is one whose transport sends bytes only, as TLS does.
        let (sends, conversation) = if link.borrow().is_secure() {
            let session = Session::server(veil::acceptor().current()).ok()?;
            (Sends::Bytes, secured(host, now, key, info, session))
        } else {
            let sends = if key.is_multiple_of(2) { Sends::Files } else { Sends::Bytes };
            (sends, cleartext(host, now, key, info, sends))
        };
        let served = Served {
            conversation,
            sends,
            link,
            sending: None,
            is_half_closed: false,
            is_input_over: false,
        };
        self.connections.insert(self.last, served);
        Some(self.last)
    }

    /// Begins to drain: idle connections live `grace` longer, all others until `deadline`.
    pub fn drain(&mut self, grace: Duration, deadline: Duration) {
        let now = self.clock.now();
        self.trace.note(now, 0, "drain");
        (self.is_draining, self.deadline) = (true, Some(now + deadline));
        for key in self.keys() {
            self.with(key, |served, host| served.conversation.drain(host, now, grace));
        }
    }

    /// When something of it is due next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let mut next = Instant::earliest(self.clock.next(), self.shard.next_work());
        next = Instant::earliest(next, self.deadline);
        for served in self.connections.values() {
            next = Instant::earliest(next, served.conversation.poll_timeout());
            if served.wants_input(&self.host) {
                next = Instant::earliest(next, served.link.borrow().up.next());
            }
        }
        next
    }

    /// One turn of the loop. Whether anything happened.
    pub fn turn(&mut self) -> bool {
        let now = self.clock.now();
        self.shard.run_work();
        self.host.tick();
        let mut woken = Vec::new();
        self.queue.drain(&mut woken);
        let mut is_busy = !woken.is_empty();
        for wake in woken {
            match wake {
                Wake::Task(key) => self.shard.poll_task(key),
                Wake::Exchange(key, id) => {
                    self.with(key, |served, host| served.conversation.wake(host, now, id));
                }
            }
        }
        if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
            for key in self.keys() {
                self.with(key, |served, host| {
                    served.conversation.shut(host, now, Cause::DrainDeadline);
                });
            }
        }
        for key in self.keys() {
            let mut steps = 0;
            while self.step(key) {
                is_busy = true;
                steps += 1;
                if steps == STEPS {
                    self.trace.fail(now, key, "a connection is never quiet");
                    break;
                }
            }
        }
        is_busy
    }

    /// What every quiet connection must satisfy.
    pub fn assert_quiet(&self) {
        let now = self.clock.now();
        for (key, served) in &self.connections {
            if served.conversation.poll_timeout().is_some_and(|at| at <= now) {
                self.trace.fail(now, *key, "a timeout in the past was not handled");
            }
            if matches!(served.conversation.goal(), Goal::Close | Goal::Reset) {
                self.trace.fail(now, *key, "should have been closed");
            }
        }
    }

    /// One thing that the transport does for a connection, or its timer. Whether there was one.
    fn step(&mut self, key: u64) -> bool {
        let now = self.clock.now();
        let Some(served) = self.connections.get_mut(&key) else { return false };
        let before = served.sending.as_ref().map(|sending| sending.at);
        let is_sent = served.send(now);
        if !is_sent && before != served.sending.as_ref().map(|sending| sending.at) {
            self.with(key, |served, host| served.conversation.progress(host, now));
        }
        let Some(served) = self.connections.get_mut(&key) else { return false };
        if is_sent {
            let done = served.sending.take();
            self.with(key, |served, host| {
                if let Some(done) = done {
                    host.stats().sent.add(done.bytes.len() as u64);
                    host.give_outbox(done.outbox);
                }
                served.conversation.sent(host, now);
            });
            return true;
        }
        if served.wants_input(&self.host) {
            let arrival = served.link.borrow_mut().up.read(now);
            if let Some(arrival) = arrival {
                self.deliver(key, arrival);
                return true;
            }
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(served.conversation.poll_timeout()) {
            self.with(key, |served, host| served.conversation.timeout(host, now));
            return true;
        }
        false
    }

    fn deliver(&mut self, key: u64, arrival: Arrival) {
        let now = self.clock.now();
        let trace = Rc::clone(&self.trace);
        self.with(key, |served, host| match arrival {
            Arrival::Bytes(mut bytes) => {
                trace.note(now, key, format!("in {}", bytes.len()));
                host.stats().received.add(bytes.len() as u64);
                if served.conversation.decrypts() {
                    return served.conversation.receive_in_place(host, now, &mut bytes);
                }
                let buffer: Rc<dyn Memory> = Rc::new(Buffer(bytes));
                let received = Received::leasable(&buffer);
                served.conversation.receive(host, now, received);
            }
            Arrival::Fin => {
                trace.note(now, key, "in fin");
                served.is_input_over = true;
                served.conversation.receive_end(host, now);
            }
            Arrival::Reset => {
                trace.note(now, key, "in reset");
                (served.is_input_over, served.sending) = (true, None);
                served.conversation.failed(host, now);
                if served.conversation.goal() != Goal::Close {
                    trace.fail(now, key, "failed, and the goal is not to close");
                }
            }
        });
    }

    /// Makes one call on a connection, then does what the rule of use asks for.
    fn with(&mut self, key: u64, call: impl FnOnce(&mut Served, &Host)) {
        let Some(served) = self.connections.get_mut(&key) else { return };
        call(served, &self.host);
        let now = self.clock.now();
        if served.sending.is_none()
            && let Some(outbox) = served.conversation.take_output(&self.host, now)
        {
            let sending = Sending::new(outbox);
            self.trace.note(now, key, format!("out {}", sending.bytes.len()));
            let limits = self.host.limits();
            let most = limits.send_queue + LARGEST + FRAMING;
            let (files, bytes) = (sending.outbox.file_bytes(), sending.outbox.len());
            if files > limits.file_queue || files > 0 && served.sends == Sends::Bytes {
                self.trace.fail(now, key, format!("{files} of files to be sent"));
            }
            if bytes > most {
                self.trace.fail(now, key, format!("{} to be sent", sending.bytes.len()));
            }
            if served.is_half_closed && !sending.bytes.is_empty() {
                self.trace.fail(now, key, "output after the half-close");
            }
            if sending.is_cut {
                served.conversation.shut(&self.host, now, Cause::Aborted);
            } else {
                served.sending = Some(sending);
            }
        }
        if served.conversation.goal() == Goal::HalfClose {
            if served.sending.is_some() || served.is_half_closed {
                self.trace.fail(now, key, "a half-close at the wrong time");
            }
            self.trace.note(now, key, "half-close");
            served.is_half_closed = true;
            served.link.borrow_mut().down.end(now);
            served.conversation.half_closed(&self.host, now);
        }
        match served.conversation.goal() {
            Goal::Close => self.close(key, false),
            Goal::Reset => self.close(key, true),
            Goal::Open | Goal::HalfClose => {}
        }
    }

    fn close(&mut self, key: u64, resets: bool) {
        let Some(served) = self.connections.remove(&key) else { return };
        let now = self.clock.now();
        let cause = served.conversation.cause();
        self.host.stats().open.sub(1);
        let throws_away = served.sending.is_some();
        let Some(cause) = cause else {
            self.trace.fail(now, key, "closed without a cause");
            return;
        };
        let may_throw_away =
            matches!(cause, Cause::WriteTimeout | Cause::Transport | Cause::DrainDeadline);
        if throws_away && !may_throw_away {
            self.trace.fail(now, key, format!("closed while sending: {cause}"));
        }
        self.trace.note(now, key, format!("close {cause}"));
        self.recorder.count(match cause {
            Cause::Fault(reason) => format!("reason {}", reason.label()),
            cause => format!("cause {cause}"),
        });
        if cause != Cause::Transport {
            served.link.borrow_mut().server_closes(now, throws_away || resets);
        }
    }

    fn keys(&self) -> Vec<u64> {
        self.connections.keys().copied().collect()
    }
}

impl Served {
    fn wants_input(&self, host: &Host) -> bool {
        !self.is_input_over && self.conversation.wants_input(host)
    }

    /// Sends what the network takes. Whether all has been taken.
    fn send(&mut self, now: Instant) -> bool {
        let Some(sending) = &mut self.sending else { return false };
        let mut link = self.link.borrow_mut();
        sending.at += link.server_writes(now, &sending.bytes[sending.at..]);
        let is_done = sending.at == sending.bytes.len();
        if is_done && sending.fin {
            link.down.end(now);
        }
        is_done
    }
}

impl Sending {
    fn new(outbox: Outbox) -> Self {
        let (mut bytes, mut fin, mut is_cut) = (Vec::with_capacity(outbox.len()), false, false);
        for ((), piece) in outbox.entries() {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(piece),
                Piece::File(range) => {
                    let Some((file, at)) = range.file() else { continue };
                    let read = read_now(&**file, at as u64, range.len()).unwrap_or_default();
                    is_cut |= read.len() < range.len();
                    bytes.extend_from_slice(&read);
                }
                Piece::Pipe(_) => panic!("nobody has filled a pipe"),
                Piece::Datagram(_) => panic!("a datagram over a transport of bytes"),
                Piece::Command(command) => fin |= command == Command::Fin,
            }
        }
        Self { outbox, bytes, at: 0, fin, is_cut }
    }
}
