//! What a connection does at this moment, as plain data: read when somebody asks, and when it closes.

use std::rc::Rc;

use trilane_exchange::{ConnectionInfo, Exchange};
use trilane_semantics::{Instant, Machine, Protocol, Reason};

use crate::connection::Connection;
use crate::slot::{Slot, Stage};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its protocol is not agreed on yet.
    Handshake,
    /// Nothing is under way.
    Idle,
    /// Exchanges are under way.
    Active,
    /// It has become a tunnel, such as a WebSocket.
    Tunnel,
    /// What is under way is the last.
    Draining,
    /// It is over, and the peer has not let go of it yet.
    Lingering,
}

impl State {
    /// All of them, for filters and charts.
    pub const ALL: [Self; 6] =
        [Self::Handshake, Self::Idle, Self::Active, Self::Tunnel, Self::Draining, Self::Lingering];

    /// A short name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Tunnel => "tunnel",
            Self::Draining => "draining",
            Self::Lingering => "lingering",
        }
    }
}

/// Who must do something next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waits {
    /// The peer, in the handshake.
    Handshake,
    /// The peer, to ask.
    Request,
    /// The peer, to go on with what it sends.
    Content,
    /// A handler, to answer.
    Handler,
    /// A handler, to go on with its content.
    Source,
    /// The peer, to take what was sent.
    Taken,
    /// The peer, to close.
    Close,
}

impl Waits {
    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Content => "content of the request",
            Self::Handler => "handler",
            Self::Source => "content of the answer",
            Self::Taken => "peer to take what was sent",
            Self::Close => "peer to close",
        }
    }
}

/// What a connection does.
#[derive(Clone, Debug)]
pub struct Description {
    /// What is known from its start.
    pub info: Rc<ConnectionInfo>,
    /// What is spoken, once that is known.
    pub protocol: Option<Protocol>,
    /// Where it stands.
    pub state: State,
    /// What it waits for; of several exchanges, what the oldest waits for.
    pub waits: Waits,
    /// Exchanges under way.
    pub open: usize,
    /// What is known of them, and what each waits for, the oldest first.
    pub exchanges: Vec<(Rc<Exchange>, Waits)>,
    /// Exchanges that were begun.
    pub begun: u64,
    /// The last message that was refused.
    pub fault: Option<Reason>,
    /// When its time is over, if nothing happens before.
    pub deadline: Option<Instant>,
}

impl Description {
    /// One that has not begun to speak.
    pub(crate) const fn of_handshake(info: Rc<ConnectionInfo>, deadline: Option<Instant>) -> Self {
        Self {
            info,
            protocol: None,
            state: State::Handshake,
            waits: Waits::Handshake,
            open: 0,
            exchanges: Vec::new(),
            begun: 0,
            fault: None,
            deadline,
        }
    }

    /// The same, over.
    pub(crate) fn over(self, deadline: Option<Instant>) -> Self {
        Self {
            state: State::Lingering,
            waits: Waits::Close,
            open: 0,
            exchanges: Vec::new(),
            deadline,
            ..self
        }
    }
}

impl<M: Machine> Connection<M> {
    /// What it does.
    #[must_use]
    pub fn describe(&self) -> Description {
        let is_tunnel = self.slots.iter().any(|slot| slot.is_tunnel());
        let state = if self.closed.is_some() {
            State::Lingering
        } else if is_tunnel {
            State::Tunnel
        } else if self.drain_at.is_some() {
            State::Draining
        } else if self.is_idle() {
            State::Idle
        } else {
            State::Active
        };
        Description {
            info: Rc::clone(&self.info),
            protocol: Some(M::PROTOCOL),
            state,
            waits: self.waits(),
            open: self.slots.len(),
            exchanges: self
                .slots
                .iter()
                .map(|slot| (Rc::clone(&slot.exchange), slot.waits()))
                .collect(),
            begun: self.begun,
            fault: self.last_fault,
            deadline: self.poll_timeout(),
        }
    }

    fn waits(&self) -> Waits {
        if self.in_flight.is_some() {
            return Waits::Taken;
        }
        if self.closed.is_some() {
            return Waits::Close;
        }
        match self.slots.first() {
            Some(slot) => slot.waits(),
            None if self.carry.is_empty() => Waits::Request,
            None => Waits::Content,
        }
    }
}

impl Slot {
    /// What it waits for.
    pub(crate) fn waits(&self) -> Waits {
        match self.stage {
            Stage::Running(_) if self.is_reading() => Waits::Content,
            Stage::Fresh(_) | Stage::Running(_) => Waits::Handler,
            // Nothing of it is at hand, or the peer's window is closed.
            Stage::Sending { ref rest, .. } if !rest.is_empty() => Waits::Taken,
            Stage::Sending { .. } => Waits::Source,
            Stage::Sent => Waits::Content,
        }
    }
}
