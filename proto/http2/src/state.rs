//! What an HTTP/2 connection remembers, and how its streams and itself come to an end (RFC 9113 §5.1, §5.4).
//!
//! Nothing here reads or writes bytes.

use std::rc::Rc;

use trilane_hpack::{Decoder, Encoder};
use trilane_semantics::{
    Cause, Closed, Effect, Event, ExchangeId, Fault, Instant, Limits, Next, Reason,
};

use crate::client::LAST;
use crate::code::Code;
use crate::flow::{Inflow, Outflow, WINDOW};
use crate::settings::{Settings, TABLE};
use crate::streams::{Ended, Incoming, Past, Stream, Streams};
use trilane_semantics::budget::{self, Budget};
use trilane_semantics::repeat::Repeat;
use trilane_semantics::sending::Outgoing;
use trilane_semantics::turns::Turns;

/// An HTTP/2 connection, in the server or in the client role (RFC 9113).
///
/// Speaks [`Machine`](trilane_semantics::Machine). Exchanges are streams, and have their numbers.
///
/// ```
/// use std::rc::Rc;
/// use trilane_http2::{Http2, PREFACE};
/// use trilane_semantics::{Event, Input, Instant, Limits, Machine, Next};
/// let mut http2 = Http2::server(Rc::new(Limits::default()), Instant::default());
/// // SETTINGS without any, and a HEADERS frame: `GET https://a /x`.
/// let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\x09\x01\x05\0\0\0\x01\x82\x87\x44\x02/x\x41\x01a";
/// let bytes = [PREFACE, frames].concat();
/// let mut input = Input::new((), &bytes, false);
/// let Ok(Next::Event(Event::Request { head, .. })) =
///     http2.poll_event(Instant::default(), &mut input)
/// else {
///     panic!("a request was expected");
/// };
/// assert_eq!((head.path(), head.authority()), ("/x", Some("a")));
/// ```
#[derive(Debug)]
pub struct Http2 {
    pub(crate) limits: Rc<Limits>,
    /// When the caller last said what time it is.
    pub(crate) now: Instant,
    pub(crate) decoder: Decoder,
    pub(crate) encoder: Encoder,
    pub(crate) streams: Streams,
    pub(crate) ended: Ended,
    pub(crate) reading: Reading,
    /// A header section of which more is to come.
    pub(crate) block: Option<Block>,
    pub(crate) repeat: Repeat,
    /// Memory for cookies in pieces.
    pub(crate) crumbs: Vec<u8>,
    pub(crate) inflow: Inflow,
    pub(crate) outflow: Outflow,
    /// When content last went out, of any stream.
    pub(crate) went: Instant,
    pub(crate) peer: Settings,
    /// The peer has acknowledged our settings.
    pub(crate) is_read: bool,
    pub(crate) role: Role,
    /// The highest streams that were begun: by the server, even, and by the client, odd.
    pub(crate) last: [u32; 2],
    /// Once we have said so, the highest of the peer's streams that is answered.
    pub(crate) last_answered: Option<u32>,
    /// The last of our streams that the peer answers, as its GOAWAY said, with its code; those above were not all told yet.
    /// [`LAST`] when there are none.
    pub(crate) left_out: (u32, u32),
    /// Its trailers were told; its end was not.
    pub(crate) ends: Option<u32>,
    /// Streams whose content waits for a window.
    pub(crate) waiting: Turns,
    pub(crate) owed: Owed,
    pub(crate) budget: Budget,
    /// What the header sections of `streams` take, in bytes.
    pub(crate) heads: u32,
    /// WINDOW_UPDATE frames that what we sent may bring about: they cost nothing.
    pub(crate) updates: u32,
    pub(crate) drain: Drain,
    pub(crate) closed: Option<Closed>,
    /// A fault of the connection left the client's last stream open for one last answer.
    pub(crate) leaves_last: bool,
    pub(crate) wait: Wait,
    pub(crate) deadline: Instant,
    /// Since when there has been no stream.
    pub(crate) quiet: Instant,
    /// No stream is late before that.
    pub(crate) earliest: Option<Instant>,
}

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The rest of the preface, of which so many bytes came.
    Preface(usize),
    /// The first frame, which must be SETTINGS (RFC 9113 §3.4).
    First,
    /// A frame.
    Frame,
    /// The payload of a DATA frame.
    Data(Data),
}

/// The payload of a DATA frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) stream: u32,
    /// Content and padding that are still to come.
    pub(crate) content: u32,
    pub(crate) padding: u32,
    pub(crate) then: Then,
}

/// What follows a DATA frame on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Perhaps another one.
    More,
    /// Nothing.
    End,
}

/// A header section in several frames (RFC 9113 §4.3).
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) opening: crate::headers::Opening,
    pub(crate) bytes: Vec<u8>,
    /// CONTINUATION frames that came.
    pub(crate) frames: usize,
}

