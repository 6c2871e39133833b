//! A request stream that is under way (RFC 9114 §4.1). Never decides what a frame means in a state; it only knows the state.

use trilane_semantics::pace::Pace;
use trilane_semantics::section::Kind;
use trilane_semantics::sending::Outgoing;
use trilane_semantics::table::Numbered;
use trilane_semantics::{Instant, Priority};

use crate::code::Code;

/// A request stream whose request or response is not complete.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) reading: Reading,
    pub(crate) kind: Kind,
    /// The client waits for 100 (Continue).
    pub(crate) expects: bool,
    /// Its header section waits for the decoder's table.
    pub(crate) is_blocked: bool,
    /// Trailers were announced: the last byte of content does not end our half.
    pub(crate) has_trailers: bool,
    /// The one DATA frame of content whose length is known has begun.
    pub(crate) is_framed: bool,
    /// The caller has content that the transport did not take.
    pub(crate) wants_room: bool,
    /// It is in the list of those who have room again, so as not to be there twice.
    pub(crate) is_waiting: bool,
    /// What the transport takes of it, in bytes, as it said last, less what was queued since.
    pub(crate) room: usize,
    /// Content that the caller has and did not release, in bytes.
    pub(crate) held: usize,
    /// Tiny frames among it, a point of the budget each.
    pub(crate) tiny: u32,
    /// What its header section takes, in bytes.
    pub(crate) head: u32,
    /// Content that is missing by the head's count.
    pub(crate) missing: Option<u64>,
    /// What to say about the stream when its answer is complete, because the request was refused.
    pub(crate) verdict: Option<Code>,
    pub(crate) priority: Priority,
    /// The priority that the transport knows of.
    pub(crate) told: Priority,
    pub(crate) pace: Pace,
}

/// The half that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// The head of the request, or of the final response, is to come.
    Head,
    /// Content may come, or trailers.
    Open,
    /// Trailers came; the end is to come.
    Ending,
    /// The peer has ended it.
    Over,
    /// It was refused; what still comes is discarded.
    Refused,
    /// The answer is complete. So many bytes of what still comes are discarded, and must still be a message.
    Unwanted(u64),
    /// A tunnel, if the answer says so, or already.
    Tunnel,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A frame.
    Frame,
    /// So many bytes of content.
    Data(u64),
    /// So many bytes of what is not looked at.
    Skip(u64),
}

impl Stream {
    pub(crate) const fn new(id: u64, room: usize, now: Instant) -> Self {
        let priority = Priority { urgency: 3, incremental: false };
        Self {
            id,
            incoming: Incoming::Head,
            outgoing: Outgoing::Owed,
            reading: Reading::Frame,
            kind: Kind::Plain,
            expects: false,
            is_blocked: false,
            has_trailers: false,
            is_framed: false,
            wants_room: false,
            is_waiting: false,
            room,
            held: 0,
            tiny: 0,
            head: 0,
            missing: None,
            verdict: None,
            priority,
            told: priority,
            pace: Pace::new(now),
        }
    }

    /// Whether content that comes is for the caller.
    pub(crate) const fn takes_content(&self) -> bool {
        matches!(self.incoming, Incoming::Open | Incoming::Tunnel | Incoming::Ending)
    }
}

impl Numbered for Stream {
    /// RFC 9000 §2.1.
    const SHIFT: u32 = 2;

    fn number(&self) -> u64 {
        self.id
    }
}
