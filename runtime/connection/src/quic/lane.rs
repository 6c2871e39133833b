//! The connections of a shard's UDP sockets: who gets a datagram, who may send, whose time has come. Those that we begin are in `calls`.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant as Clock};

use trilane_quic::{Endpoint, Path, Route, Session, Transmit};
use trilane_semantics::{Cause, ExchangeId, Instant};

use super::talk::Talk;
use super::train::{SMALLEST, Train};
use crate::describe::Description;
use crate::host::Host;
use crate::key::{MARK, is_quic_key};
use crate::recent::Traffic;

/// What is read of a stream at once, in bytes.
const SCRATCH: usize = 64 << 10;
/// A datagram whose time is that near is sent now: timers are no finer.
const EARLY: Duration = Duration::from_millis(1);
/// Answers to datagrams of nobody that wait to be sent; more are not given.
const REPLIES: usize = 64;

/// Says where the connection of that name is logged, if it is.
type MakeLog = dyn Fn(&str) -> Option<Box<dyn Write + Send + Sync>>;

/// Whose a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Ours.
    Ours,
    /// That shard's.
    Forward(u8),
}

/// All QUIC connections behind the UDP sockets of a shard.
///
/// After any call: [`finish`](Self::finish), then [`transmit`](Self::transmit) as long as trains can be sent, then arm the one
/// timer of [`poll_timeout`](Self::poll_timeout).
pub struct Lane {
    pub(super) endpoint: Endpoint,
    pub(super) entries: Vec<Entry>,
    free: Vec<u32>,
    /// Connections to be run, each once.
    pub(super) touched: Vec<u32>,
    /// Connections that may have datagrams to send, each once.
    ready: VecDeque<u32>,
    /// At most one a connection.
    timers: BTreeSet<(Instant, u32)>,
    replies: VecDeque<(Vec<u8>, Path)>,
    /// A datagram that did not fit the train before: the next one begins with it.
    left_over: (Vec<u8>, Option<Path>),
    pub(super) scratch: Box<[u8]>,
    /// What the clock of QUIC shows when ours shows 0.
    epoch: Clock,
    most: usize,
    drains: bool,
    /// Connections that begin still are drained at once, with that grace.
    leaves: Option<Duration>,
    pub(super) log: Option<Box<MakeLog>>,
    /// Connections that lead to servers.
    pub(super) calls: Vec<u32>,
}

pub(super) struct Entry {
    generation: u16,
    pub(super) talk: Option<Box<Talk>>,
}

impl Entry {
    /// What its connection's key says beside [`MARK`].
    fn name(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }
}

impl Lane {
    /// A lane of that endpoint, with `most` connections at once. `epoch` is the moment that is 0 in our time.
    #[must_use]
    pub fn new(endpoint: Endpoint, epoch: Clock, most: usize) -> Self {
        Self {
            endpoint,
            entries: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            replies: VecDeque::new(),
            left_over: (Vec::new(), None),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            epoch,
            most,
            drains: false,
            leaves: None,
            log: None,
            calls: Vec::new(),
        }
    }

    /// Connections to come are logged as qlog where `log`, which is told their names, has somewhere to write to.
    #[must_use]
    pub fn logging(
        mut self,
        log: impl Fn(&str) -> Option<Box<dyn Write + Send + Sync>> + 'static,
    ) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// What makes its connections.
    pub const fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Whether `key`, of a wake-up, is one of a lane.
    #[must_use]
    pub const fn is_key(key: u64) -> bool {
        is_quic_key(key)
    }

