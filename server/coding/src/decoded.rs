//! Content that is decoded while it is read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use trilane_exchange::rendered::rendered;
use trilane_exchange::{BodyError, Frame, Incoming};
use trilane_semantics::Payload;

use crate::decoder::{Corrupt, Decoder};

/// So much may come of anything, in bytes: small content of one letter is no attack.
const FREE: u64 = 1 << 20;
/// What is decoded before others have their turn, in bytes.
const A_TURN: u64 = 256 << 10;
/// What each further member (gzip) or frame (zstd) counts for besides what it becomes, in bytes: to begin one takes as long as to
/// decode about as many, and it may be 9 bytes that become nothing.
const MEMBER: u64 = 4 << 10;

/// Other content, decoded.
pub(crate) struct Decoded {
    decoder: Decoder,
    inner: Incoming,
    rest: Payload,
    /// The decoder has more to give without more input.
    has_more: bool,
    ratio: u64,
    taken: u64,
    made: u64,
    since_turn: u64,
    /// Why there is nothing more to be had.
    failed: Option<BodyError>,
}

impl Decoded {
    /// More than `ratio` times as much as came is an error, once it is more than [`FREE`].
    pub(crate) fn new(decoder: Decoder, inner: Incoming, ratio: u64) -> Self {
        Self {
            decoder,
            inner,
            rest: Payload::new(),
            has_more: false,
            ratio,
            taken: 0,
            made: 0,
            since_turn: 0,
            failed: None,
        }
    }

    fn step(&mut self) -> Result<Payload, BodyError> {
        let begins = self.decoder.is_complete() && !self.rest.is_empty();
        let (mut taken, decoder, rest) = (0, &mut self.decoder, &self.rest);
        let made = rendered(|out| {
            (taken, self.has_more) = decoder.step(rest.as_ref(), out)?;
            Ok(())
        });
        let made = made.map_err(|Corrupt| BodyError::Coding)?;
        if taken == 0 && made.is_empty() && !self.rest.is_empty() {
            // It goes nowhere.
            return Err(BodyError::Coding);
        }
        drop(self.rest.split_to(taken));
        self.taken += taken as u64;
        let counts = made.len() as u64 + if begins { MEMBER } else { 0 };
        self.made += counts;
        self.since_turn += counts;
        if self.made > FREE && self.made / self.ratio > self.taken {
            return Err(BodyError::TooLarge);
        }
        Ok(made)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, BodyError>> {
        loop {
            if !self.rest.is_empty() || self.has_more {
                if self.since_turn >= A_TURN {
                    self.since_turn = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let made = self.step()?;
                if !made.is_empty() {
                    return Poll::Ready(Ok(Some(Frame::Data(made))));
                }
                continue;
            }
            let end = match ready!(self.inner.poll_frame(cx)).transpose()? {
                Some(Frame::Data(data)) => {
                    self.rest = data;
                    continue;
                }
                trailers => trailers,
            };
            // What was cut short must not look complete.
            let is_whole = self.decoder.is_complete();
            return Poll::Ready(if is_whole { Ok(end) } else { Err(BodyError::Coding) });
        }
    }
}

impl Stream for Decoded {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(failed) = self.failed {
            return Poll::Ready(Some(Err(failed)));
        }
        let next = ready!(self.poll(cx));
        self.failed = next.as_ref().err().copied();
        Poll::Ready(next.transpose())
    }
}
