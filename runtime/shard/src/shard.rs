//! The loop: one turn submits and collects with one system call, then runs everything that came to its end.
//!
//! `turn` is the order of the day: completions, then what they woke, then timers, then word from outside. A
//! handler runs inside the turn that brought its request, and its answer goes out with the next system call.

mod alive;
mod answering;
mod ending;
mod outward;
mod places;
mod renewal;
mod under_way;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use trilane_connection::Host;
use trilane_exchange::{Address, ConnectionInfo, Wake, WakeQueue};
use trilane_semantics::{Cause, ExchangeId, Instant};
use trilane_tls::{Acceptor, Session};

use crate::accept::Acceptors;
use crate::balance::{Balance, Parcel};
use crate::begin::Begin;
use crate::buffers::Buffers;
use crate::bulk::Bulks;
use crate::control::Control;
use crate::core::{Core, Timer};
use crate::pipes::Pipes;
use crate::proxies::Proxies;
use crate::pulse::Beat;
use crate::questions::Questions;
use crate::quic::Quic;
use crate::reload::Built;
use crate::ring::{Completion, Extent, Ring};
use crate::sending::{Reader, Reads, Sendings};
use crate::slots::{Key, Slots};
use crate::socket::{Socket, Verdict};
use crate::token::Op;
use crate::wires::Wires;
use alive::Alive;

/// The longest sleep, so that a word from outside that got lost does no lasting harm.
const NAP: Duration = Duration::from_secs(1);

/// How often buffers that nobody needed are taken out of use.
const TRIM: Duration = Duration::from_secs(5);

/// One shard at work.
pub(crate) struct Shard {
    // First: what the kernel still does ends before the memory it uses goes.
    pub(crate) ring: Ring,
    pub(crate) buffers: Buffers,
    pub(crate) acceptors: Acceptors,
    pub(crate) beat: Arc<Beat>,
    pub(crate) sockets: Slots<Socket>,
    /// How many of them we began: connections to servers.
    pub(crate) outward: usize,
    /// When those that were ended at once are waited for no longer.
    pub(crate) ends_by: Option<Instant>,
    pub(crate) core: Rc<Core>,
    pub(crate) host: Host,
    pub(crate) queue: WakeQueue,
    pub(crate) control: Arc<Control>,
    /// What others want to know of it.
    pub(crate) questions: Arc<Questions>,
    pub(crate) balance: Arc<Balance>,
    pub(crate) locals: Vec<Address>,
    pub(crate) state: State,
    /// Who found no buffer, in order.
    pub(crate) starved: VecDeque<Key>,
    /// The most connections.
    pub(crate) most: usize,
    /// What the kernel's queues can bring at once, of all listeners of all shards.
    pub(crate) burst: usize,
    /// Those that were accepted beyond [`Shard::most`], and wait for their turn. A listener has one at most, for only
    /// single accepts can bring one when there is no room; but a drain brings all that the kernel's queues hold.
    pub(crate) surplus: VecDeque<Parcel>,
    pub(crate) sendings: Sendings,
    pub(crate) reads: Reads,
    pub(crate) wires: Wires,
    pub(crate) bulks: Bulks,
    pub(crate) pipes: Pipes,
    /// Clients in clear may begin with the preface of HTTP/2.
    pub(crate) h2c: bool,
    /// How many listeners are for HTTP in clear: the first ones.
    pub(crate) clear: usize,
    /// Who says first for whom a connection is.
    pub(crate) proxies: Option<Proxies>,
    /// What connections of the others begin with.
    pub(crate) acceptor: Option<Acceptor>,
    /// A timer is set that takes buffers out of use.
    pub(crate) trims: bool,
    pub(crate) quic: Option<Quic>,
    /// What it will serve if all shards can.
    pub(crate) built: Option<Built>,
    /// How many steps towards something else it has followed.
    pub(crate) followed: u64,
}

/// Whether the shard takes new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It does.
    Serving,
    /// What there is is finished, then it ends.
    Draining,
}

