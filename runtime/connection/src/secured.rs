//! A conversation over TLS: the stage between the transport's bytes and those of HTTP/1.1 or HTTP/2.
//!
//! It knows three times: the handshake, the conversation that the handshake has agreed on, and what is left after a failure:
//! the alert that tells the peer. Records are [`trilane_tls`]'s; this says whose turn it is.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{ConnectionInfo, Desk, DialError};
use trilane_semantics::{Cause, Command, ExchangeId, Instant, Limits, Outbox, Piece, Protocol};
use trilane_tls::{ACME_TLS, Broken, Heard, Session};

use crate::connection::Received;
use crate::conversation::Conversation;
use crate::describe::Description;
use crate::ending::Goal;
use crate::host::Host;
use crate::pending::{Asks, Pending};

/// A conversation over `session`, server role: HTTP/2 if the handshake agrees on it, else HTTP/1.1. `key` is the shard's name
/// for it.
#[must_use]
pub fn secured(
    host: &Host,
    now: Instant,
    key: u64,
    info: Rc<ConnectionInfo>,
    session: Session,
) -> Box<dyn Conversation> {
    let deadline = now + host.limits().handshake_timeout;
    Secured::begin(session, Pending { key, info, deadline, drain: None, asks: None })
}

/// A conversation over `session`, client role, for the requests at `desk`. It is in the protocol that the handshake agrees on, or in
/// `protocol` if it says nothing of that. `first` goes before all else, in clear. The first of `place` is the shard's name for it.
#[must_use]
pub fn client_secured(
    host: &Host,
    now: Instant,
    (key, info): (u64, Rc<ConnectionInfo>),
    (protocol, limits): (Protocol, Rc<Limits>),
    (session, first): (Session, Vec<u8>),
    desk: Rc<Desk>,
) -> Box<dyn Conversation> {
    let deadline = now + limits.handshake_timeout;
    desk.attach(host.take_waker(key, ExchangeId(0)).waker().clone());
    let asks = Some(Asks { protocol, limits, first, desk });
    Secured::begin(session, Pending { key, info, deadline, drain: None, asks })
}

/// The stage.
struct Secured {
    session: Session,
    stage: Stage,
    flight: Flight,
    closes: Closes,
    /// The peer has said that nothing follows (RFC 8446 §6.1).
    is_ended: bool,
}

enum Stage {
    /// There is no conversation yet.
    Handshake(Box<Pending>),
    /// There is one.
    Open(Box<dyn Conversation>),
    /// There is none any more.
    Over(Box<Over>),
}

/// The end of what TLS has ended.
struct Over {
    /// What it was.
    before: Description,
    cause: Cause,
    /// Until then the peer may take the alert, and close.
    until: Instant,
    half_closed: bool,
    peer_done: bool,
}

/// What the transport has to send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flight {
    None,
    /// Something of the conversation's, who watches how long it takes.
    Content,
    /// Records of TLS alone, to be taken by then.
    Records(Instant),
}

/// Whether the peer was told that nothing follows (RFC 8446 §6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closes {
    No,
    Told,
}

impl Stage {
    fn hear(&mut self, host: &Host, now: Instant, heard: Heard<'_>) {
        match (heard, &mut *self) {
            // RFC 8737 §3: the certificate was all there is to see.
            (Heard::Ready(found), Self::Handshake(_))
                if found.alpn.as_deref() == Some(ACME_TLS) =>
            {
                *self = self.over(host, now, Cause::LastMessage);
            }
            (Heard::Ready(found), Self::Handshake(pending)) => {
                *self = Self::Open(pending.open(host, now, found));
            }
            (Heard::Content(content), Self::Open(conversation)) => {
                conversation.receive(host, now, Received::copied(content));
            }
            (Heard::End, Self::Open(conversation)) => conversation.receive_end(host, now),
            // The peer has left before it had begun.
            (Heard::End, Self::Handshake(pending)) => {
                pending.fail(|| DialError::Closed(Cause::Peer));
                *self = self.over(host, now, Cause::Peer);
            }
            _ => {}
        }
    }

    fn over(&self, host: &Host, now: Instant, cause: Cause) -> Self {
        let until = now + host.limits().linger_timeout;
        let before = self.describe();
        Self::Over(Box::new(Over { before, cause, until, half_closed: false, peer_done: false }))
    }

    fn describe(&self) -> Description {
        match self {
            Self::Handshake(pending) => {
                Description::of_handshake(Rc::clone(&pending.info), Some(pending.deadline))
            }
            Self::Open(conversation) => conversation.describe(),
            Self::Over(over) => over.before.clone().over(Some(over.until)),
        }
    }
}

impl Secured {
    fn begin(session: Session, pending: Pending) -> Box<dyn Conversation> {
        let (stage, flight) = (Stage::Handshake(Box::new(pending)), Flight::None);
        Box::new(Self { session, stage, flight, closes: Closes::No, is_ended: false })
    }

