//! What an HTTP/3 connection remembers. Nothing here reads or writes bytes.

use std::collections::VecDeque;
use std::rc::Rc;

use trilane_qpack::{Decoder, Encoder};
use trilane_semantics::budget::Budget;
use trilane_semantics::repeat::Repeat;
use trilane_semantics::table::Table;
use trilane_semantics::turns::Turns;
use trilane_semantics::{Closed, Command, Effect, Fault, Instant, Limits, Priority, Reason};

use crate::code::Code;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::streams::Stream;
use crate::uni::Theirs;

/// The most that our encoder's table takes, whatever the peer allows, in bytes.
const ENCODER_TABLE: usize = 4096;

/// An HTTP/3 connection, in the server or in the client role (RFC 9114).
///
/// Speaks [`Machine`](trilane_semantics::Machine). Exchanges are request streams, and have their numbers. The transport's duties:
/// read of each stream what [`wanted`](trilane_semantics::Machine::wanted) says and no more; say with
/// [`set_room`](trilane_semantics::Machine::set_room), before the first bytes of a stream are handed in and after each time that
/// something of it was sent, how much it takes of it; do the outbox's commands in order.
///
/// ```
/// use std::rc::Rc;
/// use trilane_http3::Http3;
/// use trilane_semantics::{Event, Input, Instant, Limits, Machine, Next};
/// let mut http3 = Http3::server(Rc::new(Limits::default()), Instant::default());
/// // A HEADERS frame: `GET https://a /x`, all of it from the static table or literal.
/// let bytes = b"\x01\x0b\0\0\xd1\xd7\x51\x02/x\x50\x01a";
/// let mut input = Input::new(0, bytes, true);
/// let Ok(Next::Event(Event::Request { head, .. })) =
///     http3.poll_event(Instant::default(), &mut input)
/// else {
///     panic!("a request was expected");
/// };
/// assert_eq!((head.path(), head.authority()), ("/x", Some("a")));
/// ```
#[derive(Debug)]
pub struct Http3 {
    pub(crate) limits: Rc<Limits>,
    /// When the caller last said what time it is.
    pub(crate) now: Instant,
    pub(crate) role: Role,
    pub(crate) decoder: Decoder,
    pub(crate) encoder: Encoder,
    pub(crate) streams: Table<Stream>,
    /// The peer's request streams (server role).
    pub(crate) seen: Seen,
    /// The next request stream of ours, and how many more the transport takes (client role).
    pub(crate) next: u64,
    pub(crate) may_begin: u64,
    /// The peer's unidirectional streams.
    pub(crate) theirs: Theirs,
    pub(crate) peer: Settings,
    /// We have HTTP datagrams.
    pub(crate) datagrams: bool,
    pub(crate) repeat: Repeat,
    /// Memory for cookies in pieces.
    pub(crate) crumbs: Vec<u8>,
    /// What the transport takes of a stream that is not there yet: the last that it spoke of.
    pub(crate) first_room: (u64, usize),
    /// Exchanges that the peer gave up, of which the caller is to be told.
    pub(crate) gone: VecDeque<Gone>,
    /// The connection cannot go on, which is to be told.
    pub(crate) failed: Option<(Code, Reason)>,
    /// Streams that have room again for content that waits.
    pub(crate) waiting: Turns,
    /// Streams whose input is worth another look.
    pub(crate) again: Vec<u64>,
    /// Priorities of requests that are still to come (RFC 9218 §7.2).
    pub(crate) early: VecDeque<(u64, Priority)>,
    pub(crate) owed: Owed,
    pub(crate) budget: Budget,
    /// What the header sections of `streams` take, in bytes.
    pub(crate) heads: u32,
    pub(crate) drain: Drain,
    /// Once we have said so, the lowest of the peer's requests that is not answered.
    pub(crate) first_unanswered: Option<u64>,
    /// What the peer's last GOAWAY said (RFC 9114 §5.2).
    pub(crate) goaway: Option<u64>,
    pub(crate) closed: Option<Closed>,
    /// Since when there has been no stream.
    pub(crate) quiet: Instant,
    /// When content last went out, of any stream.
    pub(crate) went: Instant,
    /// No stream is late before that.
    pub(crate) earliest: Option<Instant>,
}

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// An exchange that the peer gave up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) id: u64,
    pub(crate) code: u64,
    pub(crate) effect: Effect,
}

/// What the peer is to be told at the next flush: flags, or lists with a bound.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// Our streams have been opened.
    pub(crate) greeted: bool,
    /// At most as many as the budget pays for, and streams under way.
    pub(crate) commands: Vec<(u64, Command)>,
    /// GOAWAY with this number.
    pub(crate) goaway: Option<u64>,
    /// The end of the connection, for an error.
    pub(crate) close: Option<Code>,
}

/// How far a drain has come (RFC 9114 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    No,
    /// The peer was asked to begin no more; what it began meanwhile is still answered. Until then.
    Asked(Instant),
    /// It was told which request is the first that is not answered.
    Told,
    /// The server takes no more.
    Peer,
}

impl Http3 {
    /// The server's end of a connection whose handshake is far enough for streams.
    #[must_use]
    pub fn server(limits: Rc<Limits>, now: Instant) -> Self {
        Self::new(limits, now, Role::Server)
    }

    /// The client's end of a connection whose handshake is far enough for streams. Nothing need come before the first request.
    #[must_use]
    pub fn client(limits: Rc<Limits>, now: Instant) -> Self {
        Self::new(limits, now, Role::Client)
    }

    /// The same over a transport that has unreliable datagrams, both ways: we say that we take those of HTTP (RFC 9297 §2.1.1).
    /// Default: it has none.
    #[must_use]
    pub const fn with_datagrams(mut self) -> Self {
        self.datagrams = true;
        self
    }

    fn new(limits: Rc<Limits>, now: Instant, role: Role) -> Self {
        Self {
            now,
            role,
            decoder: Decoder::new(limits.table, limits.blocked),
            encoder: Encoder::new(ENCODER_TABLE),
            streams: Table::default(),
            seen: Seen::default(),
            next: 0,
            may_begin: limits.streams as u64,
            theirs: Theirs::default(),
            peer: Settings::default(),
            datagrams: false,
            repeat: Repeat::default(),
            crumbs: Vec::new(),
            first_room: (0, 0),
            gone: VecDeque::new(),
            failed: None,
            waiting: Turns::default(),
            again: Vec::new(),
            early: VecDeque::new(),
            owed: Owed::default(),
            budget: Budget::new(&limits, now),
            heads: 0,
            drain: Drain::No,
            first_unanswered: None,
            goaway: None,
            closed: None,
            quiet: now,
            went: now,
            earliest: None,
            limits,
        }
    }

    /// Takes points for what the peer made us do.
    pub(crate) fn charge(&mut self, points: u32, reason: Reason) -> Result<(), Fault> {
        let spent = self.budget.spend(points, self.now, &self.limits);
        spent.map_err(|_| self.fail_by(Code::ExcessiveLoad, reason))
    }
}