impl Shard {
    /// Runs until drained.
    ///
    /// # Errors
    /// The ring is broken.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let _alive = Alive::new(&self);
        let (mut completions, mut woken, mut due) = (Vec::new(), Vec::new(), Vec::new());
        let _settled = self.queue.settle();
        self.regulate();
        // What comes before we serve waits in the sockets: an answer to what is another process's would end a connection.
        let mut receives = false;
        // When the turn before began, if it did not end in sleep.
        let mut before = None;
        loop {
            self.buffers.publish();
            self.ring.turn(&mut completions)?;
            self.beat.turned();
            let now = self.core.tick();
            if let Some(before) = before.replace(now) {
                self.host.watch().turned(before, now);
            }
            self.host.tick();
            let mut quiet = completions.is_empty();
            for completion in completions.drain(..) {
                self.completed(now, completion);
            }
            quiet &= !self.feed_starved();
            for parcel in self.balance.collect(self.host.shard().id()) {
                quiet = false;
                self.adopt(now, parcel);
                self.balance.unpacked(self.host.shard().id());
            }
            self.queue.drain(&mut woken);
            quiet &= woken.is_empty();
            for wake in woken.drain(..) {
                self.wake(now, wake);
            }
            self.core.wheel.borrow_mut().expire(now, &mut due);
            quiet &= due.is_empty();
            for timer in due.drain(..) {
                self.timer(now, timer);
            }
            self.answer(now);
            if !receives && self.control.receives() {
                receives = true;
                if let Some(quic) = &mut self.quic {
                    quic.receive(&mut self.ring);
                }
            }
            if self.obey(now).is_break() {
                return self.end(&mut completions).await;
            }
            if let Some(quic) = &mut self.quic {
                quic.run(&self.host, now, &self.core, &mut self.ring);
            }
            for wanted in self.core.wanted.borrow_mut().drain(..) {
                self.reads.start(wanted, &mut self.ring);
            }
            self.wires.serve(&mut self.ring);
            self.dial(now);
            quiet &= !self.admit(now);
            quiet &= !self.regulate();
            if quiet && self.queue.park() {
                let next = self.core.wheel.borrow().next();
                let nap = next.map_or(NAP, |next| next.since(now).min(NAP));
                self.buffers.publish();
                self.ring.sleep(Some(nap)).await?;
                self.queue.unparked();
                before = None;
            } else {
                // Others on this executor have their turn when glommio says so.
                glommio::yield_if_needed().await;
            }
        }
    }

    fn completed(&mut self, now: Instant, mut completion: Completion) {
        let Some(token) = completion.token() else { return };
        match token.op {
            Op::Accept => self.accepted(now, &mut completion, token.key.index as usize),
            Op::Receive => {
                let buffer = self.buffers.take(&mut completion);
                // At most half of the budget waits for handlers; the rest keeps the others going.
                let may_lease = self.buffers.leased() < self.buffers.most() / 2;
                let (result, more) = (completion.result(), completion.more());
                let Some(socket) = self.sockets.get_mut(token.key) else { return };
                socket.received(&self.host, now, buffer, may_lease, result, more);
                if socket.is_starved() {
                    self.starved.push_back(token.key);
                }
                self.drive(now, token.key);
            }
            Op::Send => self.sent(now, token.key, &completion),
            Op::Read => self.read(now, &completion),
            Op::Writable => {
                let Some(socket) = self.sockets.get_mut(token.key) else { return };
                socket.writable();
                self.drive(now, token.key);
            }
            Op::Readable => {
                let Some(socket) = self.sockets.get_mut(token.key) else { return };
                socket.readable();
                self.drive(now, token.key);
            }
            Op::Connect => {
                let Some(socket) = self.sockets.get_mut(token.key) else { return };
                socket.connected(&self.host, now, completion.result());
                self.drive(now, token.key);
            }
            Op::Cancel => {
                let Some(socket) = self.sockets.get_mut(token.key) else { return };
                socket.settled();
                self.drive(now, token.key);
            }
            // The mailbox is looked into every turn; this has only woken us, or says that another was woken.
            Op::Message if completion.result() < 0 => self.control.wake_all(),
            Op::CancelAccept | Op::Close | Op::Message => {}
            Op::WireCancel | Op::WireConnect | Op::WireReceive | Op::WireSend => {
                self.wires.completed(&completion, &mut self.ring);
            }
            Op::CancelDatagrams | Op::Datagrams | Op::Train => {
                if let Some(quic) = &mut self.quic {
                    quic.completed(&self.host, now, &mut completion, &mut self.ring);
                }
            }
        }
    }

    fn read(&mut self, now: Instant, completion: &Completion) {
        let Some((reader, result)) = self.reads.finish(completion, &mut self.ring) else { return };
        let len = result.as_ref().map_or(0, Vec::len);
        self.host.stats().file_read.add(len as u64);
        match reader {
            Reader::Socket(key) => {
                let Some(socket) = self.sockets.get_mut(key) else { return };
                socket.filled(&self.host, now, result);
                self.drive(now, key);
            }
            Reader::Task(done) => done(result),
        }
    }

    fn sent(&mut self, now: Instant, key: Key, completion: &Completion) {
        let (sending, result) = if completion.is_notice() {
            let Some(sent) = self.sendings.let_go(key) else { return };
            sent
        } else if completion.more() {
            // One that has failed has its notice, too.
            self.host.stats().uncopied.add(u64::from(completion.result() > 0));
            self.sendings.hold(completion);
            let Some(socket) = self.sockets.get_mut(key) else { return };
            socket.is_held();
            return self.drive(now, key);
        } else {
            let Some(sending) = self.sendings.finish(completion) else { return };
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.settled();
            }
            (sending, completion.result())
        };
        // Whose socket is gone has nobody who could go on.
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.sent(&self.host, now, result, sending);
        self.drive(now, key);
    }

    fn serve(&mut self, now: Instant, Parcel { descriptor, listener }: Parcel) {
        let acceptor = self.acceptor.as_ref().filter(|_| listener >= self.clear);
        let session = acceptor.map(|acceptor| Session::server(acceptor.current()));
        // What cannot be used is found when it is loaded; there is nobody to serve with it.
        let Ok(session) = session.transpose() else { return };
        let Some((peer, is_proxied, guest)) = self.welcome(listener, &descriptor) else { return };
        self.host.stats().open.add(1);
        // What a unix socket's peer has taken is told by completions only.
        let extent = if peer == Address::Unix { Extent::Part } else { Extent::All };
        let local = self.locals.get(listener).copied().unwrap_or(Address::Unix);
        let begin = Begin { session, h2c: self.h2c, is_proxied };
        let listener = Some(listener);
        let info = Rc::new(ConnectionInfo { listener, ..ConnectionInfo::new(local, peer) });
        let key = self.sockets.insert_with(|key| {
            let conversation = begin.conversation(&self.host, now, key.pack(), info);
            Socket::new(descriptor, conversation, guest, extent, now)
        });
        if self.state == State::Draining
            && let Some(socket) = self.sockets.get_mut(key)
        {
            socket.conversation.drain(&self.host, now, self.control.grace());
        }
        self.drive(now, key);
    }

    /// Lets those receive again who found no buffer, now that there may be some: as many as there are, but for a quarter
    /// that is left to those who come. Whether there may be more to do at once.
    fn feed_starved(&mut self) -> bool {
        if self.starved.is_empty() {
            return false;
        }
        if self.buffers.grow() && !std::mem::replace(&mut self.trims, true) {
            let at = self.host.shard().now() + TRIM;
            self.core.wheel.borrow_mut().insert(at, Timer::Trim);
        }
        let free = usize::from(self.buffers.free());
        if free == 0 {
            return false;
        }
        self.buffers.publish();
        let fed = self.starved.len().min(free - free / 4);
        for key in self.starved.drain(..fed) {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.feed(&self.host, key, &mut self.ring);
            }
        }
        !self.starved.is_empty()
    }

    fn wake(&mut self, now: Instant, wake: Wake) {
        if self.quic.as_mut().is_some_and(|quic| quic.wake(&self.host, now, &wake)) {
            return;
        }
        match wake {
            Wake::Exchange(packed, id) => self.wake_exchange(now, Key::unpack(packed), id),
            Wake::Task(key) => {
                let task = self.core.tasks.borrow_mut().take(key);
                if let Some(mut task) = task {
                    if !self.host.run_task(|| task.poll()) {
                        self.host.stats().panics.add(1);
                    }
                    self.core.tasks.borrow_mut().put_back(task);
                }
            }
        }
    }

    fn wake_exchange(&mut self, now: Instant, key: Key, id: ExchangeId) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.conversation.wake(&self.host, now, id);
            self.drive(now, key);
        }
    }

    fn timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Sleeper(waker) => waker.wake(),
            Timer::Trim => {
                self.trims = self.buffers.shrink();
                if self.trims {
                    self.core.wheel.borrow_mut().insert(now + TRIM, Timer::Trim);
                }
            }
            Timer::Accept => self.acceptors.resume(&mut self.ring),
            Timer::DrainDeadline => self.shut_all(now, Cause::DrainDeadline),
            Timer::Quic => {
                if let Some(quic) = &mut self.quic {
                    quic.timer(&self.host, now);
                }
            }
            Timer::Connection(key) => {
                let Some(socket) = self.sockets.get_mut(key) else { return };
                socket.timer = None;
                socket.note_progress(&self.host, now);
                // Deadlines that moved on are not moved in the wheel: it may be too early.
                if socket.conversation.poll_timeout().is_some_and(|at| at <= now) {
                    socket.conversation.timeout(&self.host, now);
                }
                self.drive(now, key);
            }
        }
    }

    /// Does what a conversation wants, after anything was done to it.
    fn drive(&mut self, now: Instant, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let (ring, sendings) = (&mut self.ring, &mut self.sendings);
        let others = (&mut self.reads, &self.bulks, &self.pipes);
        if socket.drive(&self.host, now, key, ring, sendings, others) == Verdict::Gone {
            self.forget(key);
            return;
        }
        let Some(deadline) = socket.conversation.poll_timeout() else { return };
        if socket.timer.is_some_and(|(_, at)| at <= deadline) {
            return;
        }
        let mut wheel = self.core.wheel.borrow_mut();
        if let Some((timer, _)) = socket.timer.take() {
            wheel.remove(timer);
        }
        socket.timer = Some((wheel.insert(deadline, Timer::Connection(key)), deadline));
    }

    fn forget(&mut self, key: Key) {
        let Some(socket) = self.sockets.remove(key) else { return };
        if let Some((timer, _)) = socket.timer {
            self.core.wheel.borrow_mut().remove(timer);
        }
        if socket.is_dialed {
            self.outward -= 1;
            return socket.close(key, &mut self.ring);
        }
        self.host.stats().open.sub(1);
        let cause = socket.conversation.cause().unwrap_or(Cause::Transport);
        self.host.closed(cause, socket.traffic, || socket.describe());
        socket.close(key, &mut self.ring);
        // A descriptor came free: who waits for one may try at once.
        self.acceptors.resume(&mut self.ring);
        let balance = Arc::clone(&self.balance);
        balance.release(self.host.shard().id()).for_each(|ring| self.knock(ring));
    }

    fn keys(&self) -> Vec<Key> {
        self.sockets.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
#[path = "tests/dial.rs"]
mod dialing;
#[cfg(test)]
#[path = "tests/pipes.rs"]
mod piping;
#[cfg(test)]
#[path = "tests/shard.rs"]
mod tests;
