//! How long the peer may take (RFC 9114 §5.1 leaves it to us): for a head, for the next request, for content, for taking ours.
//!
//! Time that the caller takes, by holding content back, is not the peer's.

use std::time::Duration;

use trilane_semantics::sending::Outgoing;
use trilane_semantics::{Cause, Closed, Fault, Instant, Limits, Reason};

use crate::code::Code;
use crate::state::{Drain, Http3, Role};
use crate::streams::{Incoming, Stream};

impl Http3 {
    /// As [`Machine::poll_timeout`](trilane_semantics::Machine::poll_timeout).
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let drain = match self.drain {
            Drain::Asked(until) => Some(until),
            _ => None,
        };
        let streams = if self.streams.is_empty() { Some(self.idle()) } else { self.earliest };
        Instant::earliest(drain, streams)
    }

    /// As [`Machine::handle_timeout`](trilane_semantics::Machine::handle_timeout).
    pub(crate) fn timeout(&mut self, now: Instant) -> Result<(), Fault> {
        self.now = now;
        if self.next_timeout().is_none_or(|at| now < at) {
            return Ok(());
        }
        if let Drain::Asked(until) = self.drain
            && until <= now
        {
            self.drain_on();
        }
        if self.streams.is_empty() {
            if self.idle() <= now {
                self.close(Closed::lingering(Cause::IdleTimeout));
            }
            return Ok(());
        }
        self.late_stream(now)
    }

    /// Until when a connection without requests stays. Whoever has not said a word has the time of a head for the first one.
    fn idle(&self) -> Instant {
        let is_mute = self.role == Role::Server && !self.theirs.is_settled && self.seen.is_empty();
        let patience = if is_mute { self.limits.head_timeout } else { self.limits.idle_timeout };
        self.quiet + patience
    }

    /// A stream that is late, if there is one, and when the next will be.
    fn late_stream(&mut self, now: Instant) -> Result<(), Fault> {
        let (mut late, mut earliest) = (None, None);
        let last = self.went + self.limits.write_timeout;
        let is_spent = self.left() == 0;
        for stream in self.streams.iter_mut() {
            if is_spent && matches!(stream.incoming, Incoming::Open | Incoming::Ending) {
                // It may be that nothing is read of it, because others are not read: it has its time anew.
                stream.pace.begin(now, &self.limits);
            }
            if stream.wants_room {
                // It may be the window of the connection, in which others have their turn: only the transport knows.
                stream.pace.window = stream.pace.window.max(last);
            }
            let Some((due, reason)) = due(stream, self.role, &self.limits) else { continue };
            if due <= now && late.is_none() {
                late = Some((stream.id, reason));
            } else {
                earliest = Instant::earliest(earliest, Some(due));
            }
        }
        self.earliest = earliest;
        let Some((id, reason)) = late else { return Ok(()) };
        // There may be another.
        self.earliest = Some(now);
        if self.streams.get(id).is_some_and(|it| matches!(it.incoming, Incoming::Unwanted(_))) {
            // RFC 9114 §4.1: it was answered; H3_NO_ERROR asks for the rest not to be sent.
            self.end_by(id, Code::NoError);
            return Ok(());
        }
        let fault = self.refuse(id, reason);
        if reason == Reason::WindowTimeout
            && let Some(stream) = self.streams.get_mut(id)
        {
            stream.wants_room = false;
        }
        Err(fault)
    }

    fn wake_by(&mut self, due: Instant) {
        self.earliest = Instant::earliest(self.earliest, Some(due));
    }

    /// Nothing more came of that stream for now: if that is its head, it has its time.
    pub(crate) fn note_head(&mut self, id: u64) {
        if self.role == Role::Server
            && let Some(stream) = self.streams.get(id)
            && stream.incoming == Incoming::Head
        {
            self.wake_by(stream.pace.body);
        }
    }

    /// Content is expected on a new stream.
    pub(crate) fn wait_for_content(&mut self, id: u64) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.begin(self.now, &self.limits);
            let due = stream.pace.content_due(&self.limits);
            self.wake_by(due);
        }
    }

    /// `n` bytes of content have come.
    pub(crate) fn note_content(&mut self, id: u64, n: usize) {
        if let Some(stream) = self.streams.get_mut(id) {
            let span = span(stream, &self.limits);
            stream.pace.came(n, span, self.now, &self.limits);
        }
    }

    /// All content of a stream was released: only now it is the peer's turn.
    pub(crate) fn note_released(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let span = span(stream, &self.limits);
        stream.pace.released(span, self.now);
        if let Some((due, _)) = due(stream, self.role, &self.limits) {
            self.wake_by(due);
        }
    }

    /// Nobody wants what that stream still has to say: it has as long as a connection that ends.
    pub(crate) fn note_unwanted(&mut self, id: u64) {
        self.allow(id, self.limits.linger_timeout);
    }

    /// Something went into a tunnel, or it has just begun.
    pub(crate) fn note_tunnel(&mut self, id: u64) {
        self.allow(id, self.limits.tunnel_timeout);
    }

    fn allow(&mut self, id: u64, span: Duration) {
        let due = self.now + span;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.body = due;
            self.wake_by(due);
        }
    }

    /// Content of that stream waits for room from now on.
    pub(crate) fn note_blocked(&mut self, id: u64) {
        let due = self.now + self.limits.write_timeout;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.window = due;
            self.wake_by(due);
        }
    }
}

/// How long nothing may come.
fn span(stream: &Stream, limits: &Limits) -> Duration {
    let is_tunnel = stream.incoming == Incoming::Tunnel;
    if is_tunnel { limits.tunnel_timeout } else { limits.body_timeout }
}

/// When the peer will be late on that stream, and with what.
pub(crate) fn due(stream: &Stream, role: Role, limits: &Limits) -> Option<(Instant, Reason)> {
    let body = match stream.incoming {
        Incoming::Head if role == Role::Server => Some((stream.pace.body, Reason::HeadTimeout)),
        // It is the caller who holds back, not the peer.
        _ if stream.held > 0 => None,
        Incoming::Open | Incoming::Ending => {
            Some((stream.pace.content_due(limits), Reason::BodyTimeout))
        }
        Incoming::Tunnel if stream.outgoing == Outgoing::Owed => None,
        Incoming::Unwanted(_) | Incoming::Tunnel => Some((stream.pace.body, Reason::BodyTimeout)),
        Incoming::Head | Incoming::Over | Incoming::Refused => None,
    };
    let window = stream.wants_room.then_some((stream.pace.window, Reason::WindowTimeout));
    match (body, window) {
        (Some(body), Some(window)) => Some(if body.0 <= window.0 { body } else { window }),
        (body, window) => body.or(window),
    }
}
