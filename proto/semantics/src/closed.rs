//! Why a connection closed: one closed list for logs, metric labels and debug pages.

use std::fmt;

use crate::fault::Reason;

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Why.
    pub cause: Cause,
    /// How to let go of the transport.
    pub linger: Linger,
}

/// Whether bytes may still come that nobody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// None: close when all is sent.
    No,
    /// None, and our last message is cut where its end would look like its completion: reset the transport once all is
    /// sent, so that the peer sees it (RFC 9112 §8).
    Reset,
    /// Some: half-close when all is sent, then read and discard for a while, so that our last answer is not
    /// lost to a reset (RFC 9112 §9.6).
    Yes,
}

impl Closed {
    /// An end after which nothing more comes.
    #[must_use]
    pub const fn now(cause: Cause) -> Self {
        Self { cause, linger: Linger::No }
    }

    /// An end that must not look like the completion of what was sent.
    #[must_use]
    pub const fn reset(cause: Cause) -> Self {
        Self { cause, linger: Linger::Reset }
    }

    /// An end after which something may still come.
    #[must_use]
    pub const fn lingering(cause: Cause) -> Self {
        Self { cause, linger: Linger::Yes }
    }
}

/// Who closed, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The peer closed between two messages.
    Peer,
    /// The peer reset the transport, or it failed.
    Transport,
    /// The peer left while an exchange was under way.
    PeerLeft,
    /// One side said that this was the last message (RFC 9112 §9.6).
    LastMessage,
    /// We refused or cut what the peer sent.
    Fault(Reason),
    /// Nothing came for the keep-alive time.
    IdleTimeout,
    /// What we sent was not taken in time.
    WriteTimeout,
    /// A handler gave up after its head was sent, or panicked.
    Aborted,
    /// The tunnel's both halves ended.
    TunnelEnd,
    /// We drain.
    Drain,
    /// The drain's deadline came.
    DrainDeadline,
    /// A limit of the process or of the shard, such as connections.
    Overload,
    /// The TLS handshake failed: there was no common ground, or the peer was not who it must be (RFC 8446 §4).
    Handshake,
    /// The TLS handshake took too long.
    HandshakeTimeout,
    /// A TLS record could not be read, or not be written.
    Record,
    /// The peer has ended TLS with this alert (RFC 8446 §6.2).
    Alert(u8),
    /// An operator has ended it.
    Operator,
}

impl Cause {
    /// How many there are, for tables: alerts count as one.
    pub const COUNT: usize = Self::OWN.len() + Reason::ALL.len();

    /// Those that are no fault, in the order of their numbers.
    const OWN: [Self; 16] = [
        Self::Peer,
        Self::Transport,
        Self::PeerLeft,
        Self::LastMessage,
        Self::IdleTimeout,
        Self::WriteTimeout,
        Self::Aborted,
        Self::TunnelEnd,
        Self::Drain,
        Self::DrainDeadline,
        Self::Overload,
        Self::Handshake,
        Self::HandshakeTimeout,
        Self::Record,
        Self::Alert(0),
        Self::Operator,
    ];

    /// Every cause once, in the order of their numbers; one alert stands for all.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::OWN.into_iter().chain(Reason::ALL.iter().map(|reason| Self::Fault(*reason)))
    }

    /// Its number, below [`Cause::COUNT`], for tables.
    #[must_use]
    pub const fn number(self) -> usize {
        match self {
            Self::Peer => 0,
            Self::Transport => 1,
            Self::PeerLeft => 2,
            Self::LastMessage => 3,
            Self::IdleTimeout => 4,
            Self::WriteTimeout => 5,
            Self::Aborted => 6,
            Self::TunnelEnd => 7,
            Self::Drain => 8,
            Self::DrainDeadline => 9,
            Self::Overload => 10,
            Self::Handshake => 11,
            Self::HandshakeTimeout => 12,
            Self::Record => 13,
            Self::Alert(_) => 14,
            Self::Operator => 15,
            Self::Fault(reason) => Self::OWN.len() + reason as usize,
        }
    }

    /// A short name for logs and metric labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Transport => "transport",
            Self::PeerLeft => "peer_left",
            Self::LastMessage => "last_message",
            Self::Fault(reason) => reason.label(),
            Self::IdleTimeout => "idle_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::Aborted => "aborted",
            Self::TunnelEnd => "tunnel_end",
            Self::Drain => "drain",
            Self::DrainDeadline => "drain_deadline",
            Self::Overload => "overload",
            Self::Handshake => "tls_handshake",
            Self::HandshakeTimeout => "tls_handshake_timeout",
            Self::Record => "tls_record",
            Self::Alert(_) => "tls_alert",
            Self::Operator => "operator",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Peer => "the peer closed between two messages",
            Self::Transport => "the transport failed, or the peer reset it",
            Self::PeerLeft => "the peer left while an exchange was under way",
            Self::LastMessage => "one side had said that this message was the last",
            Self::Fault(reason) => reason.text(),
            Self::IdleTimeout => "nothing came for the keep-alive time",
            Self::WriteTimeout => "the peer did not take in time what it was sent",
            Self::Aborted => "a handler gave up after its answer had begun",
            Self::TunnelEnd => "both halves of the tunnel ended",
            Self::Drain => "the server drains",
            Self::DrainDeadline => "the server drained, and its deadline came",
            Self::Overload => "a limit was reached, such as that of connections",
            Self::Handshake => "the TLS handshake failed",
            Self::HandshakeTimeout => "the TLS handshake took too long",
            Self::Record => "a TLS record could not be read, or not be written",
            Self::Alert(_) => "the peer ended TLS with an alert",
            Self::Operator => "an operator ended it",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_number_of_its_own() {
        assert_eq!(Cause::all().count(), Cause::COUNT);
        for (number, cause) in Cause::all().enumerate() {
            assert_eq!(cause.number(), number, "{cause}");
        }
        assert_eq!(Cause::Alert(70).number(), Cause::Alert(0).number());
    }
}
