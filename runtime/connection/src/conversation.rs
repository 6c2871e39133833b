//! A connection over TCP whose protocol nobody needs to know: what the shard and the simulator hold.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{ConnectionInfo, Desk};
use trilane_http1::Http1;
use trilane_http2::Http2;
use trilane_semantics::{Cause, ExchangeId, Instant, Limits, Machine, Outbox, Payload, Protocol};

use crate::connection::{Connection, Received, Sends};
use crate::describe::Description;
use crate::ending::Goal;
use crate::host::Host;
use crate::piping::Piping;
use crate::recording::What;

/// A [`Connection`] over one byte stream, its machine erased: the branch is taken once, when the protocol is
/// known. After every call: [`take_output`](Self::take_output) if nothing is being sent, then look at
/// [`goal`](Self::goal), [`wants_input`](Self::wants_input) and [`poll_timeout`](Self::poll_timeout).
pub trait Conversation: fmt::Debug {
    /// Bytes came.
    fn receive(&mut self, host: &Host, now: Instant, received: Received<'_>);
    /// Bytes came that may be changed where they lie: for who [decrypts](Self::decrypts) them.
    fn receive_in_place(&mut self, host: &Host, now: Instant, bytes: &mut [u8]) {
        self.receive(host, now, Received::copied(bytes));
    }
    /// Whether bytes should come by [`receive_in_place`](Self::receive_in_place).
    fn decrypts(&self) -> bool {
        false
    }
    /// The peer has closed its half.
    fn receive_end(&mut self, host: &Host, now: Instant);
    /// The same, but that it is the end may not be the peer's word: somebody in between may have cut it.
    fn receive_cut(&mut self, host: &Host, now: Instant) {
        self.receive_end(host, now);
    }
    /// Something of that exchange was woken.
    fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId);
    /// A part of what was taken has been sent.
    fn progress(&mut self, host: &Host, now: Instant);
    /// What was taken has been sent.
    fn sent(&mut self, host: &Host, now: Instant);
    /// The transport has failed.
    fn failed(&mut self, host: &Host, now: Instant);
    /// The time of `poll_timeout` has come.
    fn timeout(&mut self, host: &Host, now: Instant);
    /// Begins to drain.
    fn drain(&mut self, host: &Host, now: Instant, grace: Duration);
    /// Ends it at once.
    fn shut(&mut self, host: &Host, now: Instant, cause: Cause);
    /// The transport has half-closed, as `goal` said.
    fn half_closed(&mut self, host: &Host, now: Instant);
    /// Takes what is to be sent, if anything.
    fn take_output(&mut self, host: &Host, now: Instant) -> Option<Outbox>;
    /// Whether bytes are welcome.
    fn wants_input(&self, host: &Host) -> bool;
    /// Whether content is under way: then read it by pieces, asking each time whether bytes are welcome, for
    /// what was read ahead must be kept, however far the reader is behind.
    fn takes_content(&self) -> bool;
    /// Whether content may come in a pipe now, by [`receive_piped`](Self::receive_piped), instead of bytes.
    fn piping(&self, host: &Host) -> Piping {
        let _ = host;
        Piping::No
    }
    /// Content came in a pipe: no more than [`piping`](Self::piping) allowed.
    fn receive_piped(&mut self, host: &Host, now: Instant, piped: Payload) {
        let _ = (host, now, piped);
    }
    /// What the transport should do once everything in hand is sent.
    fn goal(&self) -> Goal;
    /// When `timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Whether nothing is under way.
    fn is_idle(&self) -> bool;
    /// Why it closed, once it has.
    fn cause(&self) -> Option<Cause>;
    /// What it does.
    fn describe(&self) -> Description;
}

/// What a conversation in front of another, which is its field `current`, has done by that: all but what comes in, and the drain.
macro_rules! passed_on_to_current {
    () => {
        fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId) {
            self.current.wake(host, now, id);
        }

        fn progress(&mut self, host: &Host, now: Instant) {
            self.current.progress(host, now);
        }

        fn sent(&mut self, host: &Host, now: Instant) {
            self.current.sent(host, now);
        }

        fn failed(&mut self, host: &Host, now: Instant) {
            self.current.failed(host, now);
        }

        fn timeout(&mut self, host: &Host, now: Instant) {
            self.current.timeout(host, now);
        }

        fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
            self.current.shut(host, now, cause);
        }

        fn half_closed(&mut self, host: &Host, now: Instant) {
            self.current.half_closed(host, now);
        }

        fn take_output(&mut self, host: &Host, now: Instant) -> Option<Outbox> {
            self.current.take_output(host, now)
        }

        fn wants_input(&self, host: &Host) -> bool {
            self.current.wants_input(host)
        }

        fn takes_content(&self) -> bool {
            self.current.takes_content()
        }

        fn piping(&self, host: &Host) -> Piping {
            self.current.piping(host)
        }

        fn receive_piped(&mut self, host: &Host, now: Instant, piped: Payload) {
            self.current.receive_piped(host, now, piped);
        }

        fn goal(&self) -> Goal {
            self.current.goal()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.current.poll_timeout()
        }

        fn is_idle(&self) -> bool {
            self.current.is_idle()
        }

        fn cause(&self) -> Option<Cause> {
            self.current.cause()
        }

        fn describe(&self) -> Description {
            self.current.describe()
        }
    };
}
pub(crate) use passed_on_to_current;

