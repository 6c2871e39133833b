//! How long the peer may take (RFC 9113 leaves it to us): for a frame, for the next stream, for content, for opening a window.
//!
//! Time that the caller takes, by holding content back, is not the peer's.

use std::time::Duration;

use trilane_semantics::sending::Outgoing;
use trilane_semantics::{Cause, Closed, Fault, Instant, Limits, Reason};

use crate::code::Code;
use crate::state::{Drain, Http2, Wait};
use crate::streams::{Incoming, Stream, Wants};

impl Http2 {
    /// As [`Machine::poll_timeout`](trilane_semantics::Machine::poll_timeout).
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let waits = (self.wait != Wait::Nothing).then_some(self.deadline);
        let drain = match self.drain {
            Drain::Asked(until) => Some(until),
            _ => None,
        };
        let streams = self.earliest.filter(|_| !self.streams.is_empty());
        Instant::earliest(Instant::earliest(waits, drain), streams)
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
        if self.deadline <= now {
            match self.wait {
                Wait::Nothing => (),
                Wait::Frame => {
                    return Err(match self.block.take() {
                        Some(block) => self.give_up(block.opening, Reason::HeadTimeout),
                        None => self.fail(Reason::HeadTimeout),
                    });
                }
                Wait::Idle => {
                    self.close(Closed::lingering(Cause::IdleTimeout));
                    return Ok(());
                }
            }
        }
        self.late_stream(now)
    }

    /// A stream that is late, if there is one, and when the next will be.
    fn late_stream(&mut self, now: Instant) -> Result<(), Fault> {
        let is_blocked = self.inflow.is_exhausted();
        let (mut late, mut earliest) = (None, None);
        for stream in self.streams.iter_mut() {
            // It is the readers of other streams who hold this one up.
            if is_blocked && stream.incoming == Incoming::Open {
                stream.pace.begin(now, &self.limits);
            }
            // It waits for the connection's window, in which others have their turn.
            if stream.wants == Wants::Window && stream.outflow.left() > 0 {
                stream.pace.window = stream.pace.window.max(self.went + self.limits.write_timeout);
            }
            let Some((due, reason)) = due(stream, &self.limits) else { continue };
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
        if self.streams.get(id).is_some_and(|it| it.incoming == Incoming::Unwanted) {
            // RFC 9113 §8.1: it was answered; NO_ERROR asks for the rest not to be sent.
            self.end_by(id, Code::NoError);
            return Ok(());
        }
        let fault = self.refuse(id, reason);
        if reason == Reason::WindowTimeout
            && let Some(stream) = self.streams.get_mut(id)
        {
            stream.verdict = Some(Code::Cancel);
            stream.wants = Wants::Nothing;
        }
        Err(fault)
    }

    /// Content is expected on a new stream.
    pub(crate) fn wait_for_content(&mut self, id: u32) {
        let (now, limits) = (self.now, &self.limits);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.begin(now, limits);
            let due = stream.pace.content_due(limits);
            self.earliest = Instant::earliest(self.earliest, Some(due));
        }
    }

    /// `n` bytes of content have come.
    pub(crate) fn note_content(&mut self, id: u32, n: usize) {
        let (now, limits) = (self.now, &self.limits);
        let Some(stream) = self.streams.get_mut(id) else { return };
        let span = span(stream, limits);
        stream.pace.came(n, span, now, limits);
    }

    /// All content of a stream was released: only now it is the peer's turn.
    pub(crate) fn note_released(&mut self, id: u32) {
        let (now, limits) = (self.now, &self.limits);
        let Some(stream) = self.streams.get_mut(id) else { return };
        let span = span(stream, limits);
        stream.pace.released(span, now);
        if let Some((due, _)) = due(stream, limits) {
            self.earliest = Instant::earliest(self.earliest, Some(due));
        }
    }

    /// Nobody wants what that stream still has to say: it has as long as a connection that ends.
    pub(crate) fn note_unwanted(&mut self, id: u32) {
        let due = self.now + self.limits.linger_timeout;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.body = due;
            self.earliest = Instant::earliest(self.earliest, Some(due));
        }
    }

    /// Something went into a tunnel, or it has just begun.
    pub(crate) fn note_tunnel(&mut self, id: u32) {
        let due = self.now + self.limits.tunnel_timeout;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.body = due;
            self.earliest = Instant::earliest(self.earliest, Some(due));
        }
    }

    /// Content of that stream waits for a window from now on.
    pub(crate) fn note_blocked(&mut self, id: u32) {
        let due = self.now + self.limits.write_timeout;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.pace.window = due;
            self.earliest = Instant::earliest(self.earliest, Some(due));
        }
    }
}

/// How long nothing may come.
fn span(stream: &Stream, limits: &Limits) -> Duration {
    let is_tunnel = stream.incoming == Incoming::Tunnel;
    if is_tunnel { limits.tunnel_timeout } else { limits.body_timeout }
}

/// When the peer will be late on that stream, and with what.
fn due(stream: &Stream, limits: &Limits) -> Option<(Instant, Reason)> {
    let body = match stream.incoming {
        // It is the caller who holds back, not the peer.
        _ if stream.held > 0 => None,
        Incoming::Open => Some(stream.pace.content_due(limits)),
        Incoming::Unwanted => Some(stream.pace.body),
        Incoming::Tunnel if stream.outgoing != Outgoing::Owed => Some(stream.pace.body),
        Incoming::Head | Incoming::Over | Incoming::Refused | Incoming::Tunnel => None,
    };
    let window = (stream.wants == Wants::Window).then_some(stream.pace.window);
    match (body, window) {
        (Some(body), Some(window)) if body <= window => Some((body, Reason::BodyTimeout)),
        (_, Some(window)) => Some((window, Reason::WindowTimeout)),
        (Some(body), None) => Some((body, Reason::BodyTimeout)),
        (None, None) => None,
    }
}