    /// How many connections clients have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len() - self.calls.len()
    }

    /// Whether no client has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A datagram came, that may be changed where it lies. If it is another shard's, nothing was done with it.
    pub fn receive(&mut self, host: &Host, now: Instant, datagram: &mut [u8], path: Path) -> Taken {
        host.stats().received.add(datagram.len() as u64);
        match self.endpoint.route(self.clock(now), datagram, path) {
            Route::Known(index) => {
                if let Some(talk) = self.talk(index) {
                    // What is wrong with it is QUIC's matter: it tells the peer, or passes over it.
                    talk.traffic.receive(now, datagram.len() as u64);
                    let _ = talk.session.receive(datagram, path);
                    self.touch(index);
                }
            }
            Route::New(mut session) => {
                if self.len() >= self.most || self.drains {
                    return Taken::Ours;
                }
                // It has its place once its address has been validated: until then anybody may have written that there.
                if host.admit(Some(path.peer.ip())).is_err() {
                    self.refuse(*session, datagram, path);
                    return Taken::Ours;
                }
                if let Some(writer) = self.log.as_ref().and_then(|log| log(session.name())) {
                    session.log_to(writer);
                }
                let leaves = self.leaves;
                let index = self.insert(|key| {
                    let mut talk = Talk::new(*session, key, path, now);
                    if let Some(grace) = leaves {
                        talk.drain(host, now, grace);
                    }
                    talk
                });
                host.stats().accepted.add(1);
                host.stats().open.add(1);
                let Some(entry) = self.entries.get_mut(index as usize) else { return Taken::Ours };
                if let Some(talk) = &mut entry.talk {
                    talk.traffic.receive(now, datagram.len() as u64);
                    self.endpoint.bind(&mut talk.session, index);
                    let _ = talk.session.receive(datagram, path);
                    self.touch(index);
                }
            }
            Route::Reply(len) => {
                if self.replies.len() < REPLIES {
                    let reply = self.endpoint.reply().get(..len).unwrap_or_default();
                    self.replies.push_back((reply.to_vec(), path));
                }
            }
            Route::Forward(shard) => return Taken::Forward(shard),
            Route::Drop(_) => {}
        }
        Taken::Ours
    }

    /// Tells a client that there is no place for it (CONNECTION_REFUSED, RFC 9000 §20.1), and keeps nothing of it.
    fn refuse(&mut self, mut session: Session, datagram: &mut [u8], path: Path) {
        let _ = session.receive(datagram, path);
        session.refuse();
        if self.replies.len() < REPLIES
            && let Some(Transmit { len, path, .. }) = session.transmit(&mut self.scratch)
        {
            let reply = self.scratch.get(..len).unwrap_or_default();
            self.replies.push_back((reply.to_vec(), path));
        }
    }

    /// Runs every connection that something has happened to. Once a turn, after all that has come.
    pub fn finish(&mut self, host: &Host, now: Instant) {
        let mut touched = std::mem::take(&mut self.touched);
        for &index in &touched {
            let Some(entry) = self.entries.get_mut(index as usize) else { continue };
            let Some(talk) = &mut entry.talk else { continue };
            talk.is_touched = false;
            talk.run(host, now, &mut self.scratch);
            self.endpoint.sync(&mut talk.session, index);
            if !std::mem::replace(&mut talk.is_ready, true) {
                self.ready.push_back(index);
            }
        }
        touched.clear();
        let (seen, stats) = (self.endpoint.stats(), host.stats());
        stats.quic_handshakes.set(seen.handshakes);
        stats.quic_resumed.set(seen.resumed);
        stats.quic_early.set(seen.early);
        stats.quic_retries.set(seen.retries);
        stats.quic_resets.set(seen.resets);
        // What was woken meanwhile has its turn in the next one.
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    /// Fills `train`, which is empty, with what is to be sent next. Whether there was anything.
    pub fn transmit(&mut self, host: &Host, now: Instant, train: &mut impl Train) -> bool {
        // What cannot be sent is lost, as datagrams are.
        let (due, mut count) = (now + EARLY, 0);
        if let Some(path) = self.left_over.1.take() {
            count += usize::from(put(train, &self.left_over.0, path));
            self.left_over.0.clear();
        } else if let Some((reply, path)) = self.replies.pop_front() {
            return put(train, &reply, path);
        }
        while let Some(&index) = self.ready.front() {
            let Some(talk) = self.entries.get_mut(index as usize).and_then(|it| it.talk.as_mut())
            else {
                self.ready.pop_front();
                continue;
            };
            if talk.paced.is_none_or(|at| at <= now) {
                talk.paced = None;
                loop {
                    let space = train.space();
                    if space.len() < SMALLEST {
                        // It may have more: others first.
                        self.ready.rotate_left(1);
                        return true;
                    }
                    let Some(Transmit { len, path, at }) = talk.transmit(space) else { break };
                    host.stats().sent.add(len as u64);
                    talk.traffic.send(now, len as u64);
                    if !train.push(len, path) {
                        let datagram = train.space().get(..len).unwrap_or_default();
                        self.left_over.0.extend_from_slice(datagram);
                        self.left_over.1 = Some(path);
                        return true;
                    }
                    count += 1;
                    let at = ours(self.epoch, at);
                    if at > due {
                        talk.paced = Some(at);
                        break;
                    }
                }
            }
            talk.is_ready = false;
            self.ready.pop_front();
            self.settle(host, index);
            if count > 0 {
                return true;
            }
        }
        count > 0
    }

    /// Arms the timer of a connection that has sent what it had, or lets go of one that is gone.
    fn settle(&mut self, host: &Host, index: u32) {
        let epoch = self.epoch;
        let Some(talk) = self.talk(index) else { return };
        if talk.is_gone() {
            return self.remove(host, index);
        }
        let quic = talk.session.timeout().map(|at| ours(epoch, at));
        let Some(at) = Instant::earliest(quic, talk.poll_timeout(host)) else { return };
        // Deadlines that moved on are not moved here: it may be too early, and is armed anew then.
        if talk.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        if let Some(armed) = talk.armed.replace(at) {
            self.timers.remove(&(armed, index));
        }
        self.timers.insert((at, index));
    }

    /// Something of that exchange was woken.
    pub fn wake(&mut self, host: &Host, now: Instant, key: u64, id: ExchangeId) {
        let (index, generation) = (key as u32, (key >> 32) as u16);
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        if entry.generation != generation {
            return;
        }
        if let Some(talk) = &mut entry.talk {
            talk.wake(host, now, id);
            self.touch(index);
        }
    }

    /// When [`timeout`](Self::timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come; early calls do no harm.
    pub fn timeout(&mut self, host: &Host, now: Instant) {
        let clock = self.clock(now);
        while let Some(&(at, index)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(talk) = self.talk(index) else { continue };
            talk.armed = None;
            talk.timeout(host, now, clock);
            self.touch(index);
        }
    }

    /// Begins to drain: no new connections, and those there are end when they can. Those to servers are of use to the others.
    pub fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        self.drains = true;
        self.endpoint.drain();
        self.finish_all(host, now, grace);
    }

    /// The same, but who begins a connection is not refused: others have taken our place, and what comes here still came before.
    pub fn leave(&mut self, host: &Host, now: Instant, grace: Duration) {
        self.leaves = Some(grace);
        self.finish_all(host, now, grace);
    }

    fn finish_all(&mut self, host: &Host, now: Instant, grace: Duration) {
        self.each(|talk| {
            if !talk.session.is_dialed() {
                talk.drain(host, now, grace);
            }
        });
    }

    /// Ends all connections at once.
    pub fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        self.each(|talk| talk.shut(host, now, cause));
    }

    /// Ends one connection at once. Whether there is one of that name.
    pub fn cut(&mut self, host: &Host, now: Instant, key: u64, cause: Cause) -> bool {
        let Some(talk) = self.named(key) else { return false };
        talk.shut(host, now, cause);
        self.touch(key as u32);
        true
    }

    /// Has a connection write its qlog to `writer` from now on. Whether there is one of that name.
    pub fn log(&mut self, key: u64, writer: Box<dyn Write + Send + Sync>) -> bool {
        let Some(talk) = self.named(key) else { return false };
        talk.session.log_to(writer);
        true
    }

    fn named(&mut self, key: u64) -> Option<&mut Talk> {
        let index = key as u32;
        let entry = self.entries.get_mut(index as usize).filter(|it| key == MARK | it.name(index));
        entry?.talk.as_deref_mut()
    }

    /// Gives `take` the name of each connection of the `most` places from `from` on, whether it leads to a server, what it does, and
    /// what went through it. Whether there are places after those.
    pub fn look(
        &self,
        from: usize,
        most: usize,
        mut take: impl FnMut(u64, bool, Description, Traffic),
    ) -> bool {
        for (index, entry) in (0_u32..).zip(&self.entries).skip(from).take(most) {
            if let Some(talk) = &entry.talk {
                let name = MARK | entry.name(index);
                take(name, talk.session.is_dialed(), talk.describe(), talk.traffic);
            }
        }
        from + most < self.entries.len()
    }

    fn each(&mut self, mut act: impl FnMut(&mut Talk)) {
        for index in 0..self.entries.len() as u32 {
            if let Some(talk) = self.talk(index) {
                act(talk);
                self.touch(index);
            }
        }
    }

    pub(super) fn touch(&mut self, index: u32) {
        if let Some(talk) = self.talk(index)
            && !std::mem::replace(&mut talk.is_touched, true)
        {
            self.touched.push(index);
        }
    }

    pub(super) fn talk(&mut self, index: u32) -> Option<&mut Talk> {
        self.entries.get_mut(index as usize)?.talk.as_deref_mut()
    }

    pub(super) fn insert(&mut self, make: impl FnOnce(u64) -> Talk) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 0, talk: None });
            // `most` connections are far fewer than 2^32.
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[index as usize];
        let key = MARK | entry.name(index);
        entry.talk = Some(Box::new(make(key)));
        index
    }

    fn remove(&mut self, host: &Host, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        if let Some(talk) = entry.talk.take() {
            if let Some(armed) = talk.armed {
                self.timers.remove(&(armed, index));
            }
            self.endpoint.unbind(&talk.session);
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(index);
            if talk.session.is_dialed() {
                self.calls.retain(|call| *call != index);
                return;
            }
            host.stats().open.sub(1);
            host.closed(talk.cause(), talk.traffic, || talk.describe());
        }
    }

    /// That moment, as QUIC has it.
    pub(super) fn clock(&self, now: Instant) -> Clock {
        self.epoch + Duration::from_nanos(now.as_nanos())
    }
}

/// Makes a train of one datagram. Whether it did.
fn put(train: &mut impl Train, datagram: &[u8], path: Path) -> bool {
    let Some(space) = train.space().get_mut(..datagram.len()) else { return false };
    space.copy_from_slice(datagram);
    train.push(datagram.len(), path)
}

/// That moment of QUIC's, in our time.
fn ours(epoch: Clock, at: Clock) -> Instant {
    let nanos = at.saturating_duration_since(epoch).as_nanos();
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("connections", &self.len()).finish_non_exhaustive()
    }
}