    /// TLS is broken: what it has to say about that is the last thing that is sent.
    fn fail(&mut self, host: &Host, now: Instant, broken: Broken) {
        let cause = match broken {
            Broken::Handshake => Cause::Handshake,
            Broken::Alert(number) => Cause::Alert(number),
            Broken::Untrusted(_) | Broken::Name => Cause::Handshake,
            _ => Cause::Record,
        };
        if let Stage::Handshake(pending) = &self.stage {
            pending.fail(|| DialError::Tls(broken.to_string().into()));
        }
        self.end(host, now, cause);
    }

    fn end(&mut self, host: &Host, now: Instant, cause: Cause) {
        if let Stage::Open(conversation) = &mut self.stage {
            conversation.shut(host, now, cause);
        }
        if let Stage::Handshake(pending) = &self.stage {
            pending.fail(|| DialError::Closed(cause));
        }
        if !matches!(self.stage, Stage::Over(_)) {
            self.stage = self.stage.over(host, now, cause);
        }
    }

    /// Seals what the conversation says.
    fn seal(&mut self, host: &Host, now: Instant, plain: Outbox) -> Outbox {
        let mut out = host.take_outbox();
        let ends = plain.pieces().any(|piece| piece == Piece::Command(Command::Fin));
        // Files are for who takes more than bytes, and other commands for who has more than one stream.
        let pieces = plain.pieces().filter_map(|piece| match piece {
            Piece::Bytes(bytes) => Some(bytes),
            Piece::Command(_) | Piece::File(_) | Piece::Pipe(_) | Piece::Datagram(_) => None,
        });
        let session = &mut self.session;
        let result = out.framing((), |bytes| {
            bytes.reserve(trilane_tls::sealed(plain.len()));
            session.seal(pieces, bytes)
        });
        host.give_outbox(plain);
        if let Err(broken) = result {
            self.fail(host, now, broken);
        } else if ends {
            self.say_end(&mut out);
            out.command((), Command::Fin);
        }
        out
    }

    /// Nothing follows.
    fn say_end(&mut self, out: &mut Outbox) {
        self.closes = Closes::Told;
        out.framing((), |bytes| self.session.close(bytes));
    }

    /// Whether the conversation is at its end, of which the peer is still to be told.
    fn owes_end(&self) -> bool {
        let Stage::Open(conversation) = &self.stage else { return false };
        self.closes == Closes::No
            && self.flight == Flight::None
            && matches!(conversation.goal(), Goal::HalfClose | Goal::Close)
    }
}

impl Conversation for Secured {
    fn receive(&mut self, host: &Host, now: Instant, received: Received<'_>) {
        let mut bytes = received.bytes().to_vec();
        self.receive_in_place(host, now, &mut bytes);
    }

