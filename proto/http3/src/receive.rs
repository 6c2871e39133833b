//! The way in: what comes first when the caller asks, and which stream its bytes are of (RFC 9114 §6).
//!
//! `Ok(None)` is "the state has changed, look again". Never sends anything.

use trilane_semantics::{Cause, Closed, Event, ExchangeId, Fault, Input, Instant, Next};

use crate::code::Code;
use crate::state::{Drain, Gone, Http3, Role};
use crate::uni;

pub(crate) type Step<'b> = Result<Option<Next<'b>>, Fault>;

impl Http3 {
    /// As [`Machine::poll_event`](trilane_semantics::Machine::poll_event).
    pub(crate) fn receive<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b, u64>,
    ) -> Result<Next<'b>, Fault> {
        self.now = now;
        loop {
            if let Some(closed) = self.closed {
                return Ok(Next::Closed(closed));
            }
            if let Some((code, reason)) = self.failed.take() {
                return Err(self.fail_by(code, reason));
            }
            if let Some(Gone { id, code, effect }) = self.gone.pop_front() {
                return Ok(Next::Event(Event::Reset { id: ExchangeId(id), code, effect }));
            }
            if let Some(id) = self.next_writable() {
                return Ok(Next::Event(Event::Writable { id: ExchangeId(id) }));
            }
            if self.drain != Drain::No {
                if let Some(next) = self.undone() {
                    return Ok(next);
                }
                if self.close_drained() {
                    continue;
                }
            }
            if let Some(next) = self.stream_came(input)? {
                return Ok(next);
            }
        }
    }

    fn stream_came<'b>(&mut self, input: &mut Input<'b, u64>) -> Step<'b> {
        let id = input.stream();
        if input.is_empty() && !input.is_fin() {
            // Nothing came, or no more: something else may have changed, and was looked at.
            if uni::is_request(id) {
                self.note_head(id);
            }
            return Ok(Some(Next::NeedInput));
        }
        if uni::is_request(id) {
            return self.request_came(input);
        }
        if uni::is_uni(id) {
            return self.uni_came(input);
        }
        // RFC 9114 §6.1: a server begins none of these.
        if self.role == Role::Client {
            return Err(self.fail(Code::StreamCreation));
        }
        discard(input)
    }

    /// Ends the connection if it is drained. Whether it was.
    fn close_drained(&mut self) -> bool {
        let cause = match self.drain {
            Drain::Told => Cause::Drain,
            Drain::Peer => Cause::Peer,
            Drain::No | Drain::Asked(_) => return false,
        };
        let is_over = self.streams.is_empty();
        if is_over {
            self.close(Closed::lingering(cause));
        }
        is_over
    }
}

/// Nobody wants it.
pub(crate) fn discard<'b>(input: &mut Input<'b, u64>) -> Step<'b> {
    input.take(usize::MAX);
    Ok(Some(Next::NeedInput))
}