/// A conversation in HTTP/1.1, server role, over what `sends` can send. `key` is the shard's name for it.
#[must_use]
pub fn http1(
    host: &Host,
    now: Instant,
    key: u64,
    info: Rc<ConnectionInfo>,
    sends: Sends,
) -> Box<dyn Conversation> {
    let machine = Http1::server(Rc::clone(host.limits()), now);
    match host.record(now, What::served(host, Protocol::Http11), &info) {
        None => serving(machine, key, info, sends),
        Some(begun) => serving(begun.around(machine), key, info, sends),
    }
}

/// A conversation in HTTP/2, server role. Files are read here, piece by piece: a frame is too small a piece to be sent from
/// one. `key` is the shard's name for it.
#[must_use]
pub fn http2(
    host: &Host,
    now: Instant,
    key: u64,
    info: Rc<ConnectionInfo>,
) -> Box<dyn Conversation> {
    let machine = Http2::server(Rc::clone(host.limits()), now);
    match host.record(now, What::served(host, Protocol::Http2), &info) {
        None => serving(machine, key, info, Sends::Bytes),
        Some(begun) => serving(begun.around(machine), key, info, Sends::Bytes),
    }
}

fn serving<M: Machine<Stream = ()> + fmt::Debug + 'static>(
    machine: M,
    key: u64,
    info: Rc<ConnectionInfo>,
    sends: Sends,
) -> Box<dyn Conversation> {
    let is_secure = info.tls.is_some();
    Box::new(Connection::new(machine, key, info).sending(sends).advertising(is_secure))
}

/// A conversation with a server, for the requests at `desk`, in HTTP/1.1 or HTTP/2. It is sent over what `sends` can send, and `first`
/// goes before all else. The first of `place` is the shard's name for it.
#[must_use]
pub fn client(
    host: &Host,
    now: Instant,
    (key, info): (u64, Rc<ConnectionInfo>),
    (protocol, limits): (Protocol, Rc<Limits>),
    (sends, first): (Sends, Vec<u8>),
    desk: Rc<Desk>,
) -> Box<dyn Conversation> {
    let begun = host.record(now, What::asked(protocol, &limits), &info);
    let (who, what) = ((key, info), (protocol, first));
    if protocol == Protocol::Http2 {
        let machine = Http2::client(limits, now);
        return match begun {
            None => asking(host, machine, who, Sends::Bytes, what, desk),
            Some(begun) => asking(host, begun.around(machine), who, Sends::Bytes, what, desk),
        };
    }
    let machine = Http1::client(limits, now);
    match begun {
        None => asking(host, machine, who, sends, what, desk),
        Some(begun) => asking(host, begun.around(machine), who, sends, what, desk),
    }
}

fn asking<M: Machine<Stream = ()> + fmt::Debug + 'static>(
    host: &Host,
    machine: M,
    (key, info): (u64, Rc<ConnectionInfo>),
    sends: Sends,
    what: (Protocol, Vec<u8>),
    desk: Rc<Desk>,
) -> Box<dyn Conversation> {
    Box::new(Connection::new(machine, key, info).sending(sends).asking(host, what, desk))
}

impl<M: Machine<Stream = ()>> Connection<M> {
    /// Has memory for output, of an outbox that was used before: it is probably about to answer.
    fn lend(&mut self, host: &Host) {
        if !self.out.has_memory() {
            self.out = host.take_outbox();
        }
    }
}

impl<M: Machine<Stream = ()> + fmt::Debug> Conversation for Connection<M> {
    fn receive(&mut self, host: &Host, now: Instant, received: Received<'_>) {
        self.lend(host);
        Self::receive(self, host, now, (), received, false);
    }

    fn receive_end(&mut self, host: &Host, now: Instant) {
        Self::receive_end(self, host, now);
    }

    fn receive_cut(&mut self, host: &Host, now: Instant) {
        self.machine.cut();
        Self::receive_end(self, host, now);
    }

    fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        self.lend(host);
        Self::wake(self, host, now, id);
    }

    fn progress(&mut self, host: &Host, now: Instant) {
        Self::progress(self, host, now);
    }

    fn sent(&mut self, host: &Host, now: Instant) {
        Self::sent(self, host, now);
    }

    fn failed(&mut self, host: &Host, now: Instant) {
        Self::failed(self, host, now);
    }

    fn timeout(&mut self, host: &Host, now: Instant) {
        Self::timeout(self, host, now);
    }

    fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        Self::drain(self, host, now, grace);
    }

    fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        Self::shut(self, host, now, cause);
    }

    fn half_closed(&mut self, host: &Host, now: Instant) {
        Self::half_closed(self, host, now);
    }

    fn take_output(&mut self, host: &Host, now: Instant) -> Option<Outbox> {
        let output = Self::take_output(self, host, now);
        if output.is_none() && self.out.has_memory() {
            // An idle connection holds no memory for output.
            host.give_outbox(std::mem::take(&mut self.out));
        }
        output
    }

    fn wants_input(&self, host: &Host) -> bool {
        Self::wants_input(self, host)
    }

    fn takes_content(&self) -> bool {
        Self::takes_content(self)
    }

    fn piping(&self, host: &Host) -> Piping {
        Self::piping(self, host)
    }

    fn receive_piped(&mut self, host: &Host, now: Instant, piped: Payload) {
        self.lend(host);
        Self::receive_piped(self, host, now, piped);
    }

    fn goal(&self) -> Goal {
        Self::goal(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }

    fn is_idle(&self) -> bool {
        Self::is_idle(self)
    }

    fn cause(&self) -> Option<Cause> {
        Self::cause(self)
    }

    fn describe(&self) -> Description {
        Self::describe(self)
    }
}
