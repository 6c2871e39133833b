//! Content on its way through.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Frame, Incoming, Outgoing, Source};

use crate::breaker::Permit;
use crate::rewrite::{self, Policy};
use crate::servers::Servers;

/// Content that goes on as it comes, and its trailers as far as they may.
struct Relay {
    body: Incoming,
    policy: Rc<Policy>,
    /// Trailers may say who asks.
    is_trusted: bool,
    /// Until an answer is over its server has it under way.
    _permit: Option<Permit<Servers>>,
}

impl Source for Relay {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        Poll::Ready(match ready!(self.body.poll_frame(cx)) {
            Some(Ok(Frame::Trailers(mut fields))) => {
                rewrite::trailers(&mut fields, self.is_trusted, &self.policy);
                Some(Ok(Frame::Trailers(fields)))
            }
            other => other.map(|frame| frame.map_err(Into::into)),
        })
    }

    fn welcome_pipes(mut self: Pin<&mut Self>) {
        self.body.welcome_pipes();
    }
}

/// The content of an answer: as it comes; or at once, if all of it is here.
pub(crate) fn answer(mut body: Incoming, policy: &Rc<Policy>, permit: Permit<Servers>) -> Outgoing {
    if let Some(whole) = body.take_whole() {
        return if whole.is_empty() { Outgoing::Empty } else { Outgoing::Full(whole) };
    }
    let (length, policy) = (body.promised(), Rc::clone(policy));
    sized(length, Relay { body, policy, is_trusted: true, _permit: Some(permit) })
}

/// The content of a request that is not all here.
pub(crate) fn request(body: Incoming, policy: &Rc<Policy>, is_trusted: bool) -> Outgoing {
    let (length, policy) = (body.promised(), Rc::clone(policy));
    sized(length, Relay { body, policy, is_trusted, _permit: None })
}

fn sized(length: Option<u64>, relay: Relay) -> Outgoing {
    match length {
        Some(length) => Outgoing::source(relay).with_length(length),
        None => Outgoing::source(relay),
    }
}

/// No content, of which the length is told all the same (RFC 9110 §9.3.2). Where the server has told none, neither do we: 0 would be
/// one (RFC 9110 §8.6).
pub(crate) fn bare(length: Option<u64>) -> Outgoing {
    let source = Outgoing::frames(Incoming::empty());
    match length {
        Some(length) => source.with_length(length),
        None => source,
    }
}