    fn receive_in_place(&mut self, host: &Host, now: Instant, bytes: &mut [u8]) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        let (stage, is_ended) = (&mut self.stage, &mut self.is_ended);
        let result = self.session.receive(bytes, |heard| {
            *is_ended |= matches!(heard, Heard::End);
            stage.hear(host, now, heard);
        });
        if let Err(broken) = result {
            self.fail(host, now, broken);
        }
    }

    fn decrypts(&self) -> bool {
        true
    }

    fn receive_end(&mut self, host: &Host, now: Instant) {
        match &mut self.stage {
            Stage::Handshake(_) => self.end(host, now, Cause::Peer),
            Stage::Open(conversation) if self.is_ended => conversation.receive_end(host, now),
            // Whether that cuts a message is for the conversation to say: it may have its length.
            Stage::Open(conversation) => conversation.receive_cut(host, now),
            Stage::Over(_) => {}
        }
        if let Stage::Over(over) = &mut self.stage {
            over.peer_done = true;
        }
    }

    fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        match &mut self.stage {
            Stage::Handshake(pending) => {
                let wanted = pending.asks.as_ref().and_then(|asks| asks.desk.wanted());
                if let Some(cause) = wanted {
                    self.shut(host, now, cause);
                }
            }
            Stage::Open(conversation) => conversation.wake(host, now, id),
            Stage::Over(_) => {}
        }
    }

    fn progress(&mut self, host: &Host, now: Instant) {
        match (&mut self.stage, &mut self.flight) {
            (Stage::Open(conversation), Flight::Content) => conversation.progress(host, now),
            (_, Flight::Records(deadline)) => *deadline = now + host.limits().write_timeout,
            _ => {}
        }
    }

    fn sent(&mut self, host: &Host, now: Instant) {
        let flight = std::mem::replace(&mut self.flight, Flight::None);
        if let (Stage::Open(conversation), Flight::Content) = (&mut self.stage, flight) {
            conversation.sent(host, now);
        }
    }

    fn failed(&mut self, host: &Host, now: Instant) {
        self.closes = Closes::Told;
        self.flight = Flight::None;
        match &mut self.stage {
            Stage::Open(conversation) => conversation.failed(host, now),
            Stage::Handshake(_) => self.end(host, now, Cause::Transport),
            Stage::Over(_) => {}
        }
        if let Stage::Over(over) = &mut self.stage {
            (over.half_closed, over.peer_done) = (true, true);
        }
    }

    fn timeout(&mut self, host: &Host, now: Instant) {
        if let Flight::Records(deadline) = self.flight
            && deadline <= now
        {
            // It does not even take those.
            self.shut(host, now, Cause::WriteTimeout);
            return;
        }
        match &mut self.stage {
            Stage::Handshake(pending) if pending.deadline <= now => {
                self.end(host, now, Cause::HandshakeTimeout);
            }
            Stage::Handshake(_) => {}
            Stage::Open(conversation) => conversation.timeout(host, now),
            Stage::Over(over) if over.until <= now => {
                (over.half_closed, over.peer_done) = (true, true);
            }
            Stage::Over(_) => {}
        }
    }

    fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        match &mut self.stage {
            Stage::Handshake(pending) => {
                pending.drain = Some(grace);
                pending.deadline = pending.deadline.min(now + grace);
            }
            Stage::Open(conversation) => conversation.drain(host, now, grace),
            Stage::Over(_) => {}
        }
    }

    fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        if let Flight::Records(_) = std::mem::replace(&mut self.flight, Flight::None) {
            // They are not waited for, and nothing can go after half of them.
            self.closes = Closes::Told;
        }
        match &mut self.stage {
            Stage::Open(conversation) => conversation.shut(host, now, cause),
            Stage::Handshake(_) | Stage::Over(_) => {
                self.end(host, now, cause);
                if let Stage::Over(over) = &mut self.stage {
                    (over.half_closed, over.peer_done) = (true, true);
                }
            }
        }
    }

    fn half_closed(&mut self, host: &Host, now: Instant) {
        match &mut self.stage {
            Stage::Open(conversation) => conversation.half_closed(host, now),
            Stage::Over(over) => over.half_closed = true,
            Stage::Handshake(_) => {}
        }
    }

    fn take_output(&mut self, host: &Host, now: Instant) -> Option<Outbox> {
        if let Stage::Open(conversation) = &mut self.stage
            && let Some(plain) = conversation.take_output(host, now)
        {
            self.flight = Flight::Content;
            return Some(self.seal(host, now, plain));
        }
        let ends = self.owes_end();
        if !ends && !self.session.owes() {
            return None;
        }
        let (mut out, limits) = (host.take_outbox(), host.limits());
        let within = if ends {
            self.say_end(&mut out);
            limits.linger_timeout
        } else {
            if let Stage::Handshake(pending) = &mut self.stage
                && let Some(asks) = &mut pending.asks
            {
                out.framing((), |bytes| bytes.append(&mut asks.first));
            }
            out.framing((), |bytes| self.session.take_owed(bytes));
            limits.write_timeout
        };
        self.flight = Flight::Records(now + within);
        Some(out)
    }

    fn wants_input(&self, host: &Host) -> bool {
        match &self.stage {
            Stage::Open(conversation) => conversation.wants_input(host),
            Stage::Handshake(_) | Stage::Over(_) => true,
        }
    }

    fn takes_content(&self) -> bool {
        matches!(&self.stage, Stage::Open(conversation) if conversation.takes_content())
    }

    fn goal(&self) -> Goal {
        match &self.stage {
            Stage::Handshake(_) => Goal::Open,
            Stage::Open(conversation) => match conversation.goal() {
                Goal::HalfClose | Goal::Close
                    if self.closes == Closes::No || matches!(self.flight, Flight::Records(_)) =>
                {
                    Goal::Open
                }
                goal => goal,
            },
            // Its time is over: what is still under way or owed never arrives.
            Stage::Over(over) if over.half_closed && over.peer_done => match self.flight {
                Flight::None => Goal::Close,
                Flight::Content | Flight::Records(_) => Goal::Reset,
            },
            Stage::Over(_) if self.flight != Flight::None || self.session.owes() => Goal::Open,
            // Nobody is left for whom a half-close would make a difference.
            Stage::Over(over) if over.peer_done => Goal::Close,
            Stage::Over(over) if !over.half_closed => Goal::HalfClose,
            Stage::Over(_) => Goal::Open,
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let flight = match self.flight {
            Flight::Records(deadline) => Some(deadline),
            Flight::None | Flight::Content => None,
        };
        let stage = match &self.stage {
            Stage::Handshake(pending) => Some(pending.deadline),
            Stage::Open(conversation) => conversation.poll_timeout(),
            Stage::Over(over) => (!over.peer_done || !over.half_closed).then_some(over.until),
        };
        Instant::earliest(flight, stage)
    }

    fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Handshake(_) | Stage::Over(_) => false,
            Stage::Open(conversation) => {
                conversation.is_idle() && self.flight == Flight::None && !self.session.owes()
            }
        }
    }

    fn cause(&self) -> Option<Cause> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Open(conversation) => conversation.cause(),
            Stage::Over(over) => Some(over.cause),
        }
    }

    fn describe(&self) -> Description {
        self.stage.describe()
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::Handshake(_) => f.write_str("Secured(handshake)"),
            Stage::Open(conversation) => write!(f, "Secured({conversation:?})"),
            Stage::Over(over) => write!(f, "Secured({})", over.cause),
        }
    }
}
