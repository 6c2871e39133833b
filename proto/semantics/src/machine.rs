//! The contract itself: what every protocol machine can be told.
//!
//! One rule of use: after any call that changes a machine, ask [`Machine::poll_event`] until it says
//! something else than `Event`, call [`Machine::flush`], send the outbox, and re-arm the one timer that
//! [`Machine::poll_timeout`] names. `trilane-connection` is the only caller.

use core::fmt;

use crate::closed::Closed;
use crate::event::{Content, ExchangeId, Next};
use crate::fault::Fault;
use crate::fields::Fields;
use crate::head::{Protocol, RequestHead, ResponseHead};
use crate::input::Input;
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::stamp::Stamp;
use crate::time::Instant;

/// A call that the state of the exchange does not allow. Never depends on the peer alone: an exchange
/// that the peer has reset takes commands and ignores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A head was sent already, or none was yet.
    OutOfOrder,
    /// More content than the head promised, or less.
    ContentLength,
    /// An interim head with a final status, or the reverse.
    Status,
    /// The connection takes no new exchange, or none of that kind.
    NotNow,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfOrder => "the message has its head already, or none yet",
            Self::ContentLength => "the content is not as long as its head says",
            Self::Status => "not a status of that kind of head",
            Self::NotNow => "the connection takes no new exchange",
        })
    }
}

impl std::error::Error for Misuse {}

/// A protocol as a state machine: bytes in, events up, commands down, bytes out.
pub trait Machine {
    /// Names a transport stream: `()` over TCP, the stream id over QUIC. The default one is asked, with no
    /// bytes, when something else than bytes has changed.
    type Stream: Copy + Default + Eq + fmt::Debug + 'static;

    /// What it speaks.
    const PROTOCOL: Protocol;

    /// Whether exchanges run beside each other, each with credit of its own: then one slow reader holds up its own
    /// exchange, by not releasing, and not the connection.
    const MULTIPLEXES: bool = false;