/// What the peer is to be told at the next flush: counters and flags, or lists with a bound.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// Our preface has been written.
    pub(crate) greeted: bool,
    pub(crate) settings_acks: u32,
    /// At most `Limits::pings`.
    pub(crate) pongs: Vec<[u8; 8]>,
    /// At most as many as the budget pays for, and the streams that were answered early.
    pub(crate) resets: Vec<(u32, Code)>,
    /// Streams that may be owed credit; none twice.
    pub(crate) credits: Vec<u32>,
    /// GOAWAY with this last stream.
    pub(crate) goaway: Option<(u32, Code)>,
    /// The PING whose answer is the second step of a drain.
    pub(crate) ping: bool,
}

/// How far a drain has come (RFC 9113 §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    No,
    /// The peer was asked to begin no more; what it began meanwhile is still answered. Until then.
    Asked(Instant),
    /// It was told which stream is the last.
    Told,
    /// The peer itself begins no more.
    Peer,
}

/// What the connection's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Nothing,
    /// The preface, or the rest of a frame or of a header section.
    Frame,
    /// The next stream.
    Idle,
}

/// What the PING of a drain carries.
pub(crate) const DRAIN_PING: [u8; 8] = *b"trilane.";

impl Http2 {
    /// The server's end of a connection that was accepted `now`, or whose protocol has just become known.
    #[must_use]
    pub fn server(limits: Rc<Limits>, now: Instant) -> Self {
        Self::new(limits, now, Role::Server)
    }

    /// The client's end of a connection that was established `now`, both sides knowing that they speak HTTP/2. Nothing need
    /// come before the first request.
    #[must_use]
    pub fn client(limits: Rc<Limits>, now: Instant) -> Self {
        Self::new(limits, now, Role::Client)
    }

    fn new(limits: Rc<Limits>, now: Instant, role: Role) -> Self {
        let window = u32::try_from(limits.connection_window).unwrap_or(WINDOW as u32);
        Self {
            now,
            decoder: Decoder::new(TABLE),
            encoder: Encoder::new(),
            streams: Streams::default(),
            ended: Ended::default(),
            // RFC 9113 §3.4: the server's preface is SETTINGS alone.
            reading: if role == Role::Client { Reading::First } else { Reading::Preface(0) },
            block: None,
            repeat: Repeat::default(),
            crumbs: Vec::new(),
            heads: 0,
            inflow: Inflow::new(window.max(WINDOW as u32)),
            outflow: Outflow::new(WINDOW),
            went: now,
            peer: Settings::new(),
            is_read: false,
            role,
            last: [0; 2],
            last_answered: None,
            left_out: (LAST, 0),
            ends: None,
            waiting: Turns::default(),
            owed: Owed::default(),
            budget: Budget::new(&limits, now),
            updates: 0,
            drain: Drain::No,
            closed: None,
            leaves_last: false,
            wait: Wait::Frame,
            deadline: now + limits.head_timeout,
            quiet: now,
            earliest: None,
            limits,
        }
    }

    /// Whether that stream was not begun yet (RFC 9113 §5.1.1). 0 is none, and never idle.
    #[inline]
    pub(crate) const fn is_idle(&self, id: u32) -> bool {
        id > self.last[id as usize % 2]
    }

    /// Whether we begin streams of such numbers (RFC 9113 §5.1.1).
    #[inline]
    pub(crate) const fn is_ours(&self, id: u32) -> bool {
        matches!(self.role, Role::Server) == id.is_multiple_of(2)
    }

    /// Whether the caller waits for something of that stream: it is to answer, or to be answered.
    pub(crate) fn is_known(&self, stream: &Stream) -> bool {
        self.role == Role::Client || stream.outgoing != Outgoing::Over
    }

    /// Takes points for what the peer made us do.
    pub(crate) fn charge(&mut self, points: u32, reason: Reason) -> Result<(), Fault> {
        let spent = self.budget.spend(points, self.now, &self.limits);
        spent.map_err(|_| self.fail(reason))
    }

    /// The connection cannot go on (RFC 9113 §5.4.1).
    #[cold]
    pub(crate) fn fail(&mut self, reason: Reason) -> Fault {
        self.goaway(Code::of_connection(reason));
        self.closed.get_or_insert(Closed::lingering(Cause::Fault(reason)));
        Fault::connection(reason)
    }

    /// Ends the connection; the first reason stays.
    pub(crate) fn close(&mut self, closed: Closed) {
        self.goaway(Code::NoError);
        self.closed.get_or_insert(closed);
    }

    /// The peer is told which stream is the last.
    pub(crate) fn goaway(&mut self, code: Code) {
        let theirs = self.last[usize::from(self.role == Role::Server)];
        let last = *self.last_answered.get_or_insert(theirs);
        #[cfg(planted = "h2_goaway")] // A mistake on purpose: `make planted`.
        let last = last.saturating_sub(2);
        self.owed.goaway = Some((last, code));
    }

