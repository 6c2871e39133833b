//! Content on its way through.

use std::pin::Pin;
use std::task::{Context, Poll};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Frame, Incoming, Outgoing, Source};

use crate::breaker::Permit;
use crate::servers::Servers;

/// What of an answer is still to come: until it is over the server counts it as under way.
struct Relay {
    body: Incoming,
    _permit: Permit<Servers>,
}

impl Source for Relay {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        self.body.poll_frame(cx).map(|next| next.map(|it| it.map_err(Into::into)))
    }
}

/// The content of an answer: as it comes; or at once, if all of it is here.
pub(crate) fn answer(mut body: Incoming, permit: Permit<Servers>) -> Outgoing {
    if let Some(whole) = body.take_whole() {
        return if whole.is_empty() { Outgoing::Empty } else { Outgoing::Full(whole) };
    }
    let length = body.promised();
    let source = Outgoing::source(Relay { body, _permit: permit });
    match length {
        Some(length) => source.with_length(length),
        None => source,
    }
}

/// The content of a request.
pub(crate) fn request(mut body: Incoming) -> Outgoing {
    if let Some(whole) = body.take_whole() {
        return if whole.is_empty() { Outgoing::Empty } else { Outgoing::Full(whole) };
    }
    match body.promised() {
        Some(length) => Outgoing::frames(body).with_length(length),
        None => Outgoing::frames(body),
    }
}

/// No content, of which the length is told all the same (RFC 9110 §9.3.2).
pub(crate) fn bare(length: Option<u64>) -> Outgoing {
    match length {
        Some(length) => Outgoing::frames(Incoming::empty()).with_length(length),
        None => Outgoing::Empty,
    }
}