    /// Goes on with the input. At most one event, of whichever stream; call again until it is not [`Next::Event`].
    /// The end of a stream is repeated in every input until it was answered with [`Next::NeedInput`]. No bytes on the
    /// default stream mean nothing by themselves.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit. A fault of the connection is final: answer it if
    /// [`Machine::refused`] says how, and close.
    fn poll_event<'b>(
        &mut self,
        now: Instant,
        input: &mut Input<'b, Self::Stream>,
    ) -> Result<Next<'b>, Fault>;

    /// The peer gave up sending on `stream`, with this code (RFC 9000 §19.4); what was kept of it is gone. Only for
    /// transports whose streams end one by one.
    fn reset(&mut self, stream: Self::Stream, code: u64) {
        let _ = (stream, code);
    }

    /// The peer wants nothing more on `stream`, for this reason (RFC 9000 §19.5). As [`Machine::reset`].
    fn stopped(&mut self, stream: Self::Stream, code: u64) {
        let _ = (stream, code);
    }

    /// The transport takes that many bytes of `stream` now: content beyond them is not to be queued, until the next word. Only
    /// for transports whose streams have windows of their own (RFC 9000 §4); nothing goes on a stream before the first word.
    fn set_room(&mut self, stream: Self::Stream, room: usize) {
        let _ = (stream, room);
    }

    /// The transport lets us begin so many request streams from now on (client role, RFC 9000 §4.6). Until the first word as many as
    /// `limits.streams`, which also bounds those under way. Only for transports of many streams.
    fn set_streams(&mut self, more: u64) {
        let _ = more;
    }

    /// A stream whose input was left, and is worth another look for what came on another one: ask after each
    /// [`Machine::poll_event`] that was [`Next::NeedInput`], until there is none.
    fn revisit(&mut self) -> Option<Self::Stream> {
        None
    }

    /// An unreliable datagram came. Whose it is, and what it holds; nothing if it is nobody's, who may be gone or yet to come.
    ///
    /// # Errors
    /// It has no place in the protocol (RFC 9297 §2.1).
    fn datagram<'b>(
        &mut self,
        datagram: &'b [u8],
    ) -> Result<Option<(ExchangeId, &'b [u8])>, Fault> {
        let _ = datagram;
        Ok(None)
    }

    /// Sends an unreliable datagram of an exchange (RFC 9297 §2).
    ///
    /// # Errors
    /// [`Misuse::NotNow`] when the protocol has no such thing, the peer takes none, or the exchange is over; and nothing was
    /// sent.
    fn send_datagram(
        &mut self,
        id: ExchangeId,
        data: &[u8],
        out: &mut Outbox<Self::Stream>,
    ) -> Result<(), Misuse> {
        let _ = (id, data, out);
        Err(Misuse::NotNow)
    }

    /// How many bytes of content may go by now without being looked at: they would only be cut out of the input and passed on.
    fn unseen(&self) -> usize {
        0
    }

    /// `n` bytes of content went by, no more than [`Machine::unseen`] allowed, and of which exchange: as if
    /// [`Event::Body`](crate::Event::Body) had said so. They are to be released as those are.
    fn passed_by(&mut self, now: Instant, n: usize) -> Option<ExchangeId> {
        let _ = (now, n);
        None
    }

    /// Whether the content of an exchange goes out with nothing in between: then it may lie in pipes.
    fn sends_bare(&self, id: ExchangeId) -> bool {
        let _ = id;
        false
    }

    /// The exchange that a fault of the connection left open for one last answer, if its protocol allows one.
    fn refused(&mut self) -> Option<ExchangeId>;

    /// Begins the final response (server role). `content` says what follows; a machine that must not send
    /// content (HEAD, 204, 304) drops it itself.
    ///
    /// # Errors
    /// [`Misuse`], and nothing was sent.
    fn respond(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        content: Content,
        stamp: &Stamp,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<(), Misuse>;

    /// Sends an interim response, 1xx but 101 (RFC 9110 §15.2). Silently nothing where the peer cannot take
    /// it (HTTP/1.0).
    ///
    /// # Errors
    /// [`Misuse`], and nothing was sent.
    fn interim(
        &mut self,
        id: ExchangeId,
        head: &ResponseHead,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<(), Misuse>;

    /// The handler waits for content: send 100 (Continue) if the peer expects it and it was not sent.
    fn proceed(&mut self, id: ExchangeId, out: &mut Outbox<Self::Stream>);

    /// Begins a request (client role). An absolute target says the scheme; without it that is `http`.
    ///
    /// # Errors
    /// [`Misuse::NotNow`] when no exchange can begin, and nothing was sent: too many are under way, or the peer takes no
    /// more, or no request of that kind (extended CONNECT).
    fn request(
        &mut self,
        head: &RequestHead,
        content: Content,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<ExchangeId, Misuse>;

    /// The end of the stream, when it comes, is not the peer's word: TLS had not been closed (RFC 8446 §6.1). What ends with the
    /// stream alone is not complete then (RFC 9112 §9.8).
    fn cut(&mut self) {}

    /// How many requests may begin now (client role).
    fn capacity(&self) -> usize {
        0
    }

    /// Whether the peer has said what it takes (client role): before that nobody knows whether a tunnel can be asked for (RFC 8441 §3).
    fn knows_peer(&self) -> bool {
        true
    }

    /// Promises the answer to a request that the peer did not make, with the answer to `id` (server role, RFC 9113 §8.4):
    /// GET or HEAD, without content. What comes back is an exchange like others, to be answered.
    ///
    /// # Errors
    /// [`Misuse::NotNow`] when the protocol has no such thing, the peer wants none, or no more, or `id` is answered; and
    /// nothing was sent.
    fn push(
        &mut self,
        id: ExchangeId,
        head: &RequestHead,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<ExchangeId, Misuse> {
        let _ = (id, head, out);
        Err(Misuse::NotNow)
    }

    /// Sends content from the front of `body`, at most `room` bytes of it, as the windows allow. What was
    /// not taken stays in `body`, and [`Event::Writable`](crate::Event::Writable) says when to try again if
    /// a window was the reason.
    ///
    /// # Errors
    /// [`Misuse`] when more comes than the head promised; what fitted was sent.
    fn send_body(
        &mut self,
        id: ExchangeId,
        body: &mut Payload,
        room: usize,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<(), Misuse>;

    /// Ends the outgoing message. Not needed after `Content::None`.
    ///
    /// # Errors
    /// [`Misuse::ContentLength`] when less came than the head promised: the exchange is cancelled.
    fn finish(
        &mut self,
        id: ExchangeId,
        trailers: Option<&Fields>,
        out: &mut Outbox<Self::Stream>,
    ) -> Result<(), Misuse>;

    /// `n` bytes of [`Event::Body`](crate::Event::Body) were consumed, or dropped unread: the peer may send as many
    /// more. Owed for every byte while the exchange lasts; at its end the machine gives back by itself what is still
    /// owed to the connection. Ignored for an exchange that is gone.
    fn release(&mut self, id: ExchangeId, n: usize);

    /// Gives the exchange up in both directions: the message cannot be completed.
    fn cancel(&mut self, id: ExchangeId, out: &mut Outbox<Self::Stream>);

    /// How many bytes the machine has use for on that stream now; 0 means: do not read it.
    fn wanted(&self, stream: Self::Stream) -> usize;

    /// How much content of an exchange its peer lets through now. If it is 0, [`Event::Writable`](crate::Event::Writable) says
    /// when to go on, as if content had been offered. For content that is certain to come but takes memory when it is made.
    fn sendable(&mut self, id: ExchangeId) -> usize {
        let _ = id;
        usize::MAX
    }

    /// Puts exchanges whose content waits for room in the outbox into the order in which they should have it.
    fn schedule(&mut self, waiting: &mut [ExchangeId]) {
        let _ = waiting;
    }

    /// Begins to drain: no new exchanges after those under way; the peer is told where the protocol can.
    fn drain(&mut self);

    /// Writes what the machine owes the peer: acknowledgements, credit, resets.
    fn flush(&mut self, now: Instant, out: &mut Outbox<Self::Stream>);

    /// When [`Machine::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The time of [`Machine::poll_timeout`] has come, or any other time: early calls do no harm.
    ///
    /// # Errors
    /// As [`Machine::poll_event`].
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Fault>;

    /// The connection is over, for this reason, which may be one that the machine cannot know. Only for who keeps a record of it; the
    /// last word counts.
    #[inline]
    fn ended(&mut self, closed: Closed) {
        let _ = closed;
    }
}