    /// The message of that stream, which is in the table, cannot be taken (RFC 9113 §8.1.1). A request is answered, and then
    /// ends for that reason; a response ends at once.
    #[cold]
    pub(crate) fn refuse(&mut self, id: u32, reason: Reason) -> Fault {
        if let Err(fault) = self.charge(budget::RESET, Reason::Resets) {
            return fault;
        }
        if self.role == Role::Client {
            let code = Some(Code::of_stream(reason)).filter(|code| *code != Code::NoError);
            self.end_by(id, code.unwrap_or(Code::Cancel));
        } else if let Some(stream) = self.streams.get_mut(id) {
            if stream.incoming != Incoming::Over {
                stream.incoming = Incoming::Refused;
            }
            stream.verdict = Some(Code::of_stream(reason));
        }
        Fault::exchange(ExchangeId(id.into()), reason)
    }

    /// Ends a stream by RST_STREAM (RFC 9113 §5.4.2), over what the peer did. The caller hears of it if it knows the stream.
    #[cold]
    pub(crate) fn reset<'b>(&mut self, id: u32, reason: Reason) -> Result<Option<Next<'b>>, Fault> {
        if self.role == Role::Client && self.streams.get(id).is_some() {
            return Err(self.refuse(id, reason));
        }
        self.charge(budget::RESET, Reason::Resets)?;
        // RFC 9113 §5.4.2: a stream SHOULD NOT be reset more than once.
        if self.ended.how(id) == Some(Past::ResetByUs) {
            return Ok(None);
        }
        let code = Code::of_stream(reason);
        let was_known = self.streams.get(id).is_some_and(|it| self.is_known(it));
        self.end_by(id, code);
        let (id, code) = (ExchangeId(id.into()), u64::from(code as u32));
        let event = Event::Reset { id, code, effect: Effect::Unknown };
        Ok(was_known.then_some(Next::Event(event)))
    }

    /// Owes RST_STREAM, and forgets the stream.
    pub(crate) fn end_by(&mut self, id: u32, code: Code) {
        self.owed.resets.push((id, code));
        self.forget(id, Past::ResetByUs);
    }

    /// A half of that stream has ended. What comes now?
    #[inline]
    pub(crate) fn settle(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.outgoing != Outgoing::Over {
            return;
        }
        match (stream.incoming, stream.verdict) {
            (Incoming::Over, None | Some(Code::NoError)) => self.forget(id, Past::Ended),
            (Incoming::Tunnel, _) => (),
            (Incoming::Head | Incoming::Open, _) if self.role == Role::Client => (),
            (Incoming::Open, None) if self.reads_on(id) => (),
            // RFC 9113 §8.1: after a complete answer, NO_ERROR asks for the rest not to be sent.
            (_, verdict) => self.end_by(id, verdict.unwrap_or(Code::NoError)),
        }
    }

    /// The answer of a stream is complete, and its content is not. Where no more than a little can be missing it is read and
    /// discarded, within the window that the peer has, so that a mistake in it is still told, and who sends it is not
    /// disturbed. Whether it is so.
    #[cold]
    fn reads_on(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(id) else { return false };
        let is_little = stream.missing.unwrap_or(1) <= self.limits.discard;
        if !is_little || stream.inflow.is_exhausted() {
            return false;
        }
        stream.incoming = Incoming::Unwanted;
        self.heads -= std::mem::take(&mut stream.head);
        let (held, tiny) = (std::mem::take(&mut stream.held), std::mem::take(&mut stream.tiny));
        self.inflow.release(held);
        self.budget.earn(tiny, &self.limits);
        self.note_unwanted(id);
        true
    }

    /// Takes a stream out of the table. What its content still owes to the connection's window is given back.
    pub(crate) fn forget(&mut self, id: u32, how: Past) {
        if let Some(stream) = self.streams.remove(id) {
            #[cfg(not(planted = "h2_reset"))] // Its lack is a mistake on purpose: `make planted`.
            self.inflow.release(stream.held);
            self.budget.earn(stream.tiny, &self.limits);
            self.heads -= stream.head;
            if stream.is_waiting {
                // While the connection's window is closed nobody looks at that list.
                self.waiting.remove(id.into());
            }
            if self.streams.is_empty() {
                self.quiet = self.now;
                if self.wait == Wait::Idle {
                    // It came and went, and nobody looked in between.
                    self.deadline = self.now + self.limits.idle_timeout;
                }
            }
        }
        self.ended.note(id, how, self.limits.streams);
    }

    /// The stream of an exchange.
    #[inline]
    pub(crate) fn stream(&mut self, id: ExchangeId) -> Option<&mut Stream> {
        self.streams.get_mut(u32::try_from(id.0).ok()?)
    }
}
